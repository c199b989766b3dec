// Git: initialises libgit2 once in each process, and turns its return codes into Swift errors.

import CLibgit2

/// What libgit2 said when a call failed. A fault is worded from it where the object, ref or path is known.
struct GitFailure: Error {
    /// The return code, such as GIT_ENOTFOUND (-3).
    let code: Int32
    /// The subsystem, such as GIT_ERROR_OS.
    let category: Int32
    /// libgit2's own sentence.
    let message: String

    init(code: Int32) {
        self.code = code
        if let last = git_error_last() {
            category = last.pointee.klass
            message = last.pointee.message.map { String(cString: $0) } ?? ""
        } else {
            category = 0
            message = "libgit2 gave no reason (code \(code))"
        }
    }

    var isNotFound: Bool { code == GIT_ENOTFOUND.rawValue }
    var isLocked: Bool { code == GIT_ELOCKED.rawValue || code == GIT_EMODIFIED.rawValue }
}

enum Git {
    /// Throws what libgit2 said if the code is negative.
    @discardableResult
    static func attempt(_ code: Int32) throws(GitFailure) -> Int32 {
        if code < 0 { throw GitFailure(code: code) }
        return code
    }

    /// Initialises libgit2; every call after the first does nothing.
    static func prepare() { precondition(isReady, "libgit2 could not be initialised") }

    private static let isReady: Bool = {
        guard git_libgit2_init() > 0 else { return false }
        // Only the ledger's own configuration is read: the result must not depend on that of the machine or the person.
        for level in [
            GIT_CONFIG_LEVEL_PROGRAMDATA, GIT_CONFIG_LEVEL_SYSTEM, GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_GLOBAL,
        ] {
            guard shim_git_search_path(level.rawValue, "") == 0 else { return false }
        }
        let options: [(git_libgit2_opt_t, Int32)] = [
            // Every read compares the content with its id, and nothing is answered from a cache.
            (GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 1),
            (GIT_OPT_ENABLE_CACHING, 0),
            // A commit may name only objects that exist.
            (GIT_OPT_ENABLE_STRICT_OBJECT_CREATION, 1),
            // Objects and refs reach the disk before the call returns.
            (GIT_OPT_ENABLE_FSYNC_GITDIR, 1),
            // An auditor reads ledgers that belong to other users. No hook, filter or command of a ledger is ever run.
            (GIT_OPT_SET_OWNER_VALIDATION, 0),
        ]
        return options.allSatisfy { shim_git_option_int(Int32($0.0.rawValue), $0.1) == 0 }
    }()
}
