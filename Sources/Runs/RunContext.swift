// RunContext: a plan with what it names opened: model, tokenizer, template, records. Loaded once; an actor of a run gets a context of its own,
// which holds the records of nobody else.

import Digests
import Engine
import Extraction
import Faults
import Federation
import Foundation
import ModelFiles
import ModelShelf
import RunRecords
import Tokenization
import Workflows

/// A plan and what it stands on. Used by one thread; the engine inside a step uses several.
public final class RunContext {
    /// The plan.
    public let plan: Plan
    /// The workflow file's bytes.
    public let workflowBytes: [UInt8]
    let templateBytes: [UInt8]
    let template: PromptTemplate
    let encoder: PromptEncoder
    package var tokenizer: Tokenizer { encoder.tokenizer }
    package var stopTokens: Set<Int32> { encoder.stopTokens }
    /// How the run was asked for on this machine; an actor of a run has none.
    let origin: RunOrigin?
    /// The folders of this machine; an actor of a run has none.
    package let workspace: Workspace?
    /// Threads to compute with; results do not depend on it.
    public let threads: Int
    /// Takes events in order.
    public let report: (RunEvent) -> Void
    private let isInterrupted: () -> Bool
    var file: ModelFile { shared.file }
    private let shared: SharedModel
    private let sites: [SiteID: RecordSet]
    private let validationSet: RecordSet?
    let cohorts: [CohortID: RecordSet]

