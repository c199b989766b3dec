// Reading: runs, lines, commits, files and history.

import Faults
import Federation

extension Ledger {
    /// The runs that have a main line or have published anything, in byte order. Faults: ledger.corrupt, ledger.unreadable.
    public func runs() throws(Fault) -> [RunName] {
        try reading { (repository) throws(Fault) in
            var runs: Set<RunName> = []
            for line in try repository.lines() {
                switch line {
                case .main(let run), .published(let run): runs.insert(run)
                case .site, .answers, .identities, .pruned, .readme: continue
                }
            }
            return runs.sorted { TreePath.precedes($0.name, $1.name) }
        }
    }

    /// The lines of a run: its main line, if there is one, then its answers, its published line, and its sites; answers and sites are in
    /// site order. Faults: ledger.corrupt, ledger.unreadable.
    public func lines(of run: RunName) throws(Fault) -> [LineRef] {
        try reading { (repository) throws(Fault) in try repository.lines().filter { $0.run == run } }
    }

    /// The refs that do not belong to a ledger, in byte order. Faults: ledger.corrupt, ledger.unreadable.
    public func foreignRefs() throws(Fault) -> [String] {
        try reading { (repository) throws(Fault) in try repository.names().filter { LineRef(named: $0) == nil } }
    }

    /// The commit that a line's ref names; nil if the line does not exist. Faults: ledger.corrupt, ledger.unreadable.
    public func tip(_ line: LineRef) throws(Fault) -> CommitID? {
        try reading { (repository) throws(Fault) in try repository.tip(line) }
    }

    /// Reads a commit. Faults: ledger.corrupt, ledger.missing-object, ledger.unreadable.
    public func read(_ commit: CommitID) throws(Fault) -> CommitRecord {
        try reading { (repository) throws(Fault) in try repository.commit(commit) }
    }

    /// Every file of a commit's tree in byte order of the paths; sizes come from the objects' headers.
    /// Faults: ledger.corrupt, ledger.missing-object, ledger.unreadable, ledger.invalid-path, ledger.foreign-entry.
    public func files(of commit: CommitID) throws(Fault) -> [FileEntry] {
        try reading { (repository) throws(Fault) in
            var entries: [FileEntry] = []
            for file in try repository.blobs(of: commit) {
                let size = try repository.size(of: file, in: commit)
                entries.append(FileEntry(path: file.path, blob: file.blob, size: size))
            }
            return entries
        }
    }

    /// The files of one folder of a commit, in byte order of the paths; empty where there is no such folder. Faults: as `files`.
    public func files(of commit: CommitID, below folder: String) throws(Fault) -> [(path: String, blob: ObjectID)] {
        try reading { (repository) throws(Fault) in
            try repository.blobs(of: commit, below: folder).map { ($0.path, $0.blob) }
        }
    }

    /// A larger object is neither inflated nor written: 1 GiB. An adapter of rank 16 for a model of 8 billion parameters has 84 MB.
    public static let largestObject = 1 << 30

    /// The content of a file; nil if the commit does not hold it. A file of more than `limit` bytes is refused before it is inflated.
    /// Faults: ledger.corrupt, ledger.missing-object, ledger.unreadable, ledger.too-large.
    public func file(
        _ path: String, of commit: CommitID, limit: Int = Ledger.largestObject
    ) throws(Fault) -> [UInt8]? {
        try reading { (repository) throws(Fault) in try repository.file(path, of: commit, limit: limit) }
    }

    /// The content of a blob that a commit holds at a path, without a search for the path; the path and the commit are used in faults.
    /// Faults: as `file`.
    public func content(
        of blob: ObjectID, _ path: String, _ commit: CommitID, limit: Int = Ledger.largestObject
    ) throws(Fault) -> [UInt8] {
        try reading { (repository) throws(Fault) in try repository.content(of: blob, path, commit, limit: limit) }
    }

    /// The id of a file's content, without reading it; nil if the commit does not hold the file. Faults: as `file`.
    public func blob(_ path: String, of commit: CommitID) throws(Fault) -> ObjectID? {
        try reading { (repository) throws(Fault) in try repository.blob(path, of: commit) }
    }

    /// The files in which two commits differ, in byte order of the paths; nil means an empty tree. Faults: ledger.corrupt,
    /// ledger.missing-object, ledger.unreadable, ledger.invalid-path, ledger.foreign-entry.
    public func differences(from old: CommitID?, to new: CommitID) throws(Fault) -> [FileDifference] {
        try reading { (repository) throws(Fault) in try repository.differences(from: old, to: new) }
    }

    /// The commit and its first parents down to the root, the oldest first. Faults: ledger.corrupt, ledger.missing-object,
    /// ledger.unreadable.
    public func firstParents(from tip: CommitID) throws(Fault) -> [CommitRecord] {
        try reading { (repository) throws(Fault) in try repository.firstParents(from: tip) }
    }

    /// The commits and all their ancestors, each once, parents before children; the order depends only on the commits. Faults:
    /// ledger.corrupt, ledger.missing-object, ledger.unreadable.
    public func ancestry(of tips: [CommitID]) throws(Fault) -> [CommitRecord] {
        try reading { (repository) throws(Fault) in try repository.ancestry(of: tips) }
    }

    /// The State-SHA256 of a commit's tree, computed from the files themselves. Each blob and folder is hashed once in a process. Faults:
    /// ledger.corrupt, ledger.missing-object, ledger.unreadable, ledger.invalid-path, ledger.foreign-entry.
    public func stateDigest(of commit: CommitID) throws(Fault) -> Digest {
        try reading { (repository) throws(Fault) in
            try repository.stateDigest(of: try repository.commit(commit).tree, in: commit)
        }
    }

    /// What a commit's signature covers (the commit object without its `gpgsig` header) and that header's text; nil for an
    /// unsigned commit. Faults: ledger.corrupt, ledger.missing-object, ledger.unreadable.
    public func signedContent(of commit: CommitID) throws(Fault) -> (content: [UInt8], signature: String)? {
        try reading { (repository) throws(Fault) in
            let bytes = try repository.read(commit.object, .commit, at: Place(commit: commit.hex))
            return CommitRecord.withoutSignature(bytes)
        }
    }

    /// Whether a commit object has the bytes that the ledger itself writes for its content: no further header, no text in an unusual place.
    /// Faults: as `read`.
    public func isAsWritten(_ commit: CommitID) throws(Fault) -> Bool { try read(commit).isAsWritten }

    func reading<Result: Sendable>(
        _ body: (inout Repository) throws(Fault) -> Result
    ) throws(Fault) -> Result {
        try repository.withLock { (repository: inout Repository) throws(Fault) in try body(&repository) }
    }
}

/// A file in which two commits differ.
public struct FileDifference: Sendable, Equatable {
    /// The path from the root of the tree.
    public let path: String
    /// The content's id in the first commit; nil where that commit lacks the file.
    public var old: ObjectID?
    /// The content's id in the second commit; nil where that commit lacks the file.
    public var new: ObjectID?

    init(path: String) { self.path = path }
}
