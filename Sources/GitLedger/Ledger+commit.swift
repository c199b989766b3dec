// The only way to add to a ledger.

import Faults
import Federation

extension Ledger {
    /// Writes a whole commit and moves its line to it, or does nothing. When it returns, the commit is on the disk.
    ///
    /// The same draft gives the same commit id. A draft that loses a race leaves objects that no ref reaches; `git gc` removes them later.
    ///
    /// Faults: ledger.raced (the ref is not at `expectedTip`), ledger.locked, ledger.not-writable, ledger.not-forward,
    /// ledger.invalid-path, ledger.invalid-message, ledger.missing-file, and those of reading the base, the parents and the
    /// taken trees: ledger.corrupt, ledger.missing-object, ledger.foreign-entry, ledger.unreadable.
    public func commit(_ draft: CommitDraft) throws(Fault) -> CommitID {
        try repository.withLock { (repository: inout Repository) throws(Fault) in try repository.commit(draft) }
    }
}
