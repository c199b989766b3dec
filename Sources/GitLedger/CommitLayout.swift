// The layout of git's commit objects, parsed byte by byte.

extension CommitRecord {
    /// Reads a commit object; nil if its layout is not that of a commit.
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
            // A header that continues in the next line starts that line with a space, as gpgsig does.
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
            signature: signature.map { String(decoding: $0, as: UTF8.self) }, size: bytes.count)
        isAsWritten = bytes == written && CommitMessage.isWritable(self)
    }

    /// Removes the first `gpgsig` header, with its continuation lines, from a commit object; nil where there is none.
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

    /// Reads `name <email> seconds zone`; nil also for a time before 1970 or after the year 9999.
    static func person(_ text: String) -> CommitPerson? {
        let bytes = text.utf8
        guard let open = bytes.lastIndex(of: 0x3c), let close = bytes.lastIndex(of: 0x3e), open < close else {
            return nil
        }
        let rest = bytes[bytes.index(after: close)...].split(separator: 0x20, maxSplits: 1)
        guard let seconds = rest.first.flatMap({ Int64(Substring($0)) }), (0...latest).contains(seconds),
            rest.first?.allSatisfy({ (0x30...0x39).contains($0) }) ?? false
        else {
            return nil
        }
        let name = bytes[..<open]
        return CommitPerson(
            author: CommitAuthor(
                name: String(Substring(name.last == 0x20 ? name.dropLast() : name)),
                email: String(Substring(bytes[bytes.index(after: open)..<close]))), time: seconds,
            zone: rest.count > 1 ? String(Substring(rest[1])) : "")
    }

    /// The last second of the year 9999: sums with times cannot overflow.
    static let latest: Int64 = 253_402_300_799
}
