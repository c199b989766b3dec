// GitCarrier: brings lines of a ledger to a repository at a hub and takes them from there, over ssh or https, through libgit2. What is taken is written as
// a bundle, unread: the ledger's own receiver judges it.

import CLibgit2
import Faults
import Federation
import GitLedger

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// The way to one repository at a hub. Every call makes its own connection.
public struct GitCarrier {
    private let address: GitAddress
    private let identity: CarrierIdentity
    private let progress: () -> Void

    /// Takes the address and what opens it; `progress` is called whenever bytes move.
    public init(_ address: GitAddress, _ identity: CarrierIdentity, progress: @escaping () -> Void = {}) {
        self.address = address
        self.identity = identity
        self.progress = progress
    }

    /// Where the lines of a ledger are at the hub; other refs are left out. Throws `mailbox.unreachable`, `mailbox.refused`, `mailbox.host-key`.
    public func lines() throws(Fault) -> [LineRef: CommitID] {
        try GitLibrary.prepare(identity)
        var remote: OpaquePointer?
        defer { git_remote_free(remote) }
        let talk = Conversation(address, identity, progress)
        try talk.attempt(git_remote_create_detached(&remote, address.url))
        return try listing(remote, talk)
    }

    /// Takes what the ledger lacks of these lines into a file that `Ledger.receive` reads; false where the hub has nothing new of them. Throws as `lines`
    /// does, and `bundle.bad` for more than `limit` bytes.
    public func fetch(_ wanted: [LineRef], for ledger: String, into file: String, limit: Int) throws(Fault) -> Bool {
        try GitLibrary.prepare(identity)
        // A repository of its own, with the ledger's objects behind it and only the refs of this exchange: nothing else is told to the hub.
        let scratch = try Scratch(beside: file, of: ledger)
        defer { scratch.remove() }
        for line in wanted { try scratch.add(line, from: ledger) }
        let talk = Conversation(address, identity, progress)
        var repository: OpaquePointer?
        var database: OpaquePointer?
        var remote: OpaquePointer?
        defer {
            git_remote_free(remote)
            git_odb_free(database)
            git_repository_free(repository)
        }
        let flags = GIT_REPOSITORY_OPEN_NO_SEARCH.rawValue | GIT_REPOSITORY_OPEN_NO_DOTGIT.rawValue
        try talk.attempt(git_repository_open_ext(&repository, scratch.folder, flags, nil))
        try talk.attempt(git_repository_odb(&database, repository))
        try talk.attempt(git_remote_create_anonymous(&remote, repository, address.url))
        let there = try listing(remote, talk, keepsConnection: true)
        var new: [(line: LineRef, tip: CommitID)] = []
        for line in wanted {
            guard let tip = there[line] else { continue }
            var oid = try Self.oid(tip)
            if git_odb_exists(database, &oid) == 0 { new.append((line, tip)) }
        }
        guard !new.isEmpty, let database else { return false }

        guard let stream = fopen(file, "wb") else {
            throw .mailboxNotWritable(file, String(cString: strerror(errno)))
        }
        var isOpen = true
        defer { if isOpen { fclose(stream) } }
        var header = "# v2 git bundle\n"
        for (line, tip) in new { header += "\(tip.hex) \(line.ref)\n" }
        fputs(header + "\n", stream)
        let capture = PackCapture(stream, limit: limit, progress: progress)
        guard capture.add(to: database) == 0 else { throw .mailboxNotWritable(file, "no memory") }
        var options = git_fetch_options()
        git_fetch_options_init(&options, UInt32(GIT_FETCH_OPTIONS_VERSION))
        options.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE
        talk.fill(&options.callbacks)
        let code = withStrings(new.map(\.line.ref)) { git_remote_download(remote, $0, &options) }
        if capture.isTooLarge {
            throw Fault(
                .ledger, "bundle.bad", "the message is larger than \(limit) bytes", at: Place(file: address.url),
                mend: "Tell the person who sent it; nothing of it was taken.")
        }
        try talk.attempt(code)
        isOpen = false
        guard ferror(stream) == 0, fclose(stream) == 0 else {
            throw .mailboxNotWritable(file, String(cString: strerror(errno)))
        }
        return true
    }

    /// Moves the hub's lines forward to where the ledger has them. Throws as `lines` does, and `mailbox.rewritten` where a line at the hub is not where
    /// this ledger left it.
    public func push(_ lines: [LineRef], of ledger: String) throws(Fault) {
        try GitLibrary.prepare(identity)
        let talk = Conversation(address, identity, progress)
        var repository: OpaquePointer?
        var remote: OpaquePointer?
        defer {
            git_remote_free(remote)
            git_repository_free(repository)
        }
        let flags = GIT_REPOSITORY_OPEN_NO_SEARCH.rawValue | GIT_REPOSITORY_OPEN_NO_DOTGIT.rawValue
        try talk.attempt(git_repository_open_ext(&repository, ledger, flags, nil))
        try talk.attempt(git_remote_create_anonymous(&remote, repository, address.url))
        var options = git_push_options()
        git_push_options_init(&options, UInt32(GIT_PUSH_OPTIONS_VERSION))
        // One thread: the same objects give the same pack.
        options.pb_parallelism = 1
        talk.fill(&options.callbacks)
        let code = withStrings(lines.map { "\($0.ref):\($0.ref)" }) { git_remote_push(remote, $0, &options) }
        if code == GIT_ENONFASTFORWARD.rawValue {
            throw Fault(
                .mismatch, "mailbox.rewritten",
                "a line at the hub does not lead to where this ledger has it: somebody moved it there",
                at: Place(file: address.url),
                mend: "Ask who runs the hub to remove that line there; it is sent again whole.")
        }
        try talk.attempt(code)
        if let refused = talk.refused {
            throw Fault(
                .failed, "mailbox.refused", "the hub does not move \(refused)", at: Place(file: address.url),
                mend: "Ask who runs the hub for the right to write this repository.")
        }
    }

