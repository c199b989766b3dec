// Messages: a bundle with what its receiver lacks, and receiving one: its objects wait in a folder of their own until a check has read them,
// then they are written loose, the lines last.

import CLibgit2
import Faults
import Federation

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// A message in a file: the lines it brings and what it goes on from.
public struct LedgerMessage: Sendable {
    /// Where each line is in the message.
    public let lines: [LineRef: CommitID]
    /// The commits that its receiver has to hold.
    public let needed: [CommitID]

    /// Reads a message's header. Faults: bundle.unreadable, bundle.bad.
    public init(reading file: String) throws(Fault) {
        try Repository.requireFile(file)
        guard let stream = fopen(file, "rb") else { throw .bundleUnreadable(file, Files.reason(errno)) }
        defer { fclose(stream) }
        let header = try BundleHeader(reading: stream, file: file)
        lines = Dictionary(header.lines.map { ($0.line, $0.tip) }) { first, _ in first }
        needed = header.needed
    }
}

extension Ledger {
    /// Writes the lines that exist into a message; what `known` reaches stays out. Faults: ledger.not-writable, and those of reading.
    public func writeMessage(of lines: [LineRef], known: [CommitID], to path: String) throws(Fault) {
        try reading { (repository) throws(Fault) in
            var chosen: [(line: LineRef, tip: CommitID)] = []
            for line in lines { if let tip = try repository.tip(line) { chosen.append((line, tip)) } }
            try repository.writeBundle(of: chosen, to: path, known: known)
        }
    }

    /// Whether the ledger holds a commit. Faults: as `read`.
    public func holds(_ commit: CommitID) throws(Fault) -> Bool {
        try reading { (repository) throws(Fault) in
            try repository.store.header(commit.object, at: Place(commit: commit.hex)) != nil
        }
    }

    /// Takes a message: each line goes forward or stays, and is one that the sender may move; every new object is read and compared with
    /// its id; `check` reads the ledger as it would be. What passes is written loose, the refs last; of a refused message nothing stays.
    ///
    /// Faults: those of `takeBundle`, and what `check` throws.
    public func receive(
        _ file: String, limits: ReceivingLimits, permitted: (LineRef) -> Bool,
        check: (Ledger, [BundleLine]) throws(Fault) -> Void
    ) throws(Fault) -> [BundleLine] {
        let (incoming, moves) = try reading { (repository) throws(Fault) in
            try repository.takeIn(file, limits: limits)
        }
        defer { Repository.remove(tree: incoming) }
        for move in moves where !permitted(move.line) {
            throw .bundleBad(file, "its sender may not move the line \(move.line)")
        }
        guard moves.contains(where: \.isNew) else { return moves }
        var repository = try Repository(opening: path, with: incoming)
        for move in moves where move.isNew { repository.waiting[move.line] = move.new }
        let objects = try repository.incoming(moves, from: incoming, file: file)
        try check(Ledger(path: path, repository: repository), moves)
        try reading { (own) throws(Fault) in
            try own.accept(objects, moves, from: try Repository(opening: path, with: incoming))
        }
        return moves
    }
}

