// Replay: recompute what a run committed and compare it byte by byte; name the first divergence.

import Digests
import Engine
import Faults
import Federation
import GitLedger
import ModelFiles
import RunRecords
import Verification
import Workflows

/// How much of a run is recomputed.
public enum ReplayLevel: String, Sendable, CaseIterable {
    /// The coordinator's averages, from the uploads and records in the ledger: no model and no notes needed.
    case aggregate
    /// Some training steps from a committed position that the auditor's seed draws: needs the base model, the notes and, but for
    /// position 0, the site's checkpoint.
    case sampled
    /// Every step: needs the base model and the notes.
    case full
}

/// One replayed step.
public struct ReplayedStep: Sendable, Equatable {
    /// The round.
    public var round: Int
    /// The step.
    public var step: StepKind
    /// The site or cohort.
    public var owner: String?
    /// Which part of the step, where it was not the whole.
    public var part: String?
    /// How many files were compared; 0 where single numbers were.
    public var files: Int
    /// The bytes compared.
    public var bytes: Int
    /// What differs; empty where every byte is the same.
    public var faults: [Fault]
    /// Steps that were computed a second time in another arithmetic, where that was asked for.
    public var comparisons: [ArithmeticComparison] = []
    /// What rounding alone explains of their differences.
    public var bounds: ArithmeticBounds?
}

/// Replays a run of a ledger.
public struct Replayer {
    package let ledger: Ledger
    let run: RunName
    package let tip: CommitID
    package let plan: Plan

    private let committed: CommittedPlan

    /// Opens a run for replay.
    public init(run: RunName, ledger: Ledger) throws(Fault) {
        let committed = try CommittedPlan(of: run, in: ledger)
        self.ledger = ledger
        self.run = run
        self.tip = committed.tip
        self.plan = committed.plan
        self.committed = committed
    }

    /// The rounds that have an aggregate commit.
    func rounds(_ only: Int?) throws(Fault) -> [Int] { try committed.aggregatedRounds(only, in: ledger) }

    /// Recomputes the averages of the rounds (or of one) and compares them.
    public func aggregates(round only: Int?) throws(Fault) -> [ReplayedStep] {
        var steps: [ReplayedStep] = []
        let wanted = Set(try rounds(only))
        for commit in try ledger.firstParents(from: tip) where commit.kind == .aggregate {
            guard let round = commit.round, wanted.contains(round) else { continue }
            let size = try ledger.file(RunPath.global, of: commit.id)?.count ?? 0
            let faults = try Recomputation.compareAggregate(
                plan: plan, round: round, commit: commit,
                received: Recomputation.received(plan, round, commit.id, ledger),
                ledger: ledger)
            steps.append(
                ReplayedStep(
                    round: round, step: .aggregate, owner: nil, part: nil, files: 2, bytes: size, faults: faults))
        }
        return steps
    }

    /// Recomputes every step of the rounds (or of one) with the model and the notes, and compares them.
    ///
    /// The context's plan must be the run's. Stops after the first step that differs: all that follows would differ too. With a site its own
    /// steps alone are recomputed, each round's training from the adapter that the ledger holds.
    public func full(round only: Int?, site: SiteID? = nil, context: RunContext) throws(Fault) -> [ReplayedStep] {
        try checkPlan(context)
        var steps: [ReplayedStep] = []
        for round in try rounds(only) where try !replay(round, site, context, into: &steps) { return steps }
        if site != nil { return steps }
        if plan.declaration.rounds == 0 { _ = try replay(0, nil, context, into: &steps) }
        return steps
    }

    /// Throws `replay.other-plan` where the plan that workflow, model and notes give here is not the run's.
    func checkPlan(_ context: RunContext) throws(Fault) {
        guard context.plan.json.canonical != plan.json.canonical else { return }
        throw Fault(
            .mismatch, "replay.other-plan",
            "the plan here is not the run's: \(context.plan.differences(from: plan).joined(separator: "; "))",
            mend: "Bring the workflow, the model and the notes to the state that the run's plan names.")
    }

