// CommitDraft: everything a commit will hold, decided before the ledger writes the first byte.

import Faults
import Federation

/// A file to write.
public struct FileChange: Sendable, Equatable {
    /// The path from the root of the tree, components joined by `/`; UTF-8 without control characters.
    public var path: String
    /// The whole content.
    public var bytes: [UInt8]

    /// Makes a change.
    public init(path: String, bytes: [UInt8]) {
        self.path = path
        self.bytes = bytes
    }
}

/// A folder (or a single file) of another commit that a merge takes over, at the same path.
public struct TakenFolder: Sendable, Equatable {
    /// The commit whose tree holds it.
    public var commit: CommitID
    /// The path, without a slash at the end.
    public var path: String

    /// Makes a folder to take over.
    public init(from commit: CommitID, path: String) {
        self.commit = commit
        self.path = path
    }
}

/// One `Key: value` line at the end of a commit message.
public struct Trailer: Sendable, Hashable {
    /// Letters, digits and hyphens.
    public var key: String
    /// One line of UTF-8 without white space at its ends.
    public var value: String

    /// Makes a trailer.
    public init(_ key: String, _ value: String) {
        self.key = key
        self.value = value
    }
}

/// Who a commit names as its author and committer.
public struct CommitAuthor: Sendable, Hashable {
    /// The name, without `<`, `>` or a line break.
    public var name: String
    /// The address, without `<`, `>` or a line break.
    public var email: String

    /// Makes an author.
    public init(name: String, email: String) {
        self.name = name
        self.email = email
    }
}

/// A commit before it is written.
///
/// The tree is that of `base`, then every taken folder in order, then with the changes.
public struct CommitDraft: Sendable {
    /// Turns the commit's bytes into an armoured signature for its `gpgsig` header. It runs while the ledger is locked, so it must not call
    /// the ledger.
    public typealias Signer = @Sendable ([UInt8]) throws(Fault) -> String

    /// The line whose ref moves to the new commit.
    public var line: LineRef
    /// The commit that the ref must name before it moves; nil if the ref must not exist yet.
    public var expectedTip: CommitID?
    /// The parents; the first is the commit that the line continues. Empty for the first commit of a run. `expectedTip` is one of them or
    /// an ancestor of one, so that no commit is ever dropped from a line.
    public var parents: [CommitID]
    /// The commit whose tree the new tree starts from; nil for an empty tree.
    public var base: CommitID?
    /// Folders taken over from other commits; later ones replace earlier ones and the base.
    public var taken: [TakenFolder] = []
    /// Files to write, each path once.
    public var changes: [FileChange]
    /// The first line of the message.
    public var subject: String
    /// Paragraphs between the subject and the trailers, or empty.
    public var body: String = ""
    /// The trailers in order; the ledger appends State-SHA256 itself.
    public var trailers: [Trailer]
    /// Author and committer.
    public var author: CommitAuthor
    /// Seconds since 1970 in UTC; never negative.
    public var time: Int64
    /// Signs the commit; nil for an unsigned commit.
    public var signer: Signer?

    /// Makes a draft; the less common properties are set afterwards.
    public init(
        line: LineRef, expectedTip: CommitID?, parents: [CommitID], base: CommitID?, changes: [FileChange],
        subject: String, trailers: [Trailer], author: CommitAuthor, time: Int64
    ) {
        self.line = line
        self.expectedTip = expectedTip
        self.parents = parents
        self.base = base
        self.changes = changes
        self.subject = subject
        self.trailers = trailers
        self.author = author
        self.time = time
    }
}
