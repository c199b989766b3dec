// Runner: executes a plan step by step, commits each step as it ends, and goes on where an earlier process stopped.

import Digests
import Faults
import Federation
import Foundation
import GitLedger
import Identities
import LocalFiles
import ModelFiles
import RunRecords
import Workflows

/// One execution of a plan. Not for several threads at once: the engine inside a step uses them.
public final class Runner {
    /// The run's name.
    public let run: RunName
    private let ledger: Ledger
    private let workspace: Workspace
    private let context: RunContext
    private let planDigest: Digest
    /// Nil for a run that is not signed.
    private let keys: SigningKeys?
    /// The sites that the round under way goes on without.
    private var absent: [SiteID: Absence] = [:]

    private init(run: RunName, ledger: Ledger, workspace: Workspace, context: RunContext, keys: SigningKeys?) {
        self.run = run
        self.ledger = ledger
        self.workspace = workspace
        self.context = context
        self.planDigest = Digest.sha256(context.plan.json.canonical)
        self.keys = keys
    }

    /// Begins a new run with its plan commit.
    ///
    /// `name` is the run's name, or nil for the next free `<workflow>-<n>`. With `keys` every commit is signed. Throws `run.exists`
    /// for a name that is taken and `run.unsigned` where the workflow requires signatures and there are no keys.
    public static func begin(
        _ context: RunContext, name: RunName?, ledger: Ledger, workspace: Workspace, keys: SigningKeys? = nil
    ) throws(Fault) -> Runner {
        try checkSigning(context, keys)
        let chosen: RunName
        if let name {
            try checkFree(name, in: ledger)
            chosen = name
        } else {
            chosen = try nextName(context.plan.declaration.name, taken: ledger.runs())
        }
        let runner = Runner(run: chosen, ledger: ledger, workspace: workspace, context: context, keys: keys)
        var draft = runner.draft(
            .main(chosen), expected: nil, parents: [], base: nil,
            changes: [
                FileChange(path: RunPath.workflow, bytes: context.workflowBytes),
                FileChange(path: RunPath.template, bytes: context.templateBytes),
                FileChange(path: RunPath.plan, bytes: context.plan.json.canonical),
            ], subject: RunCommit.planSubject(context.plan.declaration), round: 0,
            step: .plan, owner: nil)
        draft.body = RunCommit.planBody(context.plan.declaration)
        // Kept before the commit: a run that is in the ledger always knows where its notes lie.
        try context.origin.keep(for: chosen, workspace: workspace)
        _ = try ledger.commit(try runner.sealed(draft))
        context.report(.opened(run: chosen, plan: runner.planDigest, done: 0))
        return runner
    }

    /// Throws `run.unsigned` where the workflow requires signatures and there are no keys.
    public static func checkSigning(_ context: RunContext, _ keys: SigningKeys?) throws(Fault) {
        if context.plan.declaration.signing == .required && keys == nil {
            throw .runUnsigned("the workflow requires signatures")
        }
    }

    /// Throws `run.exists` for a name that is taken.
    public static func checkFree(_ name: RunName, in ledger: Ledger) throws(Fault) {
        if try ledger.runs().contains(name) { throw .runExists(name) }
    }

    /// Goes on with a run whose committed plan is the one at hand.
    ///
    /// Throws `run.missing`, and `run.plan-changed` with what differs where the plan is another one.
    public static func resume(
        _ context: RunContext, run: RunName, ledger: Ledger, workspace: Workspace, keys: SigningKeys? = nil
    ) throws(Fault) -> Runner {
        let committed = try CommittedPlan(of: run, in: ledger)
        if committed.bytes != context.plan.json.canonical {
            let differences = context.plan.differences(from: committed.plan)
            throw .planChanged(run, differences)
        }
        // A run stays what it began as: half a signature proves nothing.
        let isSigned = try ledger.read(committed.tip).signature != nil
        if isSigned && keys == nil { throw .runUnsigned("\(run) began signed") }
        let runner = Runner(
            run: run, ledger: ledger, workspace: workspace, context: context, keys: isSigned ? keys : nil)
        try context.origin.keep(for: run, workspace: workspace)
        context.report(
            .opened(run: run, plan: runner.planDigest, done: try ledger.firstParents(from: committed.tip).count))
        return runner
    }

