// Reading refs, commits and trees. Commits and trees are parsed here, from bytes that were already compared with their ids.

import Faults
import Federation

extension Repository {
    /// The commit that a line's ref names; nil if the ref does not exist. Faults: ledger.corrupt, ledger.unreadable.
    func tip(_ line: LineRef) throws(Fault) -> CommitID? {
        if let tip = waiting[line] { return tip }
        switch try refs.value(of: refs.stored(line.ref)) {
        case nil: return nil
        case .object(let id): return CommitID(id)
        case .symbolic, .damaged:
            throw .ledgerCorrupt("the ref does not hold a commit id", at: Place(commit: line.ref))
        }
    }

    /// Every line of every run in byte order of the refs, also lines whose ref file is damaged.
    func lines() throws(Fault) -> [LineRef] { try names().compactMap { LineRef(ref: $0) } }

    /// The names of all refs as a ledger has them, in byte order. Faults: ledger.corrupt, ledger.unreadable, ledger.too-large.
    func names() throws(Fault) -> [String] { try refs.visible().filter { !$0.isLocal }.map(\.name) }

    /// Reads a commit, once in a process. Faults: ledger.corrupt, ledger.missing-object, ledger.unreadable.
    mutating func commit(_ id: CommitID) throws(Fault) -> CommitRecord {
        if let known = commits[id] { return known }
        let record = try readCommit(id)
        commits.keep(record, as: id, size: record.size)
        return record
    }

    /// Reads a commit from the disk. Faults: as `commit`.
    func readCommit(_ id: CommitID) throws(Fault) -> CommitRecord {
        let place = Place(commit: id.hex)
        let bytes = try read(id.object, .commit, at: place)
        guard let record = CommitRecord(id: id, parsing: bytes) else {
            throw .ledgerDamaged(id.object, "it is not laid out as a commit", at: place)
        }
        return record
    }

    /// The entries of one tree object.
    mutating func entries(of tree: ObjectID, at folder: String, in commit: CommitID?) throws(Fault) -> Tree {
        if let known = recentTrees[tree] { return known }
        let place = Place(file: folder.isEmpty ? nil : folder, commit: commit?.hex)
        let bytes = try read(tree, .tree, at: place)
        guard let entries = Tree(bytes) else {
            throw .ledgerDamaged(tree, "it is not laid out as a tree", at: place)
        }
        guard entries.count <= Self.largestTree else {
            throw .ledgerInvalidPath(folder, "the folder has more than \(Self.largestTree) entries", in: commit)
        }
        recentTrees.keep(entries, as: tree, size: entries.size)
        return entries
    }

    /// The path of a folder's entry, after the check that a ledger's tree may hold it. Faults: ledger.invalid-path, ledger.foreign-entry.
    static func checked(
        _ entry: TreeEntry, in folder: String, of commit: CommitID?
    ) throws(Fault) -> (path: String, isFolder: Bool) {
        let name = String(decoding: entry.name, as: UTF8.self)
        let path = folder.isEmpty ? name : "\(folder)/\(name)"
        if let flaw = TreePath.flaw(name: entry.name[...], below: folder.utf8.count) {
            throw .ledgerInvalidPath(path, flaw, in: commit)
        }
        switch entry.mode {
        case TreeEntry.folderMode: return (path, true)
        case TreeEntry.fileMode: return (path, false)
        default: throw .ledgerForeignEntry(path, mode: entry.mode, at: Place(file: path, commit: commit?.hex))
        }
    }

    /// Faults: ledger.invalid-path for a folder that is deeper than any folder of a ledger: a walk from folder to folder must end.
    static func requireShallow(_ folder: String, in commit: CommitID?) throws(Fault) {
        if folder.utf8.count(where: { $0 == 0x2f }) >= TreePath.deepest {
            throw .ledgerInvalidPath(folder, "folders are nested more than \(TreePath.deepest) deep", in: commit)
        }
    }

