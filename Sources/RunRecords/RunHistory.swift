// RunHistory: a run's commits and records as the ledger holds them, for reading.

import Faults
import Federation
import GitLedger
import Workflows

/// A run in one line: its plan, how far it is, when it went on last and what came of it. Only evaluations are read.
public struct RunOverview: Sendable {
    /// The commit the main line stands at, 40 hexadecimal digits.
    public let tip: String
    /// The plan it began with.
    public let plan: Plan
    /// Main-line steps done and planned.
    public let steps: (done: Int, planned: Int)
    /// When the last commit of the main line was made, in seconds since 1970.
    public let time: Int64
    /// The highest strict F1 of mentions in any evaluation, or of relations where no mentions were asked for; nil before the first.
    public let bestStrict: Double?

    /// Reads a run. Throws `run.missing`, or what is wrong with its plan or its commits.
    public init(run: RunName, ledger: Ledger) throws(Fault) {
        let committed = try CommittedPlan(of: run, in: ledger)
        tip = committed.tip.hex
        plan = committed.plan
        steps = (
            try ledger.mainLine(from: committed.tip).count, RunTable.mainLine(plan.declaration).count
        )
        time = try ledger.read(committed.tip).time
        var best: Double?
        let planned = RunTable.mainLine(plan.declaration) + RunTable.siteEvaluations(plan.declaration).map(\.step)
        for step in planned where step.kind.isEvaluation {
            guard let bytes = try ledger.file(step.record, of: committed.tip) else { continue }
            let record = try JSONValue(parsing: bytes, at: Place(file: step.record, commit: tip))
            let card = record["scores"] ?? record["relation_scores"]?["pairs"]
            if let f1 = card?["micro"]?["strict"]?["f1"]?.double { best = max(best ?? f1, f1) }
        }
        bestStrict = best
    }
}

/// Reads a run's history.
public enum RunHistory {
    /// Every commit of the run's main line, of what was published and of the sites' lines, parents before children.
    public static func commits(of run: RunName, ledger: Ledger) throws(Fault) -> [CommitRecord] {
        let committed = try CommittedPlan(of: run, in: ledger)
        let published = try ledger.tip(.published(run))
        return try ledger.ancestry(of: committed.tips(of: run, in: ledger) + [published].compactMap { $0 })
    }

    /// The commits of a run, its sites' answers among them, in the order of the steps: by time, and those of one second by round and step.
    public static func inOrder(
        of run: RunName, ledger: Ledger
    ) throws(Fault) -> (commits: [CommitRecord], people: RunPeople) {
        let committed = try CommittedPlan(of: run, in: ledger)
        let commits = try Self.commits(of: run, ledger: ledger)
        let people = try RunPeople(of: committed, commits: commits, ledger: ledger)
        return (ordered(commits + people.answers.map(\.commit)), people)
    }

    /// By time; those of one second by round, then step, then as given.
    package static func ordered(_ commits: [CommitRecord]) -> [CommitRecord] {
        func key(_ index: Int, _ commit: CommitRecord) -> (Int64, Int, Int, Int) {
            let round = commit.round ?? 0
            // An answer belongs before the first round, whatever comes of it; a round's adapter is published once it is there.
            let place = commit.kind == .publish && round > 0 ? StepKind.aggregate : commit.kind
            let kind = place.flatMap { StepKind.allCases.firstIndex(of: $0) } ?? StepKind.allCases.count
            return (commit.time, round, kind * 2 + (place == commit.kind ? 0 : 1), index)
        }
        return commits.enumerated().sorted { key($0.offset, $0.element) < key($1.offset, $1.element) }.map(\.element)
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
