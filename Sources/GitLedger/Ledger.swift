// Ledger: a bare git repository that holds the runs of a federation, one commit for each step. It knows commits, trees, refs and trailers;
// the runner decides what they hold and what that means.

import Faults
import Federation
import Synchronization

/// The git repository that holds every step of every run.
///
/// Every method is synchronous and holds the ledger's lock until it returns: several threads may share one `Ledger`, several processes one
/// repository. Each read compares objects with their ids.
public final class Ledger: Sendable {
    /// The ledger's folder as the caller named it.
    public let path: String
    /// The lock around the one owner of the libgit2 handles.
    let repository: Mutex<Repository>

    init(path: String, repository: consuming sending Repository) {
        self.path = path
        self.repository = Mutex(repository)
    }

    /// Makes libgit2 ready for use in this process, with the ledger's settings and nobody's configuration.
    package static func prepareLibrary() { Git.prepare() }

    /// Opens a ledger; or, for reading only, a clone of one with a work tree, whose `refs/remotes/origin/` are then the ledger's branches.
    ///
    /// Faults: ledger.missing, ledger.not-a-repository, ledger.not-bare, ledger.unreadable, ledger.corrupt, ledger.config,
    /// ledger.extension.
    public static func open(path: String) throws(Fault) -> Ledger {
        Ledger(path: path, repository: try Repository(opening: path))
    }

    /// As `open`; nil where there is nothing at the path yet, so that a later `create` can make a ledger there. If no ledger could be
    /// created there, it throws at once, and leaves nothing behind. Faults: those of `open`, and ledger.not-writable.
    public static func openIfThere(path: String) throws(Fault) -> Ledger? {
        guard Repository.isVacant(path) else { return try open(path: path) }
        try Repository.requireCreatable(path)
        return nil
    }

    /// Creates a ledger; or opens the existing one and adds the settings and the line `readme` that it lacks. A creation that was killed
    /// leaves nothing at the path. Faults: those of `open` except ledger.missing, and ledger.not-writable.
    public static func create(path: String) throws(Fault) -> Ledger {
        if Repository.isVacant(path) { try Repository.create(path) }
        var repository = try Repository(opening: path)
        try repository.requireBare()
        try repository.configure()
        try repository.addReadme()
        return Ledger(path: path, repository: repository)
    }
}
