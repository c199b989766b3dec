// Waiting for sites on other machines: messages are exchanged until every site has sent what is waited for, or until the deadline is over and
// the quorum is met without those that are missing.

import Faults
import Federation
import Foundation
import GitLedger
import RunRecords
import Workflows

/// What the sites on other machines are to send.
enum Awaited {
    case parts
    case uploads(Int)
    /// The evaluations that sites make of their own cohorts.
    case cards

    var words: String {
        switch self {
        case .parts: "parts of the plan"
        case .uploads(let round): "uploads of round \(round)"
        case .cards: "scores of cohorts at sites"
        }
    }
}

extension Runner {
    /// The sites on other machines that the plan has.
    private var others: [SiteID] { coordinator.plan.declaration.sites.filter(\.isRemote).map(\.id) }

    static func requirePost(_ context: RunContext, _ post: (any Post)?) throws(Fault) {
        let remote = context.plan.declaration.sites.filter(\.isRemote).map(\.id.name)
        guard !remote.isEmpty, post == nil else { return }
        throw Fault(
            .usage, "run.no-mailbox",
            "\(remote.joined(separator: ", ")) are on other machines, and no mailbox is named",
            mend: "Write mailboxes.yaml beside the workflow, or name it with --mailboxes.")
    }

    /// Publishes what is due and brings it to the sites at once, also while sites of this machine train. The clock of what follows starts.
    func publish() throws(Fault) {
        try coordinator.publish()
        try startClock()
        try post?.exchange(run)
    }

    /// Starts the clock of what follows the newest publish; one that runs already goes on.
    func startClock() throws(Fault) {
        guard post != nil, let published = try PublishedLine(of: run, in: ledger) else { return }
        try clock.begin(after: published.tip.id.hex)
    }

    func waitForUploads(_ round: Int) throws(Fault) {
        if try !coordinator.isCommitted(round, .score), try !coordinator.isCommitted(round, .aggregate) {
            try wait(for: .uploads(round))
            if post != nil { try clock.end() }
        }
        coordinator.waited = clock.timing
    }

    /// Exchanges messages until nothing more is waited for.
    func wait(for awaited: Awaited) throws(Fault) {
        guard let post, !others.isEmpty else { return }
        defer { context.report(.waiting(nil)) }
        var seen: [SiteID: (state: WaitingTable.State, since: ContinuousClock.Instant)] = [:]
        var troubles: [SiteID: String] = [:]
        while true {
            try post.exchange(run)
            let missing = try missing(awaited, post)
            if missing.isEmpty { return }
            if try goesOn(awaited, without: missing) { return }
            var table = WaitingTable(awaited.words, [], left: clock.left)
            for site in others {
                if let words = post.trouble(of: site), troubles[site] != words {
                    context.report(.noted("site \(site): \(words)"))
                }
                troubles[site] = post.trouble(of: site)
                let state = try state(of: site, awaited, isMissing: missing.contains(site), post)
                let upload = state == .uploadReceived ? try uploadRecord(of: site) : nil
                let since = seen[site].flatMap { $0.state == state ? $0.since : nil } ?? .now
                seen[site] = (state, since)
                table.rows.append(
                    WaitingTable.Row(
                        site, state, seconds: Double((ContinuousClock.now - since).components.seconds),
                        bytes: upload?["bytes"]?.int))
            }
            context.report(.waiting(table))
            try pause(post)
        }
    }

    /// The sites that have not sent yet what is waited for. One that was refused is absent from the round.
    private func missing(_ awaited: Awaited, _ post: any Post) throws(Fault) -> [SiteID] {
        var missing: [SiteID] = []
        for site in others where coordinator.absent[site] == nil {
            if try isThere(awaited, site) {
                // When a part came is in no file of a run: the plan's commit has no timing.json.
                if case .uploads = awaited { try clock.note(arrival: site) }
            } else if let refusal = post.refusal(of: site) {
                guard coordinator.plan.declaration.quorum != nil else { throw refusal }
                switch awaited {
                case .uploads(let round): try note(site, "upload.refused", round)
                case .cards: continue
                case .parts: throw refusal
                }
            } else {
                missing.append(site)
            }
        }
        return missing
    }

