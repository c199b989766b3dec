// SiteLog and SiteLock: what a site did, a line each, without a word of a note; and the lock that keeps a second process away.

import Faults
import Foundation

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// A file that only grows.
struct SiteLog {
    private let path: String

    init(_ path: String) { self.path = path }

    /// Adds a line with the time. A log that cannot be written stops no training.
    func write(_ line: String) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let bytes = Array("\(ISO8601DateFormatter().string(from: Date())) \(line)\n".utf8)
        _ = bytes.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
    }
}

/// Held for the length of a process; the system gives it back however the process ends.
final class SiteLock {
    private let descriptor: Int32

    /// Throws `site.busy` with the process that holds it.
    init(_ path: String) throws(Fault) {
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw Fault(
                .failed, "work.not-writable", "the lock cannot be made: \(String(cString: strerror(errno)))",
                at: Place(file: path), mend: "Let this process write the folder of site.yaml.", cause: .notWritable)
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            var bytes = [UInt8](repeating: 0, count: 32)
            let count = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, 0) }
            let holder = Int(String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).prefix { $0.isNumber })
            close(descriptor)
            throw Fault(
                .usage, "site.busy", "process \(holder.map(String.init) ?? "unknown") works for this site already",
                at: Place(file: path), mend: "Wait until it ends, or stop it.")
        }
        ftruncate(descriptor, 0)
        let bytes = Array("\(getpid())\n".utf8)
        _ = bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
    }

    deinit { close(descriptor) }
}
