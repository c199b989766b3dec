// SiteProcess: a hospital's site on its own machine: it answers calls, has plans approved, trains, uploads, takes what is published and scores its own
// cohorts. All that it has done is in its own ledger, so that it can end at any moment and go on.

import Faults
import Federation
import Foundation
import GitLedger
import Identities
import LocalFiles
import RunRecords
import Runs
import Verification
import Workflows

/// Where a site stands in a run.
public enum SiteState: Sendable, Equatable {
    /// No call came yet.
    case waitsForCall
    /// The plan is not there yet.
    case waitsForPlan
    /// A person has to approve what is asked.
    case waitsForApproval
    /// Rounds uploaded; the next one is not published yet.
    case waitsForRound(done: Int)
    /// Every round is done and its adapter is here.
    case finished(rounds: Int)
    /// The plan was made without the site, whose part had not come by the deadline.
    case leftOut
    /// What the coordinator sent was refused, or the site cannot take part.
    case refused(Fault)

    /// The state for a screen.
    public var words: String {
        switch self {
        case .waitsForCall: "waits for the call"
        case .waitsForPlan: "the part is sent; waits for the plan"
        case .waitsForApproval: "waits for a person's approval"
        case .waitsForRound(let done): "\(done) rounds uploaded; waits for what is published next"
        case .finished(let rounds): "finished: \(rounds) rounds"
        case .leftOut: Self.leftOutWords
        case .refused(let fault): "refused: \(fault.code)"
        }
    }

    static let leftOutWords = "left out of this run: no part of this site had come by the deadline"
}

/// The site of one site.yaml.
public final class SiteProcess {
    private let file: SiteFile
    /// The folder of site.yaml: ledger, work folder, keys, log and lock are in it.
    private let folder: String
    private let ledger: Ledger
    private let workspace: Workspace
    private let box: any Mailbox
    private let origin: RunOrigin
    private let threads: Int
    private let key: SSHSigner?
    private let pin: CoordinatorPin
    /// Up to where what was published was compared with the pinned keys.
    private var compared: [RunName: CommitID] = [:]
    private let isInterrupted: () -> Bool
    private let report: (RunEvent) -> Void
    private let log: SiteLog
    private let lock: SiteLock
    private var actors: [RunName: SiteActor] = [:]
    /// Asks a person; nil where nobody can be asked now.
    private let ask: ((SiteQuestion) -> Bool)?

    /// Opens a site. Throws every fault of site.yaml, those of its key, and `site.busy` where another process works for it.
    public init(
        _ path: String, cache: String, home: String?, opener: KeyOpener, threads: Int, ask: ((SiteQuestion) -> Bool)?,
        isInterrupted: @escaping () -> Bool, report: @escaping (RunEvent) -> Void
    ) throws {
        let current = FileManager.default.currentDirectoryPath
        let whole = path.hasPrefix("/") ? path : "\(current)/\(path)"
        folder = (whole as NSString).deletingLastPathComponent
        let bytes = try LocalFile.read(
            whole, kind: .workflow, code: "site.missing", mend: "Make one with medrounds site init.")
        file = try SiteFile.read(bytes: bytes, file: path)
        guard !file.sources.isEmpty else {
            throw Fault(
                .workflow, "site.no-notes", "a site on its own machine has notes to train on", at: Place(file: path),
                mend: "Write train: with the path of the notes.")
        }
        pin = try CoordinatorPin(file.coordinatorKeys, file: path)
        lock = try SiteLock("\(folder)/site.lock")
        log = SiteLog("\(folder)/site.log")
        workspace = Workspace(ledger: "\(folder)/ledger.git", work: "\(folder)/work")
        ledger = try Ledger.create(path: workspace.ledger)
        origin = RunOrigin(workflow: whole, overrides: [], cache: cache, current: current)
        let keyPath = "\(workspace.keys)/\(SignerRole.site(file.site).fileName)"
        // Opened at once: a passphrase is asked while the person is there.
        key = opener.isThere(keyPath) ? try opener.open(keyPath) : nil
        box = try MailboxOpener(folder: folder, home: home, standardKeys: [keyPath], keys: opener)
            .open(file.mailbox, file: path)
        self.threads = threads
        self.ask = ask
        self.isInterrupted = isInterrupted
        self.report = report
    }

