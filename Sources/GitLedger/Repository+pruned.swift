// Pruned blobs: contents that were removed to save space, listed with SHA-256 and size so that every state can still be recomputed.

import Faults
import Federation

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// The file of the line of pruned blobs: `<id of the blob> <sha256 of the content> <size in bytes>\n`, sorted by id.
enum PrunedLayout {
    static let file = "pruned"
    /// A larger size than any content has: sums of sizes cannot overflow.
    static let largestSize = 1 << 40
    /// The largest size of the list itself in bytes: half a million lines.
    static let largest = 64 << 20

    static func parse(_ bytes: [UInt8]) -> [ObjectID: Repository.BlobDigest]? {
        var found: [ObjectID: Repository.BlobDigest] = [:]
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let parts = line.split(separator: " ", omittingEmptySubsequences: false)
            guard parts.count == 3, let id = ObjectID(hex: String(parts[0])),
                let digest = Digest(hex: String(parts[1])),
                let size = Int(parts[2]), (0...largestSize).contains(size)
            else { return nil }
            found[id] = Repository.BlobDigest(digest: digest, size: size)
        }
        return found
    }

    static func bytes(of blobs: [ObjectID: Repository.BlobDigest]) -> [UInt8] {
        let lines = blobs.map { "\($0.key) \($0.value.digest.hex) \($0.value.size)\n" }
        return Array(lines.sorted(by: TreePath.precedes).joined().utf8)
    }
}

extension Repository {
    /// What the ledger lists as pruned; read once in a process. The list need not be trusted: a state that is recomputed with a wrong
    /// SHA-256 differs from the one that the commits state. Faults: ledger.corrupt, and those of reading.
    mutating func pruned() throws(Fault) -> [ObjectID: BlobDigest] {
        if let known = prunedBlobs { return known }
        var found: [ObjectID: BlobDigest] = [:]
        if let tip = try tip(.pruned) {
            guard let blob = try blob(PrunedLayout.file, of: tip) else {
                throw .ledgerCorrupt("the tree holds no \(PrunedLayout.file)", at: Place(commit: tip.hex))
            }
            let bytes = try read(
                blob, .blob, at: Place(file: PrunedLayout.file, commit: tip.hex), limit: PrunedLayout.largest)
            guard let list = PrunedLayout.parse(bytes) else {
                throw .ledgerCorrupt(
                    "a line is not <id> <sha256> <size>", at: Place(file: PrunedLayout.file, commit: tip.hex))
            }
            found = list
        }
        prunedBlobs = found
        return found
    }

    /// SHA-256 and size of a blob that is gone and listed as pruned; nil for any other.
    mutating func prunedDigest(of blob: ObjectID) -> BlobDigest? {
        guard let list = try? pruned(), let listed = list[blob] else { return nil }
        do throws(Fault) {
            return try store.header(blob, at: Place(file: path)) == nil ? listed : nil
        } catch {
            return nil
        }
    }

    /// How the folders begin in which new packs wait.
    private static var waitingPrefix: String { "pruning-" }

