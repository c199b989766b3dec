// LooseObject: a loose object's file, inflated and compared with its id here. libgit2 1.5 loops for ever on a truncated one (libgit2 issue
// 7342), and a check must not hang on damage.

import CLibgit2

/// Why an object's bytes are refused. ObjectStore words a fault from it, where the object's place is known.
enum ObjectFlaw: Error, Equatable {
    /// The bytes are not what they should be; the text says why.
    case damaged(String)
    /// The object states or inflates to more bytes than the reader permits.
    case tooLarge(size: Int, limit: Int)
    /// Another git process moved or removed the file after it was found.
    case vanished
    /// The system refuses to read the file; an error number.
    case unreadable(Int32)
}

/// One zlib stream for all objects that a repository reads: a new stream costs as much as reading a small object.
final class Inflater {
    var stream = z_stream()
    let isReady: Bool

    init() { isReady = inflateInit_(&stream, zlibVersion(), Int32(MemoryLayout<z_stream>.size)) == Z_OK }
    deinit { if isReady { inflateEnd(&stream) } }

    /// Deflate compresses at most 1032 times: a larger stated size is false, and must not be allocated.
    static func isPossible(_ size: Int, from packed: Int) -> Bool { size >= 0 && size / 1032 <= packed }

    /// Fills the output from the stream's input until one of them ends.
    func inflate(into output: UnsafeMutableBufferPointer<UInt8>, _ flush: Int32) -> Int32 {
        var status = Z_OK
        var done = 0
        // One pass, except for outputs whose size does not fit zlib's 32-bit count.
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

/// The file `objects/<2 digits>/<38 digits>`: zlib over `<type> <size> NUL <content>`.
struct LooseObject {
    private let packed: [UInt8]
    private let inflater: Inflater

    /// Reads the file; nil where there is none. An object of `limit` bytes is read; a file that must hold a larger object is not read.
    init?(_ id: ObjectID, in folder: String, with inflater: Inflater, limit: Int) throws(ObjectFlaw) {
        let path = "\(folder)/\(id.hex.prefix(2))/\(id.hex.dropFirst(2))"
        // Stored blocks cost 5 bytes in 16 KiB. zlib counts a call's input in 32 bits, and stock git has the same limit of 4 GiB.
        let most = min(limit.addingReportingOverflow(limit / 1000 + 4096).partialValue, Int(UInt32.max))
        switch Files.bounded(path, limit: most) {
        case .content(let bytes): packed = bytes
        case .absent: return nil
        case .tooLarge(let size): throw .tooLarge(size: size, limit: limit)
        case .notAFile: throw .damaged("there is no plain file at its place")
        case .failed(let code): throw .unreadable(code)
        }
        self.inflater = inflater
    }

    /// Kind and length as the header states them.
    func header() throws(ObjectFlaw) -> (kind: ObjectKind, size: Int) {
        let (kind, size, _) = try inflated(limit: nil)
        return (kind, size)
    }

    /// Kind and content; the content is not compared with the id yet.
    func content(limit: Int) throws(ObjectFlaw) -> (kind: ObjectKind, content: [UInt8]) {
        let (kind, _, content) = try inflated(limit: limit)
        return (kind, content)
    }

    private static let flaw = "its file is not exactly one complete zlib stream of an object"

    /// Inflates the header and, where there is a limit, the content.
    private func inflated(limit: Int?) throws(ObjectFlaw) -> (kind: ObjectKind, size: Int, content: [UInt8]) {
        guard inflater.isReady, inflateReset(&inflater.stream) == Z_OK else { throw .damaged("zlib has no memory") }
        let found = packed.withUnsafeBufferPointer { input -> Result<(ObjectKind, Int, [UInt8]), ObjectFlaw> in
            inflater.stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
            inflater.stream.avail_in = UInt32(input.count)

            var head = [UInt8](repeating: 0, count: 64)
            var status = head.withUnsafeMutableBufferPointer { inflater.inflate(into: $0, Z_SYNC_FLUSH) }
            let read = head[..<Int(inflater.stream.total_out)]
            guard let end = read.firstIndex(of: 0), let space = read[..<end].firstIndex(of: 0x20),
                let kind = ObjectKind(rawValue: String(decoding: read[..<space], as: UTF8.self)),
                let size = Int(String(decoding: read[(space + 1)..<end], as: UTF8.self)),
                Inflater.isPossible(size, from: input.count), read[(space + 1)..<end].elementsEqual(String(size).utf8)
            else { return .failure(.damaged(Self.flaw)) }
            guard let limit else { return .success((kind, size, [])) }
            guard size <= limit else { return .failure(.tooLarge(size: size, limit: limit)) }

            let start = read[(end + 1)...]
            guard start.count <= size else { return .failure(.damaged(Self.flaw)) }
            // One byte more than expected shows a content that is too long.
            let content = [UInt8](unsafeUninitializedCapacity: size + 1) { buffer, count in
                _ = buffer.update(fromContentsOf: start)
                if status == Z_OK {
                    status = inflater.inflate(
                        into: UnsafeMutableBufferPointer(rebasing: buffer[start.count...]), Z_FINISH)
                }
                count = min(size + 1, max(start.count, Int(inflater.stream.total_out) - end - 1))
            }
            guard status == Z_STREAM_END, inflater.stream.avail_in == 0,
                Int(inflater.stream.total_out) == end + 1 + size
            else { return .failure(.damaged(Self.flaw)) }
            return .success((kind, size, content))
        }
        return try found.get()
    }
}