    /// Does what can be done now in every run of the mailbox.
    public func once() throws -> [(run: RunName, state: SiteState)] {
        var states: [(RunName, SiteState)] = []
        for run in try box.runs() {
            let state: SiteState
            do {
                state = try advance(run)
            } catch let fault as Fault {
                // The person's own wish, a full disk or a slip of the program ends the process; what a coordinator sent does not.
                if [.interrupted, .bug].contains(fault.kind) || fault.cause == .notWritable { throw fault }
                log.write("\(run): \(fault.code)")
                state = .refused(fault)
            }
            states.append((run, state))
        }
        return states
    }

    /// Works until it is asked to stop; `tell` hears of each change.
    public func loop(tell: (RunName, SiteState) -> Void, trouble: (String) -> Void) throws {
        var last: [RunName: SiteState] = [:]
        var told: String?
        while !isInterrupted() {
            for (run, state) in try once() where last[run] != state {
                last[run] = state
                tell(run, state)
            }
            if let words = box.trouble, words != told {
                log.write(words)
                trouble(words)
            }
            told = box.trouble
            Thread.sleep(forTimeInterval: box.interval)
        }
    }

    /// Why nothing is carried now; nil where nothing is wrong.
    public var trouble: String? { box.trouble }

    // MARK: One run

    private func advance(_ run: RunName) throws -> SiteState {
        while true {
            try receive(run)
            guard let published = try PublishedLine(of: run, in: ledger) else { return .waitsForCall }
            // What came before the key was written into site.yaml is compared too.
            if compared[run] != published.tip.id {
                if let fault = try pin.fault(run, ledger) { throw fault }
                compared[run] = published.tip.id
            }
            if try Self.isLeftOut(file.site, run, published, ledger) { return .leftOut }
            let actor = try actor(run, published)
            try actor.sendPart()
            try send(run)
            guard let round = published.round else { return .waitsForPlan }
            try actor.takePlan()
            guard try isApproved(run) else { return .waitsForApproval }
            let rounds = try plan(run).declaration.rounds
            // Every round whose start is published: to its upload, and the upload on its way. Of a round that went on without this site, what
            // was begun is ended and sent, to be noted as late; nothing more is computed for it.
            var hasWorked = false
            for next in 1...max(1, rounds) where next <= rounds && next <= round + 1 {
                let computes = try next > round || actor.hasBegun(next)
                hasWorked = try work(actor, run, next, published: round, computes: computes) || hasWorked
            }
            if !hasWorked || round == rounds {
                return round == rounds ? .finished(rounds: rounds) : .waitsForRound(done: round + 1)
            }
        }
    }

    /// Whether a call names a site and the plan that followed it does not.
    static func isLeftOut(
        _ site: SiteID, _ run: RunName, _ published: PublishedLine, _ ledger: Ledger
    ) throws(Fault) -> Bool {
        guard published.round != nil else { return false }
        return try CommittedPlan(of: run, in: ledger).plan.missing(from: published.called(ledger)).contains(site)
    }

    /// Trains and uploads a round where that is not done and the round is not over without the site, and scores the site's cohorts once the
    /// round's adapter is published; whether anything was done.
    private func work(
        _ actor: SiteActor, _ run: RunName, _ round: Int, published: Int, computes: Bool
    ) throws -> Bool {
        var hasWorked = false
        let declaration = try plan(run).declaration
        for step in declaration.steps {
            switch step {
            case .train(let configuration):
                guard computes, try !actor.isDone(round, .train) else { continue }
                try actor.commit(actor.train(round, configuration), round, .train)
            case .upload(let precision):
                guard computes, try !actor.isDone(round, .upload) else { continue }
                try actor.commit(actor.upload(round, precision), round, .upload)
            case .evaluate(let configuration):
                guard round <= published, configuration.runs(in: round, of: declaration.rounds) else { continue }
                for cohort in actor.cohorts(of: configuration)
                where try !actor.isDone(round, .evaluateAtSite, cohort) {
                    try actor.evaluate(round, cohort, configuration)
                    hasWorked = true
                    log.write("\(run): round \(round) \(StepKind.evaluateAtSite) \(cohort) done")
                }
                continue
            case .score, .aggregate: continue
            }
            hasWorked = true
            log.write("\(run): round \(round) \(step.kind) done")
        }
        if try hasWorked || !isSent(run) { try send(run) }
        return hasWorked
    }