    /// Reads the workflow and opens everything it names. Without `makesKeys` an owner's commitment key has to be there already,
    /// since with a new one no commitment of a past run could be met.
    ///
    /// A new run begins without a site whose notes cannot be read, where the workflow has a quorum that the others meet; `committed`, the plan of a
    /// run that is there already, says which sites it began without. With `only` the notes of that site alone are opened, and what the plan
    /// says of all others is taken from `committed`.
    ///
    /// Throws `FaultReport` with every fault of the workflow, the template or a corpus, and `Fault` for the rest.
    public static func load(
        _ origin: RunOrigin, workspace: Workspace, makesKeys: Bool = true, committed: Plan? = nil, only: SiteID? = nil,
        threads: Int, isInterrupted: @escaping () -> Bool,
        report: @escaping (RunEvent) -> Void
    ) throws -> RunContext {
        let (workflow, whole) = try origin.declaration()
        let opened = try OpenedModel(whole, origin: origin)
        var leftOut = committed?.inputs.leftOut ?? []
        var declaration = whole.without(leftOut.map(\.site))
        let loader = RecordLoader(
            origin: origin, declaration: declaration, template: opened.template, encoder: opened.encoder,
            workspace: workspace, makesKeys: makesKeys)
        var sites: [SiteID: RecordSet] = [:]
        var failed: [any Error] = []
        var summaries: [DatasetSummary] = []
        if declaration.rounds > 0 {
            for site in declaration.sites where !site.isRemote {
                if let only, site.id != only {
                    summaries +=
                        committed?.inputs.datasets.filter { $0.role == .train && $0.owner == site.id.name } ?? []
                    continue
                }
                let set: RecordSet
                do {
                    set = try loader.site(site)
                } catch {
                    guard committed == nil, declaration.quorum != nil, let out = LeftOutSite(site.id, error) else {
                        throw error
                    }
                    leftOut.append(out)
                    failed.append(error)
                    continue
                }
                summaries += set.summaries
                sites[site.id] = set
                if committed == nil, let words = fewSteps(declaration, set.count) {
                    report(.noted("site \(site.id): \(words)"))
                }
                if set.truncated > 0 {
                    report(
                        .noted(
                            "site \(site.id): \(set.truncated) of \(set.count) records are longer than max_length; their input was cut"
                        ))
                }
            }
        }
        if !failed.isEmpty {
            declaration = whole.without(leftOut.map(\.site))
            // Too few are left: what is wrong with all of them is told at once.
            guard declaration.sites.count >= declaration.quorum ?? .max else {
                throw FaultReport(joining: failed) ?? failed[0]
            }
            for (out, error) in zip(leftOut, failed) {
                FaultReport(joining: [error])?.faults.forEach { report(.noted("site \(out.site): \($0)")) }
                report(.noted("site \(out.site) is left out of the whole run: \(out.words)"))
            }
        }
        if let only {
            summaries += committed?.inputs.datasets.filter { $0.role != .train } ?? []
            let plan = Plan(
                declaration: declaration, overrides: origin.overrides,
                inputs: inputs(opened, workflow, summaries, leftOut))
            guard sites[only] != nil else {
                throw Fault(
                    .usage, "run.no-site", "\(only) takes no part in the run",
                    mend: "Name one of: \(declaration.sites.map(\.id.name).joined(separator: ", ")).")
            }
            return RunContext(
                plan: plan, workflow: workflow, opened: opened, origin: origin, workspace: workspace, threads: threads,
                isInterrupted: isInterrupted, report: report, sites: sites, validation: nil, cohorts: [:])
        }
        let needsScores = declaration.steps.contains { if case .score = $0 { true } else { false } }
        let validation = needsScores ? try declaration.coordinator.map(loader.validation) : nil
        summaries += validation?.summaries ?? []
        var cohorts: [CohortID: RecordSet] = [:]
        let evaluated = declaration.evaluatedCohorts
        for cohort in declaration.cohorts where evaluated.contains(cohort.id) && !cohort.isRemote {
            let set = try loader.cohort(cohort)
            summaries += set.summaries
            cohorts[cohort.id] = set
        }
        let held =
            (validation.map { [("the coordinator", $0)] } ?? [])
            + declaration.cohorts.compactMap { cohort in cohorts[cohort.id].map { ("cohort \(cohort.id)", $0) } }
        try Leakage.check(
            training: declaration.sites.compactMap { site in sites[site.id].map { ("site \(site.id)", $0) } },
            held: held,
            allowed: declaration.allowOverlap, summaries: &summaries, report: report)
        for (owner, set) in declaration.sites.compactMap({ site in sites[site.id].map { ("site \(site.id)", $0) } })
            + held
        where !set.skipped.isEmpty {
            report(.noted("\(owner): \(Self.words(ofSkipped: set.skipped.map { ($0.document, $0.code) }))"))
        }
        let plan = Plan(
            declaration: declaration, overrides: origin.overrides,
            inputs: inputs(opened, workflow, summaries, leftOut))
        return RunContext(
            plan: plan, workflow: workflow, opened: opened, origin: origin, workspace: workspace, threads: threads,
            isInterrupted: isInterrupted, report: report,
            sites: sites, validation: validation, cohorts: cohorts)
    }

    private static func inputs(
        _ opened: OpenedModel, _ workflow: [UInt8], _ summaries: [DatasetSummary], _ leftOut: [LeftOutSite]
    ) -> PlanInputs {
        var inputs = PlanInputs(
            engineVersion: EngineVersion.text, model: opened.summary, tokenizerDigest: opened.tokenizerDigest,
            templateDigest: Digest.sha256(opened.templateBytes), workflowDigest: Digest.sha256(workflow),
            datasets: summaries)
        inputs.leftOut = leftOut
        return inputs
    }

    // MARK: Contexts of actors