    /// The newest run of a workflow: the one with the highest number. Throws `run.missing`.
    public static func newest(of workflow: String, ledger: Ledger) throws(Fault) -> RunName {
        let runs = try ledger.runs()
        let numbered = runs.compactMap { run -> (Int, RunName)? in
            guard run.name.hasPrefix("\(workflow)-") else { return nil }
            return Int(run.name.dropFirst(workflow.count + 1)).map { ($0, run) }
        }
        guard let newest = numbered.max(by: { $0.0 < $1.0 }) else {
            throw Fault(
                .usage, "run.missing", "the ledger holds no run of \(workflow)", mend: "Start one without --resume.")
        }
        return newest.1
    }

    /// Executes every step that has no commit yet.
    public func execute() throws(Fault) {
        let declaration = context.plan.declaration
        for round in declaration.roundNumbers {
            // Once the coordinator has scored or averaged a round, who was absent stays absent.
            let recorded = try Absence.recorded(round, in: mainTip(), ledger) ?? []
            absent = Dictionary(recorded.map { ($0.site, $0) }) { first, _ in first }
            for step in declaration.steps {
                switch step {
                case .train(let configuration): try train(round, configuration)
                case .upload(let precision): try upload(round, precision)
                case .score(let scoring): try score(round, scoring)
                case .aggregate(let aggregation): try aggregate(round, aggregation)
                case .evaluate(let configuration):
                    guard configuration.runs(in: round, of: declaration.rounds) else { continue }
                    try evaluate(round, configuration)
                }
            }
        }
    }

    // MARK: Steps

    private func train(_ round: Int, _ configuration: TrainingConfiguration) throws(Fault) {
        for site in present where try !isCommitted(round, .train, site) {
            if context.plan.declaration.approvals == .required {
                do {
                    try Approval.require(context.plan, of: site, in: run, ledger: ledger)
                } catch {
                    guard error.cause == .notApproved, declaresQuorum else { throw error }
                    note(Absence(site: site, step: .train, reason: error.code, attempts: 1), round)
                    continue
                }
            }
            let output = try attempt(round, .train, site) { () throws(Fault) -> StepOutput in
                let output = try trainOutput(round, configuration, site)
                if let adapter = output.adapter {
                    // The adapter is on disk before the commit that names its digest.
                    let path = workspace.trainedAdapter(run: run, site: site, round: round)
                    try LocalFile.write(TrainStep.encode(adapter), to: path)
                }
                return output
            }
            if let output { try commit(output, round: round, step: .train, site: site) }
        }
    }

    // MARK: Absent sites

    private var declaresQuorum: Bool { context.plan.declaration.quorum != nil }
    /// The sites that the round under way still counts on.
    private var present: [SiteID] { context.plan.declaration.sites.map(\.id).filter { absent[$0] == nil } }
    /// In site order; nil where the workflow has no quorum, so that records stay what they were.
    private var absences: [Absence]? {
        declaresQuorum ? context.plan.declaration.sites.compactMap { absent[$0.id] } : nil
    }

    private func note(_ absence: Absence, _ round: Int) {
        absent[absence.site] = absence
        context.report(
            .noted(
                "site \(absence.site) is absent from round \(round): \(absence.reason) in \(absence.step), tried \(absence.attempts) times"
            ))
    }

