// PrivateOutput: files that hold text of notes, made so that their owner alone can read them, and never in place of another file.

import Faults
import Foundation

/// Writes files of 0600 in folders of 0700.
enum PrivateOutput {
    /// Writes a new file and the folders on the way to it. Throws `output.exists` where something is at the path already, except where it has the same
    /// bytes and `mayBeThere` says so, and `output.not-writable`.
    static func write(_ bytes: [UInt8], to path: String, mayBeThere: Bool = false) throws(Fault) {
        let folder = (path as NSString).deletingLastPathComponent
        if !folder.isEmpty {
            do {
                try FileManager.default.createDirectory(
                    atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            } catch { throw notWritable(folder) }
        }
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard file >= 0 else {
            guard errno == EEXIST else { throw notWritable(path) }
            if mayBeThere, FileManager.default.contents(atPath: path).map({ [UInt8]($0) }) == bytes { return }
            throw Fault(
                .usage, "output.exists", "there is something at this path already", at: Place(file: path),
                mend: "Name another place with --output; nothing is overwritten.")
        }
        defer { close(file) }
        // The umask may have taken rights away, never given any; this makes the owner's certain.
        _ = fchmod(file, 0o600)
        var done = 0
        while done < bytes.count {
            let count = bytes[done...].withUnsafeBytes { Foundation.write(file, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw notWritable(path) }
            done += count
        }
    }

    private static func notWritable(_ path: String) -> Fault {
        Fault(
            .failed, "output.not-writable", "cannot be written: \(String(cString: strerror(errno)))",
            at: Place(file: path), mend: "Name a place of your own with --output.")
    }
}
