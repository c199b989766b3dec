// Committing: the objects first, the ref last. A process that is killed in between leaves only objects that no ref reaches.

import CLibgit2
import Digests
import Faults
import Federation

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

extension Repository {
    /// How long to wait for a locked ref: one pause after each attempt, in milliseconds, 2 s in all.
    static let pauses = [1, 2, 5, 10, 20, 50, 100, 200, 300, 400, 450, 462]

    /// Writes the draft and moves its line. Faults: see `Ledger.commit`.
    mutating func commit(_ draft: CommitDraft) throws(Fault) -> CommitID {
        try requireBare()
        let unsealed = try CommitMessage.write(draft, trailers: draft.trailers)
        guard !draft.trailers.contains(where: { $0.key == StateLayout.trailer }), !unsealed.isEmpty else {
            throw .ledgerInvalidMessage("the ledger itself appends \(StateLayout.trailer)", on: draft.line)
        }
        let found = try tip(draft.line)
        guard found == draft.expectedTip else {
            throw .ledgerRaced(draft.line, expected: draft.expectedTip, found: found)
        }
        if let tip = draft.expectedTip { try requireForward(draft, from: tip) }

        let planned = try gather(draft)
        var blobs: [ObjectID] = []
        for change in draft.changes {
            let blob = try write(change.bytes, .blob, at: Place(file: change.path))
            blobDigests[blob] = BlobDigest(digest: .sha256(change.bytes), size: change.bytes.count)
            blobs.append(blob)
        }
        let tree = try writeTree(planned, blobs)
        let state = try stateDigest(of: tree, in: draft.base)
        let trailers = draft.trailers + [Trailer(StateLayout.trailer, state.hex)]
        let id = try writeCommit(draft, message: try CommitMessage.write(draft, trailers: trailers), tree: tree)
        try Files.synchronise("\(folder)/objects")
        try move(draft.line, from: draft.expectedTip, to: id, by: draft.author, at: draft.time)
        return id
    }

    private mutating func requireForward(_ draft: CommitDraft, from tip: CommitID) throws(Fault) {
        guard try isReached(tip, from: draft.parents) else {
            throw .ledgerNotForward(draft.line, tip: tip)
        }
    }

    /// The future tree, opened where the draft changes it; nothing is written yet.
    private mutating func gather(_ draft: CommitDraft) throws(Fault) -> PlannedFolder {
        let root = PlannedFolder()
        if let base = draft.base { try fill(root, from: try commit(base).tree, at: "", in: base) }
        for folder in draft.taken {
            guard let entry = try entry(folder.path, of: folder.commit) else {
                throw .ledgerMissingFile(folder.path, in: folder.commit)
            }
            try put(entry, at: folder.path, into: root, in: folder.commit)
        }
        var changed: Set<[UInt8]> = []
        for change in draft.changes {
            let path = Array(change.path.utf8)
            if let flaw = TreePath.flaw(path) { throw .ledgerInvalidPath(change.path, flaw) }
            guard changed.insert(path).inserted else {
                throw .ledgerInvalidPath(change.path, "the path is written twice in one commit")
            }
        }
        for (index, change) in draft.changes.enumerated() {
            try put(.change(index), at: change.path, into: root, in: draft.base)
        }
        return root
    }

    private mutating func fill(
        _ folder: PlannedFolder, from tree: ObjectID, at path: String, in commit: CommitID?
    ) throws(Fault) {
        for entry in try entries(of: tree, at: path, in: commit) {
            let (_, isFolder) = try Self.checked(entry, in: path, of: commit)
            folder.entries[entry.name] = isFolder ? .folder(entry.id) : .file(entry.id)
        }
    }

    /// The folder of that name, opened; created where there is none. A file in its place is a fault.
    private mutating func open(
        _ name: [UInt8], in folder: PlannedFolder, at path: String, of commit: CommitID?
    ) throws(Fault) -> PlannedFolder {
        let opened: PlannedFolder
        switch folder.entries[name] {
        case .open(let already): return already
        case .file, .change: throw .ledgerInvalidPath(path, "the path would be both a file and a folder")
        case .folder(let tree):
            opened = PlannedFolder()
            try fill(opened, from: tree, at: path, in: commit)
        case nil: opened = PlannedFolder()
        }
        folder.entries[name] = .open(opened)
        return opened
    }

    /// Puts a file in the place of another, or a folder's files among the existing ones.
    private mutating func put(
        _ entry: PlannedEntry, at path: String, into root: PlannedFolder, in commit: CommitID?
    ) throws(Fault) {
        let names = TreePath.components(path)
        var folder = root
        for index in names.indices.dropLast() {
            folder = try open(names[index], in: folder, at: TreePath.joined(names[...index]), of: commit)
        }
        guard let name = names.last else { return }
        switch (entry, folder.entries[name]) {
        case (.folder(let new), .folder(let old)) where new == old: return
        case (.folder(let tree), .some):
            let target = try open(name, in: folder, at: path, of: commit)
            let taken = PlannedFolder()
            try fill(taken, from: tree, at: path, in: commit)
            for (name, entry) in taken.entries {
                try put(entry, at: String(decoding: name, as: UTF8.self), into: target, in: commit)
            }
        case (_, .folder), (_, .open):
            throw .ledgerInvalidPath(path, "the path would be both a file and a folder")
        default: folder.entries[name] = entry
        }
    }

