// SiteActor: one site of a run: its part of the plan, its training, its uploads, the evaluation of its own cohorts. It reads what was published
// and its own lines, and holds its own notes, key and work folder; there is no way from here to those of anybody else.

import Digests
import Faults
import Federation
import GitLedger
import LocalFiles
import ModelFiles
import RunRecords
import Workflows

/// A site of a run, on the coordinator's machine or on its own.
public final class SiteActor {
    /// The site.
    public let site: SiteID
    private let run: RunName
    private let ledger: Ledger
    private let desk: SiteDesk
    private let writer: LineWriter
    private let part: PlanPart
    /// Before there is a plan, with the findings at the site; then with the plan as sites see it.
    private var context: RunContext
    /// The digest of the whole plan; nil before it was published.
    private var plan: Digest?

    package init(
        _ site: SiteID, part: PlanPart, context: RunContext, run: RunName, ledger: Ledger, desk: SiteDesk,
        signer: CommitDraft.Signer?
    ) {
        self.site = site
        self.part = part
        self.context = context
        self.run = run
        self.ledger = ledger
        self.desk = desk
        writer = LineWriter(run: run, ledger: ledger, site: site, signer: signer, report: context.report)
    }

    // MARK: Before the plan

    /// Commits what the site says of itself, or compares it with what it said. Throws `plan.part-differs` for another model, tokenizer,
    /// template or engine than the call names, and `run.plan-changed` where the site said something else.
    package func sendPart() throws(Fault) {
        guard let published = try PublishedLine(of: run, in: ledger) else { throw .runMissing(run, known: []) }
        let call = try published.called(ledger)
        if let difference = part.difference(from: call) { throw .partDiffers(site, difference) }
        let line = LineRef.answers(run, site)
        if let tip = try ledger.tip(line) {
            for commit in try ledger.firstParents(from: tip) where commit.kind == .part {
                guard let bytes = try ledger.file(RunPath.part, of: commit.id) else {
                    throw .missingFile(RunPath.part, commit.id.hex)
                }
                guard bytes != part.json.canonical else { return }
                let said = try PlanPart(json: JSONValue(parsing: bytes))
                throw .planChanged(run, call.completed(with: [part]).differences(from: call.completed(with: [said])))
            }
        }
        try writer.commit(
            LineWriter.Entry(
                step: PlannedStep(0, .part, site.name), parents: [published.call.id],
                plan: published.callDigest(ledger)), part.json)
    }

    /// Takes the published plan. Throws `plan.unreadable` where it asks for something else than the call, or says of the site what its part
    /// does not.
    package func takePlan() throws(Fault) {
        guard let published = try PublishedLine(of: run, in: ledger), let first = published.publishes.first else {
            throw .runNotPlanned(run)
        }
        guard let bytes = try ledger.file(RunPath.plan, of: first.id) else {
            throw .missingFile(RunPath.plan, first.id.hex)
        }
        let view = try Plan(json: JSONValue(parsing: bytes, at: Place(file: RunPath.plan, commit: first.id.hex)))
        let call = try published.called(ledger)
        let own = call.completed(with: [part]).view.inputs.datasets
        guard view.isAnswer(to: call), view.inputs.datasets.filter({ $0.owner == site.name }) == own else {
            throw Fault(
                .mismatch, "run.other-plan", "the plan is not the one that \(site) was called for and gave its part to",
                at: Place(file: RunPath.plan, commit: first.id.hex),
                mend: "Ask the coordinator to start a new run; this site trains nothing of it.")
        }
        plan = try published.record(0, ledger).digest("plan_sha256")
        context = context.of(site, view)
    }

    // MARK: Steps

    /// The site's commits that are its own, the newest first.
    private func tip() throws(Fault) -> CommitRecord? {
        try ledger.tip(.site(run, site)).map { (id) throws(Fault) in try ledger.read(id) }
    }

    /// Whether the site committed that step of the round, or went on to a later step. An evaluation is that of a cohort.
    package func isDone(_ round: Int, _ step: StepKind, _ cohort: CohortID? = nil) throws(Fault) -> Bool {
        guard let last = try tip()?.step else { return false }
        if last.round != round { return last.round > round }
        let line = RunTable.siteLine(site, round: round, context.plan.declaration)
        guard let here = line.firstIndex(of: last),
            let wanted = line.firstIndex(of: PlannedStep(round, step, cohort?.name ?? site.name))
        else { return false }
        return here >= wanted
    }

    /// Throws `run.not-approved` where the workflow asks for approvals and the site gave none.
    func requireApproval() throws(Fault) {
        guard context.plan.declaration.approvals == .required, let plan else { return }
        try Approval.require(plan, of: site, in: run, ledger: ledger)
    }

    /// Whether the site's line is at a step of the round.
    package func hasBegun(_ round: Int) throws(Fault) -> Bool { try tip()?.round == round }

