// Workspace: where a run's ledger, work folders and commitment keys lie on this machine. Nothing of it enters a commit.

import Faults
import Federation
import Foundation

/// The folders of one machine: the ledger, and the work folders that never enter it.
public struct Workspace: Sendable {
    /// The bare git repository.
    public let ledger: String
    /// The folder of what stays here: trained adapters, predictions, commitment keys.
    public let work: String

    /// Makes a workspace; `ledger.git` and `work` stand side by side by default.
    public init(ledger: String, work: String) {
        self.ledger = ledger
        self.work = work
    }

    /// What a site trained in a round, in float32.
    public func trainedAdapter(run: RunName, site: SiteID, round: Int) -> String {
        "\(work)/\(run)/\(site)/\(Self.folder(of: round)).safetensors"
    }

    /// The training states kept inside a train step.
    func checkpoints(run: RunName, site: SiteID, round: Int) -> String {
        "\(work)/\(run)/\(site)/\(Self.folder(of: round)).checkpoints"
    }

    /// What the model wrote for a cohort in a round: text, so it stays here.
    public func predictions(run: RunName, cohort: CohortID, round: Int) -> String {
        "\(work)/\(run)/predictions/\(Self.folder(of: round))-\(cohort).jsonl"
    }

    /// A round as a four-digit folder name.
    public static func folder(of round: Int) -> String {
        let digits = String(round)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }

    /// Where signing keys lie by default, beside the commitment keys.
    public var keys: String { "\(work)/keys" }

    /// The commitment key of a site, a cohort or the coordinator: 32 random bytes, made on first use and kept.
    ///
    /// Throws `work.no-key` where it is not there and may not be made, `work.bad-key` for a key file of another length and `work.not-writable` where none can be made.
    public func commitmentKey(of owner: String, makes: Bool = true) throws(Fault) -> [UInt8] {
        let path = "\(work)/keys/\(owner).key"
        if let bytes = Files.readIfPresent(path) {
            guard bytes.count == 32 else {
                throw Fault(
                    .data, "work.bad-key", "\(bytes.count) bytes are no commitment key of 32 bytes",
                    at: Place(file: path),
                    mend: "Restore the key from a copy; a new one would break the commitments of past runs.")
            }
            return bytes
        }
        guard makes else {
            throw Fault(
                .data, "work.no-key", "the commitment key of \(owner) is not here", at: Place(file: path),
                mend: "Copy the key from the machine of the run, or name its work folder with --work.")
        }
        // The one place where true randomness is wanted: a key must not be guessable from the workflow.
        var generator = SystemRandomNumberGenerator()
        let key = (0..<32).map { _ in UInt8.random(in: 0...255, using: &generator) }
        try Files.write(key, to: path, permissions: 0o600)
        return key
    }
}

/// Whole-file reading and atomic, durable writing.
package enum Files {
    /// The bytes of a file, or nil where it cannot be read.
    package static func readIfPresent(_ path: String) -> [UInt8]? {
        FileManager.default.contents(atPath: path).map { Array($0) }
    }

    /// The bytes of a file. Throws the code with the path as given.
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

    /// The bytes of a file, or nil where there is none.
    package static func size(_ path: String) -> Int? {
        (try? FileManager.default.attributesOfItem(atPath: path))?[.size] as? Int
    }

    /// Removes a file or folder, if it is there.
    package static func remove(_ path: String) {
        do { try FileManager.default.removeItem(atPath: path) } catch { return }
    }

    /// Writes the whole file or nothing: a temporary file beside it, fsync, rename. Makes missing folders.
    package static func write(_ bytes: [UInt8], to path: String, permissions: mode_t = 0o644) throws(Fault) {
        let temporary = "\(path).\(getpid()).part"
        try makeFolder(of: path)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, permissions)
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

    /// Makes the folder of a path, and those above it. Throws `work.not-writable`.
    package static func makeFolder(of path: String) throws(Fault) {
        let folder = (path as NSString).deletingLastPathComponent
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw notWritable(path, "the folder cannot be made")
        }
    }

    private static func notWritable(_ path: String, _ why: String) -> Fault {
        Fault(
            .failed, "work.not-writable", "the file cannot be written: \(why)", at: Place(file: path),
            mend: "Free space or choose another folder with --work.")
    }
}
