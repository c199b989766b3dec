// CoordinatorActor: the coordinator of a run: the call, the plan put together from the sites' parts, scores, averages, evaluations, and what is
// published. It reads the lines of all sites, and holds no note, key or work folder of any.

import Digests
import Faults
import Federation
import GitLedger
import ModelFiles
import RunRecords
import Workflows

/// The coordinator of a run.
final class CoordinatorActor {
    let run: RunName
    private let ledger: Ledger
    private let writer: LineWriter
    /// Where what the model wrote for a cohort in a round is kept.
    private let predictions: (CohortID, Int) -> String
    /// The coordinator's own notes, with the plan: before the sites gave their parts, without what is known of theirs.
    private var context: RunContext
    /// The digest of the plan; nil before it is committed.
    private(set) var digest: Digest?
    /// The sites that the round under way goes on without.
    private(set) var absent: [SiteID: Absence] = [:]
    /// The times of the wait for the round's uploads, for timing.json.
    var waited: JSONValue?

    var plan: Plan { context.plan }
    private var sites: [SiteID] { plan.declaration.rounds > 0 ? plan.declaration.sites.map(\.id) : [] }
    private var declaresQuorum: Bool { plan.declaration.quorum != nil }

    init(
        _ run: RunName, context: RunContext, ledger: Ledger, signer: CommitDraft.Signer?,
        predictions: @escaping (CohortID, Int) -> String
    ) {
        self.run = run
        self.context = context
        self.ledger = ledger
        self.predictions = predictions
        writer = LineWriter(run: run, ledger: ledger, signer: signer, report: context.report)
    }

    // MARK: Call, plan and what is published

    /// Calls the sites, or compares the call that is there. Throws `run.plan-changed` where it asks for something else.
    func call() throws(Fault) {
        let call = PublishStep.call(plan)
        if let published = try PublishedLine(of: run, in: ledger) {
            guard try ledger.file(RunPath.call, of: published.call.id) != call.canonical else { return }
            // A plan that left sites out asks for what the call asks for, of the others.
            let called = try published.called(ledger)
            if plan.isAnswer(to: called), plan.missing(from: called) == plan.late { return }
            throw .planChanged(run, plan.call.differences(from: called))
        }
        try writer.commit(
            LineWriter.Entry(step: PlannedStep(0, .call), parents: [], plan: Digest.sha256(call.canonical)), call,
            [(RunPath.template, context.templateBytes)])
    }

    /// The parts that have come, by site, each with its commit. Throws `run.part-differs` for a site whose model or tokenizer is another one.
    func parts() throws(Fault) -> [(commit: CommitID, part: PlanPart)] {
        guard let published = try PublishedLine(of: run, in: ledger) else { throw .runMissing(run, known: []) }
        var parts: [(CommitID, PlanPart)] = []
        for site in sites {
            guard let tip = try ledger.tip(.answers(run, site)) else { continue }
            guard let commit = try ledger.firstParents(from: tip).first(where: { $0.kind == .part }),
                commit.parents == [published.call.id], let bytes = try ledger.file(RunPath.part, of: commit.id)
            else { throw .missingFile(RunPath.part, tip.hex) }
            let place = Place(file: RunPath.part, commit: commit.id.hex)
            let part = try PlanPart(json: JSONValue(parsing: bytes, at: place))
            guard part.site == site else { throw .partDiffers(site, "a part that speaks of another site") }
            if let difference = part.difference(from: plan.call) { throw .partDiffers(site, difference) }
            parts.append((commit.id, part))
        }
        return parts
    }

    /// The run begins without sites that were called and sent no part by the deadline.
    func leaveOut(_ sites: [SiteID]) { context = context.ofCoordinator(plan.leavingOut(sites)) }

    /// Commits the plan from the parts of all sites, or compares the one that is there; then it is what the coordinator works from.
    func makePlan() throws(Fault) {
        guard let published = try PublishedLine(of: run, in: ledger) else { throw .runMissing(run, known: []) }
        let parts = try parts()
        guard parts.count == sites.count else { throw .runNotPlanned(run) }
        let plan = context.plan.completed(with: parts.map(\.part))
        let bytes = plan.json.canonical
        if try ledger.tip(.main(run)) != nil {
            let committed = try CommittedPlan(of: run, in: ledger)
            guard committed.bytes == bytes else { throw .planChanged(run, plan.differences(from: committed.plan)) }
        } else {
            let declaration = plan.declaration
            try writer.commit(
                LineWriter.Entry(
                    step: PlannedStep(0, .plan), parents: [published.call.id] + parts.map(\.commit),
                    plan: Digest.sha256(bytes), body: RunCommit.planBody(declaration)),
                subject: RunCommit.planSubject(declaration),
                [
                    (RunPath.workflow, context.workflowBytes), (RunPath.template, context.templateBytes),
                    (RunPath.plan, bytes),
                ])
        }
        context = context.ofCoordinator(plan)
        digest = Digest.sha256(bytes)
    }

