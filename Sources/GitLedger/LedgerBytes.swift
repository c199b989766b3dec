// LedgerBytes: commits, trees and bundles read from bytes alone, without a repository; the fuzzer uses it.

import CLibgit2
import Faults

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// What the readers of a repository find in bytes.
package enum LedgerBytes {
    /// A commit object with everything in it. Throws `ledger.corrupt`.
    package static func commit(_ bytes: [UInt8]) throws(Fault) -> RawCommit {
        let id = try id(of: bytes, .commit)
        guard let commit = RawCommit(id: CommitID(id), parsing: bytes) else {
            throw .ledgerDamaged(id, "it is not laid out as a commit", at: Place(commit: id.hex))
        }
        return commit
    }

    /// The content that a commit's signature covers, and the signature; nil where it has none.
    package static func signed(_ bytes: [UInt8]) -> (content: [UInt8], signature: String)? {
        CommitRecord.withoutSignature(bytes)
    }

    /// The names of a tree object's entries, each one that a ledger may hold. Throws `ledger.corrupt`, `ledger.invalid-path` and
    /// `ledger.foreign-entry`.
    package static func names(ofTree bytes: [UInt8]) throws(Fault) -> [String] {
        let id = try id(of: bytes, .tree)
        guard let tree = Tree(bytes) else {
            throw .ledgerDamaged(id, "it is not laid out as a tree", at: Place(commit: id.hex))
        }
        var names: [String] = []
        for entry in tree { names.append(try Repository.checked(entry, in: "", of: nil).path) }
        return names
    }

    /// Reads a bundle through: its header, then its pack from the first byte to the checksum. Throws `bundle.bad`.
    package static func checkBundle(_ bytes: [UInt8], limits: ReceivingLimits) throws(Fault) {
        let file = "a.bundle"
        var bytes = bytes
        // An empty stream cannot be opened.
        guard let stream = fmemopen(&bytes, max(bytes.count, 1), "rb") else {
            throw .bundleUnreadable(file, Files.reason(errno))
        }
        defer { fclose(stream) }
        _ = try BundleHeader(reading: stream, file: file)
        if let flaw = PackScan.flaw(of: stream, limits) { throw .bundleBad(file, flaw) }
    }

    private static func id(of bytes: [UInt8], _ kind: ObjectKind) throws(Fault) -> ObjectID {
        Git.prepare()
        var oid = git_oid()
        guard git_odb_hash(&oid, bytes, bytes.count, kind.type) == 0 else {
            throw .ledgerCorrupt("the bytes cannot be hashed", at: Place(file: "bytes"))
        }
        return ObjectID(oid)
    }
}
