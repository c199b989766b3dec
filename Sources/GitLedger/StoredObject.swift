// Writing one loose object. Adapters do not compress: even at its fastest level zlib takes ten times as long over them as the disk, so
// objects of a megabyte or more are stored uncompressed. libgit2's loose backend writes corrupt objects at that level, and takes an object
// whose pack is gone as existing.

import CLibgit2
import Faults

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

enum StoredObject {
    /// Objects of at least this many bytes are stored; smaller ones are records, which compress.
    static let least = 1 << 20

    /// Writes `<type> <size> NUL <content>` as a zlib stream to `objects/<2 digits>/<38 digits>`, durably: it is written beside its place,
    /// synchronised, then renamed. A process that dies earlier leaves a `tmp_obj_` file, which git's own clean-up removes. Faults:
    /// ledger.not-writable.
    static func store(_ bytes: [UInt8], _ kind: ObjectKind, _ id: ObjectID, in folder: String) throws(Fault) {
        let hex = id.hex
        let shelf = "\(folder)/objects/\(hex.prefix(2))"
        let packed = try stream(Array("\(kind.rawValue) \(bytes.count)\0".utf8), bytes, path: shelf)
        var isNew = false
        var template: [CChar] = []
        var descriptor: Int32 = -1
        // git removes an object folder that is empty after packing: the folder is made again until it holds a file.
        for _ in 0..<attempts {
            if mkdir(shelf, 0o777) == 0 {
                isNew = true
            } else if errno != EEXIST {
                throw .ledgerNotWritable(shelf, errno)
            }
            template = Array("\(shelf)/tmp_obj_XXXXXX".utf8CString)
            descriptor = mkstemp(&template)
            if descriptor >= 0 || errno != ENOENT { break }
        }
        guard descriptor >= 0 else { throw .ledgerNotWritable(shelf, errno) }
        let temporary = template.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
        let failure = put(packed, descriptor)
        let isClosed = close(descriptor) == 0
        guard failure == 0, isClosed, rename(temporary, "\(shelf)/\(hex.dropFirst(2))") == 0 else {
            let code = failure != 0 ? failure : errno
            unlink(temporary)
            throw .ledgerNotWritable(shelf, code)
        }
        do throws(Fault) {
            try Files.synchronise(shelf)
        } catch {
            // The object is packed already, and its folder is gone: now the pack must be durable, and git ensures that.
            if Files.exists(shelf) { throw error }
        }
        if isNew { try Files.synchronise("\(folder)/objects") }
    }

    /// How often a folder that vanishes is made again.
    private static let attempts = 100

    /// Writes all bytes, makes the file read-only, and synchronises it; returns the error number, or 0.
    private static func put(_ bytes: [UInt8], _ descriptor: Int32) -> Int32 {
        bytes.withUnsafeBytes { buffer in
            var done = 0
            while done < buffer.count {
                let count = write(descriptor, buffer.baseAddress?.advanced(by: done), buffer.count - done)
                if count < 0 && errno == EINTR { continue }
                if count <= 0 { return count < 0 ? errno : ENOSPC }
                done += count
            }
            return fchmod(descriptor, 0o444) == 0 && fsync(descriptor) == 0 ? 0 : errno
        }
    }

    /// Both parts as one zlib stream.
    private static func stream(_ head: [UInt8], _ content: [UInt8], path: String) throws(Fault) -> [UInt8] {
        var stream = z_stream()
        let level = content.count >= least ? Z_NO_COMPRESSION : Z_BEST_SPEED
        guard deflateInit_(&stream, level, zlibVersion(), Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            throw .ledgerNotWritable(path, "zlib has no memory")
        }
        defer { deflateEnd(&stream) }
        let parts = head + content
        let room = Int(deflateBound(&stream, UInt(parts.count)))
        // zlib counts in 32 bits, and stock git has the same limit of 4 GiB.
        guard room <= UInt32.max else { throw .ledgerNotWritable(path, "an object of more than 4 GiB") }
        var isWhole = false
        let packed = [UInt8](unsafeUninitializedCapacity: room) { output, count in
            parts.withUnsafeBufferPointer { input in
                stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
                stream.avail_in = UInt32(input.count)
                stream.next_out = output.baseAddress
                stream.avail_out = UInt32(room)
                isWhole = deflate(&stream, Z_FINISH) == Z_STREAM_END
            }
            count = Int(stream.total_out)
        }
        guard isWhole else { throw .ledgerNotWritable(path, "zlib could not store an object") }
        return packed
    }
}