    /// Publishes the plan as sites see it, and then each round's adapter that was averaged and not published yet.
    func publish() throws(Fault) {
        guard let digest else { preconditionFailure("something is published before the plan") }
        for commit in try ledger.mainLine(from: mainTip()) where commit.kind == .plan || commit.kind == .aggregate {
            guard let round = commit.round, let published = try PublishedLine(of: run, in: ledger),
                published.publishes.count <= round
            else { continue }
            let record: JSONValue
            var files: [(path: String, bytes: [UInt8])] = []
            if commit.kind == .plan {
                record = PublishStep.record(plan: digest)
                files.append((RunPath.plan, plan.view.json.canonical))
            } else {
                guard let adapter = try ledger.file(RunPath.global, of: commit.id) else {
                    throw .missingFile(RunPath.global, commit.id.hex)
                }
                let path = StepKind.aggregate.record(round: round)
                guard let bytes = try ledger.file(path, of: commit.id) else { throw .missingFile(path, commit.id.hex) }
                record = try PublishStep.record(
                    round: round, plan: digest, adapter: (Digest.sha256(adapter), adapter.count),
                    aggregate: RecordReader(parsing: bytes, path: path, commit: commit.id.hex), sites: sites,
                    uploads: PublishStep.uploads(round, sites, in: commit.id, ledger))
                files.append((RunPath.global, adapter))
            }
            try writer.commit(
                LineWriter.Entry(
                    step: PlannedStep(round, .publish), tip: published.tip.id, parents: [published.tip.id],
                    plan: digest, source: commit), record, files)
        }
    }

    // MARK: A round

    /// Once a round was scored or averaged, who was absent from it stays absent.
    func begin(_ round: Int) throws(Fault) {
        let recorded = try Absence.recorded(round, in: mainTip(), ledger) ?? []
        absent = Dictionary(recorded.map { ($0.site, $0) }) { first, _ in first }
    }

    /// The round goes on without a site.
    func note(_ absence: Absence, _ round: Int) {
        absent[absence.site] = absence
        context.report(
            .noted(
                "site \(absence.site) is absent from round \(round): \(absence.reason) in \(absence.step), tried \(absence.attempts) times"
            ))
    }

    /// In site order; nil where the workflow has no quorum, so that records stay what they were.
    private var absences: [Absence]? { declaresQuorum ? sites.compactMap { absent[$0] } : nil }

    func isCommitted(_ round: Int, _ step: StepKind, _ owner: String? = nil) throws(Fault) -> Bool {
        try ledger.file(step.record(round: round, owner: owner), of: mainTip()) != nil
    }

    /// The uploads of a round as they are on the sites' lines.
    private func received(_ round: Int) throws(Fault) -> ReceivedUploads {
        let (ledger, run, plan) = (ledger, run, plan)
        let form = plan.adapterForm
        let received = try ReceivedUploads(
            round: round, sites: sites.filter { absent[$0] == nil }, plan: plan, form: form,
            scores: ledger.file(StepKind.score.record(round: round), of: mainTip()),
            start: { () throws(Fault) in try self.startAdapter(of: round).adapter }
        ) { (site: SiteID, path: String) throws(Fault) -> [UInt8]? in
            guard let tip = try ledger.tip(.site(run, site)) else { return nil }
            return try ledger.file(path, of: tip, limit: plan.largest(at: path, form))
        }
        guard let quorum = plan.declaration.quorum, received.uploads.count < quorum else { return received }
        throw .belowQuorum(
            round, present: received.uploads.count, quorum: quorum, absences ?? [], received.leftOut)
    }

    func score(_ round: Int, _ scoring: ScoreConfiguration) throws(Fault) {
        guard try !isCommitted(round, .score) else { return }
        context.report(.started(round: round, step: .score, owner: nil))
        let output = try ScoreStep.compute(
            context: context, round: round, scoring: scoring, received: received(round), absent: absences)
        try commit(output, PlannedStep(round, .score))
    }