    /// What a site's step gives; nil, with the site absent, where it failed as often as it may and the workflow has a quorum. A fault
    /// of the ledger, a contradiction or an interruption is not the site's.
    private func attempt(
        _ round: Int, _ step: StepKind, _ site: SiteID, _ body: () throws(Fault) -> StepOutput
    ) throws(Fault) -> StepOutput? {
        for number in 1...Absence.tries {
            do {
                return try body()
            } catch {
                let isTheSites = [.failed, .usage, .workflow, .data, .model].contains(error.kind)
                guard declaresQuorum, isTheSites else { throw error }
                guard number == Absence.tries else { continue }
                note(Absence(site: site, step: step, reason: error.code, attempts: number), round)
            }
        }
        return nil
    }

    private func requireQuorum(_ round: Int, _ received: ReceivedUploads) throws(Fault) {
        guard let quorum = context.plan.declaration.quorum, received.uploads.count < quorum else { return }
        throw .belowQuorum(
            round, present: received.uploads.count, quorum: quorum, absences ?? [], received.leftOut)
    }

    private func trainOutput(_ round: Int, _ configuration: TrainingConfiguration, _ site: SiteID) throws(Fault)
        -> StepOutput
    {
        context.report(.started(round: round, step: .train, owner: site.name))
        let start = try globalAdapter(before: round).cut(for: site, context)
        return try TrainStep.compute(
            context: context, round: round, site: site, configuration: configuration, start: start,
            checkpoints: CheckpointFolder(
                folder: workspace.checkpoints(run: run, site: site, round: round), plan: planDigest,
                input: start.digest))
    }

    private func upload(_ round: Int, _ precision: UploadPrecision) throws(Fault) {
        for site in present where try !isCommitted(round, .upload, site) {
            context.report(.started(round: round, step: .upload, owner: site.name))
            let record = try siteRecord(round, .train, site)
            let output = try attempt(round, .upload, site) { () throws(Fault) -> StepOutput in
                try UploadStep.compute(
                    context: context, round: round, site: site, precision: precision, trainRecord: record,
                    trained: trainedAdapter(round, site, record))
            }
            if let output { try commit(output, round: round, step: .upload, site: site) }
        }
    }

    /// What the site trained, from its work folder; trained again, to the same bits, where the file is gone or damaged.
    private func trainedAdapter(_ round: Int, _ site: SiteID, _ record: RecordReader) throws(Fault) -> Adapter? {
        guard try record.text("status") == "done" else { return nil }
        let expected = try record.object("output").digest("adapter_sha256")
        let path = workspace.trainedAdapter(run: run, site: site, round: round)
        if let bytes = LocalFile.readIfPresent(path), Digest.sha256(bytes) == expected {
            return try AdapterFile.read(
                bytes, sizes: context.sizes, configuration: context.plan.declaration.adapter(of: site), path: path)
        }
        context.report(
            .noted("site \(site): the trained adapter of round \(round) is not in the work folder; training it again"))
        guard let configuration = context.plan.declaration.training else { return nil }
        let again = try trainOutput(round, configuration, site)
        guard let adapter = again.adapter, again.record == record.value else {
            throw .trainedAgainDiffers(site, round)
        }
        try LocalFile.write(TrainStep.encode(adapter), to: path)
        return adapter
    }

    private func score(_ round: Int, _ scoring: ScoreConfiguration) throws(Fault) {
        guard try !isCommitted(round, .score, nil) else { return }
        context.report(.started(round: round, step: .score, owner: nil))
        let received = try received(round)
        try requireQuorum(round, received)
        let output = try ScoreStep.compute(
            context: context, round: round, scoring: scoring, received: received, absent: absences)
        try commitMain(output, round: round, step: .score)
    }