    private func plan(_ run: RunName) throws(Fault) -> Plan { try CommittedPlan(of: run, in: ledger).plan }

    private func actor(_ run: RunName, _ published: PublishedLine) throws -> SiteActor {
        if let known = actors[run] { return known }
        let call = try published.called(ledger)
        guard call.declaration.sites.contains(where: { $0.id == file.site }) else {
            throw Fault(
                .usage, "site.not-called", "the call of \(run) does not name \(file.site)",
                mend: "Ask the coordinator whose mailbox this is.")
        }
        let isSigned = published.call.signature != nil
        guard !isSigned || key != nil else {
            throw Fault(
                .usage, "site.no-key", "\(run) is signed, and \(file.site) has no key here",
                at: Place(file: "\(workspace.keys)/\(SignerRole.site(file.site).fileName)"),
                mend: "Make it with medrounds site init, and send its public half to the coordinator.")
        }
        guard let template = try ledger.file(RunPath.template, of: published.call.id) else {
            throw Fault.missingFile(RunPath.template, published.call.id.hex)
        }
        let (context, part) = try RunContext.atSite(
            SiteDeclaration(id: file.site, sources: file.sources), tests: tests(run, call), call: call,
            template: template, model: file.model, dataRoot: file.dataRoot, origin: origin, workspace: workspace,
            threads: threads, isInterrupted: isInterrupted, report: report)
        let actor = SiteActor(
            file.site, part: part, context: context, run: run, ledger: ledger,
            desk: workspace.desk(of: file.site, in: run), signer: isSigned ? key?.signer : nil)
        actors[run] = actor
        return actor
    }

    /// The notes of the cohorts that a call asks this site to score. Throws `site.no-cohort` for one that site.yaml does not name, since nobody
    /// but the hospital says which of its notes are scored.
    private func tests(_ run: RunName, _ call: Plan) throws(Fault) -> [CohortDeclaration] {
        try call.declaration.cohorts(at: file.site).map { (cohort) throws(Fault) in
            let key = "cohorts.\(cohort.id)"
            guard let data = file.cohorts[cohort.id] else {
                throw Fault(
                    .usage, "site.no-cohort",
                    "the call of \(run) asks \(file.site) to score the cohort \(cohort.id), and site.yaml names no notes of it",
                    at: Place(file: "\(folder)/site.yaml"),
                    mend: "Write \(key): {data: PATH} there, or ask the coordinator to leave the cohort out.")
            }
            guard cohort.heads == .gold || data.tasks.ner != nil else {
                throw .predictedHeads(in: key, at: Place(file: "\(folder)/site.yaml"))
            }
            return CohortDeclaration(id: cohort.id, data: data, heads: cohort.heads, site: file.site)
        }
    }

    // MARK: Messages

    private var own: (RunName) -> [LineRef] {
        { [file] run in [.answers(run, file.site), .site(run, file.site)] }
    }

