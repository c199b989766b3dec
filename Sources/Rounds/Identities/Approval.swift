// Approval: a site says yes to a plan, or takes it back, by a signed commit on a line of its own beside the run.

import Digests
import Faults
import Federation
import Foundation
import GitLedger
import Workflows

/// Approvals of plans by sites.
public enum Approval {
    static let file = "approval.json"

    /// What a site is asked to approve.
    public struct Question: Sendable {
        /// The digest of plan.json.
        public var plan: Digest
        /// The run whose plan the site approved last, of the same workflow; nil where it never did.
        public var previous: RunName?
        /// What changed since then, one line each; every setting where it never did.
        public var changes: [String]
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
            plan: Digest.sha256(committed.bytes), previous: last?.run,
            changes: last.map { committed.plan.differences(from: $0.plan) }
                ?? committed.plan.rows.map { "\($0.key): \($0.value)" })
    }

    /// Commits the site's answer, signed. Throws `keys.not-allowed` for a key that may not answer for the site.
    public static func give(
        _ run: RunName, site: SiteID, approves: Bool, key: SSHPrivateKey, ledger: Ledger
    ) throws(Fault) -> CommitID {
        let question = try question(of: run, site: site, ledger: ledger)
        guard let root = try ledger.firstParents(from: CommittedPlan(of: run, in: ledger).tip).first else {
            throw .runMissing(run, known: [])
        }
        let line = LineRef.answers(run, site)
        let before = try ledger.tip(line)
        let parent = before ?? root.id
        let time = max(Int64(Date().timeIntervalSince1970), try ledger.read(parent).time)
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
            line: line, expectedTip: before, parents: [parent], base: before,
            changes: [FileChange(path: file, bytes: answer.canonical)],
            subject: "\(approves ? "approve" : "withdraw") plan \(question.plan.hex.prefix(12)) for \(site)",
            trailers: [
                Trailer("Run", run.name), Trailer("Round", "0"), Trailer("Step", "approve"), Trailer("Site", site.name),
                Trailer("Plan-SHA256", question.plan.hex),
            ], author: CommitAuthor(name: "MedRounds", email: "medrounds@localhost"), time: time)
        draft.signer = key.signer
        return try ledger.commit(draft)
    }

    /// Throws `run.not-approved`, with what changed since the site's last approval, unless the site approves this plan now.
    static func require(_ plan: Plan, of site: SiteID, in run: RunName, ledger: Ledger) throws(Fault) {
        let digest = Digest.sha256(plan.json.canonical)
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
        let what =
            answers.isEmpty
            ? "\(site) has not approved the plan \(digest.hex.prefix(12))\(since)"
            : "\(site) has withdrawn its approval"
        throw Fault(
            .failed, "run.not-approved", what, at: Place(commit: LineRef.answers(run, site).ref),
            mend: "At the site: medrounds approve \(run) --site \(site). Then go on with --resume.")
    }

    /// The answers a site gave in a run, the oldest first, and what is wrong with their commits.
    static func answers(
        _ run: RunName, _ site: SiteID, plan: Digest, _ signers: AllowedSigners, _ ledger: Ledger
    ) throws(Fault) -> (answers: [(commit: CommitRecord, approves: Bool)], faults: [Fault]) {
        guard let tip = try ledger.tip(.answers(run, site)) else { return ([], []) }
        var answers: [(commit: CommitRecord, approves: Bool)] = []
        var faults: [Fault] = []
        // The line grows from the run's plan commit, which is none of its own.
        for commit in try ledger.firstParents(from: tip) where commit.trailer("Step") != "plan" {
            func add(_ what: String) {
                faults.append(
                    Fault(
                        .mismatch, "verify.approval", what, at: Place(file: file, commit: commit.id.hex),
                        mend: "Ask the site to approve again: medrounds approve \(run) --site \(site)."))
            }
            guard let bytes = try ledger.file(file, of: commit.id) else { throw .missingFile(file, commit.id.hex) }
            let answer = try RecordReader(parsing: bytes, path: file, commit: commit.id.hex)
            if try ledger.files(of: commit.id).map(\.path) != [file] { add("the tree holds other files") }
            let status = try answer.text("status")
            let named = [try answer.text("run"), try answer.text("site"), try answer.text("plan_sha256")]
            let trailers = ["Run", "Site", "Plan-SHA256", "Step"].map { commit.trailer($0) ?? "" }
            let isOurs =
                named == [run.name, site.name, plan.hex] && trailers == named + ["approve"]
                && ["approved", "withdrawn"].contains(status)
            if !isOurs { add("the answer is not one of \(site) to the plan \(plan.hex.prefix(12)) of \(run)") }
            if try ledger.stateDigest(of: commit.id).hex != commit.trailer("State-SHA256") {
                add("State-SHA256 is not that of the tree")
            }
            if let flaw = try SignedCommit.flaw(of: commit, for: [.site(site), .approver(site)], signers, ledger) {
                add(flaw)
            }
            answers.append((commit, status == "approved"))
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