    /// The entry of a commit at a path; nil where there is none.
    private mutating func entry(_ path: String, of commit: CommitID) throws(Fault) -> PlannedEntry? {
        var tree = try self.commit(commit).tree
        let names = TreePath.components(path)
        for (index, name) in names.enumerated() {
            let folder = TreePath.joined(names[..<index])
            guard let entry = try entries(of: tree, at: folder, in: commit).entry(named: name) else {
                return nil
            }
            let (_, isFolder) = try Self.checked(entry, in: folder, of: commit)
            if index == names.count - 1 { return isFolder ? .folder(entry.id) : .file(entry.id) }
            guard isFolder else { return nil }
            tree = entry.id
        }
        return nil
    }

    /// Writes the opened folders in git's order, which sorts a folder as its name with a slash.
    private func writeTree(_ folder: PlannedFolder, _ blobs: [ObjectID]) throws(Fault) -> ObjectID {
        var entries: [(key: [UInt8], entry: TreeEntry)] = []
        for (name, entry) in folder.entries {
            switch entry {
            case .file(let id): entries.append((name, TreeEntry(mode: TreeEntry.fileMode, name: name, id: id)))
            case .change(let index):
                entries.append((name, TreeEntry(mode: TreeEntry.fileMode, name: name, id: blobs[index])))
            case .folder(let id):
                entries.append((name + [0x2f], TreeEntry(mode: TreeEntry.folderMode, name: name, id: id)))
            case .open(let opened):
                let id = try writeTree(opened, blobs)
                entries.append((name + [0x2f], TreeEntry(mode: TreeEntry.folderMode, name: name, id: id)))
            }
        }
        entries.sort { $0.key.lexicographicallyPrecedes($1.key) }
        return try write(entries.flatMap(\.entry.bytes), .tree, at: Place(file: path))
    }

    /// Writes the commit object; a signature covers it without the header that holds the signature.
    private func writeCommit(_ draft: CommitDraft, message: String, tree: ObjectID) throws(Fault) -> CommitID {
        // Every parent is read, so that a commit never builds on a damaged commit.
        for parent in draft.parents { _ = try readCommit(parent) }
        var head = "tree \(tree)\n"
        for parent in draft.parents { head += "parent \(parent)\n" }
        let person = "\(draft.author.name) <\(draft.author.email)> \(draft.time) +0000"
        head += "author \(person)\ncommitter \(person)\n"
        if let signature = try draft.signer?(Array("\(head)\n\(message)".utf8)) {
            let lines = signature.split(separator: "\n", omittingEmptySubsequences: false)
            head += "gpgsig \(lines.joined(separator: "\n "))\n"
        }
        return CommitID(try write(Array("\(head)\n\(message)".utf8), .commit, at: Place(commit: draft.line.ref)))
    }

    /// Moves a ref by compare-and-swap. The comparison is made while the ref's lock file is held: git_reference_create looks for an
    /// existing ref before it takes the lock, so two creators could both succeed.
    func move(
        _ line: LineRef, from expected: CommitID?, to new: CommitID, by author: CommitAuthor, at time: Int64
    ) throws(Fault) {
        var failure: String?
        for pause in Self.pauses {
            switch try moveOnce(line, from: expected, to: new, by: author, at: time) {
            case .moved: return
            case .locked: failure = nil
            case .disturbed(let reason): failure = reason
            }
            usleep(UInt32(pause * 1000))
        }
        if let failure { throw .ledgerNotWritable("\(folder)/\(line.ref)", failure) }
        throw .ledgerLocked("\(folder)/\(line.ref).lock", line: line, milliseconds: Self.pauses.reduce(0, +))
    }

    private enum Attempt {
        case moved, locked
        /// Another git process removed a folder or file in between, or there is a real error: the move is tried again, then reported.
        case disturbed(String)
    }

    /// Tries once to move the ref.
    private func moveOnce(
        _ line: LineRef, from expected: CommitID?, to new: CommitID, by author: CommitAuthor, at time: Int64
    ) throws(Fault) -> Attempt {
        var transaction: OpaquePointer?
        var person: UnsafeMutablePointer<git_signature>?
        defer {
            git_transaction_free(transaction)
            git_signature_free(person)
        }
        func attempt(_ failure: GitFailure) throws(Fault) -> Attempt {
            if failure.isLocked { return .locked }
            // git removes folders that are empty after it packed refs.
            if failure.message.contains("No such file or directory") { return .disturbed(failure.message) }
            throw .ledgerNotWritable("\(folder)/\(line.ref)", failure.message)
        }
        do {
            try Git.attempt(git_transaction_new(&transaction, handle))
            try Git.attempt(git_signature_new(&person, author.name, author.email, time, 0))
            try Git.attempt(git_transaction_lock_ref(transaction, line.ref))
        } catch {
            return try attempt(error)
        }
        let found = try tip(line)
        guard found == expected else { throw .ledgerRaced(line, expected: expected, found: found) }
        do {
            var oid = new.object.oid
            try Git.attempt(git_transaction_set_target(transaction, line.ref, &oid, person, nil))
            try Git.attempt(git_transaction_commit(transaction))
        } catch {
            return try attempt(error)
        }
        return .moved
    }
}

/// A folder of the future tree. Entries that the draft does not change keep their ids and are not opened, so the cost of a commit is that
/// of its changes.
private final class PlannedFolder {
    /// Keyed by the names' bytes, since equal Swift strings may differ in bytes.
    var entries: [[UInt8]: PlannedEntry] = [:]
}

private enum PlannedEntry {
    case file(ObjectID)
    case folder(ObjectID)
    case open(PlannedFolder)
    /// The draft's change with that index, not written yet.
    case change(Int)
}
