// CommittedPlan: a run as its ledger holds it: where its main line stands and the plan it began with.

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

    /// Throws `run.missing` with the runs there are, or what is wrong with the plan.
    package init(of run: RunName, in ledger: Ledger) throws(Fault) {
        guard let tip = try ledger.tip(.main(run)) else { throw .runMissing(run, known: try ledger.runs()) }
        guard let bytes = try ledger.file(RunPath.plan, of: tip) else { throw .missingFile(RunPath.plan, tip.hex) }
        self.run = run
        self.tip = tip
        self.bytes = bytes
        self.plan = try Plan(json: JSONValue(parsing: bytes, at: Place(file: RunPath.plan, commit: tip.hex)))
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
