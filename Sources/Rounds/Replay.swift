// Replay: recompute what a run committed and compare it byte by byte; name the first divergence.

import Digests
import Faults
import Federation
import GitLedger
import ModelFiles
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
    public var step: String
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
}

/// Replays a run of a ledger.
public struct Replayer {
    let ledger: Ledger
    let run: RunName
    let tip: CommitID
    let plan: Plan

    /// Opens a run for replay.
    public init(run: RunName, ledger: Ledger) throws(Fault) {
        let committed = try CommittedPlan(of: run, in: ledger)
        self.ledger = ledger
        self.run = run
        self.tip = committed.tip
        self.plan = committed.plan
    }

    /// The rounds that have an aggregate commit.
    func rounds(_ only: Int?) throws(Fault) -> [Int] {
        var rounds: [Int] = []
        for round in plan.declaration.roundNumbers where only == nil || only == round {
            let path = StepPaths.record(round: round, step: "aggregate")
            if try ledger.file(path, of: tip) != nil { rounds.append(round) }
        }
        if let only, rounds.isEmpty, !(only == 0 && plan.declaration.rounds == 0) {
            throw Fault(
                .usage, "replay.no-round", "the run \(run) has no aggregated round \(only)",
                mend: "Name one of the rounds that medrounds show \(run) lists.")
        }
        return rounds
    }

    /// Recomputes the averages of the rounds (or of one) and compares them.
    public func aggregates(round only: Int?) throws(Fault) -> [ReplayedStep] {
        var steps: [ReplayedStep] = []
        let wanted = Set(try rounds(only))
        for commit in try ledger.firstParents(from: tip) where commit.trailer("Step") == "aggregate" {
            guard let round = commit.trailer("Round").flatMap({ Int($0) }), wanted.contains(round) else { continue }
            let size = try ledger.file(StepPaths.global, of: commit.id)?.count ?? 0
            let faults = try Self.compareAggregate(
                plan: plan, round: round, commit: commit, received: Self.received(plan, round, commit.id, ledger),
                ledger: ledger)
            steps.append(
                ReplayedStep(
                    round: round, step: "aggregate", owner: nil, part: nil, files: 2, bytes: size, faults: faults))
        }
        return steps
    }

