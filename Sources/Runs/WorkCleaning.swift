// WorkCleaning: what sites trained and kept of their training, removed from the work folder once its round is averaged.

import Faults
import Federation
import Foundation
import GitLedger
import LocalFiles
import RunRecords

/// What of a work folder is needed no more: the ledger holds the uploads, and a replay trains again to the same bits.
public struct WorkCleaning: Sendable {
    /// By run: files that go, and their bytes.
    public let runs: [(run: RunName, files: Int, bytes: Int)]
    /// Runs under way, which are left as they are.
    public let busy: [RunName]
    private let paths: [String]

    /// Chooses the trained adapters and the training states of every averaged round but the last `keep` of each run, or of one run. Throws the
    /// ledger's faults and `run.missing`.
    public init(keeping keep: Int, of only: RunName?, in ledger: Ledger, workspace: Workspace) throws(Fault) {
        var runs: [(run: RunName, files: Int, bytes: Int)] = []
        var busy: [RunName] = []
        var paths: [String] = []
        let chosen = if let only { [only] } else { try ledger.runs() }
        for run in chosen {
            guard try CommittedPlan.isThere(for: run, in: ledger) else { continue }
            let committed = try CommittedPlan(of: run, in: ledger)
            if RunLock.holder(of: run, workspace: workspace) != nil {
                busy.append(run)
                continue
            }
            var files = 0
            var bytes = 0
            for round in try committed.aggregatedRounds(nil, in: ledger).dropLast(keep) {
                for site in committed.plan.declaration.sites.map(\.id) {
                    let desk = workspace.desk(of: site, in: run)
                    let (adapter, states) = (desk.trainedAdapter(round), desk.checkpoints(round))
                    let kept = (try? FileManager.default.contentsOfDirectory(atPath: states)) ?? []
                    for path in [adapter] + kept.map({ "\(states)/\($0)" }) {
                        guard let size = LocalFile.size(path) else { continue }
                        files += 1
                        bytes += size
                    }
                    paths += [adapter, states]
                }
            }
            if files > 0 { runs.append((run, files, bytes)) }
        }
        self.runs = runs
        self.busy = busy
        self.paths = paths
    }

    /// Removes them.
    public func apply() { paths.forEach(LocalFile.remove) }
}
