// CommittedPlan: a run as its ledger holds it: where its main line stands and the plan it began with.

import Digests
import Faults
import Federation
import GitLedger
import Workflows

/// A run of a ledger, opened for reading.
package struct CommittedPlan {
    /// The run.
    package let run: RunName
    /// The commit the main line stands at.
    package let tip: CommitID
    /// plan.json as committed.
    package let bytes: [UInt8]
    package let plan: Plan
    /// The digest of the whole plan, also where the copy holds only what sites see of it.
    package let digest: Digest
    /// Whether the copy is a site's: it holds what was published and no main line, and the plan is the one that sites see.
    package let isSiteView: Bool

    /// Throws `run.missing` with the runs there are, `run.not-planned`, or what is wrong with the plan.
    package init(of run: RunName, in ledger: Ledger) throws(Fault) {
        let main = try ledger.tip(.main(run))
        isSiteView = main == nil
        var start = main
        if start == nil { start = try ledger.tip(.published(run)) }
        guard let tip = start else { throw .runMissing(run, known: try ledger.runs()) }
        guard let bytes = try ledger.file(RunPath.plan, of: tip) else {
            if try ledger.read(tip).kind == .call { throw .runNotPlanned(run) }
            throw .missingFile(RunPath.plan, tip.hex)
        }
        self.run = run
        self.tip = tip
        self.bytes = bytes
        self.plan = try Plan(json: JSONValue(parsing: bytes, at: Place(file: RunPath.plan, commit: tip.hex)))
        if isSiteView {
            guard let published = try ledger.file(RunPath.published, of: tip) else {
                throw .missingFile(RunPath.published, tip.hex)
            }
            digest = try RecordReader(parsing: published, path: RunPath.published, commit: tip.hex)
                .digest("plan_sha256")
        } else {
            digest = Digest.sha256(bytes)
        }
    }

    /// Whether a run has a plan; before it, it has only called its sites.
    package static func isThere(for run: RunName, in ledger: Ledger) throws(Fault) -> Bool {
        if try ledger.tip(.main(run)) != nil { return true }
        guard let published = try PublishedLine(of: run, in: ledger) else { return false }
        return published.round != nil
    }

    /// The main line's tip, then the tips of the sites' lines in site order.
    package func tips(of run: RunName, in ledger: Ledger) throws(Fault) -> [CommitID] {
        var tips = [tip]
        for site in plan.declaration.sites.map(\.id) {
            if let tip = try ledger.tip(.site(run, site)) { tips.append(tip) }
        }
        return tips
    }

    /// The rounds that have an aggregate commit; of `only`, that one. Throws `replay.no-round` where it is none of them.
    package func aggregatedRounds(_ only: Int?, in ledger: Ledger) throws(Fault) -> [Int] {
        var rounds: [Int] = []
        for round in plan.declaration.roundNumbers where only == nil || only == round {
            if try ledger.file(StepKind.aggregate.record(round: round), of: tip) != nil { rounds.append(round) }
        }
        if let only, rounds.isEmpty, !(only == 0 && plan.declaration.rounds == 0) {
            throw Fault(
                .usage, "replay.no-round", "the run \(run) has no aggregated round \(only)",
                mend: "Name one of the rounds that medrounds show \(run) lists.")
        }
        return rounds
    }

    /// The commit that published a round's adapter.
    package func aggregateCommit(of round: Int, in ledger: Ledger) throws(Fault) -> CommitID {
        for commit in try ledger.firstParents(from: tip) where commit.kind == .aggregate && commit.round == round {
            return commit.id
        }
        throw .missingFile(StepKind.aggregate.record(round: round), tip.hex)
    }
}