    private func isThere(_ awaited: Awaited, _ site: SiteID) throws(Fault) -> Bool {
        switch awaited {
        case .parts: return try ledger.tip(.answers(run, site)) != nil
        case .uploads(let round): return try step(of: site) == PlannedStep(round, .upload, site.name)
        case .cards:
            let declaration = coordinator.plan.declaration
            guard RunTable.siteEvaluations(declaration).contains(where: { $0.site == site }) else { return true }
            guard let tip = try ledger.tip(.site(run, site)) else { return false }
            return try !SiteCards(declaration, from: [tip], ledger).missing.contains { $0.site == site }
        }
    }

    /// The last step on a site's line.
    private func step(of site: SiteID) throws(Fault) -> PlannedStep? {
        try ledger.tip(.site(run, site)).flatMap { (id) throws(Fault) -> PlannedStep? in try ledger.read(id).step }
    }

    /// The record of the upload that a site's line ends with.
    private func uploadRecord(of site: SiteID) throws(Fault) -> RecordReader? {
        guard let tip = try ledger.tip(.site(run, site)), let step = try ledger.read(tip).step, step.kind == .upload,
            let bytes = try ledger.file(step.record, of: tip)
        else { return nil }
        return try RecordReader(parsing: bytes, path: step.record, commit: tip.hex)
    }

    /// The round goes on without a site, which did not end its training or its upload.
    private func note(_ site: SiteID, _ reason: String, _ round: Int) throws(Fault) {
        let hasTrained = try step(of: site) == PlannedStep(round, .train, site.name)
        coordinator.note(
            Absence(site: site, step: hasTrained ? .upload : .train, reason: reason, attempts: 1), round)
    }

    /// Whether the deadline is over and the quorum met without those who are missing: they are absent from the round then, or left out of the
    /// plan. Below the quorum everybody is waited for.
    private func goesOn(_ awaited: Awaited, without missing: [SiteID]) throws(Fault) -> Bool {
        let declaration = coordinator.plan.declaration
        guard clock.isOver, let deadline = clock.deadline, let quorum = declaration.quorum else { return false }
        let names = missing.map(\.name).joined(separator: ", ")
        if case .cards = awaited {
            context.report(
                .noted("the deadline of \(deadline.text) is over: the run ends without the scores of \(names)"))
            return true
        }
        var present = 0
        for site in declaration.sites.map(\.id) where coordinator.absent[site] == nil && !missing.contains(site) {
            guard try isThere(awaited, site) else { continue }
            if case .uploads = awaited, try uploadRecord(of: site)?["status"]?.text != "sent" { continue }
            present += 1
        }
        guard present >= quorum else { return false }
        switch awaited {
        case .parts:
            context.report(
                .noted(
                    "the deadline of \(deadline.text) is over: the run begins with \(present) sites; left out, since no part came: \(names)"
                ))
            coordinator.leaveOut(missing)
        case .uploads(let round):
            context.report(
                .noted(
                    "the deadline of \(deadline.text) is over: round \(round) goes on with \(present) uploads, without \(names)"
                ))
            for site in missing { try note(site, "upload.late", round) }
        case .cards: break
        }
        return true
    }

    private func state(
        of site: SiteID, _ awaited: Awaited, isMissing: Bool, _ post: any Post
    ) throws(Fault) -> WaitingTable.State {
        if post.refusal(of: site) != nil { return .refused }
        guard isMissing else {
            switch awaited {
            case .parts: return .partReceived
            case .cards: return .scoresReceived
            case .uploads: break
            }
            return coordinator.absent[site] == nil ? .uploadReceived : .late
        }
        if post.trouble(of: site) != nil { return .unreachable }
        if clock.isOver { return .late }
        switch awaited {
        case .parts: return .called
        case .cards: return .scoring
        case .uploads: break
        }
        // A site of a signed run says by a commit that it approves; of any other run nobody here can know.
        guard let published = try PublishedLine(of: run, in: ledger), published.call.signature != nil,
            let tip = try ledger.tip(.answers(run, site)), try ledger.read(tip).kind == .part
        else { return .training }
        return .waitingForApproval
    }

    /// Until the next look, or until the deadline; Ctrl-C is heard at once.
    private func pause(_ post: any Post) throws(Fault) {
        var rest = post.interval
        if let left = clock.left, left > 0 { rest = min(rest, left) }
        while rest > 0 {
            try context.checkInterruption()
            Thread.sleep(forTimeInterval: min(rest, 0.1))
            rest -= 0.1
        }
        try context.checkInterruption()
    }
}
