// Files: the few questions about the file system that libgit2 does not answer.

import Faults

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

enum Files {
    /// Whether there is anything at the path.
    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// Faults: ledger.missing, ledger.not-a-repository, ledger.unreadable.
    static func requireFolder(_ path: String) throws(Fault) {
        var status = stat()
        guard stat(path, &status) == 0 else {
            let code = errno
            if code == ENOENT { throw .ledgerMissing(path) }
            if code == ENOTDIR { throw .ledgerNotARepository(path, "a part of this path is a file") }
            throw .ledgerUnreadable(path, reason(code))
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw .ledgerNotARepository(path, "this is a file, not a folder")
        }
        guard access(path, R_OK | X_OK) == 0 else { throw .ledgerUnreadable(path, reason(errno)) }
    }

    /// The names in a folder in byte order, without `.` and `..`; empty where the folder does not exist.
    static func names(in folder: String) -> [String] {
        guard let directory = opendir(folder) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted(by: TreePath.precedes)
    }

    /// The result of a bounded reading.
    enum Reading {
        case content([UInt8])
        case absent
        /// A folder, a pipe or a device; also a link, where links are not followed.
        case notAFile
        case tooLarge(Int)
        /// An error number.
        case failed(Int32)
    }

    /// A plain file's whole content, unless it has more than `limit` bytes. Only plain files are read: reading a pipe would wait.
    static func bounded(_ path: String, limit: Int, followingLinks: Bool = true) -> Reading {
        let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | (followingLinks ? 0 : O_NOFOLLOW))
        guard descriptor >= 0 else {
            switch errno {
            case ENOENT, ENOTDIR: return .absent
            case ELOOP, ENXIO: return .notAFile
            default: return .failed(errno)
            }
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return .failed(errno) }
        guard status.st_mode & S_IFMT == S_IFREG else { return .notAFile }
        let size = Int(status.st_size)
        guard size <= limit else { return .tooLarge(size) }
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            while count < size {
                let got = pread(descriptor, buffer.baseAddress?.advanced(by: count), size - count, off_t(count))
                if got < 0 && errno == EINTR { continue }
                if got < 0 { failure = errno }
                if got <= 0 { break }
                count += got
            }
        }
        return failure != 0 ? .failed(failure) : .content(bytes)
    }

    /// Writes a new file, complete and synchronised. Faults: ledger.not-writable.
    static func write(_ bytes: [UInt8], to path: String) throws(Fault) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .ledgerNotWritable(path, errno) }
        defer { close(descriptor) }
        var failure: Int32 = 0
        bytes.withUnsafeBytes { buffer in
            var done = 0
            while done < buffer.count && failure == 0 {
                let count = Self.put(descriptor, buffer.baseAddress?.advanced(by: done), buffer.count - done)
                if count < 0 { failure = errno == EINTR ? 0 : errno } else { done += count }
            }
        }
        guard failure == 0, fsync(descriptor) == 0 else {
            throw .ledgerNotWritable(path, failure != 0 ? failure : errno)
        }
    }

    private static func put(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
        #if canImport(Glibc)
            Glibc.write(descriptor, bytes, count)
        #else
            Musl.write(descriptor, bytes, count)
        #endif
    }

    /// The path from the root; unchanged where the system cannot say it.
    static func absolute(_ path: String) -> String {
        guard let found = realpath(path, nil) else { return path }
        defer { free(found) }
        return String(cString: found)
    }

    /// Whether there is a folder at the path; a link to a folder does not count.
    static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Makes a file's content, or a folder's entries, durable: they survive a power cut.
    static func synchronise(_ path: String) throws(Fault) {
        let descriptor = open(path, O_RDONLY)
        guard descriptor >= 0 else { throw .ledgerNotWritable(path, errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .ledgerNotWritable(path, errno) }
    }

    /// The system's text for an error number.
    static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }
}
