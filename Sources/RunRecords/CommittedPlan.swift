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
    /// Whether the copy holds sites' lines and no main line: the main line then ends where a site's round started from it.
    package let isSiteView: Bool

    /// Throws `run.missing` with the runs there are, or what is wrong with the plan.
    package init(of run: RunName, in ledger: Ledger) throws(Fault) {
        let main = try ledger.tip(.main(run))
        var start = main
        if start == nil { start = try Self.newestStart(of: run, in: ledger) }
        guard let tip = start else { throw .runMissing(run, known: try ledger.runs()) }
        isSiteView = main == nil
        guard let bytes = try ledger.file(RunPath.plan, of: tip) else { throw .missingFile(RunPath.plan, tip.hex) }
        self.run = run
        self.tip = tip
        self.bytes = bytes
        self.plan = try Plan(json: JSONValue(parsing: bytes, at: Place(file: RunPath.plan, commit: tip.hex)))
    }

    /// The newest commit of the main line that a site's line of this copy grows from; nil where there is none.
    private static func newestStart(of run: RunName, in ledger: Ledger) throws(Fault) -> CommitID? {
        var newest: (length: Int, commit: CommitID)?
        for line in try ledger.lines(of: run) {
            guard case .site = line, let tip = try ledger.tip(line) else { continue }
            let chain = try ledger.firstParents(from: tip)
            guard let index = chain.lastIndex(where: { $0.kind?.rules.line == .main }) else { continue }
            if index + 1 > newest?.length ?? 0 { newest = (index + 1, chain[index].id) }
        }
        return newest?.commit
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
