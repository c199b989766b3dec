// Approval: a site says yes to a plan, or takes it back, by a signed commit on a line of its own beside the run.

import Digests
import Faults
import Federation
import Foundation
import GitLedger
import Identities
import Workflows

/// Approvals of plans by sites.
public enum Approval {
    static let file = RunPath.approval

    /// What a site is asked to approve.
    public struct Question: Sendable {
        /// The digest of plan.json.
        public var plan: Digest
        /// The run whose plan the site approved last, of the same workflow; nil where it never did.
        public var previous: RunName?
        /// What changed since then, one line each; every setting where it never did.
        public var changes: [String]
        /// The plan in a few lines, with the site's own notes.
        public var brief: [String]
    }

    /// What the site is asked: the plan and what changed in it since the site's last approval. Throws `approve.no-such-site`.
    public static func question(of run: RunName, site: SiteID, ledger: Ledger) throws(Fault) -> Question {
        let committed = try CommittedPlan(of: run, in: ledger)
        guard committed.plan.declaration.sites.contains(where: { $0.id == site }) else {
            throw Fault(
                .usage, "approve.no-such-site", "\(site) takes no part in \(run)",
                mend: "Name one of: \(committed.plan.declaration.sites.map(\.id.name).joined(separator: ", ")).")
        }
        let last = try lastApproved(committed.plan.declaration.name, site: site, ledger: ledger)
        return Question(
            plan: committed.digest, previous: last?.run,
            changes: last.map { committed.plan.differences(from: $0.plan) }
                ?? committed.plan.rows.map { "\($0.key): \($0.value)" },
            brief: PlanBrief.lines(committed.plan, site: site))
    }

    /// Commits the site's answer, signed. Throws `keys.not-allowed` for a key that may not answer for the site.
    public static func give(
        _ run: RunName, site: SiteID, approves: Bool, key: SSHSigner, ledger: Ledger
    ) throws(Fault) -> CommitID {
        let question = try question(of: run, site: site, ledger: ledger)
        let line = LineRef.answers(run, site)
        guard let before = try ledger.tip(line), let published = try PublishedLine(of: run, in: ledger),
            let planned = published.publishes.first
        else { throw .runMissing(run, known: []) }
        let isFirst = try ledger.read(before).kind == .part
        let parents = isFirst ? [before, planned.id] : [before]
        var time = Int64(Date().timeIntervalSince1970)
        for parent in parents { time = max(time, try ledger.read(parent).time) }
        let allowed = try Identities.read(ledger)?.signers ?? AllowedSigners([])
        if let flaw = allowed.flaw(of: key.publicKey, for: [.site(site), .approver(site)], at: time) {
            throw .notAllowed(flaw)
        }
        let answer: JSONValue = [
            "approval_version": 1, "run": .string(run.name), "site": .string(site.name),
            "status": .string(approves ? "approved" : "withdrawn"), "plan_sha256": .string(question.plan.hex),
            "previous": question.previous.map { .string($0.name) } ?? .null,
        ]
        var draft = CommitDraft(
            line: line, expectedTip: before, parents: parents, base: isFirst ? nil : before,
            changes: [FileChange(path: file, bytes: answer.canonical)],
            subject: try StepRules.approve.summary(RecordReader(answer, path: file)),
            trailers: RunCommit.trailers(.approve, run: run, round: 0, owner: site.name, plan: question.plan),
            author: RunCommit.author, time: time)
        draft.signer = key.signer
        return try ledger.commit(draft)
    }

    /// Throws `run.not-approved`, with what changed since the site's last approval, unless the site approves this plan now.
    package static func require(_ digest: Digest, of site: SiteID, in run: RunName, ledger: Ledger) throws(Fault) {
        let signers = try Identities.read(ledger)?.signers ?? AllowedSigners([])
        let (answers, faults) = try answers(run, site, plan: digest, signers, ledger)
        if let fault = faults.first { throw fault }
        if answers.last?.approves == true { return }
        let question = try question(of: run, site: site, ledger: ledger)
        let since =
            question.previous.map {
                "; since its approval of \($0): "
                    + (question.changes.isEmpty ? "nothing changed" : question.changes.joined(separator: "; "))
            } ?? "; it never approved one of this workflow"
        var what =
            answers.isEmpty
            ? "\(site) has not approved the plan \(digest.hex.prefix(12)) of \(run)\(since)"
            : "\(site) has withdrawn its approval"
        // Who else is missing is told at once; a site's own copy holds nobody else's answers.
        var missing: [SiteID] = []
        let committed = try CommittedPlan(of: run, in: ledger)
        for other in committed.plan.declaration.sites.map(\.id) where other != site && !committed.isSiteView {
            if try self.answers(run, other, plan: digest, signers, ledger).answers.last?.approves != true {
                missing.append(other)
            }
        }
        if !missing.isEmpty { what += "; missing too: \(missing.map(\.name).joined(separator: ", "))" }
        throw Fault(
            .failed, "run.not-approved", what,
            mend:
                "At each site: medrounds approve \(run) --site \(missing.isEmpty ? site.name : "NAME"). Then go on with --resume.",
            cause: .notApproved)
    }

