// RefStore: what the refs of a repository hold, read from their files. Every ref is listed, also a damaged or symbolic one; libgit2 skips a
// loose ref that it cannot parse, but a damaged ref must not look like a missing one.

import Faults

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// What a ref's file holds.
enum RefValue: Hashable {
    case object(ObjectID)
    case symbolic(String)
    case damaged(String)
}

/// Reads loose refs and `packed-refs`. Another git process may pack refs at any moment: it renames the new `packed-refs` into place before
/// it removes the loose files, so reading the loose file first and then `packed-refs` misses no ref.
final class RefStore {
    /// The folder that git calls its common directory.
    private let folder: String
    /// Whether the repository is a clone with a work tree, which keeps the ledger's refs as those of its remote.
    private let isClone: Bool
    private var packed: (stamp: Stamp, refs: [String: ObjectID])?

    /// A larger `packed-refs` file, more refs than this and deeper folders than this are refused.
    static let largestPacked = 64 << 20
    static let mostRefs = 200_000
    static let deepest = 64

    private struct Stamp: Equatable {
        let size: Int
        let inode: UInt
        let seconds: [Int]
    }

    init(folder: String, isClone: Bool) {
        self.folder = folder
        self.isClone = isClone
    }

    /// The name under which the repository keeps a line's ref.
    func stored(_ ref: String) -> String {
        isClone && ref.hasPrefix("refs/heads/") ? "refs/remotes/origin/\(ref.dropFirst(11))" : ref
    }

    /// What a ref holds, by its name in the repository; nil where there is none. Faults: ledger.corrupt, ledger.unreadable.
    func value(of name: String) throws(Fault) -> RefValue? {
        if let loose = try loose(name) { return loose }
        return try packedRefs()[name].map { .object($0) }
    }

    /// Every ref below `refs/`, by its name in the repository, in byte order. Faults: ledger.corrupt, ledger.unreadable,
    /// ledger.too-large.
    func all() throws(Fault) -> [(name: String, value: RefValue)] {
        // Keyed by the names' bytes, since equal Swift strings may differ in bytes.
        var found: [[UInt8]: (name: String, value: RefValue)] = [:]
        // Folders to read, with their depth: no recursion over what a stranger made.
        var pending = [("refs", 1)]
        while let (below, depth) = pending.popLast() {
            let path = "\(folder)/\(below)"
            if access(path, R_OK | X_OK) != 0 && errno == EACCES { throw .ledgerUnreadable(path, Files.reason(EACCES)) }
            for name in Files.names(in: path) {
                let ref = "\(below)/\(name)"
                if Files.isFolder("\(folder)/\(ref)") {
                    guard depth < Self.deepest else {
                        throw .ledgerCorrupt("folders of refs are more than \(Self.deepest) deep", at: Place(file: ref))
                    }
                    pending.append((ref, depth + 1))
                } else if name.unicodeScalars.contains("\u{fffd}") {
                    found[Array(ref.utf8)] = (ref, .damaged("its name is not UTF-8"))
                } else if !name.hasSuffix(".lock"), let value = try loose(ref) {
                    found[Array(ref.utf8)] = (ref, value)
                }
                try requireFew(found.count + pending.count)
            }
        }
        for (name, id) in try packedRefs() where found[Array(name.utf8)] == nil {
            found[Array(name.utf8)] = (name, .object(id))
        }
        try requireFew(found.count)
        return found.values.sorted { TreePath.precedes($0.name, $1.name) }
    }

    /// Every ref by the name that a ledger gives it. In a clone with a work tree, the branches of the remote are the ledger's, and the
    /// clone's own branches are local.
    func visible() throws(Fault) -> [(name: String, value: RefValue, isLocal: Bool)] {
        let stored = try all()
        guard isClone else { return stored.map { ($0.name, $0.value, false) } }
        let remote = "refs/remotes/origin/"
        return stored.compactMap { (name, value) -> (String, RefValue, Bool)? in
            if name == remote + "HEAD" { return nil }
            if name.hasPrefix(remote) { return ("refs/heads/\(name.dropFirst(remote.count))", value, false) }
            return (name, value, name.hasPrefix("refs/heads/"))
        }.sorted { TreePath.precedes($0.0, $1.0) }
    }

    /// What HEAD holds; nil where it is missing.
    func head() throws(Fault) -> RefValue? { try loose("HEAD") }

    private func requireFew(_ count: Int) throws(Fault) {
        guard count <= Self.mostRefs else {
            throw .ledgerTooLarge(
                "the list of refs", count, limit: Self.mostRefs, unit: "refs", at: Place(file: folder))
        }
    }

    private func loose(_ name: String) throws(Fault) -> RefValue? {
        switch Files.bounded("\(folder)/\(name)", limit: 4096, followingLinks: false) {
        case .content(let bytes):
            if let id = ObjectID(digits: bytes.last == 0x0a ? bytes.dropLast() : bytes[...]) { return .object(id) }
            if bytes.starts(with: "ref:".utf8) {
                let target = bytes.dropFirst(4).drop { $0 == 0x20 }
                return .symbolic(String(decoding: target.last == 0x0a ? target.dropLast() : target, as: UTF8.self))
            }
            return .damaged("it holds neither a commit id nor the name of a ref")
        case .absent: return nil
        case .notAFile: return Files.isFolder("\(folder)/\(name)") ? nil : .damaged("it is not a plain file")
        case .tooLarge(let size): return .damaged("it has \(size) bytes")
        case .failed(let code): throw .ledgerUnreadable("\(folder)/\(name)", Files.reason(code))
        }
    }

    private func packedRefs() throws(Fault) -> [String: ObjectID] {
        let path = "\(folder)/packed-refs"
        var status = stat()
        guard stat(path, &status) == 0 else {
            if errno == ENOENT { return [:] }
            throw .ledgerUnreadable(path, Files.reason(errno))
        }
        let stamp = Stamp(
            size: Int(status.st_size), inode: UInt(status.st_ino),
            seconds: [
                Int(status.st_mtim.tv_sec), Int(status.st_mtim.tv_nsec), Int(status.st_ctim.tv_sec),
                Int(status.st_ctim.tv_nsec),
            ])
        if let packed, packed.stamp == stamp { return packed.refs }
        switch Files.bounded(path, limit: Self.largestPacked) {
        case .content(let bytes):
            let refs = try parse(bytes, path)
            packed = (stamp, refs)
            return refs
        case .absent: return [:]
        case .notAFile: throw .ledgerCorrupt("this is not a plain file", at: Place(file: path))
        case .tooLarge(let size):
            throw .ledgerTooLarge("the file", size, limit: Self.largestPacked, at: Place(file: path))
        case .failed(let code): throw .ledgerUnreadable(path, Files.reason(code))
        }
    }

    /// `<id> <name>` in each line; `#` begins the header, `^` gives the object that the tag in the line before names.
    private func parse(_ bytes: [UInt8], _ path: String) throws(Fault) -> [String: ObjectID] {
        var refs: [String: ObjectID] = [:]
        var number = 0
        for line in bytes.split(separator: 0x0a, omittingEmptySubsequences: false) {
            number += 1
            if line.isEmpty || line.first == 0x23 || line.first == 0x5e { continue }
            guard line.count > 41, line[line.startIndex + 40] == 0x20, let id = ObjectID(digits: line.prefix(40)) else {
                throw .ledgerCorrupt("the line is not <id> <ref>", at: Place(file: path, line: number))
            }
            refs[String(decoding: line.dropFirst(41), as: UTF8.self)] = id
            try requireFew(refs.count)
        }
        return refs
    }
}
