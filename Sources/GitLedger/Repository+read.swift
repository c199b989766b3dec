// Reading refs, commits and trees. Commits and trees are taken apart here, from bytes already compared with their ids.

import CLibgit2
import Faults
import Federation

extension Repository {
    /// Where a line's ref stands; nil if it does not exist. Faults: ledger.corrupt, ledger.unreadable.
    func tip(_ line: LineRef) throws(Fault) -> CommitID? {
        var reference: OpaquePointer?
        defer { git_reference_free(reference) }
        do {
            try Git.attempt(git_reference_lookup(&reference, handle, line.ref))
        } catch  where error.isNotFound {
            return nil
        } catch {
            throw error.reading(path, at: Place(commit: line.ref))
        }
        guard git_reference_type(reference) == GIT_REFERENCE_DIRECT, let target = git_reference_target(reference) else {
            throw .ledgerCorrupt("the ref does not hold a commit id", at: Place(commit: line.ref))
        }
        return CommitID(ObjectID(target.pointee))
    }

    /// Every line of every run in byte order of the refs, also those whose ref file is damaged.
    func lines() throws(Fault) -> [LineRef] {
        var found = Set(try refs(LineRef.folder + "*"))
        // libgit2 passes over a loose ref that it cannot parse; a damaged ref must not look like an absent one.
        let runs = "\(folder)/\(LineRef.folder)"
        for name in Files.names(in: runs) {
            found.insert(LineRef.folder + name)
            for site in Files.names(in: runs + name) { found.insert("\(LineRef.folder)\(name)/\(site)") }
        }
        return found.sorted(by: TreePath.precedes).compactMap { LineRef(ref: $0) }
    }

    /// The names of the refs that match, in byte order. Faults: ledger.corrupt, ledger.unreadable.
    func refs(_ pattern: String) throws(Fault) -> [String] {
        var found: [String] = []
        var iterator: OpaquePointer?
        defer { git_reference_iterator_free(iterator) }
        do {
            try Git.attempt(git_reference_iterator_glob_new(&iterator, handle, pattern))
            var name: UnsafePointer<CChar>?
            while true {
                let code = git_reference_next_name(&name, iterator)
                if code == GIT_ITEROVER.rawValue { break }
                try Git.attempt(code)
                if let name { found.append(String(cString: name)) }
            }
        } catch {
            throw error.reading(path, at: Place(file: path))
        }
        return found.sorted(by: TreePath.precedes)
    }

    /// Reads a commit, once a process. Faults: ledger.corrupt, ledger.missing-object, ledger.unreadable.
    mutating func commit(_ id: CommitID) throws(Fault) -> CommitRecord {
        if let known = commits[id] { return known }
        let record = try readCommit(id)
        commits[id] = record
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
        if recentTrees.count >= 256 { recentTrees.removeAll(keepingCapacity: true) }
        recentTrees[tree] = entries
        return entries
    }

    /// The path of a folder's entry, held to what a ledger's tree may hold. Faults: ledger.invalid-path, ledger.foreign-entry.
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

    /// How many entries a tree may have, counting a folder each time it occurs: a few kilobytes of hostile trees that name
    /// each other can stand for more files than there are atoms.
    static let largestTree = 200_000

    private mutating func collect(
        _ tree: ObjectID, folder: String, in commit: CommitID, into files: inout [TreeFile], budget: inout Int
    ) throws(Fault) {
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

    /// The files in which two commits differ, in byte order of the paths; nil stands for an empty tree. Folders that are the same
    /// are not opened. Faults: those of reading, ledger.invalid-path, ledger.foreign-entry.
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
        let before =
            try old.map { (id) throws(Fault) in try entries(of: id, at: folder, in: commits.old) } ?? Tree.empty
        let after = try new.map { (id) throws(Fault) in try entries(of: id, at: folder, in: commits.new) } ?? Tree.empty
        // Both are in one order, so what they begin with alike needs no look at all.
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
            guard let listed = prunedDigest(of: file.blob, after: error) else { throw error }
            return listed.size
        }
    }

    /// The content of a file of a commit; nil if the tree does not hold it.
    mutating func file(_ path: String, of commit: CommitID) throws(Fault) -> [UInt8]? {
        guard let blob = try blob(path, of: commit) else { return nil }
        return try content(of: blob, path, commit)
    }

    mutating func content(of blob: ObjectID, _ path: String, _ commit: CommitID) throws(Fault) -> [UInt8] {
        do {
            return try read(blob, .blob, at: Place(file: path, commit: commit.hex))
        } catch {
            throw prunedDigest(of: blob, after: error) == nil ? error : .ledgerPruned(path, blob, in: commit)
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

    /// The commits from which only first parents are followed, the oldest first.
    mutating func firstParents(from tip: CommitID) throws(Fault) -> [CommitRecord] {
        var records: [CommitRecord] = []
        var next: CommitID? = tip
        while let id = next {
            let record = try commit(id)
            records.append(record)
            next = record.parents.first
        }
        return records.reversed()
    }

    /// Every commit that can be reached, each once, parents before children; branches in order of the tips and parents.
    mutating func ancestry(of tips: [CommitID]) throws(Fault) -> [CommitRecord] {
        let (records, faults) = ancestryWithFaults(of: tips)
        if let fault = faults.first { throw fault }
        return records
    }

    /// Whether a commit is among the others and what they descend from, looking at the nearest first. Faults: as `ancestry`.
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

    /// As `ancestry`, going on past commits that cannot be read.
    mutating func ancestryWithFaults(of tips: [CommitID]) -> (records: [CommitRecord], faults: [Fault]) {
        var ordered: [CommitRecord] = []
        var faults: [Fault] = []
        var seen: Set<CommitID> = []
        // Depth first without recursion: a record on the stack is one whose parents have all been pushed above it.
        var stack: [(id: CommitID, record: CommitRecord?)] = tips.reversed().map { ($0, nil) }
        while let top = stack.popLast() {
            if let record = top.record {
                ordered.append(record)
            } else if seen.insert(top.id).inserted {
                do {
                    let record = try commit(top.id)
                    stack.append((top.id, record))
                    stack += record.parents.reversed().map { ($0, nil) }
                } catch {
                    faults.append(error)
                }
            }
        }
        return (ordered, faults)
    }
}

/// A path and the id of its content.
struct TreeFile {
    let path: String
    let blob: ObjectID
}
