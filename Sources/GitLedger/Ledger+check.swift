// Checking without trust: every reachable object is compared with its id.

import Faults
import Federation

extension Ledger {
    /// The trailers that every commit of a run has.
    public static let requiredTrailers = ["Run", "Round", "Step", "Plan-SHA256", "State-SHA256"]

    /// Reads every object that can be reached from the commits and lists each that is damaged or missing, once, with the first path and
    /// commit that lead to it. An empty list means that every object is unchanged or listed as pruned.
    ///
    /// The list ends after `mostFaults`.
    public func checkObjects(reachableFrom commits: [CommitID]) throws(Fault) -> [Fault] {
        try check(reachableFrom: commits).faults
    }

    /// The most faults that a check of objects lists: a hostile ledger may hold millions.
    public static let mostFaults = 10_000

    /// As `checkObjects`, and also computes the State-SHA256 of every commit whose tree can be hashed, in the same reading.
    ///
    /// `limit` says how many bytes the file at a path may have; a larger file is a fault, `ledger.too-large`, and is not inflated.
    public func check(
        reachableFrom commits: [CommitID], limit: (_ path: String) -> Int = { _ in Ledger.largestObject }
    ) throws(Fault) -> (faults: [Fault], states: [CommitID: Digest]) {
        try reading { (repository) throws(Fault) in repository.checkObjects(reachableFrom: commits, limit: limit) }
    }
}

extension Repository {
    mutating func checkObjects(
        reachableFrom tips: [CommitID], limit: (String) -> Int = { _ in Ledger.largestObject }
    ) -> (faults: [Fault], states: [CommitID: Digest]) {
        forget()
        defer { refused = [] }
        let (records, unreadable) = ancestryWithFaults(of: tips)
        var faults = unreadable
        var states: [CommitID: Digest] = [:]
        var seen: Set<ObjectID> = []
        var checked = Shelf<String, Tree>(limit: 64 << 20)
        for record in records {
            guard faults.count < Ledger.mostFaults else { break }
            check(
                tree: record.tree, folder: "", in: record.id, seen: &seen, checked: &checked, faults: &faults,
                limit: limit)
            // Computed here, while the trees and the contents' digests are in memory.
            states[record.id] = try? stateDigest(of: record.tree, in: record.id)
        }
        return (faults, states)
    }

    /// What was read earlier may have been damaged since then: a check reads the disk again.
    private mutating func forget() {
        commits.removeAll()
        recentTrees.removeAll()
        stateDigests.removeAll()
        longFolders.removeAll()
    }

    /// `checked` holds folders of many entries as they were last checked: entries that a folder has in common with the earlier one, from
    /// the start, were checked there.
    private mutating func check(
        tree: ObjectID, folder: String, in commit: CommitID, seen: inout Set<ObjectID>,
        checked: inout Shelf<String, Tree>, faults: inout [Fault], limit: (String) -> Int
    ) {
        guard faults.count < Ledger.mostFaults, seen.insert(tree).inserted else { return }
        do {
            try Self.requireShallow(folder, in: commit)
            let listed = try entries(of: tree, at: folder, in: commit)
            let alike = checked[folder]?.alike(listed) ?? 0
            if listed.count >= LongFolder.least { checked.keep(listed, as: folder, size: listed.size) }
            for entry in listed[alike...] where faults.count < Ledger.mostFaults {
                let bytes = (folder.isEmpty ? [] : Array(folder.utf8) + [0x2f]) + entry.name
                let path = String(decoding: bytes, as: UTF8.self)
                if let flaw = TreePath.flaw(name: entry.name[...], below: folder.utf8.count) {
                    faults.append(.ledgerInvalidPath(path, flaw, in: commit))
                    continue
                }
                if entry.mode == TreeEntry.folderMode {
                    check(
                        tree: entry.id, folder: path, in: commit, seen: &seen, checked: &checked, faults: &faults,
                        limit: limit)
                } else if entry.mode != TreeEntry.fileMode {
                    faults.append(
                        .ledgerForeignEntry(path, mode: entry.mode, at: Place(file: path, commit: commit.hex)))
                } else if seen.insert(entry.id).inserted {
                    do {
                        let place = Place(file: path, commit: commit.hex)
                        let most = limit(path)
                        if most < Ledger.largestObject, let (_, size) = try store.header(entry.id, at: place),
                            size > most
                        {
                            refused.insert(entry.id)
                        }
                        let content = try read(entry.id, .blob, at: place, limit: most)
                        if blobDigests[entry.id] == nil {
                            blobDigests[entry.id] = BlobDigest(digest: .sha256(content), size: content.count)
                        }
                    } catch {
                        if prunedDigest(of: entry.id) == nil { faults.append(error) }
                    }
                }
            }
        } catch {
            faults.append(error)
        }
    }
}