    /// What a site works from on its own machine: its own notes, the call's settings and template, and the model as it is here. `tests` are the
    /// notes of the cohorts that the call asks the site to score. Gives the site's part as well. Throws as `load` does.
    package static func atSite(
        _ notes: SiteDeclaration, tests: [CohortDeclaration], call: Plan, template: [UInt8], model: String,
        dataRoot: String, origin: RunOrigin, workspace: Workspace, threads: Int,
        isInterrupted: @escaping () -> Bool, report: @escaping (RunEvent) -> Void
    ) throws -> (context: RunContext, part: PlanPart) {
        var declaration = call.declaration
        declaration.model.base = model
        declaration.dataRoot = dataRoot
        declaration.sites = [notes]
        let opened = try OpenedModel(declaration, origin: origin, template: template)
        let loader = RecordLoader(
            origin: origin, declaration: declaration, template: opened.template, encoder: opened.encoder,
            workspace: workspace, makesKeys: true)
        let set = try loader.site(notes)
        var summaries = set.summaries
        var cohorts: [CohortID: RecordSet] = [:]
        for test in tests {
            let held = try loader.cohort(test)
            summaries += held.summaries
            cohorts[test.id] = held
        }
        try Leakage.check(
            training: [("site \(notes.id)", set)],
            held: tests.compactMap { test in cohorts[test.id].map { ("cohort \(test.id)", $0) } },
            allowed: declaration.allowOverlap, summaries: &summaries, report: report)
        // The same file under another name is the same model.
        var summary = opened.summary
        if summary.digest == call.inputs.model.digest { summary.name = call.inputs.model.name }
        var found = call
        found.inputs.engineVersion = EngineVersion.text
        found.inputs.model = summary
        found.inputs.tokenizerDigest = opened.tokenizerDigest
        found.inputs.templateDigest = Digest.sha256(template)
        found.inputs.datasets = summaries.map { source in
            var source = source
            source.path = Plan.withheld
            return source
        }
        let context = RunContext(
            plan: found, workflow: [], opened: opened, origin: origin, workspace: workspace, threads: threads,
            isInterrupted: isInterrupted, report: report, sites: [notes.id: set], validation: nil, cohorts: cohorts)
        return (context.of(notes.id, found), PlanPart(of: notes.id, in: found))
    }

    /// What the coordinator works from: its own validation notes and cohorts, no site's.
    func ofCoordinator(_ plan: Plan) -> RunContext {
        RunContext(
            self, plan: plan, sites: [:], validation: validationSet,
            cohorts: cohorts.filter { plan.declaration.site(of: $0.key) == nil })
    }

    /// What a site works from: its own notes and cohorts, and the plan as sites see it.
    func of(_ site: SiteID, _ plan: Plan) -> RunContext {
        RunContext(
            self, plan: plan, sites: sites.filter { $0.key == site }, validation: nil,
            cohorts: cohorts.filter { plan.declaration.site(of: $0.key) == site })
    }

    private init(
        _ whole: RunContext, plan: Plan, sites: [SiteID: RecordSet], validation: RecordSet?,
        cohorts: [CohortID: RecordSet]
    ) {
        self.plan = plan
        workflowBytes = whole.workflowBytes
        templateBytes = whole.templateBytes
        template = whole.template
        encoder = whole.encoder
        shared = whole.shared
        origin = nil
        workspace = nil
        threads = whole.threads
        isInterrupted = whole.isInterrupted
        report = whole.report
        self.sites = sites
        validationSet = validation
        self.cohorts = cohorts
    }

    private init(
        plan: Plan, workflow: [UInt8], opened: OpenedModel, origin: RunOrigin, workspace: Workspace, threads: Int,
        isInterrupted: @escaping () -> Bool,
        report: @escaping (RunEvent) -> Void, sites: [SiteID: RecordSet], validation: RecordSet?,
        cohorts: [CohortID: RecordSet]
    ) {
        self.plan = plan
        self.workflowBytes = workflow
        self.templateBytes = opened.templateBytes
        self.template = opened.template
        self.encoder = opened.encoder
        shared = SharedModel(file: opened.file, cache: origin.cache)
        self.origin = origin
        self.workspace = workspace
        self.threads = threads
        self.isInterrupted = isInterrupted
        self.report = report
        self.sites = sites
        self.validationSet = validation
        self.cohorts = cohorts
    }

