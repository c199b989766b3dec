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

    static func parse(_ bytes: [UInt8]) -> [ObjectID: Repository.BlobDigest]? {
        var found: [ObjectID: Repository.BlobDigest] = [:]
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let parts = line.split(separator: " ", omittingEmptySubsequences: false)
            guard parts.count == 3, let id = ObjectID(hex: String(parts[0])),
                let digest = Digest(hex: String(parts[1])),
                let size = Int(parts[2]), size >= 0
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
    /// What the ledger lists as pruned; read once a process. The list is believed of nothing: a state that is recomputed with a wrong
    /// SHA-256 is not the one that the commits state. Faults: ledger.corrupt, and those of reading.
    mutating func pruned() throws(Fault) -> [ObjectID: BlobDigest] {
        if let known = prunedBlobs { return known }
        var found: [ObjectID: BlobDigest] = [:]
        if let tip = try tip(.pruned) {
            guard let blob = try blob(PrunedLayout.file, of: tip) else {
                throw .ledgerCorrupt("the tree holds no \(PrunedLayout.file)", at: Place(commit: tip.hex))
            }
            let bytes = try read(blob, .blob, at: Place(file: PrunedLayout.file, commit: tip.hex))
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
    mutating func prunedDigest(of blob: ObjectID, after fault: Fault) -> BlobDigest? {
        guard fault.code == "ledger.missing-object", let list = try? pruned() else { return nil }
        return list[blob]
    }

    /// Removes the blobs' files. Those that lie in packs are refused before anything is removed.
    mutating func removeBlobs(_ blobs: [ObjectID]) throws(Fault) {
        for blob in blobs {
            let file = "\(folder)/objects/\(blob.hex.prefix(2))/\(blob.hex.dropFirst(2))"
            if unlink(file) != 0 && errno != ENOENT { throw .ledgerNotWritable(file, errno) }
        }
    }

    /// The loose ones of the blobs that are there; ledger.packed where one lies in a pack.
    func presentBlobs(_ blobs: Set<ObjectID>) throws(Fault) -> [ObjectID] {
        var found: [ObjectID] = []
        var packed = 0
        for blob in blobs {
            if Files.exists("\(folder)/objects/\(blob.hex.prefix(2))/\(blob.hex.dropFirst(2))") {
                found.append(blob)
            } else if (try? size(of: blob, .blob, at: Place())) != nil {
                packed += 1
            }
        }
        if packed > 0 { throw .ledgerPacked(path, packed) }
        return found.sorted { TreePath.precedes($0.hex, $1.hex) }
    }

    /// The first blob that is reached and gone, if the ledger lists any as pruned.
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

    /// SHA-256 and size of a file's content, read from it, or from the list where it is pruned; nil where there is no such file.
    /// Faults: as `file`.
    public func digest(of path: String, in commit: CommitID) throws(Fault) -> (digest: Digest, size: Int)? {
        try reading { (repository) throws(Fault) in
            guard let blob = try repository.blob(path, of: commit) else { return nil }
            let found = try repository.digest(of: TreeFile(path: path, blob: blob), in: commit)
            return (found.digest, found.size)
        }
    }

    /// Lists blobs as pruned in a commit of the line of pruned blobs, then removes them. Killed in between, it has removed fewer than
    /// it lists; called again, it removes the rest. `seal` completes the commit. Gives how many were removed and their sizes' sum.
    ///
    /// Faults: ledger.packed before anything changed, and those of `commit`.
    public func prune(
        _ blobs: Set<ObjectID>, seal: (_ before: CommitID?, _ list: FileChange) throws(Fault) -> CommitDraft
    ) throws(Fault) -> (count: Int, bytes: Int) {
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
        return try reading { (repository) throws(Fault) in
            repository.prunedBlobs = nil
            var bytes = 0
            for blob in present { bytes += repository.blobDigests[blob]?.size ?? 0 }
            try repository.removeBlobs(present)
            return (present.count, bytes)
        }
    }
}