    private func receive(_ run: RunName) throws(Fault) {
        let known = try PublishedLine(of: run, in: ledger)
        let limits = MessageLimits.of(try known.map { (line) throws(Fault) in try line.called(ledger) })
        let moves = try box.take(
            run, .toSite, [.published(run), .identities], into: ledger, limits: limits
        ) { (waiting, moves) throws(Fault) in
            if let fault = try self.pin.fault(run, waiting) { throw fault }
            for move in moves where move.isNew {
                var faults: [Fault] = []
                if move.line == .identities {
                    faults = try Identities.read(waiting)?.faults(waiting).faults ?? []
                } else if try waiting.read(move.new).kind == .call {
                    faults = try Self.callFlaws(run, waiting)
                } else {
                    faults = try Verifier(run: run, ledger: waiting).received(
                        move.line, since: move.old, now: Int64(Date().timeIntervalSince1970))
                }
                if let fault = faults.first { throw fault }
            }
        }
        for move in moves where move.line == .identities && move.old == nil && !pin.isSet {
            log.write(
                "\(run): the list of signers \(move.new.hex.prefix(9)) is trusted, as the first one that came; coordinator_key in site.yaml would say whose it is"
            )
        }
        for move in moves where move.line == .published(run) { log.write("\(run): received \(move.new.hex.prefix(9))") }
    }

    /// What is wrong with a call: it is the root of its line, as the program writes it, and a plan that this program reads.
    private static func callFlaws(_ run: RunName, _ ledger: Ledger) throws(Fault) -> [Fault] {
        guard let published = try PublishedLine(of: run, in: ledger) else { return [] }
        var flaws = try SharedCommit.flaws(of: published.call, .call, after: [], ledger: ledger)
        let call = try published.called(ledger)
        if try ledger.file(RunPath.call, of: published.call.id) != PublishStep.call(call).canonical {
            flaws.append("the call is not written as this program writes it")
        }
        if let signers = try Identities.read(ledger)?.signers, published.call.signature != nil,
            let flaw = try SignedCommit.flaw(of: published.call, for: [.coordinator], signers, ledger)
        {
            flaws.append(flaw)
        }
        return flaws.map {
            Fault(
                .mismatch, "verify.call", $0, at: Place(commit: published.call.id.hex),
                mend: "Ask the coordinator to call again with this program.")
        }
    }

    private func isSent(_ run: RunName) throws(Fault) -> Bool {
        try box.isSent(run, .fromSite, own(run), of: ledger)
    }

    /// Sends what is new of the site's own lines; what was published the coordinator has.
    private func send(_ run: RunName) throws(Fault) {
        let published = try ledger.tip(.published(run))
        try box.send(run, .fromSite, own(run), known: [published].compactMap { $0 }, from: ledger)
    }

    // MARK: Approval

    private func approval(_ run: RunName) -> String { "\(workspace.work)/\(run)/approved" }

    /// Whether the plan was approved: by the site's own bounds, by a person before, or by one who is asked now.
    private func isApproved(_ run: RunName) throws -> Bool {
        let committed = try CommittedPlan(of: run, in: ledger)
        if LocalFile.readIfPresent(approval(run)) == Array(committed.digest.hex.utf8) { return true }
        let call = try PublishedLine(of: run, in: ledger)?.call.id
        let question = SiteQuestion(
            file, run: run, committed: committed, part: try partRecords(run),
            coordinator: try call.flatMap { (id) throws(Fault) in try pin.question(id, ledger) })
        let isWithin = question.isWithin(file.accept)
        guard isWithin || ask?(question) == true else { return false }
        if let key, try PublishedLine(of: run, in: ledger)?.call.signature != nil {
            _ = try Approval.give(run, site: file.site, approves: true, key: key, ledger: ledger)
        }
        // After the signed answer: a plan that is noted as approved here is approved for all.
        try LocalFile.write(Array(committed.digest.hex.utf8), to: approval(run))
        log.write(
            "\(run): plan \(committed.digest.hex.prefix(12)) approved by \(isWithin ? "the bounds of site.yaml" : "a person")"
        )
        try send(run)
        return true
    }

    /// The site's own counts, as its part says them.
    private func partRecords(_ run: RunName) throws -> PlanPart? {
        guard let tip = try ledger.tip(.answers(run, file.site)) else { return nil }
        for commit in try ledger.firstParents(from: tip) where commit.kind == .part {
            guard let bytes = try ledger.file(RunPath.part, of: commit.id) else { return nil }
            return try PlanPart(json: JSONValue(parsing: bytes))
        }
        return nil
    }
}
