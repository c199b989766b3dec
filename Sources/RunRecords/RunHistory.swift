// RunHistory: a run's commits and records as the ledger holds them, for reading.

import Faults
import Federation
import GitLedger
import Workflows

/// A run in one line: its plan and how far it is; no record is read.
public struct RunOverview: Sendable {
    /// The commit the main line stands at, 40 hexadecimal digits.
    public let tip: String
    /// The plan it began with.
    public let plan: Plan
    /// Main-line steps done and planned.
    public let steps: (done: Int, planned: Int)

    /// Reads a run. Throws `run.missing`, or what is wrong with its plan or its commits.
    public init(run: RunName, ledger: Ledger) throws(Fault) {
        let committed = try CommittedPlan(of: run, in: ledger)
        tip = committed.tip.hex
        plan = committed.plan
        steps = (
            try ledger.firstParents(from: committed.tip).count, RunTable.mainLine(plan.declaration).count
        )
    }
}

/// Reads a run's history.
public enum RunHistory {
    /// Every commit of the run, main line and site lines, parents before children.
    public static func commits(of run: RunName, ledger: Ledger) throws(Fault) -> [CommitRecord] {
        let committed = try CommittedPlan(of: run, in: ledger)
        return try ledger.ancestry(of: committed.tips(of: run, in: ledger))
    }

    /// The records of one round by path, those of sites not yet merged included.
    public static func records(of run: RunName, round: Int, ledger: Ledger) throws(Fault) -> [String: JSONValue] {
        let committed = try CommittedPlan(of: run, in: ledger)
        var records: [String: JSONValue] = [:]
        let prefix = "rounds/\(RunPath.folder(of: round))/"
        for tip in try committed.tips(of: run, in: ledger) {
            for entry in try ledger.files(of: tip)
            where entry.path.hasPrefix(prefix) && entry.path.hasSuffix("/record.json") && records[entry.path] == nil {
                guard let bytes = try ledger.file(entry.path, of: tip) else { throw .missingFile(entry.path, tip.hex) }
                records[entry.path] = try JSONValue(parsing: bytes, at: Place(file: entry.path, commit: tip.hex))
            }
        }
        guard !records.isEmpty else {
            throw Fault(
                .usage, "run.no-round", "the run \(run) has no record of round \(round)",
                mend:
                    "Name a round from 1 to \(committed.plan.declaration.rounds) that has begun, or 0 for a zero-shot run."
            )
        }
        return records
    }
}
