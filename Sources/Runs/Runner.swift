// Runner: a run on one machine: the coordinator and the sites whose notes are here, in turn, in one ledger. It goes on where an earlier process
// stopped.

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
    let ledger: Ledger
    let context: RunContext
    let coordinator: CoordinatorActor
    /// The sites whose notes are on this machine, in site order.
    private let sites: [SiteActor]
    /// The way to the sites on other machines; nil where there are none.
    let post: (any Post)?
    /// How long they are waited for.
    let clock: WaitingClock
    /// Why a site on this machine made no card.
    private var noCards: [PlannedStep: String] = [:]

    private init(
        _ context: RunContext, run: RunName, ledger: Ledger, workspace: Workspace, keys: SigningKeys?, post: (any Post)?
    ) {
        self.run = run
        self.post = post
        self.ledger = ledger
        self.context = context
        clock = WaitingClock(workspace.waiting(run), deadline: context.plan.declaration.deadline)
        // Each actor gets what is its own, and nothing else.
        coordinator = CoordinatorActor(
            run, context: context.ofCoordinator(context.plan), ledger: ledger, signer: keys?.signer(of: .coordinator)
        ) { workspace.predictions(run: run, cohort: $0, round: $1) }
        sites = context.plan.declaration.sites.filter { !$0.isRemote && context.plan.declaration.rounds > 0 }.map {
            SiteActor(
                $0.id, part: PlanPart(of: $0.id, in: context.plan), context: context.of($0.id, context.plan), run: run,
                ledger: ledger, desk: workspace.desk(of: $0.id, in: run), signer: keys?.signer(of: .site($0.id)))
        }
    }

    /// Begins a new run: the call, the sites' parts, the plan, and the plan published.
    ///
    /// `name` is the run's name, or nil for the next free `<workflow>-<n>`. With `keys` every commit is signed. Throws `run.exists`
    /// for a name that is taken and `run.unsigned` where the workflow requires signatures and there are no keys. `claim` is called with the
    /// run's name before anything is committed, since sites on other machines may be waited for from then on.
    public static func begin(
        _ context: RunContext, name: RunName?, ledger: Ledger, workspace: Workspace, keys: SigningKeys? = nil,
        post: (any Post)? = nil, claim: (RunName) throws(Fault) -> Void = { _ in }
    ) throws(Fault) -> Runner {
        try requirePost(context, post)
        try checkSigning(context, keys)
        let chosen: RunName
        if let name {
            try checkFree(name, in: ledger)
            chosen = name
        } else {
            chosen = try nextName(context.plan.declaration.name, taken: ledger.runs())
        }
        try claim(chosen)
        let runner = Runner(
            context, run: chosen, ledger: ledger, workspace: workspace, keys: keys, post: post)
        // Kept before the commit: a run that is in the ledger always knows where its notes lie.
        try context.origin?.keep(for: chosen, workspace: workspace)
        try runner.prepare()
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
        _ context: RunContext, run: RunName, ledger: Ledger, workspace: Workspace, keys: SigningKeys? = nil,
        post: (any Post)? = nil, claim: (RunName) throws(Fault) -> Void = { _ in }
    ) throws(Fault) -> Runner {
        try requirePost(context, post)
        guard let published = try PublishedLine(of: run, in: ledger) else {
            throw .runMissing(run, known: try ledger.runs())
        }
        // A run stays what it began as: half a signature proves nothing.
        let isSigned = published.call.signature != nil
        if try ledger.tip(.main(run)) != nil {
            let committed = try CommittedPlan(of: run, in: ledger)
            let remote = context.plan.declaration.sites.filter(\.isRemote).map {
                PlanPart(of: $0.id, in: committed.plan)
            }
            let here = context.plan.declaration.sites.filter { !$0.isRemote }.map {
                PlanPart(of: $0.id, in: context.plan)
            }
            let plan = context.plan.completed(with: here + remote)
            if committed.bytes != plan.json.canonical {
                throw .planChanged(run, plan.differences(from: committed.plan))
            }
        }
        if isSigned && keys == nil { throw .runUnsigned("\(run) began signed") }
        try claim(run)
        let runner = Runner(
            context, run: run, ledger: ledger, workspace: workspace, keys: isSigned ? keys : nil, post: post)
        try context.origin?.keep(for: run, workspace: workspace)
        try runner.prepare(isNew: false)
        return runner
    }

    /// From the call to the published plan; what is there already is compared.
    private func prepare(isNew: Bool = true) throws(Fault) {
        try coordinator.call()
        try startClock()
        for site in sites { try site.sendPart() }
        try wait(for: .parts)
        try coordinator.makePlan()
        try publish()
        for site in sites { try site.takePlan() }
        guard let digest = coordinator.digest, let tip = try ledger.tip(.main(run)) else { return }
        let done = isNew ? 0 : try ledger.mainLine(from: tip).count
        context.report(.opened(run: run, plan: digest, done: done))
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
            try coordinator.begin(round)
            for step in declaration.steps {
                switch step {
                case .train(let configuration):
                    for site in try waiting(round, .train) { try train(site, round, configuration) }
                case .upload(let precision):
                    for site in try waiting(round, .upload) {
                        let output = try attempt(round, .upload, site) { () throws(Fault) in
                            try site.upload(round, precision)
                        }
                        if let output { try site.commit(output, round, .upload) }
                    }
                    try waitForUploads(round)
                case .score(let scoring): try coordinator.score(round, scoring)
                case .aggregate(let aggregation):
                    try coordinator.aggregate(round, aggregation)
                    try publish()
                case .evaluate(let configuration):
                    guard configuration.runs(in: round, of: declaration.rounds) else { continue }
                    try coordinator.evaluate(round, configuration)
                    for site in sites { try evaluate(site, round, configuration) }
                }
            }
        }
        try collect()
        // The last adapter is brought to the sites too.
        try post?.exchange(run)
    }

    // MARK: Cohorts at sites

    private func evaluate(
        _ site: SiteActor, _ round: Int, _ configuration: EvaluationConfiguration
    ) throws(Fault) {
        for cohort in site.cohorts(of: configuration) where try !site.isDone(round, .evaluateAtSite, cohort) {
            do {
                try site.requireApproval()
                try site.evaluate(round, cohort, configuration)
            } catch {
                guard declaresQuorum, Self.isOfSite(error) || error.cause == .notApproved else { throw error }
                noCards[PlannedStep(round, .evaluateAtSite, cohort.name)] =
                    FaultCode.isKnown(error.code) ? error.code : CollectStep.noCard
                context.report(.noted("site \(site.site): no card of \(cohort) in round \(round): \(error.code)"))
            }
        }
    }

    /// The cards of all sites, those on other machines waited for.
    private func collect() throws(Fault) {
        let declaration = coordinator.plan.declaration
        let due = RunTable.siteEvaluations(declaration)
        guard !due.isEmpty, try !coordinator.isCommitted(declaration.rounds, .collect) else { return }
        try wait(for: .cards)
        try coordinator.collect(noCards)
    }

    // MARK: Sites of this machine

    private var declaresQuorum: Bool { context.plan.declaration.quorum != nil }

    /// The sites that have not taken the step yet and that the round counts on.
    private func waiting(_ round: Int, _ step: StepKind) throws(Fault) -> [SiteActor] {
        var waiting: [SiteActor] = []
        for site in sites where coordinator.absent[site.site] == nil {
            if try !site.isDone(round, step) { waiting.append(site) }
        }
        return waiting
    }

    private func train(_ site: SiteActor, _ round: Int, _ configuration: TrainingConfiguration) throws(Fault) {
        do {
            try site.requireApproval()
        } catch {
            guard error.cause == .notApproved, declaresQuorum else { throw error }
            coordinator.note(Absence(site: site.site, step: .train, reason: error.code, attempts: 1), round)
            return
        }
        let output = try attempt(round, .train, site) { () throws(Fault) in try site.train(round, configuration) }
        if let output { try site.commit(output, round, .train) }
    }

    /// What a site's step gives; nil, with the site absent, where it failed as often as it may and the workflow has a quorum. A fault
    /// of the ledger, a contradiction or an interruption is not the site's.
    private func attempt(
        _ round: Int, _ step: StepKind, _ site: SiteActor, _ body: () throws(Fault) -> StepOutput
    ) throws(Fault) -> StepOutput? {
        for number in 1...Absence.tries {
            do {
                return try body()
            } catch {
                guard declaresQuorum, Self.isOfSite(error) else { throw error }
                guard number == Absence.tries else { continue }
                coordinator.note(
                    Absence(site: site.site, step: step, reason: error.code, attempts: number), round)
            }
        }
        return nil
    }

    private static func isOfSite(_ fault: Fault) -> Bool {
        [.failed, .usage, .workflow, .data, .model].contains(fault.kind)
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
