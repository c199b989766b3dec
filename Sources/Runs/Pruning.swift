// Pruning: old adapters removed from a ledger to save space, so that every record, digest and signature can still be checked.

import Digests
import Faults
import Federation
import Foundation
import GitLedger
import Identities
import RunRecords

/// Which adapters of a ledger a pruning removes.
public struct Pruning: Sendable {
    /// The contents to remove.
    public let blobs: Set<ObjectID>
    /// By run: how many rounds lose their adapters.
    public let rounds: [(run: RunName, rounds: Int)]
    /// How many adapters of those rounds stay, because a kept round or another run has the same content.
    public let shared: Int

    /// Chooses the uploads of every aggregated round but the last `keep` of each run, or of one run, and the global adapters from which
    /// none of the kept rounds starts. What any run still needs stays. Throws the ledger's faults and `run.missing`.
    public init(keeping keep: Int, of only: RunName?, in ledger: Ledger) throws(Fault) {
        var old: Set<ObjectID> = []
        var kept: Set<ObjectID> = []
        var rounds: [(RunName, Int)] = []
        if let only { _ = try CommittedPlan(of: only, in: ledger) }
        for run in try ledger.runs() where try ledger.tip(.main(run)) != nil {
            let committed = try CommittedPlan(of: run, in: ledger)
            let sites = committed.plan.declaration.sites.map(\.id)
            let merges = try ledger.firstParents(from: committed.tip).filter { $0.kind == .aggregate }
            let first = merges.count - (only == nil || only == run ? keep : merges.count)
            for (index, commit) in merges.enumerated() {
                guard let round = commit.round else { continue }
                var uploads: Set<ObjectID> = []
                for site in sites {
                    if let blob = try ledger.blob(RunPath.upload(round: round, site: site), of: commit.id) {
                        uploads.insert(blob)
                    }
                }
                if index < first { old.formUnion(uploads) } else { kept.formUnion(uploads) }
                // The first kept round starts from what the round before it published.
                guard let global = try ledger.blob(RunPath.global, of: commit.id) else { continue }
                if index < first - 1 { old.insert(global) } else { kept.insert(global) }
            }
            // A round that is not aggregated yet is kept whole.
            for site in sites {
                guard let tip = try ledger.tip(.site(run, site)),
                    let round = try ledger.read(tip).round,
                    round > merges.count,
                    let blob = try ledger.blob(RunPath.upload(round: round, site: site), of: tip)
                else { continue }
                kept.insert(blob)
            }
            if first > 0 { rounds.append((run, first)) }
        }
        blobs = old.subtracting(kept)
        shared = old.count - blobs.count
        self.rounds = rounds
    }

    /// Lists the contents on the ledger's line of pruned contents, signed where there is a key, then removes them. Gives how many were
    /// still there, and their bytes. Throws `ledger.packed` before anything changed.
    /// Throws `ledger.kept` too while a run of the ledger is under way on this machine, by `workspace`.
    public func apply(
        to ledger: Ledger, key: SSHSigner?, workspace: Workspace
    ) throws(Fault) -> (count: Int, bytes: Int) {
        let total = blobs.count
        if let key, let signers = try Identities.read(ledger)?.signers,
            let flaw = signers.flaw(of: key.publicKey, for: [.coordinator], at: Int64(Date().timeIntervalSince1970))
        {
            throw .notAllowed(flaw)
        }
        let check = { () throws(Fault) in
            for run in try ledger.runs() {
                guard let process = RunLock.holder(of: run, workspace: workspace) else { continue }
                throw Fault(
                    .ledger, "ledger.kept", "\(run) is under way (pid \(process)): nothing is pruned now",
                    at: Place(file: workspace.ledger), mend: "Prune when the run has ended.")
            }
        }
        return try ledger.prune(blobs, unless: check) { (before, list) throws(Fault) -> CommitDraft in
            var time = Int64(Date().timeIntervalSince1970)
            if let before { time = max(time, try ledger.read(before).time) }
            var draft = CommitDraft(
                line: .pruned, expectedTip: before, parents: [before].compactMap { $0 }, base: before, changes: [list],
                subject: "prune \(total) adapters", trailers: [Trailer("Step", "prune")],
                author: CommitAuthor(name: "MedRounds", email: "medrounds@localhost"), time: time)
            draft.signer = key?.signer
            return draft
        }
    }
}
