// State-SHA256: one SHA-256 over every path and content of a tree but timing.json. docs/ledger.md gives the layout.

import Digests
import Faults
import Federation

enum StateLayout {
    static let trailer = "State-SHA256"

    /// The line of one file: `<sha256 of the content> <size in bytes> <path>\n`.
    static func line(_ path: String, _ blob: Repository.BlobDigest) -> String {
        "\(blob.digest.hex) \(blob.size) \(path)\n"
    }
}

extension Repository {
    /// The state of the files, which are in byte order of their paths.
    mutating func stateDigest(of files: [TreeFile], in commit: CommitID?) throws(Fault) -> Digest {
        var builder = DigestBuilder()
        for file in files where !TreePath.isTiming(file.path) {
            builder.update(StateLayout.line(file.path, try digest(of: file, in: commit)))
        }
        return builder.digest()
    }

    /// SHA-256 and size of a file's content, read and hashed once a process.
    private mutating func digest(of file: TreeFile, in commit: CommitID?) throws(Fault) -> BlobDigest {
        if let known = blobDigests[file.blob] { return known }
        let bytes = try read(file.blob, .blob, at: Place(file: file.path, commit: commit?.hex))
        let found = BlobDigest(digest: .sha256(bytes), size: bytes.count)
        blobDigests[file.blob] = found
        return found
    }
}