    /// Every file of a commit's tree in byte order of the paths. Faults: those of reading, ledger.invalid-path,
    /// ledger.foreign-entry.
    mutating func blobs(of commit: CommitID, below folder: String = "") throws(Fault) -> [TreeFile] {
        var files: [TreeFile] = []
        var budget = Self.largestTree
        var tree = try self.commit(commit).tree
        for name in folder.isEmpty ? [] : TreePath.components(folder) {
            guard let inner = try entries(of: tree, at: folder, in: commit).entry(named: name),
                inner.mode == TreeEntry.folderMode
            else { return [] }
            tree = inner.id
        }
        try collect(tree, folder: folder, in: commit, into: &files, budget: &budget)
        return files.sorted { TreePath.precedes($0.path, $1.path) }
    }

    /// How many entries a tree may have, where a folder counts each time it occurs: a few kilobytes of hostile trees that name each other
    /// can describe more files than there are atoms.
    static let largestTree = 200_000

    private mutating func collect(
        _ tree: ObjectID, folder: String, in commit: CommitID, into files: inout [TreeFile], budget: inout Int
    ) throws(Fault) {
        try Self.requireShallow(folder, in: commit)
        for entry in try entries(of: tree, at: folder, in: commit) {
            let (path, isFolder) = try Self.checked(entry, in: folder, of: commit)
            budget -= 1
            guard budget >= 0 else {
                throw .ledgerInvalidPath(path, "the tree has more than \(Self.largestTree) entries", in: commit)
            }
            if isFolder {
                try collect(entry.id, folder: path, in: commit, into: &files, budget: &budget)
            } else {
                files.append(TreeFile(path: path, blob: entry.id))
            }
        }
    }

    /// The files in which two commits differ, in byte order of the paths; nil means an empty tree. Folders that are the same are not
    /// opened. Faults: those of reading, ledger.invalid-path, ledger.foreign-entry.
    mutating func differences(from old: CommitID?, to new: CommitID) throws(Fault) -> [FileDifference] {
        var found: [String: FileDifference] = [:]
        var budget = Self.largestTree
        let trees = (try old.map { (id) throws(Fault) in try commit(id).tree }, try commit(new).tree)
        try compare(trees.0, trees.1, folder: "", (old, new), into: &found, budget: &budget)
        return found.values.sorted { TreePath.precedes($0.path, $1.path) }
    }

    private mutating func compare(
        _ old: ObjectID?, _ new: ObjectID?, folder: String, _ commits: (old: CommitID?, new: CommitID),
        into found: inout [String: FileDifference], budget: inout Int
    ) throws(Fault) {
        guard old != new else { return }
        try Self.requireShallow(folder, in: commits.new)
        let before =
            try old.map { (id) throws(Fault) in try entries(of: id, at: folder, in: commits.old) } ?? Tree.empty
        let after = try new.map { (id) throws(Fault) in try entries(of: id, at: folder, in: commits.new) } ?? Tree.empty
        // Both are in the same order, so the entries that are equal from the start need not be compared one by one.
        let alike = before.alike(after)
        var folders: [String: (old: ObjectID?, new: ObjectID?)] = [:]
        for (list, commit, isNew) in [(before, commits.old, false), (after, commits.new, true)] {
            for entry in list.dropFirst(alike) {
                let (path, isFolder) = try Self.checked(entry, in: folder, of: commit)
                budget -= 1
                guard budget >= 0 else {
                    throw .ledgerInvalidPath(path, "the tree has more than \(Self.largestTree) entries", in: commit)
                }
                if isFolder {
                    if isNew {
                        folders[path, default: (nil, nil)].new = entry.id
                    } else {
                        folders[path, default: (nil, nil)].old = entry.id
                    }
                } else if isNew {
                    found[path, default: FileDifference(path: path)].new = entry.id
                } else {
                    found[path, default: FileDifference(path: path)].old = entry.id
                }
            }
        }
        for path in found.keys where found[path]?.old == found[path]?.new { found[path] = nil }
        for (path, pair) in folders {
            try compare(pair.old, pair.new, folder: path, commits, into: &found, budget: &budget)
        }
    }

    /// The length of a blob, from its header.
    mutating func size(of file: TreeFile, in commit: CommitID) throws(Fault) -> Int {
        if let known = blobDigests[file.blob] { return known.size }
        do {
            return try size(of: file.blob, .blob, at: Place(file: file.path, commit: commit.hex))
        } catch {
            guard let listed = prunedDigest(of: file.blob) else { throw error }
            return listed.size
        }
    }