    /// Replays one round; false where a step differed.
    private func replay(
        _ round: Int, _ only: SiteID?, _ context: RunContext, into steps: inout [ReplayedStep]
    ) throws(Fault) -> Bool {
        let declaration = plan.declaration
        let end = round == 0 ? tip : try aggregateCommit(of: round)
        let start = try startAdapter(of: round, context)
        let absent = try absences(of: round, in: end)
        var trained: [SiteID: StepOutput] = [:]
        let sites = declaration.sites.map(\.id).filter { only == nil || only == $0 }
        for step in declaration.steps where only == nil || StepKind.ofSite.contains(step.kind) {
            switch step {
            case .train(let configuration):
                for site in sites where absent[site]?.step != .train {
                    context.report(.started(round: round, step: .train, owner: site.name))
                    let output = try TrainStep.compute(
                        context: context, round: round, site: site, configuration: configuration,
                        start: start.cut(for: site, context), checkpoints: nil)
                    trained[site] = output
                    guard try compare(output, round, .train, site.name, at: end, context, into: &steps) else {
                        return false
                    }
                }
            case .upload(let precision):
                for site in sites where absent[site] == nil {
                    guard let train = trained[site] else { continue }
                    let output = try UploadStep.compute(
                        context: context, round: round, site: site, precision: precision,
                        trainRecord: RecordReader(train.record, path: train.folder), trained: train.adapter)
                    guard try compare(output, round, .upload, site.name, at: end, context, into: &steps) else {
                        return false
                    }
                }
            case .score(let scoring):
                context.report(.started(round: round, step: .score, owner: nil))
                let received = try Recomputation.received(plan, round, end, ledger, withScores: false)
                let output = try ScoreStep.compute(
                    context: context, round: round, scoring: scoring, received: received,
                    absent: Recomputation.absences(plan, round, end, ledger))
                guard try compare(output, round, .score, nil, at: end, context, into: &steps) else { return false }
            case .aggregate(let aggregation):
                let output = try Recomputation.aggregate(
                    plan: plan, aggregation: aggregation, round: round,
                    Recomputation.received(plan, round, end, ledger),
                    absent: Recomputation.absences(plan, round, end, ledger),
                    late: Recomputation.late(plan, round, end, ledger))
                guard try compare(output, round, .aggregate, nil, at: end, context, into: &steps) else { return false }
            case .evaluate(let configuration):
                guard configuration.runs(in: round, of: declaration.rounds) else { continue }
                let adapter = round == 0 ? nil : try globalAdapter(end, context)
                for cohort in configuration.cohorts {
                    let kind = declaration.evaluation(of: cohort)
                    let path = kind.record(round: round, owner: cohort.name)
                    guard try ledger.file(path, of: tip) != nil else { continue }
                    context.report(.started(round: round, step: kind, owner: cohort.name))
                    let output = try EvaluateStep.compute(
                        context: context, round: round, cohort: cohort, configuration: configuration, adapter: adapter,
                        predictions: nil, at: declaration.site(of: cohort).map { PlanPart(of: $0, in: plan) })
                    guard try compare(output, round, kind, cohort.name, at: tip, context, into: &steps) else {
                        return false
                    }
                }
            }
        }
        return true
    }

    func startAdapter(of round: Int, _ context: RunContext) throws(Fault) -> StartAdapter {
        guard round > 1 else { return try context.initialAdapter() }
        return try globalAdapter(aggregateCommit(of: round - 1), context)
    }

    private func globalAdapter(_ commit: CommitID, _ context: RunContext) throws(Fault) -> StartAdapter {
        guard let bytes = try ledger.file(RunPath.global, of: commit) else {
            throw .missingFile(RunPath.global, commit.hex)
        }
        return try StartAdapter(published: bytes, context: context, commit: commit.hex)
    }

    func aggregateCommit(of round: Int) throws(Fault) -> CommitID {
        try committed.aggregateCommit(of: round, in: ledger)
    }

    private func compare(
        _ output: StepOutput, _ round: Int, _ step: StepKind, _ owner: String?, at commit: CommitID,
        _ context: RunContext,
        into steps: inout [ReplayedStep]
    ) throws(Fault) -> Bool {
        var faults: [Fault] = []
        for (path, bytes) in output.deterministic {
            let committed = try ledger.file(path, of: commit)
            if step == .train, let owner, let committed, committed != bytes {
                faults += divergence(output, committed, path, round, owner, commit, context)
            }
            if let fault = Recomputation.difference(
                path, recomputed: bytes, committed: committed, commit: commit, plan: plan)
            {
                faults.append(fault)
            }
        }
        let size = output.deterministic.reduce(0) { $0 + $1.bytes.count }
        steps.append(
            ReplayedStep(
                round: round, step: step, owner: owner, part: nil, files: output.deterministic.count, bytes: size,
                faults: faults))
        context.report(
            .noted(
                "round \(round) \(step)\(owner.map { " \($0)" } ?? ""): \(faults.isEmpty ? "the same bytes" : "differs")"
            ))
        return faults.isEmpty
    }

    package func absences(of round: Int, in commit: CommitID) throws(Fault) -> [SiteID: Absence] {
        let absences = try Recomputation.absences(plan, round, commit, ledger) ?? []
        return Dictionary(absences.map { ($0.site, $0) }) { first, _ in first }
    }
}
