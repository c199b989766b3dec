// CommitRecord and FileEntry: what is read back from a commit.

import Federation

/// A commit as it was read.
public struct CommitRecord: Sendable, Equatable {
    /// The commit's id.
    public var id: CommitID
    /// The parents in order.
    public var parents: [CommitID]
    /// The id of the tree.
    public var tree: ObjectID
    /// The first line of the message.
    public var subject: String
    /// The text between the subject and the trailers, without blank lines around it.
    public var body: String
    /// The trailers in order.
    public var trailers: [Trailer]
    /// The author.
    public var author: CommitAuthor
    /// The committer's time in seconds since 1970.
    public var time: Int64
    /// The `gpgsig` header as stored, or nil for an unsigned commit. It is passed on, not checked.
    public var signature: String?
    /// Whether the object has exactly the bytes that the ledger writes for this record: one author who is also the committer, UTC, no
    /// further header, and the same order and white space. `RawCommit` says what differs.
    public internal(set) var isAsWritten = false
    /// The size of the object in bytes.
    var size = 0

    /// The value of the first trailer of that key.
    public func trailer(_ key: String) -> String? { trailers.first { $0.key == key }?.value }
}

extension CommitRecord {
    /// The commit object as the ledger writes it: another header, time zone, order or white space gives other bytes.
    var written: [UInt8] {
        var text = "tree \(tree)\n"
        for parent in parents { text += "parent \(parent)\n" }
        let person = "\(author.name) <\(author.email)> \(time) +0000"
        text += "author \(person)\ncommitter \(person)\n"
        if let signature {
            let lines = signature.utf8.split(separator: 0x0a, omittingEmptySubsequences: false).map { Substring($0) }
            text += "gpgsig \(lines.joined(separator: "\n "))\n"
        }
        text += "\n\(subject)\n\n"
        if !body.isEmpty { text += "\(body)\n\n" }
        for trailer in trailers { text += "\(trailer.key): \(trailer.value)\n" }
        return Array(text.utf8)
    }
}

/// A file of a commit's tree.
public struct FileEntry: Sendable, Hashable {
    /// The path from the root.
    public var path: String
    /// The id of the content.
    public var blob: ObjectID
    /// The content's length in bytes.
    public var size: Int
}