    func aggregate(_ round: Int, _ aggregation: Aggregation) throws(Fault) {
        guard try !isCommitted(round, .aggregate) else { return }
        context.report(.started(round: round, step: .aggregate, owner: nil))
        let clock = StepClock()
        let received = try received(round)
        // The merge carries every site's line of this round, those left out included: nothing a site said is lost.
        var uploads: [CommitID] = []
        var taken: [TakenFolder] = []
        for site in sites {
            guard let merged = try self.merged(site, round) else { continue }
            uploads.append(merged)
            for step in absent[site] != nil ? [StepKind.train] : StepKind.ofSite {
                taken.append(TakenFolder(from: merged, path: step.folder(round: round, owner: site.name)))
            }
        }
        let late = try LateUpload.all(in: plan, round: round, merged: uploads, before: mainTip(), ledger)
        var output = try AggregateStep.compute(
            plan: plan, aggregation: aggregation, round: round, received: received, absent: absences, late: late,
            clock: clock, threads: context.threads)
        if let waited, var timing = output.timing.members {
            timing["waiting"] = waited
            output.timing = .object(timing)
        }
        try commit(output, PlannedStep(round, .aggregate), merging: uploads, taken)
    }

    /// What an aggregate merges of a site's line: its end; of a site that was absent once it had trained, the training, since what came after it
    /// came too late; nothing of any other absent site.
    private func merged(_ site: SiteID, _ round: Int) throws(Fault) -> CommitID? {
        var next = try ledger.tip(.site(run, site))
        guard let absence = absent[site] else { return next }
        while absence.step == .upload, let id = next {
            let commit = try ledger.read(id)
            if commit.step == PlannedStep(round, .train, site.name) { return id }
            next = commit.step?.round == round ? commit.beforeOnSiteLine : nil
        }
        return nil
    }

    func evaluate(_ round: Int, _ configuration: EvaluationConfiguration) throws(Fault) {
        let cohorts = configuration.cohorts.filter { plan.declaration.site(of: $0) == nil }
        for cohort in cohorts where try !isCommitted(round, .evaluate, cohort.name) {
            context.report(.started(round: round, step: .evaluate, owner: cohort.name))
            let output = try EvaluateStep.compute(
                context: context, round: round, cohort: cohort, configuration: configuration,
                adapter: round == 0 ? nil : globalAdapter(), predictions: predictions(cohort, round))
            try commit(output, PlannedStep(round, .evaluate, cohort.name))
        }
    }

    /// Brings the cards that sites made to the main line, once and at the end. `reasons` says why a step has no card.
    func collect(_ reasons: [PlannedStep: String]) throws(Fault) {
        let round = plan.declaration.rounds
        guard try !isCommitted(round, .collect) else { return }
        context.report(.started(round: round, step: .collect, owner: nil))
        let clock = StepClock()
        let cards = try SiteCards(plan.declaration, of: run, ledger)
        let output = try CollectStep.compute(
            round: round, cards, reasons: reasons, ledger, clock: clock, threads: context.threads)
        try commit(
            output, PlannedStep(round, .collect), merging: cards.ends,
            cards.made.map { TakenFolder(from: $0.commit, path: $0.step.folder) })
    }

    /// The global adapter that a round began with.
    private func startAdapter(of round: Int) throws(Fault) -> StartAdapter {
        round > 1 ? try globalAdapter() : try context.initialAdapter()
    }

    private func globalAdapter() throws(Fault) -> StartAdapter {
        let tip = try mainTip()
        guard let bytes = try ledger.file(RunPath.global, of: tip) else {
            throw .missingFile(RunPath.global, tip.hex)
        }
        return try StartAdapter(published: bytes, context: context, commit: tip.hex)
    }

    private func mainTip() throws(Fault) -> CommitID {
        guard let tip = try ledger.tip(.main(run)) else { throw .runMissing(run, known: try ledger.runs()) }
        return tip
    }

    private func commit(
        _ output: StepOutput, _ step: PlannedStep, merging uploads: [CommitID] = [], _ taken: [TakenFolder] = []
    ) throws(Fault) {
        guard let digest else { preconditionFailure("a step before the plan") }
        let tip = try mainTip()
        try writer.commit(
            LineWriter.Entry(step: step, tip: tip, parents: [tip] + uploads, plan: digest, taken: taken), output)
    }
}
