// PackFile: one pack and its index, read here within limits. libgit2 maps packs and trusts the sizes in them; a pack that another git
// process removes, or a hostile pack, must give an answer or a fault.

import CLibgit2

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// `pack-<name>.pack` with `pack-<name>.idx` (version 2), in the layout of gitformat-pack(5).
final class PackFile {
    /// The path of both files without their endings.
    let path: String
    /// How many objects the index names.
    let count: Int
    private let index: [UInt8]
    private let inflater: Inflater
    private var descriptor: Int32 = -1
    private var length = 0
    private var bases: [Int: (kind: ObjectKind, content: [UInt8])] = [:]
    private var basesSize = 0

    /// A larger index, which would hold more than 10 million objects, is not read.
    static let largestIndex = 512 << 20
    /// The most deltas in a chain, the same limit as git has when it writes.
    static let longestChain = 4095
    /// How many bytes of contents that deltas start from are kept.
    private static let cacheSize = 16 << 20

    /// Reads the index. Flaws: damaged, vanished, unreadable, tooLarge.
    init(_ path: String, with inflater: Inflater) throws(ObjectFlaw) {
        self.path = path
        self.inflater = inflater
        switch Files.bounded("\(path).idx", limit: Self.largestIndex) {
        case .content(let bytes): index = bytes
        case .absent: throw .vanished
        case .notAFile: throw .damaged("its index is not a plain file")
        case .tooLarge(let size): throw .tooLarge(size: size, limit: Self.largestIndex)
        case .failed(let code): throw .unreadable(code)
        }
        guard index.count >= 8 + 1024 + 40, index.starts(with: [0xff, 0x74, 0x4f, 0x63, 0, 0, 0, 2]) else {
            throw .damaged("its index is not one of version 2")
        }
        var before = 0
        for digit in 0..<256 {
            let here = Self.word(index, 8 + 4 * digit)
            guard here >= before else { throw .damaged("its index counts backwards") }
            before = here
        }
        count = before
        guard index.count - 1072 >= count * 28 else { throw .damaged("its index is cut short") }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// The ids of all objects, in order of the ids.
    var ids: [ObjectID] { (0..<count).map(id) }

    private func id(_ number: Int) -> ObjectID {
        index.withUnsafeBytes {
            let start = 1032 + 20 * number
            return ObjectID(bytes: UnsafeRawBufferPointer(rebasing: $0[start..<(start + 20)]))
        }
    }

    /// Where an object's entry begins; nil where the pack does not hold it.
    func offset(of id: ObjectID) throws(ObjectFlaw) -> Int? {
        let first = id.firstByte
        var low = first == 0 ? 0 : Self.word(index, 8 + 4 * (first - 1))
        var high = Self.word(index, 8 + 4 * first)
        while low < high {
            let middle = (low + high) / 2
            let found = self.id(middle)
            if found == id { return try offset(at: middle) }
            if found < id { low = middle + 1 } else { high = middle }
        }
        return nil
    }

    private func offset(at number: Int) throws(ObjectFlaw) -> Int {
        let offset = Self.word(index, 1032 + 24 * count + 4 * number)
        guard offset & 0x8000_0000 != 0 else { return offset }
        let place = 1032 + 28 * count + 8 * (offset & 0x7fff_ffff)
        guard place + 8 <= index.count - 40, index[place] < 0x80 else { throw .damaged("its index lacks an offset") }
        return Self.word(index, place) << 32 | Self.word(index, place + 4)
    }

    private static func word(_ bytes: [UInt8], _ place: Int) -> Int {
        Int(bytes[place]) << 24 | Int(bytes[place + 1]) << 16 | Int(bytes[place + 2]) << 8 | Int(bytes[place + 3])
    }

    // MARK: entries

    private struct Entry {
        enum Form { case whole(ObjectKind), delta(base: Int) }
        let form: Form
        /// How many bytes the entry inflates to: the object's own, or its delta's.
        let size: Int
        /// Where its zlib stream begins.
        let start: Int
    }

    /// Opens the pack when it is first needed and keeps it open: a pack that git removes in the meantime can still be read.
    private func openPack() throws(ObjectFlaw) {
        guard descriptor < 0 else { return }
        let opened = open("\(path).pack", O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard opened >= 0 else {
            if errno == ENOENT { throw .vanished }
            throw .unreadable(errno)
        }
        var status = stat()
        guard fstat(opened, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size >= 32 else {
            close(opened)
            throw .damaged("it is not a pack")
        }
        descriptor = opened
        length = Int(status.st_size)
    }

    /// Whether the pack is open; an open pack holds a file descriptor.
    var isOpen: Bool { descriptor >= 0 }

    /// Gives back the descriptor and the cache; the next reading opens the pack again.
    func rest() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
        bases = [:]
        basesSize = 0
    }

    private func bytes(at offset: Int, _ most: Int) throws(ObjectFlaw) -> [UInt8] {
        // The last 20 bytes are the pack's checksum.
        let wanted = min(most, length - 20 - offset)
        guard offset >= 12, wanted > 0 else { throw .damaged("an entry begins outside its pack") }
        var failure: Int32 = 0
        let read = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, count in
            while count < wanted {
                let got = pread(
                    descriptor, buffer.baseAddress?.advanced(by: count), wanted - count, off_t(offset + count))
                if got < 0 && errno == EINTR { continue }
                if got < 0 { failure = errno }
                if got <= 0 { break }
                count += got
            }
        }
        if failure != 0 { throw .unreadable(failure) }
        return read
    }

    private func entry(at offset: Int) throws(ObjectFlaw) -> Entry {
        try openPack()
        let head = try bytes(at: offset, 64)
        guard let parsed = PackEntryHeader(head) else { throw .damaged("an entry of its pack has no header") }
        let start = offset + parsed.length
        guard Inflater.isPossible(parsed.size, from: length - start) else {
            throw .damaged("an entry of its pack states a size that it cannot have")
        }
        switch parsed.form {
        case .whole(let kind): return Entry(form: .whole(kind), size: parsed.size, start: start)
        case .offsetDelta(let distance):
            guard distance > 0, distance <= offset - 12 else { throw .damaged("a delta's base is outside its pack") }
            return Entry(form: .delta(base: offset - distance), size: parsed.size, start: start)
        case .idDelta(let id):
            guard let base = try self.offset(of: id) else { throw .damaged("a delta's base \(id) is not in its pack") }
            return Entry(form: .delta(base: base), size: parsed.size, start: start)
        }
    }

    /// Inflates an entry's stream: all of it, or only its first bytes.
    private func inflate(_ entry: Entry, first most: Int? = nil) throws(ObjectFlaw) -> [UInt8] {
        guard inflater.isReady, inflateReset(&inflater.stream) == Z_OK else { throw .damaged("zlib has no memory") }
        let wanted = most.map { min($0, entry.size) } ?? entry.size
        var flaw: ObjectFlaw?
        // One byte more than expected shows a content that is too long.
        let content = [UInt8](unsafeUninitializedCapacity: wanted + 1) { buffer, count in
            var offset = entry.start
            var status = Z_OK
            while status == Z_OK, count <= wanted {
                let input: [UInt8]
                do throws(ObjectFlaw) {
                    input = try bytes(at: offset, min(1 << 18, max(1 << 12, wanted)))
                } catch {
                    flaw = error
                    return
                }
                offset += input.count
                input.withUnsafeBufferPointer {
                    inflater.stream.next_in = UnsafeMutablePointer(mutating: $0.baseAddress)
                    inflater.stream.avail_in = UInt32($0.count)
                    let before = count
                    status = inflater.inflate(
                        into: UnsafeMutableBufferPointer(rebasing: buffer[before...]), Z_SYNC_FLUSH)
                    count = Int(inflater.stream.total_out)
                }
                // The end of the input is not a failure; the next piece follows.
                if status == Z_BUF_ERROR && inflater.stream.avail_in == 0 { status = Z_OK }
            }
            if most == nil, status != Z_STREAM_END || count != wanted {
                flaw = .damaged("an entry of its pack is not a zlib stream of the stated size")
            }
            if most != nil, status != Z_OK, status != Z_STREAM_END {
                flaw = .damaged("an entry of its pack is not a zlib stream")
            }
        }
        if let flaw { throw flaw }
        return most == nil ? content : Array(content.prefix(wanted))
    }

    /// Kind and length of the object at an offset, without its content.
    func header(at offset: Int) throws(ObjectFlaw) -> (kind: ObjectKind, size: Int) {
        let size = try size(of: try entry(at: offset))
        var place = offset
        for _ in 0...Self.longestChain {
            switch try entry(at: place).form {
            case .whole(let kind): return (kind, size)
            case .delta(let base): place = base
            }
        }
        throw Self.tooDeep
    }

    /// The length of the object that an entry gives: a delta states it in its first bytes.
    private func size(of entry: Entry) throws(ObjectFlaw) -> Int {
        if case .whole = entry.form { return entry.size }
        guard let sizes = PackDelta.sizes(try inflate(entry, first: 20)) else { throw .damaged("a delta is cut short") }
        return sizes.result
    }

    private static var tooDeep: ObjectFlaw { .damaged("more than \(longestChain) deltas build on each other") }

    /// Kind and content of the object at an offset; the content is not compared with its id yet.
    func content(at offset: Int, limit: Int) throws(ObjectFlaw) -> (kind: ObjectKind, content: [UInt8]) {
        var pending: [(entry: Entry, place: Int)] = []
        var place = offset
        var found: (kind: ObjectKind, content: [UInt8])?
        let size = try size(of: try entry(at: offset))
        guard size <= limit else { throw .tooLarge(size: size, limit: limit) }
        while found == nil {
            if let known = bases[place] {
                found = known
                break
            }
            let here = try entry(at: place)
            switch here.form {
            case .whole(let kind):
                try Self.requirePermitted(here.size)
                found = (kind, try inflate(here))
                if let found, !pending.isEmpty { keep(found, at: place) }
            case .delta(let base):
                try Self.requirePermitted(here.size)
                pending.append((here, place))
                guard pending.count <= Self.longestChain else { throw Self.tooDeep }
                place = base
            }
        }
        guard var object = found else { throw .damaged("a delta has no base") }
        while let (delta, place) = pending.popLast() {
            let instructions = try inflate(delta)
            guard let sizes = PackDelta.sizes(instructions) else { throw .damaged("a delta is cut short") }
            try Self.requirePermitted(sizes.result)
            guard let content = PackDelta.apply(instructions, to: object.content) else {
                throw .damaged("a delta of its pack does not fit its base")
            }
            object.content = content
            if !pending.isEmpty { keep(object, at: place) }
        }
        return object
    }

    private static func requirePermitted(_ size: Int) throws(ObjectFlaw) {
        guard size <= Ledger.largestObject else { throw .tooLarge(size: size, limit: Ledger.largestObject) }
    }

    private func keep(_ object: (kind: ObjectKind, content: [UInt8]), at place: Int) {
        guard object.content.count <= Self.cacheSize / 4 else { return }
        if basesSize + object.content.count > Self.cacheSize {
            bases.removeAll(keepingCapacity: true)
            basesSize = 0
        }
        bases[place] = object
        basesSize += object.content.count
    }
}