    /// The sizes that an adapter of the base model has.
    var sizes: BackboneSizes { plan.inputs.model.sizes }

    /// The model, opened on first use.
    package func model() throws(Fault) -> LanguageModel {
        if let opened = shared.opened { return opened }
        let model = try QuantisedCache.model(
            file, plan.declaration.model, digest: plan.inputs.model.digest, cache: shared.cache,
            note: { report(.noted($0)) })
        shared.opened = model
        return model
    }

    /// The token ids of a site's records with the first label of each, for comparisons with other trainers; nil where the
    /// plan has no such site.
    public func sequences(of site: SiteID) throws(Fault) -> JSONValue? {
        guard plan.declaration.sites.contains(where: { $0.id == site }) else { return nil }
        return .array(
            try records(of: site).sequences.map { sequence in
                [
                    "tokens": .array(sequence.tokens.map { .integer(Int64($0)) }),
                    "loss_start": .integer(Int64(sequence.lossStart)),
                ]
            })
    }

    /// The adapter that round 1 starts from: PEFT's initial values from the seed.
    func initialAdapter() throws(Fault) -> StartAdapter {
        if let initial = shared.initial { return initial }
        var adapter = try Engine.initialAdapter(
            shape: file.shape, configuration: plan.declaration.adapter, seed: plan.declaration.seed)
        // Where a factor stays as it is, it is from the first round on what later rounds publish.
        let precision = plan.declaration.startPrecision
        if precision != .f32 { adapter = adapter.rounded(to: precision) }
        let start = StartAdapter(
            adapter: adapter, digest: Digest.sha256(AdapterFile.bytes(of: adapter, precision: precision)))
        shared.initial = start
        return start
    }

    func records(of site: SiteID) throws(Fault) -> RecordSet {
        guard let set = sites[site] else { throw .noRecords("site \(site)", "") }
        return set
    }

    func validation() throws(Fault) -> RecordSet {
        guard let validationSet else { throw .noRecords("the coordinator", "") }
        return validationSet
    }

    func records(of cohort: CohortID) throws(Fault) -> RecordSet {
        guard let set = cohorts[cohort] else { throw .noRecords("cohort \(cohort)", "") }
        return set
    }

    /// The settings of the step of that name, as plan.json writes them.
    func settings(of step: StepKind) -> JSONValue {
        plan.declaration.json["steps"]?.elements?.compactMap { $0[step.rawValue] }.first ?? .null
    }

    /// Throws `run.interrupted` where the person asked to stop.
    func checkInterruption() throws(Fault) {
        if isInterrupted() { throw .interrupted() }
    }
}

/// The base model of a run on this machine, opened once for all its actors.
private final class SharedModel {
    let file: ModelFile
    /// The folder of base models.
    let cache: String
    var opened: LanguageModel?
    /// What the plan's seed makes.
    var initial: StartAdapter?

    init(file: ModelFile, cache: String) {
        self.file = file
        self.cache = cache
    }
}

/// The adapter a round starts from, with the digest of the bytes it was handed out as.
struct StartAdapter {
    package var adapter: Adapter
    var digest: Digest

    init(adapter: Adapter, digest: Digest) {
        self.adapter = adapter
        self.digest = digest
    }

    /// The published global adapter.
    init(published bytes: [UInt8], context: RunContext, commit: String) throws(Fault) {
        adapter = try context.plan.publishedAdapter(bytes, path: "\(commit.prefix(9)):\(RunPath.global)")
        digest = Digest.sha256(bytes)
    }

    /// What a site starts from: the same, or its first directions where the site has a rank of its own.
    func cut(for site: SiteID, _ context: RunContext) throws(Fault) -> StartAdapter {
        let plan = context.plan
        let own = try plan.startDigest(of: site, published: digest) { () throws(Fault) in adapter }
        return StartAdapter(adapter: adapter.cut(to: plan.declaration.adapter(of: site)), digest: own)
    }
}
