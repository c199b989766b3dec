// Storage: read-only bytes that live as long as there is a reference to them, mapped from a file or copied into memory.

import Faults
import Glibc

/// Read-only bytes, 64-byte aligned, released with the last reference.
///
/// Unchecked Sendable: both fields are set once, and the memory is not written after `init` returns. If another process truncates a mapped
/// file while it is in use, the process ends (SIGBUS): model files are replaced, never edited in place.
package final class Storage: @unchecked Sendable {
    /// The bytes; valid while this object lives.
    package let bytes: UnsafeRawBufferPointer
    private let isMapped: Bool

    /// Maps a regular file. Throws `model.not-found`, `model.no-permission`, `model.not-a-file`, `model.empty`,
    /// `model.git-lfs-pointer`, `model.io`.
    package init(mapping path: String) throws(Fault) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw Storage.fault(path, "open", errno) }
        defer { close(descriptor) }
        var information = stat()
        guard fstat(descriptor, &information) == 0 else { throw Storage.fault(path, "fstat", errno) }
        guard information.st_mode & S_IFMT == S_IFREG else {
            throw Fault.modelNotAFile(path, isFolder: information.st_mode & S_IFMT == S_IFDIR)
        }
        guard information.st_size > 0 else { throw Fault.modelEmpty(path) }
        let count = Int(information.st_size)
        guard let base = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0), base != MAP_FAILED else {
            throw Storage.fault(path, "mmap", errno)
        }
        bytes = UnsafeRawBufferPointer(start: base, count: count)
        isMapped = true
        if KnownFile.isPointer(bytes) { throw Fault.modelPointer(path) }
    }

    /// Holds a copy of the bytes.
    package convenience init(copying source: [UInt8]) {
        self.init(count: source.count) { target in target.copyBytes(from: source) }
    }

    /// Takes that many bytes of memory and calls `fill` to write all of them.
    package init(count: Int, fill: (UnsafeMutableRawBufferPointer) -> Void) {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(count, 1), alignment: 64)
        let used = UnsafeMutableRawBufferPointer(rebasing: memory[0..<count])
        fill(used)
        bytes = UnsafeRawBufferPointer(used)
        isMapped = false
    }

    deinit {
        if isMapped {
            munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count)
        } else {
            bytes.deallocate()
        }
    }

    /// The fault of a failed call on a path.
    static func fault(_ path: String, _ call: String, _ number: Int32) -> Fault {
        switch number {
        case ENOENT, ENOTDIR: .modelNotFound(path)
        case EACCES, EPERM: .modelNotPermitted(path)
        case EISDIR: .modelNotAFile(path, isFolder: true)
        default: .modelInputOutput(path, call, number)
        }
    }

    /// Whether the path is a folder. Throws `model.not-found` and similar where nothing can be found out.
    static func isFolder(_ path: String) throws(Fault) -> Bool {
        var information = stat()
        guard stat(path, &information) == 0 else { throw fault(path, "stat", errno) }
        return information.st_mode & S_IFMT == S_IFDIR
    }

    /// Whether there is anything at the path.
    static func exists(_ path: String) -> Bool {
        var information = stat()
        return stat(path, &information) == 0
    }
}

/// Writing whole files.
enum FileWriting {
    /// Writes the bytes to the path in one step: a reader sees either the old file or the new one. Throws `file.write`.
    static func put(_ bytes: [UInt8], at path: String) throws(Fault) {
        let temporary = "\(path).partial-\(getpid())"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw Fault.fileWrite(path, "open", errno) }
        var done = 0
        while done < bytes.count {
            let step = bytes.withUnsafeBytes { buffer in
                write(descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done)
            }
            if step < 0 && errno == EINTR { continue }
            guard step > 0 else { throw abandon(descriptor, temporary, path, "write") }
            done += step
        }
        guard fsync(descriptor) == 0 else { throw abandon(descriptor, temporary, path, "fsync") }
        guard close(descriptor) == 0, rename(temporary, path) == 0 else {
            let number = errno
            unlink(temporary)
            throw Fault.fileWrite(path, "rename", number)
        }
    }

    /// Makes the folder if it does not exist yet; its parent must exist. Throws `file.write`.
    static func makeFolder(_ path: String) throws(Fault) {
        guard mkdir(path, 0o755) == 0 || errno == EEXIST else { throw Fault.fileWrite(path, "mkdir", errno) }
    }

    private static func abandon(_ descriptor: Int32, _ temporary: String, _ path: String, _ call: String) -> Fault {
        let number = errno
        close(descriptor)
        unlink(temporary)
        return Fault.fileWrite(path, call, number)
    }
}