    /// The content of a file of a commit; nil if the tree does not hold it.
    mutating func file(_ path: String, of commit: CommitID, limit: Int) throws(Fault) -> [UInt8]? {
        guard let blob = try blob(path, of: commit) else { return nil }
        return try content(of: blob, path, commit, limit: limit)
    }

    mutating func content(
        of blob: ObjectID, _ path: String, _ commit: CommitID, limit: Int
    ) throws(Fault) -> [UInt8] {
        do {
            return try read(blob, .blob, at: Place(file: path, commit: commit.hex), limit: limit)
        } catch {
            throw prunedDigest(of: blob) == nil ? error : .ledgerPruned(path, blob, in: commit)
        }
    }

    /// The id of a file's content; nil if the tree does not hold it.
    mutating func blob(_ path: String, of commit: CommitID) throws(Fault) -> ObjectID? {
        let names = path.utf8.split(separator: 0x2f, omittingEmptySubsequences: false)
        var tree = try self.commit(commit).tree
        for (index, name) in names.enumerated() {
            let isLast = index == names.count - 1
            let mode = isLast ? TreeEntry.fileMode : TreeEntry.folderMode
            guard let entry = try entries(of: tree, at: path, in: commit).entry(named: name), entry.mode == mode else {
                return nil
            }
            if isLast { return entry.id }
            tree = entry.id
        }
        return nil
    }

    /// The chain of first parents of a commit, the oldest first.
    mutating func firstParents(from tip: CommitID) throws(Fault) -> [CommitRecord] {
        var records: [CommitRecord] = []
        var size = 0
        var next: CommitID? = tip
        while let id = next {
            let record = try commit(id)
            try Self.requireFew(&size, record)
            records.append(record)
            next = record.parents.first
        }
        return records.reversed()
    }

    /// The most bytes of commits that a history may take in memory: a million commits of a run.
    static let largestHistory = 1 << 30

    private static func requireFew(_ size: inout Int, _ record: CommitRecord) throws(Fault) {
        size += record.size
        if size > largestHistory {
            throw .ledgerTooLarge(
                "the history of commits", size, limit: largestHistory, at: Place(commit: record.id.hex))
        }
    }

    /// Every commit that can be reached, each once, parents before children; branches in order of the tips and parents.
    mutating func ancestry(of tips: [CommitID]) throws(Fault) -> [CommitRecord] {
        let (records, faults) = ancestryWithFaults(of: tips)
        if let fault = faults.first { throw fault }
        return records
    }

    /// Whether a commit is among the others or their ancestors; the nearest are looked at first. Faults: as `ancestry`.
    mutating func isReached(_ wanted: CommitID, from tips: [CommitID]) throws(Fault) -> Bool {
        var seen = Set(tips)
        var next = tips
        while !next.isEmpty {
            if next.contains(wanted) { return true }
            var parents: [CommitID] = []
            for id in next { parents += try commit(id).parents.filter { seen.insert($0).inserted } }
            next = parents
        }
        return false
    }

    /// As `ancestry`, but continues past commits that cannot be read.
    mutating func ancestryWithFaults(of tips: [CommitID]) -> (records: [CommitRecord], faults: [Fault]) {
        var ordered: [CommitRecord] = []
        var faults: [Fault] = []
        var seen: Set<CommitID> = []
        var size = 0
        // Depth first without recursion: the stack holds commits whose parents are being visited, with the index of the next parent.
        var stack: [(record: CommitRecord, next: Int)] = []
        for tip in tips {
            var wanted: CommitID? = tip
            repeat {
                if let id = wanted, seen.insert(id).inserted {
                    do {
                        let record = try commit(id)
                        try Self.requireFew(&size, record)
                        stack.append((record, 0))
                    } catch {
                        faults.append(error)
                        if size > Self.largestHistory { return (ordered, faults) }
                    }
                }
                wanted = nil
                while let (record, next) = stack.last {
                    if next < record.parents.count {
                        stack[stack.count - 1].next += 1
                        wanted = record.parents[next]
                        break
                    }
                    ordered.append(record)
                    stack.removeLast()
                }
            } while wanted != nil
        }
        return (ordered, faults)
    }
}

/// A path and the id of its content.
struct TreeFile {
    let path: String
    let blob: ObjectID
}