    /// Recomputes every step of the rounds (or of one) with the model and the notes, and compares them.
    ///
    /// The context's plan must be the run's. Stops after the first step that differs: all that follows would differ too.
    public func full(round only: Int?, context: RunContext) throws(Fault) -> [ReplayedStep] {
        try checkPlan(context)
        var steps: [ReplayedStep] = []
        for round in try rounds(only) where try !replay(round, context, into: &steps) { return steps }
        if plan.declaration.rounds == 0 { _ = try replay(0, context, into: &steps) }
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
    private func replay(_ round: Int, _ context: RunContext, into steps: inout [ReplayedStep]) throws(Fault) -> Bool {
        let declaration = plan.declaration
        let end = round == 0 ? tip : try aggregateCommit(of: round)
        let start = try startAdapter(of: round, context)
        let absent = try absences(of: round, in: end)
        var trained: [SiteID: StepOutput] = [:]
        for step in declaration.steps {
            switch step {
            case .train(let configuration):
                for site in declaration.sites.map(\.id) where absent[site]?.step != "train" {
                    context.report(.started(round: round, step: "train", owner: site.name))
                    let output = try TrainStep.compute(
                        context: context, round: round, site: site, configuration: configuration, start: start,
                        checkpoints: nil)
                    trained[site] = output
                    guard try compare(output, round, "train", site.name, at: end, context, into: &steps) else {
                        return false
                    }
                }
            case .upload(let precision):
                for site in declaration.sites.map(\.id) where absent[site] == nil {
                    guard let train = trained[site] else { continue }
                    let output = try UploadStep.compute(
                        context: context, round: round, site: site, precision: precision,
                        trainRecord: RecordReader(train.record, path: train.folder), trained: train.adapter)
                    guard try compare(output, round, "upload", site.name, at: end, context, into: &steps) else {
                        return false
                    }
                }
            case .score(let measure):
                context.report(.started(round: round, step: "score", owner: nil))
                let uploads = try Self.received(plan, round, end, ledger, withScores: false).uploads
                let output = try ScoreStep.compute(
                    context: context, round: round, measure: measure, uploads: uploads,
                    absent: Self.absences(plan, round, end, ledger))
                guard try compare(output, round, "score", nil, at: end, context, into: &steps) else { return false }
            case .aggregate(let rule):
                let output = try Self.aggregate(
                    plan: plan, rule: rule, round: round, Self.received(plan, round, end, ledger),
                    absent: Self.absences(plan, round, end, ledger))
                guard try compare(output, round, "aggregate", nil, at: end, context, into: &steps) else { return false }
            case .evaluate(let configuration):
                guard configuration.runs(in: round, of: declaration.rounds) else { continue }
                let adapter = round == 0 ? nil : try globalAdapter(end, context)
                for cohort in configuration.cohorts {
                    let path = StepPaths.record(round: round, step: "evaluate", owner: cohort.name)
                    guard try ledger.file(path, of: tip) != nil else { continue }
                    context.report(.started(round: round, step: "evaluate", owner: cohort.name))
                    let output = try EvaluateStep.compute(
                        context: context, round: round, cohort: cohort, configuration: configuration, adapter: adapter,
                        predictions: nil)
                    guard try compare(output, round, "evaluate", cohort.name, at: tip, context, into: &steps) else {
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
        guard let bytes = try ledger.file(StepPaths.global, of: commit) else {
            throw .missingFile(StepPaths.global, commit.hex)
        }
        return try StartAdapter(published: bytes, context: context, commit: commit.hex)
    }

    func aggregateCommit(of round: Int) throws(Fault) -> CommitID {
        for commit in try ledger.firstParents(from: tip)
        where commit.trailer("Step") == "aggregate" && commit.trailer("Round") == String(round) {
            return commit.id
        }
        throw .missingFile(StepPaths.record(round: round, step: "aggregate"), tip.hex)
    }

    private func compare(
        _ output: StepOutput, _ round: Int, _ step: String, _ owner: String?, at commit: CommitID,
        _ context: RunContext,
        into steps: inout [ReplayedStep]
    ) throws(Fault) -> Bool {
        var faults: [Fault] = []
        for (path, bytes) in output.deterministic {
            let committed = try ledger.file(path, of: commit)
            if step == "train", let owner, let committed, committed != bytes {
                faults += divergence(output, committed, path, round, owner, commit, context)
            }
            if let fault = Self.difference(path, recomputed: bytes, committed: committed, commit: commit, plan: plan) {
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

    // MARK: The aggregate, shared with verification

    static func received(
        _ plan: Plan, _ round: Int, _ commit: CommitID, _ ledger: Ledger, withScores: Bool = true
    ) throws(Fault) -> (uploads: [ReceivedUpload], leftOut: [LeftOut]) {
        let absent = try absences(plan, round, commit, ledger) ?? []
        let sites = plan.declaration.sites.map(\.id).filter { site in !absent.contains { $0.site == site } }
        return try UploadStep.received(
            round: round, sites: sites, declaration: plan.declaration,
            sizes: plan.inputs.model.sizes,
            scoreRecord: withScores ? try ledger.file(StepPaths.record(round: round, step: "score"), of: commit) : nil
        ) { (_: SiteID, path: String) throws(Fault) -> [UInt8]? in try ledger.file(path, of: commit) }
    }

    /// Who was absent from a round, as its commits record it: a fact that no replay can compute. Nil where the plan has no quorum.
    static func absences(
        _ plan: Plan, _ round: Int, _ commit: CommitID, _ ledger: Ledger
    ) throws(Fault) -> [Absence]? {
        guard plan.declaration.quorum != nil else { return nil }
        return try Absence.recorded(round, in: commit, ledger) ?? []
    }

    func absences(of round: Int, in commit: CommitID) throws(Fault) -> [SiteID: Absence] {
        let absences = try Self.absences(plan, round, commit, ledger) ?? []
        return Dictionary(absences.map { ($0.site, $0) }) { first, _ in first }
    }

    private static func aggregate(
        plan: Plan, rule: AggregationRule, round: Int, _ received: (uploads: [ReceivedUpload], leftOut: [LeftOut]),
        absent: [Absence]?
    ) throws(Fault) -> StepOutput {
        try AggregateStep.compute(
            rule: rule, round: round, uploads: received.uploads, leftOut: received.leftOut, absent: absent,
            quorum: plan.declaration.quorum,
            precision: plan.declaration.uploadPrecision, model: plan.inputs.model, clock: StepClock(),
            threads: 1)
    }

    /// Recomputes a round's aggregate from its commit's own tree; what differs from the committed bytes.
    static func compareAggregate(
        plan: Plan, round: Int, commit: CommitRecord, received: (uploads: [ReceivedUpload], leftOut: [LeftOut]),
        ledger: Ledger
    ) throws(Fault) -> [Fault] {
        for case .aggregate(let rule) in plan.declaration.steps {
            let output = try aggregate(
                plan: plan, rule: rule, round: round, received, absent: absences(plan, round, commit.id, ledger))
            var faults: [Fault] = []
            for (path, bytes) in output.deterministic {
                let committed = try ledger.file(path, of: commit.id)
                if let fault = difference(path, recomputed: bytes, committed: committed, commit: commit.id, plan: plan)
                {
                    faults.append(fault)
                }
            }
            return faults
        }
        return []
    }

    /// What differs between recomputed and committed bytes: for an adapter the first tensor, for a record the first field.
    static func difference(
        _ path: String, recomputed: [UInt8], committed: [UInt8]?, commit: CommitID, plan: Plan
    ) -> Fault? {
        guard let committed else {
            return mismatch("the file was recomputed but is not committed", path, commit)
        }
        guard recomputed != committed else { return nil }
        if path.hasSuffix(".safetensors"),
            let mine = try? AdapterFile.read(
                recomputed, sizes: plan.inputs.model.sizes, configuration: plan.declaration.adapter, path: path),
            let theirs = try? AdapterFile.read(
                committed, sizes: plan.inputs.model.sizes, configuration: plan.declaration.adapter, path: path)
        {
            guard let difference = mine.firstDifference(from: theirs) else {
                return mismatch("the tensors agree, the file around them does not", path, commit)
            }
            return mismatch(difference.words(theirs: "committed"), path, commit, tensor: difference.tensor)
        }
        if let mine = try? JSONValue(parsing: recomputed), let theirs = try? JSONValue(parsing: committed),
            let field = firstDifference(mine, theirs, "")
        {
            return mismatch(
                "\(field.path) was recomputed as \(field.mine), committed is \(field.theirs)\(field.distance)", path,
                commit)
        }
        return mismatch(
            "\(recomputed.count) recomputed bytes are not the \(committed.count) committed ones", path, commit)
    }

    private static func firstDifference(
        _ mine: JSONValue, _ theirs: JSONValue, _ path: String
    ) -> (path: String, mine: String, theirs: String, distance: String)? {
        if let left = mine.members, let right = theirs.members {
            for key in Set(left.keys).union(right.keys).sorted() {
                if let found = firstDifference(
                    left[key] ?? .null, right[key] ?? .null, path.isEmpty ? key : "\(path).\(key)")
                {
                    return found
                }
            }
            return nil
        }
        if let left = mine.elements, let right = theirs.elements, left.count == right.count {
            for (index, pair) in zip(left, right).enumerated() {
                if let found = firstDifference(pair.0, pair.1, "\(path).\(index)") { return found }
            }
            return nil
        }
        guard mine != theirs else { return nil }
        var distance = ""
        if let left = mine.double, let right = theirs.double {
            distance = ", \(Adapter.ulps(left, right)) units in the last place of float64 apart"
        }
        return (path, brief(mine), brief(theirs), distance)
    }

    private static func brief(_ value: JSONValue) -> String {
        let text = value.canonicalText.split(separator: "\n").joined(separator: " ")
        return text.count > 80 ? text.prefix(77) + "..." : text
    }

    static func mismatch(_ what: String, _ path: String, _ commit: CommitID, tensor: String? = nil) -> Fault {
        Fault(
            .mismatch, "replay.mismatch", what, at: Place(file: path, commit: commit.hex, tensor: tensor),
            mend:
                "Compare model, notes and program version with the plan; in exact numerics the machine does not matter."
        )
    }
}
