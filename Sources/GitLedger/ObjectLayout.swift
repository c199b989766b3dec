// The layouts of git's commit and tree objects, read and written byte by byte.

/// One entry of a tree object: `<mode> <name> NUL <20 bytes of id>`.
struct TreeEntry {
    static let fileMode = "100644"
    static let folderMode = "40000"

    let mode: String
    let name: [UInt8]
    let id: ObjectID

    /// Reads a tree object; nil if it is not laid out as one.
    static func parse(_ bytes: [UInt8]) -> [TreeEntry]? {
        var entries: [TreeEntry] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            guard let space = rest.firstIndex(of: 0x20), let end = rest[space...].firstIndex(of: 0),
                rest.endIndex - end > 20, space < end, space - rest.startIndex <= 6
            else { return nil }
            let id = rest[(end + 1)...(end + 20)]
            entries.append(
                TreeEntry(
                    mode: String(decoding: rest[..<space], as: UTF8.self), name: Array(rest[(space + 1)..<end]),
                    id: ObjectID(bytes: id)))
            rest = rest[(end + 21)...]
        }
        return entries
    }

    /// The entry's bytes.
    var bytes: [UInt8] { Array(mode.utf8) + [0x20] + name + [0] + id.bytes }
}

extension CommitRecord {
    /// Reads a commit object; nil if it is not laid out as one.
    init?(id: CommitID, parsing bytes: [UInt8]) {
        guard let text = String(validating: bytes, as: UTF8.self) else { return nil }
        // A header that goes on in the next line starts that line with a space, as gpgsig does.
        var headers: [(key: Substring, value: String)] = []
        var rest = text[...]
        while let end = rest.firstIndex(of: "\n"), end != rest.startIndex {
            let line = rest[..<end]
            rest = rest[rest.index(after: end)...]
            if line.hasPrefix(" "), let last = headers.indices.last {
                headers[last].value += "\n" + line.dropFirst()
            } else if let space = line.firstIndex(of: " ") {
                headers.append((line[..<space], String(line[line.index(after: space)...])))
            } else {
                return nil
            }
        }
        guard rest.first == "\n", headers.first?.key == "tree", let tree = ObjectID(hex: headers[0].value) else {
            return nil
        }
        var parents: [CommitID] = []
        for header in headers where header.key == "parent" {
            guard let parent = CommitID(hex: header.value) else { return nil }
            parents.append(parent)
        }
        guard let author = headers.first(where: { $0.key == "author" }).flatMap({ Self.person($0.value) }),
            let committer = headers.first(where: { $0.key == "committer" }).flatMap({ Self.person($0.value) })
        else { return nil }
        let message = CommitMessage.read(String(rest.dropFirst()))
        self.init(
            id: id, parents: parents, tree: tree, subject: message.subject, body: message.body,
            trailers: message.trailers, author: author.author, time: committer.time,
            signature: headers.first { $0.key == "gpgsig" }?.value)
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
        guard let open = text.lastIndex(of: "<"), let close = text.lastIndex(of: ">"), open < close,
            let seconds = text[text.index(after: close)...].split(separator: " ").first.flatMap({ Int64($0) })
        else { return nil }
        let name = text[..<open]
        return (
            CommitAuthor(
                name: String(name.hasSuffix(" ") ? name.dropLast() : name),
                email: String(text[text.index(after: open)..<close])), seconds
        )
    }
}
