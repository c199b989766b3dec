// Bundles: a ledger, or one run of it, as one file that stock git reads (version 2), for places without a network.

import CLibgit2
import Faults
import Federation

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

enum BundleLayout {
    static let signature = "# v2 git bundle"
    /// More header lines than any ledger has lines: a hostile file must not fill the memory.
    static let longestHeader = 100_000
}

extension Repository {
    /// Writes the lines and all they reach into a file, whole or not at all; with `known`, what these commits reach stays out, and the bundle
    /// names them as what it goes on from. Faults: ledger.not-writable, and those of reading.
    func writeBundle(
        of lines: [(line: LineRef, tip: CommitID)], to path: String, known: [CommitID] = []
    ) throws(Fault) {
        var builder: OpaquePointer?
        var walk: OpaquePointer?
        defer {
            git_revwalk_free(walk)
            git_packbuilder_free(builder)
        }
        do {
            try Git.attempt(git_packbuilder_new(&builder, handle))
            // One thread, so that the same ledger gives the same file.
            git_packbuilder_set_threads(builder, 1)
            try Git.attempt(git_revwalk_new(&walk, handle))
            for (_, tip) in lines {
                var oid = tip.object.oid
                try Git.attempt(git_revwalk_push(walk, &oid))
            }
            for commit in known {
                var oid = commit.object.oid
                try Git.attempt(git_revwalk_hide(walk, &oid))
            }
            try Git.attempt(git_packbuilder_insert_walk(builder, walk))
        } catch {
            throw error.reading(self.path, at: Place(file: self.path))
        }
        var fresh = Array("\(path).new-XXXXXX".utf8CString)
        let descriptor = mkstemp(&fresh)
        guard descriptor >= 0, let file = fdopen(descriptor, "wb") else {
            throw .ledgerNotWritable(path, errno)
        }
        let name = fresh.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
        var header = "\(BundleLayout.signature)\n"
        for commit in known { header += "-\(commit.hex)\n" }
        for (line, tip) in lines { header += "\(tip.hex) \(line.ref)\n" }
        header += "\n"
        fchmod(descriptor, 0o644)
        var isWritten = fputs(header, file) >= 0
        if isWritten {
            let code = git_packbuilder_foreach(
                builder,
                { bytes, count, payload in
                    guard let payload else { return -1 }
                    return fwrite(bytes, 1, count, payload.assumingMemoryBound(to: FILE.self)) == count ? 0 : -1
                }, file)
            isWritten = code == 0
        }
        isWritten = fflush(file) == 0 && fsync(descriptor) == 0 && isWritten
        let reason = Files.reason(errno)
        isWritten = fclose(file) == 0 && isWritten
        guard isWritten, rename(name, path) == 0 else {
            unlink(name)
            throw .ledgerNotWritable(path, isWritten ? Files.reason(errno) : reason)
        }
    }

    /// Imports what a bundle holds. Its objects wait in a folder of their own until each is read and every line is known to move forward; a
    /// refused bundle leaves nothing behind and moves no line.
    mutating func takeBundle(_ file: String, limits: ReceivingLimits) throws(Fault) -> [BundleLine] {
        try requireBare()
        try Self.requireFile(file)
        guard let stream = fopen(file, "rb") else { throw .bundleUnreadable(file, Files.reason(errno)) }
        defer { fclose(stream) }
        let header = try BundleHeader(reading: stream, file: file)
        let start = ftello(stream)
        if let flaw = PackScan.flaw(of: stream, limits) { throw .bundleBad(file, flaw) }
        guard fseeko(stream, start, SEEK_SET) == 0 else { throw .bundleUnreadable(file, Files.reason(errno)) }
        var template = Array("\(folder)/incoming-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw .ledgerNotWritable(path, errno) }
        let incoming = template.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
        defer { Self.remove(tree: incoming) }
        guard mkdir("\(incoming)/pack", 0o755) == 0 else { throw .ledgerNotWritable(path, errno) }
        try index(stream, into: "\(incoming)/pack", file: file)
        let moves = try checked(header, with: incoming, file: file)
        try settle(incoming)
        store.forgetPacks()
        for move in moves where move.isNew {
            let record = try commit(move.new)
            try self.move(move.line, from: move.old, to: move.new, by: record.author, at: record.time)
        }
        return moves
    }

    /// Faults: bundle.unreadable, which says what is there in place of a bundle.
    static func requireFile(_ file: String) throws(Fault) {
        var status = stat()
        guard stat(file, &status) == 0 else {
            let isAbsent = errno == ENOENT || errno == ENOTDIR
            throw isAbsent
                ? .bundleUnreadable(file, "there is no such file", mend: "Name a bundle that exists.")
                : .bundleUnreadable(file, Files.reason(errno))
        }
        if status.st_mode & S_IFMT == S_IFDIR {
            throw .bundleUnreadable(
                file, "this is a folder; a bundle is a file",
                mend: "Name the bundle, or copy a folder that is a ledger with medrounds ledger clone.")
        }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .bundleUnreadable(file, "this is not a plain file") }
    }

