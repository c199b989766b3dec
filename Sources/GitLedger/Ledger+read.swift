// Reading: runs, lines, commits, files and history.

import Faults
import Federation

extension Ledger {
    /// The runs that have a main line, in byte order. Faults: ledger.corrupt, ledger.unreadable.
    public func runs() throws(Fault) -> [RunName] {
        try reading { (repository) throws(Fault) in
            try repository.lines().compactMap { if case .main(let run) = $0 { run } else { nil } }
        }
    }

    /// The lines of a run: its main line, if there is one, then its sites in site order. Faults: ledger.corrupt,
    /// ledger.unreadable.
    public func lines(of run: RunName) throws(Fault) -> [LineRef] {
        try reading { (repository) throws(Fault) in try repository.lines().filter { $0.run == run } }
    }

    /// Refs that are none of a ledger's, in byte order. Faults: ledger.corrupt, ledger.unreadable.
    public func foreignRefs() throws(Fault) -> [String] {
        try reading { (repository) throws(Fault) in
            try repository.refs("*").filter { $0 != LineRef.identities.ref && LineRef(ref: $0) == nil }
        }
    }

    /// The commit a line stands at; nil if the line does not exist. Faults: ledger.corrupt, ledger.unreadable.
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

    /// The content of a file; nil if the commit does not hold it. Faults: ledger.corrupt, ledger.missing-object,
    /// ledger.unreadable.
    public func file(_ path: String, of commit: CommitID) throws(Fault) -> [UInt8]? {
        try reading { (repository) throws(Fault) in try repository.file(path, of: commit) }
    }

    /// The commit and its first parents down to the root, the oldest first. Faults: ledger.corrupt, ledger.missing-object,
    /// ledger.unreadable.
    public func firstParents(from tip: CommitID) throws(Fault) -> [CommitRecord] {
        try reading { (repository) throws(Fault) in try repository.firstParents(from: tip) }
    }

    /// The commits and all they descend from, each once, parents before children; the order depends on nothing but the
    /// commits. Faults: ledger.corrupt, ledger.missing-object, ledger.unreadable.
    public func ancestry(of tips: [CommitID]) throws(Fault) -> [CommitRecord] {
        try reading { (repository) throws(Fault) in try repository.ancestry(of: tips) }
    }

    /// The State-SHA256 of a commit's tree, computed from the files themselves. A blob is hashed once a process.
    /// Faults: ledger.corrupt, ledger.missing-object, ledger.unreadable, ledger.invalid-path, ledger.foreign-entry.
    public func stateDigest(of commit: CommitID) throws(Fault) -> Digest {
        try reading { (repository) throws(Fault) in
            try repository.stateDigest(of: try repository.blobs(of: commit), in: commit)
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

    func reading<Result: Sendable>(
        _ body: (inout Repository) throws(Fault) -> Result
    ) throws(Fault) -> Result {
        try repository.withLock { (repository: inout Repository) throws(Fault) in try body(&repository) }
    }
}
