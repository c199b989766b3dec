// LooseObject: a loose object's file, inflated and compared with its id here. libgit2 1.5 loops for ever on a truncated one
// (libgit2 issue 7342), and a check that hangs on damage is no check.

import CLibgit2
import Faults

/// One zlib stream for all objects that a repository reads: making one anew costs as much as a small object does.
final class Inflater {
    fileprivate var stream = z_stream()
    fileprivate let isReady: Bool

    init() { isReady = inflateInit_(&stream, zlibVersion(), Int32(MemoryLayout<z_stream>.size)) == Z_OK }
    deinit { if isReady { inflateEnd(&stream) } }
}

/// The file `objects/<2 digits>/<38 digits>`: zlib over `<type> <size> NUL <content>`.
struct LooseObject {
    private let id: ObjectID
    private let packed: [UInt8]
    private let inflater: Inflater

    /// Reads the file; nil where there is none. Faults: ledger.unreadable, ledger.corrupt.
    init?(_ id: ObjectID, in folder: String, with inflater: Inflater, at place: Place) throws(Fault) {
        guard let bytes = try Files.content("\(folder)/objects/\(id.hex.prefix(2))/\(id.hex.dropFirst(2))") else {
            return nil
        }
        // zlib counts a call's input in 32 bits, and stock git stops at 4 GiB as well.
        guard bytes.count <= UInt32.max else { throw .ledgerDamaged(id, "its file is larger than 4 GiB", at: place) }
        self.id = id
        self.inflater = inflater
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
        guard inflater.isReady, inflateReset(&inflater.stream) == Z_OK else { return nil }
        return packed.withUnsafeBufferPointer { input -> (Int, [UInt8])? in
            inflater.stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
            inflater.stream.avail_in = UInt32(input.count)

            var head = [UInt8](repeating: 0, count: 64)
            var status = head.withUnsafeMutableBufferPointer { Self.inflate(&inflater.stream, into: $0, Z_SYNC_FLUSH) }
            let read = head[..<Int(inflater.stream.total_out)]
            guard let end = read.firstIndex(of: 0), read.starts(with: "\(kind.rawValue) ".utf8),
                let size = Int(String(decoding: read[(kind.rawValue.utf8.count + 1)..<end], as: UTF8.self)),
                // Deflate shortens at most 1032 times: a size beyond that is a lie, and must not be allocated.
                size >= 0, size / 1032 <= input.count
            else { return nil }
            guard withContent else { return (size, []) }

            let start = read[(end + 1)...]
            guard start.count <= size else { return nil }
            // One byte more than is due shows a content that is too long.
            let content = [UInt8](unsafeUninitializedCapacity: size + 1) { buffer, count in
                _ = buffer.update(fromContentsOf: start)
                if status == Z_OK {
                    status = Self.inflate(
                        &inflater.stream, into: UnsafeMutableBufferPointer(rebasing: buffer[start.count...]), Z_FINISH)
                }
                count = min(size + 1, max(start.count, Int(inflater.stream.total_out) - end - 1))
            }
            guard status == Z_STREAM_END, inflater.stream.avail_in == 0,
                Int(inflater.stream.total_out) == end + 1 + size
            else { return nil }
            return (size, content)
        }
    }

    private static func inflate(
        _ stream: inout z_stream, into output: UnsafeMutableBufferPointer<UInt8>, _ flush: Int32
    ) -> Int32 {
        var status = Z_OK
        var done = 0
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
