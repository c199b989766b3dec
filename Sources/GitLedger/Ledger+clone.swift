// Cloning: a bare copy of a ledger that moves forward with its source and can remove nothing from it.

import CLibgit2
import Faults
import Federation

extension Ledger {
    /// Copies a ledger, or the ledger that a clone with a work tree holds, to a path where there is nothing yet. Every object is read and
    /// compared with its id; only branches are copied. The copy's remote `origin` is the source with the refspec
    /// `refs/heads/*:refs/heads/*`, unforced: `git fetch` and `git push origin BRANCH` move lines forward and delete none.
    ///
    /// Returns the names of the branches. Faults: ledger.exists, clone.remote, ledger.not-writable, and those of reading the source.
    public static func clone(from source: String, to path: String) throws(Fault) -> [String] {
        if !Files.exists(source), isRemote(source) { throw .cloneRemote(source, path) }
        guard Repository.isVacant(path) else { throw .ledgerExists(path) }
        var original = try Repository(opening: source)
        var lines: [(name: String, tip: CommitID)] = []
        for (name, value, isLocal) in try original.refs.visible() where name.hasPrefix("refs/heads/") && !isLocal {
            switch value {
            case .object(let id): lines.append((name, CommitID(id)))
            case .symbolic: break
            case .damaged(let reason): throw .ledgerCorrupt(reason, at: Place(commit: name))
            }
        }
        let objects = try original.reachable(from: lines.map(\.tip))
        let isPlaced = try Repository.place(at: path) { (fresh) throws(Fault) in
            if !objects.isEmpty { try original.writePack(of: objects, into: "\(fresh)/objects/pack") }
            var copy = try Repository(opening: fresh)
            // The list of pruned contents is on one of the lines, so the refs are written before the check.
            try copy.writePackedRefs(lines)
            if let fault = copy.checkObjects(reachableFrom: lines.map(\.tip)).faults.first { throw fault }
            try copy.setRemote(Files.absolute(source))
        }
        guard isPlaced else { throw .ledgerExists(path) }
        return lines.map(\.name)
    }

    /// Whether git would take the source as a place on another machine.
    private static func isRemote(_ source: String) -> Bool {
        if source.contains("://") { return true }
        guard let colon = source.firstIndex(of: ":") else { return false }
        return !source[..<colon].contains("/")
    }
}

extension Repository {
    /// The ids of all objects that the commits reach, each once; objects that are listed as pruned and are gone are left out.
    ///
    /// Faults: those of reading, ledger.foreign-entry.
    mutating func reachable(from tips: [CommitID]) throws(Fault) -> [ObjectID] {
        var found: [ObjectID] = []
        var seen: Set<ObjectID> = []
        for record in try ancestry(of: tips) {
            found.append(record.id.object)
            var trees = [record.tree]
            while let tree = trees.popLast() {
                guard seen.insert(tree).inserted else { continue }
                found.append(tree)
                for entry in try entries(of: tree, at: "", in: record.id) {
                    switch entry.mode {
                    case TreeEntry.folderMode: trees.append(entry.id)
                    case TreeEntry.fileMode:
                        guard seen.insert(entry.id).inserted else { continue }
                        let name = String(decoding: entry.name, as: UTF8.self)
                        let place = Place(file: name, commit: record.id.hex)
                        do throws(Fault) {
                            _ = try size(of: entry.id, .blob, at: place)
                            found.append(entry.id)
                        } catch {
                            guard prunedDigest(of: entry.id) != nil else { throw error }
                        }
                    default:
                        let name = String(decoding: entry.name, as: UTF8.self)
                        throw .ledgerForeignEntry(
                            name, mode: entry.mode, at: Place(file: name, commit: record.id.hex))
                    }
                }
            }
        }
        return found
    }

    /// Writes the objects into a pack with its index, durably. Faults: ledger.not-writable, ledger.corrupt.
    func writePack(of objects: [ObjectID], into folder: String) throws(Fault) {
        // A new handle: the list of packs of this one may be old.
        let reader = try Repository(opening: isClone ? self.folder : path)
        var builder: OpaquePointer?
        defer { git_packbuilder_free(builder) }
        do {
            try Git.attempt(git_packbuilder_new(&builder, reader.handle))
            // One thread, so that the same objects give the same file.
            git_packbuilder_set_threads(builder, 1)
            for id in objects {
                var oid = id.oid
                try Git.attempt(git_packbuilder_insert(builder, &oid, nil))
            }
        } catch {
            throw error.reading(path, at: Place(file: path))
        }
        do {
            try Git.attempt(git_packbuilder_write(builder, folder, 0o444, nil, nil))
        } catch {
            throw .ledgerNotWritable(folder, error.message)
        }
    }

    /// Tells `git fetch` and `git push` the source.
    func setRemote(_ source: String) throws(Fault) {
        var config: OpaquePointer?
        defer { git_config_free(config) }
        do {
            try Git.attempt(git_repository_config(&config, handle))
            try Git.attempt(git_config_set_string(config, "remote.origin.url", source))
            try Git.attempt(git_config_set_string(config, "remote.origin.fetch", "refs/heads/*:refs/heads/*"))
        } catch {
            throw .ledgerNotWritable(path, error.message)
        }
    }

    /// Writes all refs of a new repository that no other process knows yet. Faults: ledger.not-writable.
    func writePackedRefs(_ lines: [(name: String, tip: CommitID)]) throws(Fault) {
        var text = "# pack-refs with: peeled fully-peeled sorted \n"
        for (name, tip) in lines { text += "\(tip) \(name)\n" }
        try Files.write(Array(text.utf8), to: "\(folder)/packed-refs")
    }
}
