// LocalFile: reads and writes whole files of this machine; a reader of a written file sees either the old or the new one.

import Faults
import Foundation

/// Whole-file reading and atomic, durable writing.
package enum LocalFile {
    /// The bytes of a file, or nil where it cannot be read.
    package static func readIfPresent(_ path: String) -> [UInt8]? {
        FileManager.default.contents(atPath: path).map { Array($0) }
    }

    /// The bytes of a file. Throws a fault with that code and the path as given.
    package static func read(_ path: String, kind: Fault.Kind, code: String, mend: String) throws(Fault) -> [UInt8] {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw Fault(kind, code, "there is no such file", at: Place(file: path), mend: mend)
        }
        guard !isFolder.boolValue, let data = FileManager.default.contents(atPath: path) else {
            throw Fault(kind, code, "the file cannot be read", at: Place(file: path), mend: mend)
        }
        return Array(data)
    }

    /// The size of a file in bytes, or nil where there is none.
    package static func size(_ path: String) -> Int? {
        (try? FileManager.default.attributesOfItem(atPath: path))?[.size] as? Int
    }

    /// Removes a file or folder, if it exists.
    package static func remove(_ path: String) {
        do { try FileManager.default.removeItem(atPath: path) } catch { return }
    }

    /// Who may read what is written.
    package enum Readers: Sendable {
        /// The owner alone: files of 0600 in folders of 0700. What a work folder holds is text of notes, or made from it.
        case owner
        /// As the umask says: reports, exports, public keys.
        case everyone
    }

    /// Writes the whole file or nothing: a temporary file beside it, fsync, rename. Makes missing folders.
    package static func write(_ bytes: [UInt8], to path: String, for readers: Readers = .owner) throws(Fault) {
        let temporary = "\(path).\(getpid()).part"
        try makeFolder(of: path, for: readers)
        let descriptor = open(
            temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, readers == .owner ? 0o600 : 0o666)
        guard descriptor >= 0 else { throw notWritable(path, String(cString: strerror(errno))) }
        var written = 0
        var failure: Int32 = 0
        bytes.withUnsafeBytes { buffer in
            while written < buffer.count {
                let count = Foundation.write(
                    descriptor, buffer.baseAddress?.advanced(by: written), buffer.count - written)
                if count < 0 {
                    if errno == EINTR { continue }
                    failure = errno
                    return
                }
                written += count
            }
        }
        if failure == 0, fsync(descriptor) != 0 { failure = errno }
        close(descriptor)
        if failure == 0, rename(temporary, path) != 0 { failure = errno }
        if failure != 0 {
            unlink(temporary)
            throw notWritable(path, String(cString: strerror(failure)))
        }
    }

    /// Makes the folder of a path, and those above it that are missing. Throws `work.not-writable`.
    package static func makeFolder(of path: String, for readers: Readers = .owner) throws(Fault) {
        let folder = (path as NSString).deletingLastPathComponent
        do {
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true,
                attributes: readers == .owner ? [.posixPermissions: 0o700] : nil)
        } catch {
            throw notWritable(path, "the folder cannot be made")
        }
    }

    private static func notWritable(_ path: String, _ why: String) -> Fault {
        Fault(
            .failed, "work.not-writable", "the file cannot be written: \(why)", at: Place(file: path),
            mend: "Free space or choose another folder with --work.", cause: .notWritable)
    }
}