    func index(_ stream: UnsafeMutablePointer<FILE>, into folder: String, file: String) throws(Fault) {
        var indexer: OpaquePointer?
        var database: OpaquePointer?
        var progress = git_indexer_progress()
        defer {
            git_indexer_free(indexer)
            git_odb_free(database)
        }
        do {
            try Git.attempt(git_repository_odb(&database, handle))
            try Git.attempt(git_indexer_new(&indexer, folder, 0o444, database, nil))
            var buffer = [UInt8](repeating: 0, count: 1 << 20)
            while true {
                let count = fread(&buffer, 1, buffer.count, stream)
                if count == 0 { break }
                try Git.attempt(git_indexer_append(indexer, buffer, count, &progress))
            }
            try Git.attempt(git_indexer_commit(indexer, &progress))
        } catch {
            throw .bundleBad(file, "its pack cannot be read: \(error.message)")
        }
    }

    /// The lines that the bundle would move, after everything that it reaches was read and compared with its ids, waiting objects included.
    private func checked(_ header: BundleHeader, with incoming: String, file: String) throws(Fault) -> [BundleLine] {
        var reader = try Repository(opening: path, with: incoming)
        for id in header.needed {
            guard (try? reader.commit(id)) != nil else {
                throw .bundleBad(file, "it continues from the commit \(id), which this ledger does not hold")
            }
        }
        if let fault = reader.checkObjects(reachableFrom: header.lines.map(\.tip)).faults.first {
            throw .bundleBad(file, "\(fault.what)\(fault.place.map { " (\($0))" } ?? "")")
        }
        let known = ObjectStore(folder: "\(folder)/objects")
        var hidden = Set<ObjectID>()
        for pack in try ObjectStore(folder: incoming).ownPacks() { hidden.formUnion(pack.ids) }
        hidden.subtract(try reader.reachable(from: header.lines.map(\.tip)))
        // A thin pack is completed with bases that are here already.
        for id in hidden where try known.header(id, at: Place(file: file)) == nil {
            throw .bundleBad(file, "it holds the object \(id), which none of its lines reaches")
        }
        var moves: [BundleLine] = []
        for (line, tip) in header.lines {
            if line == .readme, tip != ReadmeLine.commit {
                throw .bundleBad(file, "its \(line) is not the page that every ledger has on that line")
            }
            let old = try reader.tip(line)
            var isNew = old != tip
            if let old, isNew, try !reader.isReached(old, from: [tip]) {
                // A ledger that is ahead of the bundle does not contradict it; anything else is another history.
                guard try reader.isReached(tip, from: [old]) else {
                    throw .bundleRewrites(line, old: old, new: tip)
                }
                isNew = false
            }
            moves.append(BundleLine(line: line, old: old, new: tip, isNew: isNew))
        }
        return moves
    }
}

/// The lines before the pack: `# v2 git bundle`, `-<id> <comment>` for each commit that the reader must already have, `<id> <ref>`, an
/// empty line.
struct BundleHeader {
    var needed: [CommitID] = []
    var lines: [(line: LineRef, tip: CommitID)] = []

    init(reading stream: UnsafeMutablePointer<FILE>, file: String) throws(Fault) {
        var text = [CChar](repeating: 0, count: 8192)
        func next() -> String? {
            guard fgets(&text, Int32(text.count), stream) != nil else { return nil }
            let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            guard bytes.last == 0x0a else { return nil }
            return String(validating: bytes.dropLast(), as: UTF8.self)
        }
        guard next() == BundleLayout.signature else { throw .bundleBad(file, "it is not a git bundle of version 2") }
        for _ in 0..<BundleLayout.longestHeader {
            guard let line = next() else { throw .bundleBad(file, "its header is cut short") }
            if line.isEmpty { break }
            if line.hasPrefix("-") {
                guard let id = CommitID(hex: String(line.dropFirst().prefix(40))) else {
                    throw .bundleBad(file, "a line of its header names no commit")
                }
                needed.append(id)
                continue
            }
            guard let id = CommitID(hex: String(line.prefix(40))), line.dropFirst(40).first == " " else {
                throw .bundleBad(file, "a line of its header names no commit")
            }
            let ref = String(line.dropFirst(41))
            // Stock git adds HEAD where it names a line; it adds no information.
            if ref == "HEAD" { continue }
            guard let line = LineRef(named: ref) else { throw .bundleBad(file, "\(ref) is not a ref of a ledger") }
            lines.append((line, id))
        }
        guard !lines.isEmpty else { throw .bundleBad(file, "it names no line") }
    }
}

/// What happened to one line of a bundle.
public struct BundleLine: Sendable, Equatable {
    /// The line.
    public let line: LineRef
    /// The commit that it named before; nil where the line is new here.
    public let old: CommitID?
    /// The commit that it names in the bundle.
    public let new: CommitID
    /// Whether it moved; false where this ledger already held that commit.
    public let isNew: Bool
}
