// Checking without trusting: every reachable object against its id, every commit against its trailers.

import Faults
import Federation

extension Ledger {
    /// The trailers every commit of a run carries.
    public static let requiredTrailers = ["Run", "Round", "Step", "Plan-SHA256", "State-SHA256"]

    /// Reads every object that can be reached from the commits and lists each that is damaged or missing, once, with the
    /// first path and commit that lead to it. Empty means that all is as it was written, or listed as pruned.
    public func checkObjects(reachableFrom commits: [CommitID]) throws(Fault) -> [Fault] {
        try check(reachableFrom: commits).faults
    }

    /// As `checkObjects`, with the State-SHA256 of every commit whose tree can be hashed, computed in the same reading.
    public func check(
        reachableFrom commits: [CommitID]
    ) throws(Fault) -> (faults: [Fault], states: [CommitID: Digest]) {
        try reading { (repository) throws(Fault) in repository.checkObjects(reachableFrom: commits) }
    }

    /// Lists what is wrong with a run's structure: on all its lines, every commit has the required trailers, names this
    /// run, and states the State-SHA256 its tree gives; and all commits go back to one root. What the steps mean is not
    /// checked here. Faults thrown: ledger.no-such-run, and those of reading refs.
    public func checkRun(_ run: RunName) throws(Fault) -> [Fault] {
        try reading { (repository) throws(Fault) in try repository.checkRun(run) }
    }
}

extension Repository {
    mutating func checkObjects(reachableFrom tips: [CommitID]) -> (faults: [Fault], states: [CommitID: Digest]) {
        forget()
        let (records, unreadable) = ancestryWithFaults(of: tips)
        var faults = unreadable
        var states: [CommitID: Digest] = [:]
        var seen: Set<ObjectID> = []
        var checked: [String: Tree] = [:]
        for record in records {
            check(tree: record.tree, folder: "", in: record.id, seen: &seen, checked: &checked, faults: &faults)
            // Here, while the trees and the contents' digests are at hand.
            states[record.id] = try? stateDigest(of: record.tree, in: record.id)
        }
        return (faults, states)
    }

    /// What was read earlier may have been damaged since: a check reads the disk.
    private mutating func forget() {
        commits.removeAll()
        recentTrees.removeAll()
        stateDigests.removeAll()
        longFolders.removeAll()
    }

    /// `checked` holds folders of many entries as they were checked last: what they begin with alike was looked at there.
    private mutating func check(
        tree: ObjectID, folder: String, in commit: CommitID, seen: inout Set<ObjectID>, checked: inout [String: Tree],
        faults: inout [Fault]
    ) {
        guard seen.insert(tree).inserted else { return }
        do {
            let listed = try entries(of: tree, at: folder, in: commit)
            let alike = checked[folder]?.alike(listed) ?? 0
            if listed.count >= LongFolder.least { checked[folder] = listed }
            for entry in listed[alike...] {
                let bytes = (folder.isEmpty ? [] : Array(folder.utf8) + [0x2f]) + entry.name
                let path = String(decoding: bytes, as: UTF8.self)
                if let flaw = TreePath.flaw(name: entry.name[...], below: folder.utf8.count) {
                    faults.append(.ledgerInvalidPath(path, flaw, in: commit))
                    continue
                }
                if entry.mode == TreeEntry.folderMode {
                    check(
                        tree: entry.id, folder: path, in: commit, seen: &seen, checked: &checked, faults: &faults)
                } else if entry.mode != TreeEntry.fileMode {
                    faults.append(
                        .ledgerForeignEntry(path, mode: entry.mode, at: Place(file: path, commit: commit.hex)))
                } else if seen.insert(entry.id).inserted {
                    do {
                        let content = try read(entry.id, .blob, at: Place(file: path, commit: commit.hex))
                        if blobDigests[entry.id] == nil {
                            blobDigests[entry.id] = BlobDigest(digest: .sha256(content), size: content.count)
                        }
                    } catch {
                        if prunedDigest(of: entry.id, after: error) == nil { faults.append(error) }
                    }
                }
            }
        } catch {
            faults.append(error)
        }
    }

    mutating func checkRun(_ run: RunName) throws(Fault) -> [Fault] {
        forget()
        let main = LineRef.main(run)
        var tips: [CommitID] = []
        for line in try lines() where line.run == run {
            if let tip = try tip(line) { tips.append(tip) }
        }
        guard try tip(main) != nil else { throw .ledgerNoSuchRun(run) }
        let (records, unreadable) = ancestryWithFaults(of: tips)
        var faults = unreadable
        let roots = records.filter { $0.parents.isEmpty }.map(\.id)
        if roots.count != 1 {
            let names = roots.map(\.hex).joined(separator: ", ")
            faults.append(
                .ledgerBrokenChain(main, "the run has \(roots.count) root commits (\(names)); it must have one"))
        }
        for record in records { faults += check(record, of: run) }
        return faults
    }

    private mutating func check(_ record: CommitRecord, of run: RunName) -> [Fault] {
        var faults: [Fault] = []
        for key in Ledger.requiredTrailers {
            let count = record.trailers.count { $0.key == key }
            if count != 1 {
                faults.append(.ledgerTrailer(record.id, "the trailer \(key) stands \(count) times, not once"))
            }
        }
        if let named = record.trailer("Run"), named != run.name {
            faults.append(.ledgerTrailer(record.id, "the commit names the run \(named) and stands on \(run)"))
        }
        if let plan = record.trailer("Plan-SHA256"), Digest(hex: plan) == nil {
            faults.append(.ledgerTrailer(record.id, "Plan-SHA256 is not 64 lower-case hexadecimal digits"))
        }
        guard let stated = record.trailer(StateLayout.trailer) else { return faults }
        do {
            let found = try stateDigest(of: record.tree, in: record.id)
            if stated != found.hex { faults.append(.ledgerStateMismatch(record.id, stated: stated, found: found)) }
        } catch {
            faults.append(error)
        }
        return faults
    }
}
