// Ledger: a bare git repository that holds the runs of a federation, one commit a step. It knows commits, trees, refs and
// trailers; what goes into them and what they mean is the runner's.

import Faults
import Federation
import Synchronization

/// The git repository that holds every step of every run.
///
/// Every method is synchronous and holds the ledger for its length: several threads may share one `Ledger`, several
/// processes one repository. Each read compares objects with their ids.
public final class Ledger: Sendable {
    /// The ledger's folder as it was named.
    public let path: String
    /// The lock around the one owner of the libgit2 handles.
    let repository: Mutex<Repository>

    private init(path: String, repository: consuming sending Repository) {
        self.path = path
        self.repository = Mutex(repository)
    }

    /// Opens a ledger. Faults: ledger.missing, ledger.not-a-repository, ledger.not-bare, ledger.unreadable, ledger.corrupt.
    public static func open(path: String) throws(Fault) -> Ledger {
        Ledger(path: path, repository: try Repository(opening: path))
    }

    /// Creates a ledger, or opens the one that is there and adds the settings it lacks. A creation that was killed leaves
    /// nothing at the path. Faults: those of `open` but ledger.missing, and ledger.not-writable.
    public static func create(path: String) throws(Fault) -> Ledger {
        let isVacant = Files.isFolder(path) ? Files.names(in: path).isEmpty : !Files.exists(path)
        if isVacant { try Repository.create(path) }
        let repository = try Repository(opening: path)
        try repository.configure()
        return Ledger(path: path, repository: repository)
    }
}
