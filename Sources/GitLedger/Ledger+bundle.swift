// Exporting lines to a file and importing lines from one: this is how a site without a network exchanges them.

import Faults
import Federation

extension Ledger {
    /// Writes the lines of a run, or of all runs, with the lines of signers and of pruned adapters, into a git bundle.
    ///
    /// Returns the lines. Faults: ledger.no-such-run, ledger.not-writable, ledger.pruned where a content that they reach is gone, and those
    /// of reading.
    public func writeBundle(of run: RunName?, to path: String) throws(Fault) -> [LineRef] {
        try reading { (repository) throws(Fault) in
            var chosen: [(line: LineRef, tip: CommitID)] = []
            for line in try repository.lines() + [.identities, .pruned, .readme]
            where run == nil || line.run == nil || line.run == run {
                if let tip = try repository.tip(line) { chosen.append((line, tip)) }
            }
            if let run, !chosen.contains(where: { $0.line == .main(run) }) { throw .ledgerNoSuchRun(run) }
            guard chosen.contains(where: { $0.line != .readme }) else { throw .bundleEmpty(repository.path) }
            if let (path, blob) = try repository.firstPruned(reachableFrom: chosen.map(\.tip)) {
                throw .ledgerPruned(path, blob, in: nil)
            }
            try repository.writeBundle(of: chosen, to: path)
            return chosen.map(\.line)
        }
    }

    /// Imports a bundle's lines: each line moves forward or stays; if one of them would do anything else, nothing at all is imported.
    ///
    /// Faults: bundle.unreadable, bundle.bad, bundle.rewrites, ledger.not-writable, ledger.locked, ledger.raced.
    public func takeBundle(_ file: String, limits: ReceivingLimits = ReceivingLimits()) throws(Fault) -> [BundleLine] {
        try reading { (repository) throws(Fault) in try repository.takeBundle(file, limits: limits) }
    }

    /// As `takeBundle`, into the ledger at a path. Where there is none yet, one is created; a refused bundle leaves none. Faults: as
    /// `takeBundle` and `create`.
    public static func takeBundle(
        _ file: String, into path: String, limits: ReceivingLimits = ReceivingLimits()
    ) throws(Fault) -> [BundleLine] {
        if Repository.isVacant(path) {
            try Repository.requireFile(file)
            var lines: [BundleLine] = []
            let isPlaced = try Repository.place(at: path) { (fresh) throws(Fault) in
                var repository = try Repository(opening: fresh)
                lines = try repository.takeBundle(file, limits: limits)
            }
            if isPlaced { return lines }
        }
        return try create(path: path).takeBundle(file, limits: limits)
    }
}