    /// The answers a site gave in a run, the oldest first, and what is wrong with their commits.
    package static func answers(
        _ run: RunName, _ site: SiteID, plan: Digest, _ signers: AllowedSigners, _ ledger: Ledger
    ) throws(Fault) -> (answers: [(commit: CommitRecord, approves: Bool)], faults: [Fault]) {
        guard let tip = try ledger.tip(.answers(run, site)) else { return ([], []) }
        var answers: [(commit: CommitRecord, approves: Bool)] = []
        var faults: [Fault] = []
        // The line grows from the run's call by the site's part, which is no answer to the plan yet.
        let line = try ledger.firstParents(from: tip)
        let published = try PublishedLine(of: run, in: ledger)
        guard line.count > 1, line[0].id == published?.call.id, line[1].kind == .part, line[1].owner == site.name else {
            throw Fault(
                .mismatch, "verify.approval", "the line of answers does not grow from the call of \(run)",
                at: Place(commit: LineRef.answers(run, site).ref),
                mend: "Ask the site to approve again: medrounds approve \(run) --site \(site).")
        }
        var parents = [line[1], published?.publishes.first].compactMap { $0 }
        for commit in line.dropFirst(2) {
            func add(_ what: String) {
                faults.append(
                    Fault(
                        .mismatch, "verify.approval", what, at: Place(file: file, commit: commit.id.hex),
                        mend: "Ask the site to approve again: medrounds approve \(run) --site \(site)."))
            }
            guard let bytes = try ledger.file(file, of: commit.id) else { throw .missingFile(file, commit.id.hex) }
            let answer = try RecordReader(parsing: bytes, path: file, commit: commit.id.hex)
            for flaw in try SharedCommit.flaws(of: commit, .approve, after: parents, ledger: ledger) { add(flaw) }
            parents = [commit]
            let names = RecordShape.Names(sites: [site.name], cohorts: [], types: nil, tensors: [])
            if let flaw = StepRules.approve.record?.flaw(of: answer.value, names) {
                add(flaw)
                continue
            }
            if answer.value.canonical != bytes { add("the file is no canonical JSON") }
            let named = [try answer.text("run"), try answer.text("site"), try answer.text("plan_sha256")]
            let trailers = ["Run", "Site", "Plan-SHA256"].map { commit.trailer($0) ?? "" }
            let previous = answer["previous"] ?? .null
            let isRun = previous == .null || previous.text.flatMap(RunName.init) != nil
            if named != [run.name, site.name, plan.hex] || trailers != named || commit.trailer("Round") != "0" || !isRun
            {
                add("the answer is not one of \(site) to the plan \(plan.hex.prefix(12)) of \(run)")
            }
            if try commit.subject != StepRules.approve.summary(answer) {
                add("the subject is not what the answer says")
            }
            if let flaw = try SignedCommit.flaw(of: commit, for: [.site(site), .approver(site)], signers, ledger) {
                add(flaw)
            }
            answers.append((commit, try answer.text("status") == "approved"))
        }
        return (answers, faults)
    }

    /// The plan of that workflow which the site approved last, in any run of the ledger.
    private static func lastApproved(
        _ workflow: String, site: SiteID, ledger: Ledger
    ) throws(Fault) -> (run: RunName, plan: Plan)? {
        var last: (time: Int64, run: RunName, plan: Plan)?
        for run in try ledger.runs() {
            guard let tip = try ledger.tip(.answers(run, site)) else { continue }
            let time = try ledger.read(tip).time
            guard time >= last?.time ?? .min, let bytes = try ledger.file(file, of: tip),
                try RecordReader(parsing: bytes, path: file, commit: tip.hex).text("status") == "approved"
            else { continue }
            // A plan that an older version wrote in another form cannot be compared with; it must not stop a new run.
            guard let plan = try? CommittedPlan(of: run, in: ledger).plan else { continue }
            if plan.declaration.name == workflow { last = (time, run, plan) }
        }
        return last.map { ($0.run, $0.plan) }
    }
}
