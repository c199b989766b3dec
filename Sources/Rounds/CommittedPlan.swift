// CommittedPlan: a run as its ledger holds it: where its main line stands and the plan it began with.

import Faults
import Federation
import GitLedger
import Workflows

/// A run of a ledger, opened for reading.
struct CommittedPlan {
    /// The commit the main line stands at.
    let tip: CommitID
    /// plan.json as committed.
    let bytes: [UInt8]
    let plan: Plan

    /// Throws `run.missing` with the runs there are, or what is wrong with the plan.
    init(of run: RunName, in ledger: Ledger) throws(Fault) {
        guard let tip = try ledger.tip(.main(run)) else { throw .runMissing(run, known: try ledger.runs()) }
        guard let bytes = try ledger.file(StepPaths.plan, of: tip) else { throw .missingFile(StepPaths.plan, tip.hex) }
        self.tip = tip
        self.bytes = bytes
        self.plan = try Plan(json: JSONValue(parsing: bytes, at: Place(file: StepPaths.plan, commit: tip.hex)))
    }

    /// The main line's tip, then the tips of the sites' lines in site order.
    func tips(of run: RunName, in ledger: Ledger) throws(Fault) -> [CommitID] {
        var tips = [tip]
        for site in plan.declaration.sites.map(\.id) {
            if let tip = try ledger.tip(.site(run, site)) { tips.append(tip) }
        }
        return tips
    }
}