    /// Trains a round, with the trained adapter in the work folder before anything is committed.
    package func train(_ round: Int, _ configuration: TrainingConfiguration) throws(Fault) -> StepOutput {
        let output = try trainOutput(round, configuration)
        if let adapter = output.adapter {
            // The adapter is on disk before the commit that names its digest.
            try LocalFile.write(TrainStep.encode(adapter), to: desk.trainedAdapter(round))
        }
        return output
    }

    private func trainOutput(_ round: Int, _ configuration: TrainingConfiguration) throws(Fault) -> StepOutput {
        context.report(.started(round: round, step: .train, owner: site.name))
        let start = try startAdapter(round).cut(for: site, context)
        return try TrainStep.compute(
            context: context, round: round, site: site, configuration: configuration, start: start,
            checkpoints: CheckpointFolder(
                folder: desk.checkpoints(round), plan: plan ?? start.digest, input: start.digest))
    }

    /// What left the site in a round, exactly.
    package func upload(_ round: Int, _ precision: UploadPrecision) throws(Fault) -> StepOutput {
        context.report(.started(round: round, step: .upload, owner: site.name))
        let path = StepKind.train.record(round: round, owner: site.name)
        guard let tip = try tip(), let bytes = try ledger.file(path, of: tip.id) else { throw .missingFile(path, nil) }
        let record = try RecordReader(parsing: bytes, path: path, commit: tip.id.hex)
        return try UploadStep.compute(
            context: context, round: round, site: site, precision: precision, trainRecord: record,
            trained: trainedAdapter(round, record))
    }

    /// What the site trained, from its work folder; trained again, to the same bits, where the file is gone or damaged.
    private func trainedAdapter(_ round: Int, _ record: RecordReader) throws(Fault) -> Adapter? {
        guard try record.text("status") == "done" else { return nil }
        let expected = try record.object("output").digest("adapter_sha256")
        let path = desk.trainedAdapter(round)
        if let bytes = LocalFile.readIfPresent(path), Digest.sha256(bytes) == expected {
            return try AdapterFile.read(
                bytes, sizes: context.sizes, configuration: context.plan.declaration.adapter(of: site), path: path)
        }
        context.report(
            .noted("site \(site): the trained adapter of round \(round) is not in the work folder; training it again"))
        guard let configuration = context.plan.declaration.training else { return nil }
        let again = try trainOutput(round, configuration)
        guard let adapter = again.adapter, again.record == record.value else {
            throw .trainedAgainDiffers(site, round)
        }
        try LocalFile.write(TrainStep.encode(adapter), to: path)
        return adapter
    }

    /// The cohorts of an evaluate step whose notes the site has.
    package func cohorts(of configuration: EvaluationConfiguration) -> [CohortID] {
        configuration.cohorts.filter { context.plan.declaration.site(of: $0) == site }
    }

    /// Scores one of the site's cohorts with the adapter that was published for the round, and commits the card. What the model wrote stays in
    /// the work folder.
    package func evaluate(
        _ round: Int, _ cohort: CohortID, _ configuration: EvaluationConfiguration
    ) throws(Fault) {
        context.report(.started(round: round, step: .evaluateAtSite, owner: cohort.name))
        let output = try EvaluateStep.compute(
            context: context, round: round, cohort: cohort, configuration: configuration,
            adapter: startAdapter(round + 1), predictions: desk.predictions(round, cohort), at: part)
        try commit(output, PlannedStep(round, .evaluateAtSite, cohort.name))
    }

    /// The adapter that a round begins with: as published, or made from the seed.
    private func startAdapter(_ round: Int) throws(Fault) -> StartAdapter {
        guard round > 1 else { return try context.initialAdapter() }
        let start = try start(of: round)
        guard let bytes = try ledger.file(RunPath.global, of: start) else {
            throw .missingFile(RunPath.global, start.hex)
        }
        return try StartAdapter(published: bytes, context: context, commit: start.hex)
    }

    /// The publish that a round grows from.
    private func start(of round: Int) throws(Fault) -> CommitID {
        guard let published = try PublishedLine(of: run, in: ledger), published.publishes.count >= round else {
            throw .missingFile(RunPath.published, nil)
        }
        return published.publishes[round - 1].id
    }

    /// Commits a step of a round on the site's line.
    package func commit(_ output: StepOutput, _ round: Int, _ step: StepKind) throws(Fault) {
        try commit(output, PlannedStep(round, step, site.name))
    }

    private func commit(_ output: StepOutput, _ step: PlannedStep) throws(Fault) {
        guard let plan else { preconditionFailure("a step before the plan") }
        let tip = try ledger.tip(.site(run, site))
        // A training grows from what was published before its round, an evaluation from what was published for it; both go on with the site's
        // own line. An upload grows from its training.
        var published: CommitID?
        switch step.kind {
        case .train: published = try start(of: step.round)
        case .evaluateAtSite: published = try start(of: step.round + 1)
        default: break
        }
        try writer.commit(
            LineWriter.Entry(step: step, tip: tip, parents: [published, tip].compactMap { $0 }, plan: plan), output)
    }
}
