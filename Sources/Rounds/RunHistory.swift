// RunHistory: a run's commits and records as the ledger holds them, for reading.

import Faults
import Federation
import GitLedger
import Workflows

/// Reads a run's history.
public enum RunHistory {
    /// Every commit of the run, main line and site lines, parents before children.
    public static func commits(of run: RunName, ledger: Ledger) throws(Fault) -> [CommitRecord] {
        guard let tip = try ledger.tip(.main(run)) else { throw .runMissing(run, known: try ledger.runs()) }
        guard let bytes = try ledger.file(StepPaths.plan, of: tip) else { throw .missingFile(StepPaths.plan, tip.hex) }
        let plan = try Plan(json: JSONValue(parsing: bytes, at: Place(file: StepPaths.plan, commit: tip.hex)))
        var tips = [tip]
        for site in plan.declaration.sites.map(\.id) {
            if let tip = try ledger.tip(.site(run, site)) { tips.append(tip) }
        }
        return try ledger.ancestry(of: tips)
    }

    /// The records of one round by path, those of sites not yet merged included.
    public static func records(of run: RunName, round: Int, ledger: Ledger) throws(Fault) -> [String: JSONValue] {
        guard let tip = try ledger.tip(.main(run)) else { throw .runMissing(run, known: try ledger.runs()) }
        guard let bytes = try ledger.file(StepPaths.plan, of: tip) else { throw .missingFile(StepPaths.plan, tip.hex) }
        let plan = try Plan(json: JSONValue(parsing: bytes, at: Place(file: StepPaths.plan, commit: tip.hex)))
        var tips = [tip]
        for site in plan.declaration.sites.map(\.id) {
            if let tip = try ledger.tip(.site(run, site)) { tips.append(tip) }
        }
        var records: [String: JSONValue] = [:]
        let prefix = "rounds/\(Workspace.folder(of: round))/"
        for tip in tips {
            for entry in try ledger.files(of: tip)
            where entry.path.hasPrefix(prefix) && entry.path.hasSuffix("/record.json") && records[entry.path] == nil {
                guard let bytes = try ledger.file(entry.path, of: tip) else { throw .missingFile(entry.path, tip.hex) }
                records[entry.path] = try JSONValue(parsing: bytes, at: Place(file: entry.path, commit: tip.hex))
            }
        }
        guard !records.isEmpty else {
            throw Fault(
                .usage, "run.no-round", "the run \(run) has no record of round \(round)",
                mend: "Name a round from 1 to \(plan.declaration.rounds) that has begun, or 0 for a zero-shot run.")
        }
        return records
    }
}
