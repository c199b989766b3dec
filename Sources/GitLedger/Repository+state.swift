// State-SHA256: one SHA-256 over every path and content of a tree except timing.json, folder by folder. docs/ledger.md gives the layout.

import Digests
import Faults
import Federation

enum StateLayout {
    static let trailer = "State-SHA256"
    /// The digest of a folder without lines: such a folder is left out of the folder above.
    static let nothing = Digest.sha256([UInt8]())

    /// The line of one file: `<sha256 of the content> <size in bytes> <name>\n`.
    static func line(_ name: String, _ blob: Repository.BlobDigest) -> String {
        "\(blob.digest.hex) \(blob.size) \(name)\n"
    }

    /// The line of one folder: `<digest of its lines> folder <name>\n`.
    static func line(folder name: String, _ digest: Digest) -> String { "\(digest.hex) folder \(name)\n" }
}

extension Repository {
    /// A folder and its place in a tree: the place decides how long its paths are.
    struct PlacedTree: Hashable {
        let tree: ObjectID
        let pathLength: Int
    }

    /// The state of a folder, and how many entries it counts for, those of its folders included.
    struct FolderState {
        let digest: Digest
        let entries: Int
    }

    /// The state of a tree. A folder is read and hashed once in a process, so that the cost of each commit of a run is that of its changes.
    ///
    /// Faults: those of reading, ledger.invalid-path, ledger.foreign-entry.
    mutating func stateDigest(of tree: ObjectID, in commit: CommitID?) throws(Fault) -> Digest {
        try state(of: tree, folder: "", in: commit).digest
    }

    /// A folder of many entries as it was last hashed: the entries, and the hash of the lines of all but the last of them. The folder of
    /// the next commit begins with the same entries.
    struct LongFolder {
        let tree: Tree
        let builder: DigestBuilder
        /// How many entries those lines count for, those of folders included.
        let entries: Int
        /// Folders with fewer entries are not worth keeping.
        static let least = 16
    }

    private mutating func state(
        of tree: ObjectID, folder: String, in commit: CommitID?
    ) throws(Fault) -> FolderState {
        let place = PlacedTree(tree: tree, pathLength: folder.utf8.count)
        if let known = stateDigests[place] { return known }
        try Self.requireShallow(folder, in: commit)
        let listed = try entries(of: tree, at: folder, in: commit)
        var builder = DigestBuilder()
        var count = 0
        var done = 0
        if let last = longFolders[folder], last.tree.alike(listed) >= last.tree.count - 1,
            listed.count >= last.tree.count
        {
            (builder, count, done) = (last.builder, last.entries, last.tree.count - 1)
        }
        for index in done..<listed.count {
            if index == listed.count - 1, listed.count >= LongFolder.least {
                longFolders.keep(
                    LongFolder(tree: listed, builder: builder, entries: count), as: folder, size: listed.size)
            }
            let entry = listed[index]
            let (path, isFolder) = try Self.checked(entry, in: folder, of: commit)
            let name = String(decoding: entry.name, as: UTF8.self)
            count += 1
            if isFolder {
                let inner = try state(of: entry.id, folder: path, in: commit)
                count += inner.entries
                if inner.digest != StateLayout.nothing {
                    builder.update(StateLayout.line(folder: name, inner.digest))
                }
            } else if !TreePath.isTiming(name) {
                let file = TreeFile(path: path, blob: entry.id)
                builder.update(StateLayout.line(name, try digest(of: file, in: commit)))
            }
        }
        guard count <= Self.largestTree else {
            throw .ledgerInvalidPath(folder, "the tree has more than \(Self.largestTree) entries", in: commit)
        }
        let found = FolderState(digest: builder.digest(), entries: count)
        stateDigests[place] = found
        return found
    }

    /// SHA-256 and size of a file's content, read and hashed once in a process.
    ///
    /// Where the content is pruned, the values come from the list.
    mutating func digest(of file: TreeFile, in commit: CommitID?) throws(Fault) -> BlobDigest {
        if let known = blobDigests[file.blob] { return known }
        if refused.contains(file.blob) {
            throw .ledgerDamaged(
                file.blob, "it is larger than permitted", at: Place(file: file.path, commit: commit?.hex))
        }
        let bytes: [UInt8]
        do {
            bytes = try read(file.blob, .blob, at: Place(file: file.path, commit: commit?.hex))
        } catch {
            guard let listed = prunedDigest(of: file.blob) else { throw error }
            blobDigests[file.blob] = listed
            return listed
        }
        let found = BlobDigest(digest: .sha256(bytes), size: bytes.count)
        blobDigests[file.blob] = found
        return found
    }
}
