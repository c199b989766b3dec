// PackScan: reads a received pack once before anything else reads it, and checks that every entry inflates to its stated size, and to no
// more than is permitted. libgit2's indexer allocates whatever a pack states.

import CLibgit2

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// The most that is accepted from outside.
public struct ReceivingLimits: Sendable, Equatable {
    /// Bytes of one object, inflated.
    public var object: Int
    /// Bytes of the pack as received.
    public var pack: Int
    /// Objects in the pack.
    public var count: Int

    /// The default: 1 GiB for an object, 64 GiB and 5 million objects for a pack.
    public init(object: Int = Ledger.largestObject, pack: Int = 64 << 30, count: Int = 5_000_000) {
        self.object = min(object, Ledger.largestObject)
        self.pack = pack
        self.count = count
    }
}

/// Reads a pack from a stream, from its first byte to its checksum.
struct PackScan {
    private let stream: UnsafeMutablePointer<FILE>
    private let limits: ReceivingLimits
    private let inflater = Inflater()
    private var buffer: [UInt8] = []
    private var start = 0
    /// The position of `buffer[start]` in the pack.
    private var offset = 0
    /// For each offset, how many deltas build on each other there.
    private var depths: [Int: UInt16] = [:]

    /// Returns what is wrong with the pack, or nil. The stream must be at the pack's first byte.
    static func flaw(of stream: UnsafeMutablePointer<FILE>, _ limits: ReceivingLimits) -> String? {
        var scan = PackScan(stream: stream, limits: limits)
        return scan.run()
    }

    private init(stream: UnsafeMutablePointer<FILE>, limits: ReceivingLimits) {
        self.stream = stream
        self.limits = limits
    }

    /// Reads until the buffer has this many bytes, or all that are left.
    private mutating func fill(_ count: Int) {
        guard buffer.count - start < count else { return }
        buffer.removeFirst(start)
        start = 0
        var more = [UInt8](repeating: 0, count: 1 << 18)
        while buffer.count < count {
            let got = fread(&more, 1, more.count, stream)
            if got == 0 { return }
            buffer += more[..<got]
        }
    }

    private mutating func skip(_ count: Int) {
        start += count
        offset += count
    }

    private mutating func run() -> String? {
        fill(12)
        guard buffer.count - start >= 12, buffer[start..<(start + 4)].elementsEqual("PACK".utf8),
            [2, 3].contains(word(start + 4))
        else { return "what follows its header is not a pack" }
        let count = word(start + 8)
        guard count <= limits.count else { return "its pack has \(count) objects; at most \(limits.count) are taken" }
        skip(12)
        for _ in 0..<count {
            if let flaw = entry() { return flaw }
            guard offset <= limits.pack else { return "its pack has more than \(limits.pack) bytes" }
        }
        fill(21)
        return buffer.count - start == 20 ? nil : "its pack does not end where its objects do"
    }

    private func word(_ place: Int) -> Int { (0..<4).reduce(0) { $0 << 8 | Int(buffer[place + $1]) } }

    private mutating func entry() -> String? {
        let place = offset
        fill(64)
        guard let header = PackEntryHeader(Array(buffer[start...].prefix(64))) else {
            return "an entry of its pack has no header"
        }
        guard header.size <= limits.object else { return tooLarge(header.size) }
        skip(header.length)
        var isDelta = true
        switch header.form {
        case .whole: isDelta = false
        case .idDelta: break
        case .offsetDelta(let distance):
            let depth = depths[place - distance].map { $0 + 1 } ?? 1
            guard distance > 0, distance <= place - 12 else { return "a delta's base is outside its pack" }
            guard depth <= PackFile.longestChain else {
                return "more than \(PackFile.longestChain) deltas build on each other"
            }
            depths[place] = depth
        }
        guard let first = inflate(header.size) else {
            return "an entry of its pack is not a zlib stream of the stated size"
        }
        guard isDelta else { return nil }
        guard let sizes = PackDelta.sizes(first) else { return "a delta is cut short" }
        return max(sizes.base, sizes.result) <= limits.object ? nil : tooLarge(max(sizes.base, sizes.result))
    }

    private func tooLarge(_ size: Int) -> String {
        "an object of its pack has \(size) bytes; at most \(limits.object) are taken"
    }

    /// Inflates one stream without keeping it and returns its first bytes; nil unless it ends after exactly this many bytes.
    private mutating func inflate(_ size: Int) -> [UInt8]? {
        guard inflater.isReady, inflateReset(&inflater.stream) == Z_OK else { return nil }
        var first: [UInt8] = []
        var made = 0
        var status = Z_OK
        var output = [UInt8](repeating: 0, count: 1 << 16)
        while status == Z_OK {
            fill(1)
            let available = buffer.count - start
            guard available > 0 else { return nil }
            var used = 0
            buffer.withUnsafeBufferPointer { input in
                inflater.stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress?.advanced(by: start))
                inflater.stream.avail_in = UInt32(available)
                output.withUnsafeMutableBufferPointer {
                    inflater.stream.next_out = $0.baseAddress
                    inflater.stream.avail_out = UInt32($0.count)
                    status = CLibgit2.inflate(&inflater.stream, Z_NO_FLUSH)
                }
                used = available - Int(inflater.stream.avail_in)
            }
            let came = output.count - Int(inflater.stream.avail_out)
            if first.count < 20 { first += output[..<min(came, 20 - first.count)] }
            made += came
            skip(used)
            if status == Z_BUF_ERROR && used + came > 0 { status = Z_OK }
            if made > size { return nil }
        }
        return status == Z_STREAM_END && made == size ? first : nil
    }
}