    private func aggregate(_ round: Int, _ aggregation: Aggregation) throws(Fault) {
        guard try !isCommitted(round, .aggregate, nil) else { return }
        context.report(.started(round: round, step: .aggregate, owner: nil))
        let received = try received(round)
        try requireQuorum(round, received)
        let output = try AggregateStep.compute(
            plan: context.plan, aggregation: aggregation, round: round, received: received, absent: absences,
            clock: StepClock(), threads: context.threads)
        // The merge carries every site's line of this round, those left out included: nothing a site said is lost.
        let main = try mainTip()
        var parents = [main]
        var taken: [TakenFolder] = []
        for site in context.plan.declaration.sites.map(\.id) {
            guard let tip = try ledger.tip(.site(run, site)) else { continue }
            // An absent site may have made some steps of this round; they are merged too.
            let isAbsent = absent[site] != nil
            if isAbsent, try ledger.read(tip).round != round { continue }
            parents.append(tip)
            for step in isAbsent ? [StepKind.train] : StepKind.ofSite {
                taken.append(TakenFolder(from: tip, path: step.folder(round: round, owner: site.name)))
            }
        }
        var draft = draft(
            .main(run), expected: main, parents: parents, base: main, changes: Self.changes(of: output),
            subject: try Self.subject(of: output, round: round, step: .aggregate, owner: nil), round: round,
            step: .aggregate, owner: nil)
        draft.taken = taken
        try commit(draft, round: round, step: .aggregate, owner: nil)
    }

    private func evaluate(_ round: Int, _ configuration: EvaluationConfiguration) throws(Fault) {
        for cohort in configuration.cohorts where try !isCommitted(round, .evaluate, cohort.name) {
            context.report(.started(round: round, step: .evaluate, owner: cohort.name))
            let adapter = round == 0 ? nil : try globalAdapter(before: round + 1)
            let output = try EvaluateStep.compute(
                context: context, round: round, cohort: cohort, configuration: configuration, adapter: adapter,
                predictions: workspace.predictions(run: run, cohort: cohort, round: round))
            try commitMain(output, round: round, step: .evaluate, owner: cohort.name)
        }
    }

    // MARK: State, read from the ledger alone

    private func mainTip() throws(Fault) -> CommitID {
        guard let tip = try ledger.tip(.main(run)) else { throw .runMissing(run, known: try ledger.runs()) }
        return tip
    }

    private func isCommitted(_ round: Int, _ step: StepKind, _ owner: String?) throws(Fault) -> Bool {
        try ledger.file(step.record(round: round, owner: owner), of: mainTip()) != nil
    }

    private func isCommitted(_ round: Int, _ step: StepKind, _ site: SiteID) throws(Fault) -> Bool {
        if try isCommitted(round, step, site.name) { return true }
        guard let tip = try ledger.tip(.site(run, site)) else { return false }
        return try ledger.file(step.record(round: round, owner: site.name), of: tip) != nil
    }

    private func siteRecord(_ round: Int, _ step: StepKind, _ site: SiteID) throws(Fault) -> RecordReader {
        let path = step.record(round: round, owner: site.name)
        guard let tip = try ledger.tip(.site(run, site)), let bytes = try ledger.file(path, of: tip) else {
            throw .missingFile(path, nil)
        }
        return try RecordReader(parsing: bytes, path: path, commit: tip.hex)
    }

    /// The uploads of a round as the coordinator reads them from the sites' lines.
    private func received(_ round: Int) throws(Fault) -> ReceivedUploads {
        let (ledger, run, plan) = (ledger, run, context.plan)
        let form = plan.adapterForm
        return try ReceivedUploads(
            round: round, sites: present, plan: plan, form: form,
            scores: ledger.file(StepKind.score.record(round: round), of: mainTip()),
            start: { () throws(Fault) in try self.globalAdapter(before: round).adapter }
        ) { (site: SiteID, path: String) throws(Fault) -> [UInt8]? in
            guard let tip = try ledger.tip(.site(run, site)) else { return nil }
            return try ledger.file(path, of: tip, limit: plan.largest(at: path, form))
        }
    }

    /// The global adapter that a round begins with, with the digest of its published bytes.
    private func globalAdapter(before round: Int) throws(Fault) -> StartAdapter {
        guard round > 1 else { return try context.initialAdapter() }
        let tip = try mainTip()
        guard let bytes = try ledger.file(RunPath.global, of: tip) else {
            throw .missingFile(RunPath.global, tip.hex)
        }
        return try StartAdapter(published: bytes, context: context, commit: tip.hex)
    }

