// LooseObject: a loose object's file, inflated and compared with its id here. libgit2 1.5 loops for ever on a truncated one
// (libgit2 issue 7342), and a check that hangs on damage is no check.

import CLibgit2
import Faults

/// The file `objects/<2 digits>/<38 digits>`: zlib over `<type> <size> NUL <content>`.
struct LooseObject {
    private let id: ObjectID
    private let packed: [UInt8]

    /// Reads the file; nil where there is none. Faults: ledger.unreadable, ledger.corrupt.
    init?(_ id: ObjectID, in folder: String, at place: Place) throws(Fault) {
        guard let bytes = try Files.content("\(folder)/objects/\(id.hex.prefix(2))/\(id.hex.dropFirst(2))") else {
            return nil
        }
        // zlib counts a call's input in 32 bits, and stock git stops at 4 GiB as well.
        guard bytes.count <= UInt32.max else { throw .ledgerDamaged(id, "its file is larger than 4 GiB", at: place) }
        self.id = id
        packed = bytes
    }

    /// The content, compared with the id. Faults: ledger.corrupt.
    func content(of kind: ObjectKind, at place: Place) throws(Fault) -> [UInt8] {
        guard let (_, content) = inflated(kind, withContent: true) else {
            throw .ledgerDamaged(
                id, "its file is not the zlib stream of a \(kind), whole and with nothing after it", at: place)
        }
        var found = git_oid()
        guard git_odb_hash(&found, content, content.count, kind.type) == 0, ObjectID(found) == id else {
            throw .ledgerDamaged(id, "its content has another id", at: place)
        }
        return content
    }

    /// The length its header gives. Faults: ledger.corrupt.
    func size(of kind: ObjectKind, at place: Place) throws(Fault) -> Int {
        guard let (size, _) = inflated(kind, withContent: false) else {
            throw .ledgerDamaged(id, "its header is not that of a \(kind)", at: place)
        }
        return size
    }

    /// Inflates the header and, if asked, the content; nil if anything is not as it must be.
    private func inflated(_ kind: ObjectKind, withContent: Bool) -> (size: Int, content: [UInt8])? {
        packed.withUnsafeBufferPointer { input -> (Int, [UInt8])? in
            var stream = z_stream()
            guard inflateInit_(&stream, zlibVersion(), Int32(MemoryLayout<z_stream>.size)) == Z_OK else { return nil }
            defer { inflateEnd(&stream) }
            stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
            stream.avail_in = UInt32(input.count)

            var head = [UInt8](repeating: 0, count: 64)
            var status = Self.inflate(&stream, into: &head, from: 0, Z_SYNC_FLUSH)
            let read = head[..<Int(stream.total_out)]
            guard let end = read.firstIndex(of: 0), read.starts(with: Array("\(kind) ".utf8)),
                let size = Int(String(decoding: read[(kind.rawValue.utf8.count + 1)..<end], as: UTF8.self)),
                // Deflate shortens at most 1032 times: a size beyond that is a lie, and must not be allocated.
                size >= 0, size / 1032 <= input.count
            else { return nil }
            guard withContent else { return (size, []) }

            let start = read[(end + 1)...]
            guard start.count <= size else { return nil }
            // One byte more than is due shows a content that is too long.
            var content = Array(start) + [UInt8](repeating: 0, count: size - start.count + 1)
            if status == Z_OK { status = Self.inflate(&stream, into: &content, from: start.count, Z_FINISH) }
            guard status == Z_STREAM_END, stream.avail_in == 0, Int(stream.total_out) == end + 1 + size else {
                return nil
            }
            content.removeLast()
            return (size, content)
        }
    }

    private static func inflate(
        _ stream: inout z_stream, into bytes: inout [UInt8], from start: Int, _ flush: Int32
    ) -> Int32 {
        bytes.withUnsafeMutableBufferPointer { output in
            var status = Z_OK
            var done = start
            // One turn, but for outputs that zlib's 32-bit count does not hold.
            while status == Z_OK && done < output.count {
                let room = min(output.count - done, 1 << 30)
                stream.next_out = output.baseAddress?.advanced(by: done)
                stream.avail_out = UInt32(room)
                status = CLibgit2.inflate(&stream, flush)
                let made = room - Int(stream.avail_out)
                done += made
                if made == 0 { break }
                if status == Z_BUF_ERROR && stream.avail_out == 0 { status = Z_OK }
            }
            return status
        }
    }
}
