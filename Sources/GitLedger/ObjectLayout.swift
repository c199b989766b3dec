// The layouts of git's commit and tree objects, read and written byte by byte.

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

/// A tree object as it was read. Its entries are made when they are asked for: the folder of rounds has one for each round and is read
/// for each commit, and all but the last of them were seen in the commit before.
struct Tree: RandomAccessCollection {
    private let bytes: [UInt8]
    /// Where each entry begins, and where its name does; at the end, the length of all.
    private let starts: [(entry: Int32, name: Int32)]

    static let empty = Tree()

    private init() {
        bytes = []
        starts = [(0, 0)]
    }

    /// Reads a tree object; nil if it is not laid out as one.
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

    var startIndex: Int { 0 }
    var endIndex: Int { starts.count - 1 }

    subscript(index: Int) -> TreeEntry {
        let (entry, name) = (Int(starts[index].entry), Int(starts[index].name))
        let end = Int(starts[index + 1].entry)
        return TreeEntry(
            mode: String(decoding: bytes[entry..<(name - 1)], as: UTF8.self), name: Array(bytes[name..<(end - 21)]),
            id: bytes.withUnsafeBytes { ObjectID(bytes: UnsafeRawBufferPointer(rebasing: $0[(end - 20)..<end])) })
    }

    /// The first entry of that name.
    func entry(named name: some Collection<UInt8>) -> TreeEntry? {
        for index in indices {
            let (start, end) = (Int(starts[index].name), Int(starts[index + 1].entry) - 21)
            if end - start == name.count, bytes[start..<end].elementsEqual(name) { return self[index] }
        }
        return nil
    }

    /// How many entries both trees begin with alike.
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
        // The last start at or before that place, counted from the end, where trees of one folder differ.
        var count = endIndex
        while count > 0, Int(starts[count].entry) > same { count -= 1 }
        return Swift.min(count, other.endIndex)
    }
}

extension CommitRecord {
    /// Reads a commit object; nil if it is not laid out as one.
    init?(id: CommitID, parsing bytes: [UInt8]) {
        guard String(validating: bytes, as: UTF8.self) != nil else { return nil }
        var tree: ObjectID?
        var parents: [CommitID] = []
        var author: CommitAuthor?
        var time: Int64?
        var signature: [UInt8]?
        var start = 0
        while let end = bytes[start...].firstIndex(of: 0x0a), end > start {
            let line = bytes[start..<end]
            start = end + 1
            guard line.first != 0x20, let space = line.firstIndex(of: 0x20) else { return nil }
            let value = line[(space + 1)...]
            // A header that goes on in the next line starts that line with a space, as gpgsig does.
            var further: [ArraySlice<UInt8>] = []
            while start < bytes.count, bytes[start] == 0x20, let end = bytes[start...].firstIndex(of: 0x0a) {
                further.append(bytes[(start + 1)..<end])
                start = end + 1
            }
            let key = line[..<space]
            if tree == nil {
                guard key.elementsEqual("tree".utf8), further.isEmpty, let id = ObjectID(digits: value) else {
                    return nil
                }
                tree = id
            } else if key.elementsEqual("parent".utf8) {
                guard further.isEmpty, let parent = ObjectID(digits: value) else { return nil }
                parents.append(CommitID(parent))
            } else if author == nil, key.elementsEqual("author".utf8) {
                author = Self.person(String(decoding: value, as: UTF8.self))?.author
            } else if time == nil, key.elementsEqual("committer".utf8) {
                time = Self.person(String(decoding: value, as: UTF8.self))?.time
            } else if signature == nil, key.elementsEqual("gpgsig".utf8) {
                signature = further.reduce(into: Array(value)) { $0 += [0x0a] + $1 }
            }
        }
        guard start < bytes.count, bytes[start] == 0x0a, let tree, let author, let time else { return nil }
        let message = CommitMessage.read(bytes[(start + 1)...])
        self.init(
            id: id, parents: parents, tree: tree, subject: message.subject, body: message.body,
            trailers: message.trailers, author: author, time: time,
            signature: signature.map { String(decoding: $0, as: UTF8.self) })
    }

    /// Takes the first `gpgsig` header, with the lines it goes on in, out of a commit object; nil where there is none.
    static func withoutSignature(_ bytes: [UInt8]) -> (content: [UInt8], signature: String)? {
        let key = Array("gpgsig ".utf8)
        var start = 0
        while start < bytes.count, bytes[start] != 0x0a {
            var end = start
            repeat {
                end = (bytes[end...].firstIndex(of: 0x0a) ?? bytes.count - 1) + 1
            } while bytes[start...].starts(with: key) && end < bytes.count && bytes[end] == 0x20
            if bytes[start...].starts(with: key) {
                let value = String(decoding: bytes[(start + key.count)..<(end - 1)], as: UTF8.self)
                let text = value.split(separator: "\n", omittingEmptySubsequences: false).enumerated().map {
                    $0 == 0 ? $1 : $1.dropFirst()
                }
                return (Array(bytes[..<start] + bytes[end...]), text.joined(separator: "\n"))
            }
            start = end
        }
        return nil
    }

    /// Reads `name <email> seconds zone`.
    private static func person(_ text: String) -> (author: CommitAuthor, time: Int64)? {
        let bytes = text.utf8
        guard let open = bytes.lastIndex(of: 0x3c), let close = bytes.lastIndex(of: 0x3e), open < close,
            let seconds = bytes[bytes.index(after: close)...].split(separator: 0x20).first.flatMap({
                Int64(Substring($0))
            })
        else { return nil }
        let name = bytes[..<open]
        return (
            CommitAuthor(
                name: String(Substring(name.last == 0x20 ? name.dropLast() : name)),
                email: String(Substring(bytes[bytes.index(after: open)..<close]))), seconds
        )
    }
}
