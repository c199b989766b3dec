// Committing: objects first, the ref last. A process killed anywhere in between leaves only objects that nothing names.

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
    /// How long to wait for a locked ref: one pause after each attempt, in milliseconds, 2 s together.
    static let pauses = [1, 2, 5, 10, 20, 50, 100, 200, 300, 400, 450, 462]

    /// Writes the draft and moves its line. Faults: see `Ledger.commit`.
    mutating func commit(_ draft: CommitDraft) throws(Fault) -> CommitID {
        let unsealed = try CommitMessage.write(draft, trailers: draft.trailers)
        guard !draft.trailers.contains(where: { $0.key == StateLayout.trailer }), !unsealed.isEmpty else {
            throw .ledgerInvalidMessage("the ledger itself appends \(StateLayout.trailer)", on: draft.line)
        }
        let found = try tip(draft.line)
        guard found == draft.expectedTip else {
            throw .ledgerRaced(draft.line, expected: draft.expectedTip, found: found)
        }
        if let tip = draft.expectedTip { try requireForward(draft, from: tip) }

        let files = try gather(draft)
        let tree = try writeTree(files[...], below: 0)
        let state = try stateDigest(of: files.map { TreeFile(path: $0.path, blob: $0.blob) }, in: draft.base)
        let trailers = draft.trailers + [Trailer(StateLayout.trailer, state.hex)]
        let id = try writeCommit(draft, message: try CommitMessage.write(draft, trailers: trailers), tree: tree)
        try Files.synchronise("\(folder)/objects")
        try move(draft.line, from: draft.expectedTip, to: id, signedBy: draft)
        return id
    }

    private func requireForward(_ draft: CommitDraft, from tip: CommitID) throws(Fault) {
        if draft.parents.contains(tip) { return }
        guard try ancestry(of: draft.parents).contains(where: { $0.id == tip }) else {
            throw .ledgerNotForward(draft.line, tip: tip)
        }
    }

    /// A file of the tree to be: the path's bytes serve to order and to cut, since equal Swift strings may differ in bytes.
    private struct PlannedFile {
        let bytes: [UInt8]
        let blob: ObjectID
        var path: String { String(decoding: bytes, as: UTF8.self) }
    }

    /// The files of the tree to be, in byte order of the paths, with the changed ones written.
    private mutating func gather(_ draft: CommitDraft) throws(Fault) -> [PlannedFile] {
        var plan: [[UInt8]: ObjectID] = [:]
        if let base = draft.base {
            for file in try blobs(of: base) { plan[Array(file.path.utf8)] = file.blob }
        }
        for folder in draft.taken {
            let name = Array(folder.path.utf8)
            let files = try blobs(of: folder.commit).filter {
                let path = Array($0.path.utf8)
                return path == name || path.starts(with: name + [0x2f])
            }
            guard !files.isEmpty else { throw .ledgerMissingFile(folder.path, in: folder.commit) }
            for file in files { plan[Array(file.path.utf8)] = file.blob }
        }
        for path in draft.removals {
            guard plan.removeValue(forKey: Array(path.utf8)) != nil else {
                throw .ledgerMissingFile(path, in: draft.base)
            }
        }
        var changed: Set<[UInt8]> = []
        for change in draft.changes {
            let path = Array(change.path.utf8)
            if let flaw = TreePath.flaw(path) { throw .ledgerInvalidPath(change.path, flaw) }
            guard changed.insert(path).inserted else {
                throw .ledgerInvalidPath(change.path, "the path is written twice in one commit")
            }
        }
        for path in Set(plan.keys).union(changed).sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            for slash in path.indices where path[slash] == 0x2f {
                let folder = Array(path[..<slash])
                if plan[folder] != nil || changed.contains(folder) {
                    throw .ledgerInvalidPath(
                        String(decoding: folder, as: UTF8.self), "the path would be both a file and a folder")
                }
            }
        }
        for change in draft.changes {
            let blob = try write(change.bytes, .blob, at: Place(file: change.path))
            blobDigests[blob] = BlobDigest(digest: .sha256(change.bytes), size: change.bytes.count)
            plan[Array(change.path.utf8)] = blob
        }
        return plan.map { PlannedFile(bytes: $0.key, blob: $0.value) }
            .sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
    }

    /// Writes the tree of files that share the first `start` bytes of their paths. Byte order of whole paths keeps a folder's
    /// files together and is git's order of entries, in which a folder counts as its name with a slash.
    private func writeTree(_ files: ArraySlice<PlannedFile>, below start: Int) throws(Fault) -> ObjectID {
        var bytes: [UInt8] = []
        var index = files.startIndex
        while index < files.endIndex {
            let path = files[index].bytes
            guard let slash = path[start...].firstIndex(of: 0x2f) else {
                bytes += TreeEntry(mode: TreeEntry.fileMode, name: Array(path[start...]), id: files[index].blob).bytes
                index += 1
                continue
            }
            let prefix = path[...slash]
            let end = files[index...].firstIndex { !$0.bytes.starts(with: prefix) } ?? files.endIndex
            let folder = try writeTree(files[index..<end], below: slash + 1)
            bytes += TreeEntry(mode: TreeEntry.folderMode, name: Array(path[start..<slash]), id: folder).bytes
            index = end
        }
        return try write(bytes, .tree, at: Place(file: path))
    }

    /// Writes the commit object through libgit2's buffer, which is what a signature covers.
    private func writeCommit(_ draft: CommitDraft, message: String, tree: ObjectID) throws(Fault) -> CommitID {
        // Every parent is read, so that a commit never builds on a damaged one.
        for parent in draft.parents { _ = try commit(parent) }
        var person: UnsafeMutablePointer<git_signature>?
        var treeObject: OpaquePointer?
        var parents: [OpaquePointer?] = []
        var buffer = git_buf()
        defer {
            git_buf_dispose(&buffer)
            for parent in parents { git_commit_free(parent) }
            git_tree_free(treeObject)
            git_signature_free(person)
        }
        do {
            try Git.attempt(git_signature_new(&person, draft.author.name, draft.author.email, draft.time, 0))
            var oid = tree.oid
            try Git.attempt(git_tree_lookup(&treeObject, handle, &oid))
            for parent in draft.parents {
                var commit: OpaquePointer?
                var oid = parent.object.oid
                try Git.attempt(git_commit_lookup(&commit, handle, &oid))
                parents.append(commit)
            }
            try Git.attempt(
                parents.withUnsafeMutableBufferPointer {
                    git_commit_create_buffer(
                        &buffer, handle, person, person, nil, message, treeObject, $0.count, $0.baseAddress)
                })
        } catch {
            throw .ledgerCorrupt(error.message, at: Place(commit: draft.line.ref))
        }
        guard let content = buffer.ptr else { throw .ledgerNotWritable(path, "libgit2 gave no commit buffer") }
        let signature = try draft.signer?(Array(UnsafeRawBufferPointer(start: content, count: buffer.size)))
        do {
            var oid = git_oid()
            try Git.attempt(git_commit_create_with_signature(&oid, handle, content, signature, nil))
            return CommitID(ObjectID(oid))
        } catch {
            throw .ledgerNotWritable(path, error.message)
        }
    }

    /// Moves a ref by compare-and-swap. The comparison happens under the ref's lock file: git_reference_create looks for an
    /// existing ref before it takes the lock, so two creators could both succeed.
    private func move(
        _ line: LineRef, from expected: CommitID?, to new: CommitID, signedBy draft: CommitDraft
    ) throws(Fault) {
        for pause in Self.pauses {
            if try moveOnce(line, from: expected, to: new, signedBy: draft) { return }
            usleep(UInt32(pause * 1000))
        }
        throw .ledgerLocked("\(folder)/\(line.ref).lock", line: line, milliseconds: Self.pauses.reduce(0, +))
    }

    /// Moves the ref and gives true, or gives false if it is locked.
    private func moveOnce(
        _ line: LineRef, from expected: CommitID?, to new: CommitID, signedBy draft: CommitDraft
    ) throws(Fault) -> Bool {
        var transaction: OpaquePointer?
        var person: UnsafeMutablePointer<git_signature>?
        defer {
            git_transaction_free(transaction)
            git_signature_free(person)
        }
        do {
            try Git.attempt(git_transaction_new(&transaction, handle))
            try Git.attempt(git_signature_new(&person, draft.author.name, draft.author.email, draft.time, 0))
            try Git.attempt(git_transaction_lock_ref(transaction, line.ref))
        } catch  where error.isLocked {
            return false
        } catch {
            throw .ledgerNotWritable("\(folder)/\(line.ref)", error.message)
        }
        let found = try tip(line)
        guard found == expected else { throw .ledgerRaced(line, expected: expected, found: found) }
        do {
            var oid = new.object.oid
            try Git.attempt(git_transaction_set_target(transaction, line.ref, &oid, person, nil))
            try Git.attempt(git_transaction_commit(transaction))
        } catch  where error.isLocked {
            return false
        } catch {
            throw .ledgerNotWritable("\(folder)/\(line.ref)", error.message)
        }
        return true
    }
}