    // MARK: Parts

    private func listing(
        _ remote: OpaquePointer?, _ talk: Conversation, keepsConnection: Bool = false
    ) throws(Fault) -> [LineRef: CommitID] {
        var callbacks = git_remote_callbacks()
        git_remote_init_callbacks(&callbacks, UInt32(GIT_REMOTE_CALLBACKS_VERSION))
        talk.fill(&callbacks)
        try talk.attempt(git_remote_connect(remote, GIT_DIRECTION_FETCH, &callbacks, nil, nil))
        defer { if !keepsConnection { git_remote_disconnect(remote) } }
        var heads: UnsafeMutablePointer<UnsafePointer<git_remote_head>?>?
        var count = 0
        try talk.attempt(git_remote_ls(&heads, &count, remote))
        guard count <= 100_000 else {
            throw Fault(
                .ledger, "bundle.bad", "the hub names \(count) refs", at: Place(file: address.url),
                mend: "Ask who runs the hub for an empty repository.")
        }
        var found: [LineRef: CommitID] = [:]
        for index in 0..<count {
            guard let head = heads?[index]?.pointee, let name = head.name.flatMap({ String(validatingCString: $0) }),
                let line = LineRef(named: name)
            else { continue }
            found[line] = Self.commit(head.oid)
        }
        return found
    }

    private static func commit(_ oid: git_oid) -> CommitID? {
        var oid = oid
        var text = [CChar](repeating: 0, count: 41)
        git_oid_tostr(&text, 41, &oid)
        return CommitID(hex: String(decoding: text.prefix(40).map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }

    private static func oid(_ commit: CommitID) throws(Fault) -> git_oid {
        var oid = git_oid()
        _ = git_oid_fromstr(&oid, commit.hex)
        return oid
    }

    private func withStrings(_ texts: [String], _ body: (UnsafePointer<git_strarray>) -> Int32) -> Int32 {
        var pointers: [UnsafeMutablePointer<CChar>?] = texts.map { strdup($0) }
        defer { pointers.forEach { free($0) } }
        return pointers.withUnsafeMutableBufferPointer { buffer in
            var array = git_strarray(strings: buffer.baseAddress, count: buffer.count)
            return body(&array)
        }
    }
}

/// libgit2's settings for connections.
enum GitLibrary {
    static func prepare(_ identity: CarrierIdentity) throws(Fault) {
        Ledger.prepareLibrary()
        guard let certificates = identity.certificates else { return }
        guard shim_git_certificates(certificates) == 0 else {
            throw Fault(
                .failed, "mailbox.host-key", "the file of certificates cannot be read", at: Place(file: certificates),
                mend: "Name a file of certificates in PEM.")
        }
    }
}

/// A repository for one exchange.
private struct Scratch {
    let folder: String

    init(beside file: String, of ledger: String) throws(Fault) {
        var template = Array("\(file).repository-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw .mailboxNotWritable(file, String(cString: strerror(errno)))
        }
        folder = template.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
        for name in ["objects", "objects/info", "objects/pack", "refs", "refs/heads"] {
            mkdir("\(folder)/\(name)", 0o700)
        }
        try write("ref: refs/heads/none\n", to: "HEAD")
        try write("[core]\n\trepositoryformatversion = 0\n\tbare = true\n", to: "config")
        guard let whole = realpath("\(ledger)/objects", nil) else {
            throw .mailboxNotWritable(ledger, String(cString: strerror(errno)))
        }
        defer { free(whole) }
        try write("\(String(cString: whole))\n", to: "objects/info/alternates")
    }

    /// Gives the repository a line where the ledger has it.
    func add(_ line: LineRef, from ledger: String) throws(Fault) {
        guard let tip = try Ledger.open(path: ledger).tip(line) else { return }
        let path = "\(folder)/packed-refs"
        guard let file = fopen(path, "ab") else {
            throw .mailboxNotWritable(path, String(cString: strerror(errno)))
        }
        fputs("\(tip.hex) \(line.ref)\n", file)
        fclose(file)
    }

    private func write(_ text: String, to name: String) throws(Fault) {
        guard let file = fopen("\(folder)/\(name)", "wb"), fputs(text, file) >= 0, fclose(file) == 0 else {
            throw .mailboxNotWritable("\(folder)/\(name)", String(cString: strerror(errno)))
        }
    }

    func remove() {
        let names = [
            "packed-refs", "HEAD", "config", "objects/info/alternates", "objects/info", "objects/pack", "objects",
            "refs/heads", "refs", "",
        ]
        for name in names { _ = "\(folder)/\(name)".withCString { Glibc.remove($0) } }
    }
}

extension Fault {
    /// `mailbox.not-writable`: a message cannot be put down on this machine.
    static func mailboxNotWritable(_ path: String, _ reason: String) -> Fault {
        Fault(
            .failed, "mailbox.not-writable", "a message cannot be written: \(reason)", at: Place(file: path),
            mend: "Free disk space or give the right to write, then run the same command again.", cause: .notWritable)
    }
}
