// Creating a ledger: it is made completely beside its place, then renamed to it, so that no process ever sees half a ledger.

import CLibgit2
import Faults

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

extension Repository {
    /// What the ledger's own config sets besides git's defaults. Adapters at the same path make bad deltas: without the first three
    /// settings, pushing and packing take minutes.
    static let settings = [
        ("pack.deltaCacheSize", "1048576"),
        ("pack.compression", "0"),
        ("core.bigFileThreshold", "1m"),
        // A push must not delete a line or move it back.
        ("receive.denyDeletes", "true"),
        ("receive.denyNonFastForwards", "true"),
    ]

    /// Makes a repository at a path where there is nothing or an empty folder. Faults: ledger.not-writable.
    static func create(_ path: String) throws(Fault) {
        // If another process created it in the meantime, that ledger is used.
        _ = try place(at: path) { (_: String) throws(Fault) in }
    }

    /// Makes a repository beside its place, calls `fill` to fill it, and renames it to its place; false where there is something by then. A
    /// failure leaves nothing behind. Faults: ledger.not-writable, and those of `fill`.
    static func place(at path: String, filling fill: (_ fresh: String) throws(Fault) -> Void) throws(Fault) -> Bool {
        Git.prepare()
        var name = path
        while name.count > 1 && name.hasSuffix("/") { name.removeLast() }
        let parent = name.lastIndex(of: "/").map { String(name[...$0]) } ?? "./"
        try makeFolders(parent)

        var template = Array("\(name).new-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw .ledgerNotWritable(path, errno) }
        let fresh = template.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } ?? "" }
        chmod(fresh, 0o755)
        do {
            try initialise(fresh)
            try fill(fresh)
            try synchroniseAll(fresh)
        } catch {
            remove(tree: fresh)
            throw error
        }
        guard rename(fresh, name) == 0 else {
            let code = errno
            remove(tree: fresh)
            if code == ENOTEMPTY || code == EEXIST { return false }
            throw .ledgerNotWritable(path, code)
        }
        try Files.synchronise(parent)
        return true
    }

    /// Whether there is nothing, or an empty folder, at a path.
    static func isVacant(_ path: String) -> Bool {
        Files.isFolder(path) ? Files.names(in: path).isEmpty : !Files.exists(path)
    }

    private static func initialise(_ folder: String) throws(Fault) {
        var options = git_repository_init_options()
        git_repository_init_options_init(&options, UInt32(GIT_REPOSITORY_INIT_OPTIONS_VERSION))
        options.flags = GIT_REPOSITORY_INIT_BARE.rawValue | GIT_REPOSITORY_INIT_NO_REINIT.rawValue
        var made: OpaquePointer?
        let code = "readme".withCString { head in
            options.initial_head = head
            return git_repository_init_ext(&made, folder, &options)
        }
        git_repository_free(made)
        if code < 0 { throw .ledgerNotWritable(folder, GitFailure(code: code).message) }
        var repository = try Repository(opening: folder)
        try repository.configure()
        try repository.addReadme()
    }

    /// Writes the settings that the ledger's config lacks. Faults: ledger.corrupt, ledger.not-writable.
    func configure() throws(Fault) {
        var config: OpaquePointer?
        defer { git_config_free(config) }
        do {
            try Git.attempt(git_repository_config(&config, handle))
        } catch {
            throw error.reading(path, at: Place(file: path))
        }
        for (key, value) in Self.settings {
            var entry: UnsafeMutablePointer<git_config_entry>?
            let code = git_config_get_entry(&entry, config, key)
            git_config_entry_free(entry)
            guard code == GIT_ENOTFOUND.rawValue else { continue }
            do {
                try Git.attempt(git_config_set_string(config, key, value))
            } catch {
                throw .ledgerNotWritable(path, error.message)
            }
        }
    }

    /// Faults: ledger.not-writable where no folder can be made at a path. A folder that it makes to try this is removed again.
    static func requireCreatable(_ path: String) throws(Fault) {
        var folder = path
        while folder.count > 1 && folder.hasSuffix("/") { folder.removeLast() }
        while !folder.isEmpty && !Files.exists(folder) {
            folder = folder.lastIndex(of: "/").map { String(folder[..<$0]) } ?? "."
        }
        if folder.isEmpty { folder = "/" }
        guard Files.isFolder(folder) || Files.isFolder("\(folder)/.") else { throw .ledgerNotWritable(path, ENOTDIR) }
        var template = Array("\(folder)/.ledger-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw .ledgerNotWritable(path, errno) }
        rmdir(template)
    }

    private static func makeFolders(_ folder: String) throws(Fault) {
        var made = folder.hasPrefix("/") ? "/" : ""
        for part in folder.split(separator: "/") {
            made += "\(part)/"
            if mkdir(made, 0o755) != 0 && errno != EEXIST && !Files.exists(made) {
                throw .ledgerNotWritable(folder, errno)
            }
        }
    }

    /// Makes a new folder and everything in it durable.
    private static func synchroniseAll(_ folder: String) throws(Fault) {
        for name in Files.names(in: folder) {
            let path = "\(folder)/\(name)"
            if Files.isFolder(path) { try synchroniseAll(path) } else { try Files.synchronise(path) }
        }
        try Files.synchronise(folder)
    }

    /// Removes a folder that this call has made.
    static func remove(tree folder: String) {
        for name in Files.names(in: folder) {
            let path = "\(folder)/\(name)"
            if Files.isFolder(path) { remove(tree: path) } else { unlink(path) }
        }
        rmdir(folder)
    }
}