extension Repository {
    /// Puts a message's objects into a folder of their own; which lines it would move. Gives the folder.
    mutating func takeIn(_ file: String, limits: ReceivingLimits) throws(Fault) -> (String, [BundleLine]) {
        try requireBare()
        try Self.requireFile(file)
        guard let stream = fopen(file, "rb") else { throw .bundleUnreadable(file, Files.reason(errno)) }
        defer { fclose(stream) }
        let header = try BundleHeader(reading: stream, file: file)
        for id in header.needed where (try? commit(id)) == nil {
            throw .bundleBad(file, "it goes on from the commit \(id), which this ledger does not hold")
        }
        let start = ftello(stream)
        if let flaw = PackScan.flaw(of: stream, limits) { throw .bundleBad(file, flaw) }
        guard fseeko(stream, start, SEEK_SET) == 0 else { throw .bundleUnreadable(file, Files.reason(errno)) }
        var template = Array("\(folder)/incoming-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw .ledgerNotWritable(path, errno) }
        let incoming = template.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
        do throws(Fault) {
            guard mkdir("\(incoming)/pack", 0o755) == 0 else { throw .ledgerNotWritable(path, errno) }
            try index(stream, into: "\(incoming)/pack", file: file)
            var reader = try Repository(opening: path, with: incoming)
            var moves: [BundleLine] = []
            for (line, tip) in header.lines {
                let old = try reader.tip(line)
                var isNew = old != tip
                if let old, isNew, try !reader.isReached(old, from: [tip]) {
                    // Being ahead of the message is no contradiction; anything else is another history.
                    guard try reader.isReached(tip, from: [old]) else {
                        throw .bundleRewrites(line, old: old, new: tip)
                    }
                    isNew = false
                }
                moves.append(BundleLine(line: line, old: old, new: tip, isNew: isNew))
            }
            return (incoming, moves)
        } catch {
            Self.remove(tree: incoming)
            throw error
        }
    }

    /// The objects that are new here, each read and compared with its id, those that others name before them: where one is there, all that it
    /// reaches is. Throws bundle.bad where one is missing, or where the message holds what its lines do not reach.
    mutating func incoming(
        _ moves: [BundleLine], from folder: String, file: String
    ) throws(Fault) -> [(id: ObjectID, kind: ObjectKind)] {
        let known = ObjectStore(folder: "\(self.folder)/objects")
        var found: [(id: ObjectID, kind: ObjectKind)] = []
        var seen: Set<ObjectID> = []
        /// Whether the object is looked at for the first time and is not here yet.
        func isNew(_ id: ObjectID) throws(Fault) -> Bool {
            guard seen.insert(id).inserted else { return false }
            return try known.header(id, at: Place(file: file)) == nil
        }
        var commits: [CommitRecord] = []
        var pending = moves.filter(\.isNew).map(\.new)
        while let id = pending.popLast() {
            guard try isNew(id.object) else { continue }
            let record = try commit(id)
            commits.append(record)
            pending += record.parents
        }
        for record in commits.reversed() {
            var trees: [(tree: ObjectID, path: String)] = [(record.tree, "")]
            var below: [ObjectID] = []
            while let (tree, path) = trees.popLast() {
                guard try isNew(tree) else { continue }
                try Self.requireShallow(path, in: record.id)
                below.append(tree)
                for entry in try entries(of: tree, at: path, in: record.id) {
                    let (inner, isFolder) = try Self.checked(entry, in: path, of: record.id)
                    if isFolder {
                        trees.append((entry.id, inner))
                    } else if try isNew(entry.id) {
                        _ = try read(entry.id, .blob, at: Place(file: inner, commit: record.id.hex))
                        found.append((entry.id, .blob))
                    }
                }
            }
            found += below.reversed().map { ($0, .tree) }
        }
        // Parents before children.
        let ordered = try ancestry(of: moves.filter(\.isNew).map(\.new))
        let fresh = Set(commits.map(\.id))
        found += ordered.filter { fresh.contains($0.id) }.map { ($0.id.object, .commit) }
        let reached = Set(found.map(\.id))
        for pack in try ObjectStore(folder: folder).ownPacks() {
            for id in pack.ids where !reached.contains(id) {
                guard try known.header(id, at: Place(file: file)) == nil else { continue }
                throw .bundleBad(file, "it holds the object \(id), which none of its lines reaches")
            }
        }
        return found
    }

    /// Writes what was checked, then moves the lines.
    mutating func accept(
        _ objects: [(id: ObjectID, kind: ObjectKind)], _ moves: [BundleLine], from source: borrowing Repository
    ) throws(Fault) {
        for (id, kind) in objects {
            let bytes = try source.read(id, kind, at: Place(file: path))
            _ = try write(bytes, kind, at: Place(file: path))
        }
        try Files.synchronise("\(folder)/objects")
        for move in moves where move.isNew {
            let record = try commit(move.new)
            try self.move(move.line, from: move.old, to: move.new, by: record.author, at: record.time)
        }
    }
}
