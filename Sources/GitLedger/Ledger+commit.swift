// The one way to add to a ledger.

import Faults
import Federation

extension Ledger {
    /// Writes a commit whole and moves its line to it, or does neither. When it returns, the commit is on the disk.
    ///
    /// The same draft gives the same commit id. A draft that loses a race leaves objects that nothing names; `git gc`
    /// removes them in time.
    ///
    /// Faults: ledger.raced (the ref is not at `expectedTip`), ledger.locked, ledger.not-writable, ledger.not-forward,
    /// ledger.invalid-path, ledger.invalid-message, ledger.missing-file, and those of reading the base, the parents and the
    /// taken trees: ledger.corrupt, ledger.missing-object, ledger.foreign-entry, ledger.unreadable.
    public func commit(_ draft: CommitDraft) throws(Fault) -> CommitID {
        try repository.withLock { (repository: inout Repository) throws(Fault) in try repository.commit(draft) }
    }
}
