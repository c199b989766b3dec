// What was published against the main line: each publish is made from the commit that it names; and a site's own view of it: its receipts, and
// the adapter that each of its trainings started from.

import Digests
import Faults
import Federation
import GitLedger
import RunRecords
import Workflows

extension Verifier {
    func published(_ history: RunHistoryFound) throws(Fault) -> Finding {
        isSiteView ? try publishedAtSite(history) : try publishedByCoordinator(history)
    }

    private func publishedByCoordinator(_ history: RunHistoryFound) throws(Fault) -> Finding {
        let sources = history.line.filter { $0.kind == .plan || $0.kind == .aggregate }
        var finding = Finding(evidence: "", faults: [], commits: Array(history.published.dropFirst()))
        var receipts = 0
        for (commit, source) in zip(history.published.dropFirst(), sources) {
            func add(_ what: String, _ path: String) {
                finding.faults.append(broken("verify.published", what, commit, path))
            }
            if commit.trailer("Source") != source.id.hex
                || commit.trailer("Source-State-SHA256") != source.trailer("State-SHA256")
            {
                add("the publish names another commit or state than \(Self.name(source))", RunPath.published)
            }
            let record: JSONValue
            if source.kind == .plan {
                record = PublishStep.record(plan: planDigest)
                if try ledger.file(RunPath.plan, of: commit.id) != plan.view.json.canonical {
                    add("the published plan is not the plan as sites see it", RunPath.plan)
                }
            } else {
                guard let round = source.round, let adapter = try ledger.digest(of: RunPath.global, in: source.id)
                else {
                    throw .missingFile(RunPath.global, source.id.hex)
                }
                record = try PublishStep.record(
                    round: round, plan: planDigest, adapter: (adapter.digest, adapter.size),
                    aggregate: self.record(StepKind.aggregate.record(round: round), source),
                    sites: declaration.sites.map(\.id),
                    uploads: PublishStep.uploads(round, declaration.sites.map(\.id), in: source.id, ledger))
                receipts += record["receipts"]?.elements?.count ?? 0
                if try ledger.blob(RunPath.global, of: commit.id) != ledger.blob(RunPath.global, of: source.id) {
                    add("the published adapter is not the aggregate's", RunPath.global)
                }
            }
            if try ledger.file(RunPath.published, of: commit.id) != record.canonical {
                add("the publish says something else than the main line gives", RunPath.published)
            }
        }
        finding.evidence = "\(max(0, history.published.count - 1)) publishes, \(receipts) receipts computed again"
        return finding
    }

    /// What a site can know: the adapter is what the record says, its trainings started from it, and its uploads were received as it sent them.
    func publishedAtSite(_ history: RunHistoryFound) throws(Fault) -> Finding {
        var finding = Finding(evidence: "", faults: [], commits: Array(history.published.dropFirst()))
        var digests: [Int: Digest] = [:]
        for commit in history.published.dropFirst() {
            guard let round = commit.round, round > 0 else { continue }
            let record = try record(RunPath.published, commit)
            guard let adapter = try ledger.digest(of: RunPath.global, in: commit.id) else {
                throw .missingFile(RunPath.global, commit.id.hex)
            }
            digests[round] = adapter.digest
            let digest = try record.digest("adapter_sha256")
            let counts = [try record.int("bytes"), try record.int("round")]
            let named = try record.digest("plan_sha256")
            if digest != adapter.digest || counts != [adapter.size, round] || named != planDigest {
                finding.faults.append(
                    broken(
                        "verify.published", "the publish says something else than it holds", commit, RunPath.published))
            }
        }
        var (starts, receipts) = (0, 0)
        for commit in history.sites {
            guard let step = commit.step, StepKind.ofSite.contains(step.kind), let site = commit.site else { continue }
            let record = try record(step.record, commit)
            if step.kind == .train, step.round > 1 {
                starts += 1
                guard let published = digests[step.round - 1],
                    let source = history.start(of: step.round),
                    let bytes = try ledger.file(
                        RunPath.global, of: source, limit: plan.largest(at: RunPath.global, form))
                else { continue }
                // A site with a rank of its own starts from the first directions of what was published.
                let start = try plan.startDigest(of: site, published: published) { [plan] () throws(Fault) in
                    try plan.publishedAdapter(bytes, path: RunPath.global)
                }
                if try record.object("input").digest("adapter_sha256") != start {
                    finding.faults.append(
                        broken(
                            "verify.start",
                            "\(site) started round \(step.round) from another adapter than the published one",
                            commit, record.path))
                }
            }
            guard step.kind == .upload, record["status"]?.text == "sent",
                let commit = history.published.first(where: { $0.kind == .publish && $0.round == step.round })
            else { continue }
            let upload = try record.digest("adapter_sha256")
            let rows = try self.record(RunPath.published, commit).list("receipts")
            // A site that came too late has no receipt; one with another upload's receipt was not averaged with its own.
            guard let row = rows.first(where: { $0["site"]?.text == site.name }) else { continue }
            receipts += 1
            if try UploadReceipt.weight(
                sealed: row.text("weight"), digest: row.digest("receipt"), upload: upload, plan: planDigest,
                round: step.round, site: site) == nil
            {
                finding.faults.append(
                    broken(
                        "verify.receipt", "the receipt of \(site) is not for the upload that it sent", commit,
                        RunPath.published))
            }
        }
        finding.evidence =
            "\(digests.count) published adapters, \(starts) starts, \(receipts) receipts; the average itself is the auditor's to check"
        return finding
    }
}
