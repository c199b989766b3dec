// The layout of git's tree objects, read and written byte by byte.

/// One entry of a tree object: `<mode> <name> NUL <20 bytes of id>`.
struct TreeEntry {
    static let fileMode = "100644"
    static let folderMode = "40000"

    let mode: String
    let name: [UInt8]
    let id: ObjectID

    /// The entry's bytes.
    var bytes: [UInt8] { Array(mode.utf8) + [0x20] + name + [0] + id.bytes }
}

/// A tree object as it was read. Its entries are made only when they are needed: the folder of rounds has one entry for each round and is
/// read for each commit, and all but the last entry were read for the commit before.
struct Tree: RandomAccessCollection {
    private let bytes: [UInt8]
    /// Where each entry and its name begin; the last pair is the length of all bytes.
    private let starts: [(entry: Int32, name: Int32)]

    static let empty = Tree()

    private init() {
        bytes = []
        starts = [(0, 0)]
    }

    /// Reads a tree object; nil if its layout is not that of a tree.
    init?(_ bytes: [UInt8]) {
        guard bytes.count < Int32.max else { return nil }
        var starts: [(entry: Int32, name: Int32)] = []
        let isWhole = bytes.withUnsafeBufferPointer { bytes in
            var offset = 0
            while offset < bytes.count {
                var space = offset
                while space < bytes.count, bytes[space] != 0x20, space - offset <= 6 { space += 1 }
                var end = space
                while end < bytes.count, bytes[end] != 0 { end += 1 }
                guard space - offset <= 6, end - space > 0, bytes.count - end > 20 else { return false }
                starts.append((Int32(offset), Int32(space + 1)))
                offset = end + 21
            }
            return true
        }
        guard isWhole else { return nil }
        starts.append((Int32(bytes.count), Int32(bytes.count)))
        self.bytes = bytes
        self.starts = starts
    }

    /// About how many bytes it takes in memory.
    var size: Int { bytes.count + 8 * starts.count }

    var startIndex: Int { 0 }
    var endIndex: Int { starts.count - 1 }

    subscript(index: Int) -> TreeEntry {
        let (entry, name) = (Int(starts[index].entry), Int(starts[index].name))
        let end = Int(starts[index + 1].entry)
        return TreeEntry(
            mode: String(decoding: bytes[entry..<(name - 1)], as: UTF8.self), name: Array(bytes[name..<(end - 21)]),
            id: bytes.withUnsafeBytes { ObjectID(bytes: UnsafeRawBufferPointer(rebasing: $0[(end - 20)..<end])) })
    }

    /// The first entry of that name. The search goes from the start, entry by entry: a hostile tree may be unsorted.
    func entry(named name: some Collection<UInt8>) -> TreeEntry? {
        let wanted = Array(name)
        let found = bytes.withUnsafeBytes { bytes in
            wanted.withUnsafeBytes { wanted in
                indices.first { index in
                    let (start, end) = (Int(starts[index].name), Int(starts[index + 1].entry) - 21)
                    // The last byte is compared first: numbered folders differ there.
                    guard end - start == wanted.count, let last = wanted.last, bytes[end - 1] == last else {
                        return false
                    }
                    return bytes[start..<end].elementsEqual(wanted)
                }
            }
        }
        return found.map { self[$0] }
    }

    /// How many entries both trees have in common from the start.
    func alike(_ other: Tree) -> Int {
        let length = Swift.min(bytes.count, other.bytes.count)
        let same = bytes.withUnsafeBytes { left in
            other.bytes.withUnsafeBytes { right in
                var same = 0
                while same + 8 <= length,
                    left.loadUnaligned(fromByteOffset: same, as: UInt64.self)
                        == right.loadUnaligned(fromByteOffset: same, as: UInt64.self)
                { same += 8 }
                while same < length, left[same] == right[same] { same += 1 }
                return same
            }
        }
        // The last start at or before that place; it is searched from the end, where trees of one folder differ.
        var count = endIndex
        while count > 0, Int(starts[count].entry) > same { count -= 1 }
        return Swift.min(count, other.endIndex)
    }
}