    /// Removes the blobs: first from packs, then as files. If it is killed at any moment, it has removed fewer. Faults:
    /// ledger.not-writable, ledger.corrupt.
    mutating func removeBlobs(_ blobs: [ObjectID]) throws(Fault) {
        // One pruning at a time: its waiting folders are its own, and what another one left, a kill left. The system gives the lock back.
        let lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard lock >= 0 else { throw .ledgerNotWritable(path, errno) }
        defer { close(lock) }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            throw .ledgerKept(
                path, blobs.count, "are being pruned by another process", mend: "Wait until that command has ended.")
        }
        for name in Files.names(in: folder) where name.hasPrefix(Self.waitingPrefix) {
            Self.remove(tree: "\(folder)/\(name)")
        }
        let gone = Set(blobs)
        for pack in try store.ownPacks() {
            let kept = pack.ids.filter { !gone.contains($0) }
            if kept.count < pack.count { try replace(pack, keeping: kept) }
        }
        store.forgetPacks()
        for blob in blobs {
            let file = "\(folder)/objects/\(blob.hex.prefix(2))/\(blob.hex.dropFirst(2))"
            if unlink(file) != 0 && errno != ENOENT { throw .ledgerNotWritable(file, errno) }
        }
    }

    /// Writes a pack of the objects that stay, reads every one of them from it, puts it beside the old pack, and only then removes the old
    /// pack: at each moment every object that stays is in at least one of the two.
    private mutating func replace(_ pack: PackFile, keeping kept: [ObjectID]) throws(Fault) {
        let shelf = "\(folder)/objects/pack"
        if !kept.isEmpty {
            var template = Array("\(folder)/\(Self.waitingPrefix)XXXXXX".utf8CString)
            guard mkdtemp(&template) != nil else { throw .ledgerNotWritable(path, errno) }
            let waiting = template.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
            defer { Self.remove(tree: waiting) }
            guard mkdir("\(waiting)/pack", 0o755) == 0 else { throw .ledgerNotWritable(path, errno) }
            try writePack(of: kept, into: "\(waiting)/pack")
            // A store of that folder alone: whatever it finds is in the new pack.
            let fresh = ObjectStore(folder: waiting)
            for id in kept {
                guard try fresh.read(id, limit: Ledger.largestObject, at: Place(file: waiting)) != nil else {
                    throw .ledgerMissingObject(id, kind: "object", at: Place(file: "\(waiting)/pack"))
                }
            }
            try settle(waiting)
        }
        // An index of several packs names the old pack: git must not look for it there.
        for name in Files.names(in: shelf) where name.hasPrefix("multi-pack-index") {
            Self.remove(tree: "\(shelf)/\(name)")
            unlink("\(shelf)/\(name)")
        }
        // The index is removed first: without it git does not look for the pack.
        for suffix in ["idx", "pack", "rev", "bitmap", "keep", "mtimes", "promisor"] {
            let file = "\(pack.path).\(suffix)"
            if unlink(file) != 0 && errno != ENOENT { throw .ledgerNotWritable(file, errno) }
        }
        try Files.synchronise(shelf)
    }

    /// Moves the packs that wait in a folder into the ledger, durably.
    func settle(_ waiting: String) throws(Fault) {
        // The pack is moved before its index: an index makes git look for the pack.
        for suffix in [".pack", ".idx"] {
            for name in Files.names(in: "\(waiting)/pack") where name.hasSuffix(suffix) {
                try Files.synchronise("\(waiting)/pack/\(name)")
                guard rename("\(waiting)/pack/\(name)", "\(folder)/objects/pack/\(name)") == 0 else {
                    throw .ledgerNotWritable(path, errno)
                }
            }
        }
        try Files.synchronise("\(folder)/objects/pack")
    }

    /// Those of the blobs that exist, in order of the ids. Faults: ledger.kept where one is in an alternate, or where an extension or a
    /// file asks to keep all objects.
    func presentBlobs(_ blobs: Set<ObjectID>) throws(Fault) -> [ObjectID] {
        var found: [ObjectID] = []
        for blob in blobs where try store.header(blob, at: Place(file: path)) != nil { found.append(blob) }
        let elsewhere = found.count { !store.isOwn($0) }
        if elsewhere > 0 {
            throw .ledgerKept(
                path, elsewhere, "are in another repository, which objects/info/alternates names",
                mend: "Prune that repository, or run git repack -a -d in this one and remove the file.")
        }
        return found.sorted()
    }

    /// The first blob that is reached but gone, if the ledger lists any blob as pruned.
    mutating func firstPruned(reachableFrom commits: [CommitID]) throws(Fault) -> (String, ObjectID)? {
        guard try !pruned().isEmpty else { return nil }
        let list = try pruned()
        for record in try ancestry(of: commits) {
            for change in try differences(from: record.parents.first, to: record.id) {
                guard let blob = change.new, list[blob] != nil else { continue }
                if (try? size(of: blob, .blob, at: Place())) == nil { return (change.path, blob) }
            }
        }
        return nil
    }
}

extension Ledger {
    /// How many blobs the ledger lists as pruned. Faults: ledger.corrupt, and those of reading.
    public func prunedCount() throws(Fault) -> Int {
        try reading { (repository) throws(Fault) in try repository.pruned().count }
    }

    /// SHA-256 and size of a file's content, read from the content, or from the list where it is pruned; nil where there is no such file.
    /// Faults: as `file`.
    public func digest(of path: String, in commit: CommitID) throws(Fault) -> (digest: Digest, size: Int)? {
        try reading { (repository) throws(Fault) in
            guard let blob = try repository.blob(path, of: commit) else { return nil }
            let found = try repository.digest(of: TreeFile(path: path, blob: blob), in: commit)
            return (found.digest, found.size)
        }
    }

    /// Lists blobs as pruned in a commit of the line of pruned blobs, then removes them, also from packs. If it is killed in between, it
    /// has removed fewer than it lists; a second call removes the rest. `seal` completes the commit. Returns how many were removed and the
    /// sum of their sizes.
    ///
    /// `check` throws where nothing may be removed now, for example while a run is active; it is called before anything changes, and again
    /// before the first removal. Faults: those of `check`, ledger.kept before anything changed, and those of `commit`.
    public func prune(
        _ blobs: Set<ObjectID>, unless check: () throws(Fault) -> Void = { () throws(Fault) in },
        seal: (_ before: CommitID?, _ list: FileChange) throws(Fault) -> CommitDraft
    ) throws(Fault) -> (count: Int, bytes: Int) {
        try check()
        let (present, list, before, isNew) = try reading {
            (repository) throws(Fault) -> ([ObjectID], FileChange, CommitID?, Bool) in
            let present = try repository.presentBlobs(blobs)
            var list = try repository.pruned()
            let known = list.count
            for blob in present {
                list[blob] = try repository.digest(of: TreeFile(path: PrunedLayout.file, blob: blob), in: nil)
            }
            return (
                present, FileChange(path: PrunedLayout.file, bytes: PrunedLayout.bytes(of: list)),
                try repository.tip(.pruned), list.count != known
            )
        }
        if isNew { _ = try commit(try seal(before, list)) }
        try check()
        return try reading { (repository) throws(Fault) in
            repository.prunedBlobs = nil
            var bytes = 0
            for blob in present { bytes += repository.blobDigests[blob]?.size ?? 0 }
            try repository.removeBlobs(present)
            return (present.count, bytes)
        }
    }
}