    /// The commit of the main line with which the round begins: the last one of an earlier round.
    private func roundStart(_ round: Int) throws(Fault) -> CommitID {
        var commit = try ledger.read(mainTip())
        while let number = commit.round, number >= round,
            let parent = commit.parents.first
        {
            commit = try ledger.read(parent)
        }
        return commit.id
    }

    // MARK: Commits

    private func commit(_ output: StepOutput, round: Int, step: StepKind, site: SiteID) throws(Fault) {
        let line = LineRef.site(run, site)
        let tip = try ledger.tip(line)
        // A site's first commit of a round grows from the round's start; the second from the first.
        let parent: CommitID
        if let tip, step != .train { parent = tip } else { parent = try roundStart(round) }
        let draft = draft(
            line, expected: tip, parents: [parent], base: parent, changes: Self.changes(of: output),
            subject: try Self.subject(of: output, round: round, step: step, owner: site.name), round: round,
            step: step, owner: site.name)
        try commit(draft, round: round, step: step, owner: site.name)
    }

    private func commitMain(_ output: StepOutput, round: Int, step: StepKind, owner: String? = nil) throws(Fault) {
        let tip = try mainTip()
        let draft = draft(
            .main(run), expected: tip, parents: [tip], base: tip, changes: Self.changes(of: output),
            subject: try Self.subject(of: output, round: round, step: step, owner: owner), round: round, step: step,
            owner: owner)
        try commit(draft, round: round, step: step, owner: owner)
    }

    private func commit(_ unsigned: CommitDraft, round: Int, step: StepKind, owner: String?) throws(Fault) {
        let draft = try sealed(unsigned)
        let id = try ledger.commit(draft)
        context.report(.committed(round: round, step: step, owner: owner, subject: draft.subject, commit: id.hex))
    }

    /// The draft with a time that no parent's exceeds, so that a clock set back shows in no line, and with the signer of its role.
    private func sealed(_ draft: CommitDraft) throws(Fault) -> CommitDraft {
        var draft = draft
        for parent in draft.parents { draft.time = max(draft.time, try ledger.read(parent).time) }
        if case .site(_, let site) = draft.line {
            draft.signer = keys?.signer(of: .site(site))
        } else {
            draft.signer = keys?.signer(of: .coordinator)
        }
        return draft
    }

    private func draft(
        _ line: LineRef, expected: CommitID?, parents: [CommitID], base: CommitID?, changes: [FileChange],
        subject: String, round: Int, step: StepKind, owner: String?
    ) -> CommitDraft {
        let trailers = RunCommit.trailers(step, run: run, round: round, owner: owner, plan: planDigest)
        return CommitDraft(
            line: line, expectedTip: expected, parents: parents, base: base, changes: changes, subject: subject,
            trailers: trailers, author: RunCommit.author,
            time: Int64(Date().timeIntervalSince1970))
    }

    private static func subject(
        of output: StepOutput, round: Int, step: StepKind, owner: String?
    ) throws(Fault) -> String {
        try step.subject(round: round, owner: owner, RecordReader(output.record, path: output.folder))
    }

    private static func changes(of output: StepOutput) -> [FileChange] {
        (output.deterministic + [("\(output.folder)/timing.json", output.timing.canonical)]).map {
            FileChange(path: $0.path, bytes: $0.bytes)
        }
    }

    private static func nextName(_ workflow: String, taken: [RunName]) throws(Fault) -> RunName {
        var number = 1
        while true {
            guard let name = RunName("\(workflow)-\(number)") else {
                throw Fault(
                    .workflow, "run.bad-name", "\(workflow)-\(number) is longer than 64 characters",
                    mend: "Give the workflow a shorter name.")
            }
            if !taken.contains(name) { return name }
            number += 1
        }
    }
}
