// Who said what and when: witnessed tips, allowed signers, signatures, approvals and times.

import Digests
import Faults
import Federation
import GitLedger
import Identities
import RunRecords
import Workflows

extension Verifier {
    func witnessed() throws(Fault) -> Finding {
        guard !witnesses.isEmpty else {
            return Finding(
                evidence: "no statement was given: name one with --witness", faults: [], isProven: false)
        }
        var finding = Finding(evidence: "", faults: [])
        var words: [String] = []
        for witness in witnesses {
            guard witness.run == run else {
                finding.faults.append(brokenTip("verify.witness", "the statement is of \(witness.run), not of \(run)"))
                continue
            }
            let (evidence, faults) = try witness.faults(
                tip: tip, signers: signers ?? AllowedSigners([]), ledger: ledger)
            words.append("\(witness.tip.hex.prefix(9)): \(evidence)")
            finding.faults += faults
        }
        finding.evidence = words.isEmpty ? "\(witnesses.count) statements" : words.joined(separator: "; ")
        return finding
    }

    func identitiesHold() throws(Fault) -> Finding {
        guard let identities else {
            return Finding(evidence: "the ledger names no signers", faults: [], isProven: false)
        }
        let (commits, faults) = try identities.faults(ledger)
        return Finding(
            evidence: "\(identities.signers.signers.count) keys, \(commits) changes", faults: faults,
            commits: [try ledger.read(identities.tip)])
    }

    /// Who has to sign a step.
    private func roles(of commit: CommitRecord) -> [SignerRole] {
        guard let kind = commit.kind, kind.rules.actor == .site else { return [.coordinator] }
        return commit.trailer("Site").flatMap { SiteID($0) }.map { [.site($0)] } ?? []
    }

    /// What is wrong with each commit's signature; nothing where nobody is named who may sign.
    func signatures(_ commits: ArraySlice<CommitRecord>) throws(Fault) -> [Fault] {
        guard let signers else { return [] }
        var faults: [Fault] = []
        for commit in commits where commit.signature != nil || declaration.signing == .required {
            if let flaw = try SignedCommit.flaw(of: commit, for: roles(of: commit), signers, ledger) {
                faults.append(broken("verify.signature", flaw, commit))
            }
        }
        return faults
    }

    func signatures(of all: [CommitRecord], _ parts: [JobResult<[Fault]>]) throws(Fault) -> Finding {
        let signed = all.filter { $0.signature != nil }
        if signed.isEmpty && declaration.signing == .optional {
            return Finding(evidence: "no commit is signed: an experiment", faults: [], isProven: false)
        }
        var finding = Finding(evidence: "\(signed.count) of \(all.count) commits", faults: [], commits: signed)
        if signers == nil {
            finding.faults = [brokenTip("verify.signature", "commits are signed and nobody is named who may sign")]
            return finding
        }
        finding.faults = try parts.joined()
        // Where one commit is signed, all must be.
        if declaration.signing == .optional {
            for commit in all where commit.signature == nil {
                finding.faults.append(broken("verify.signature", "the commit is not signed", commit))
            }
        }
        return finding
    }

    /// Who removed adapters, and that the list of them only grew. Nothing was removed where there is no such line.
    func pruned(isSigned: Bool) throws(Fault) -> Finding {
        guard let tip = try ledger.tip(.pruned) else {
            return Finding(evidence: "nothing is pruned", faults: [], isProven: true)
        }
        let line = try ledger.firstParents(from: tip)
        var finding = Finding(
            evidence: "\(try ledger.prunedCount()) contents in \(line.count) prunings", faults: [], commits: line)
        var before: Set<String> = []
        for commit in line {
            let lines = Set(
                String(decoding: try ledger.file("pruned", of: commit.id) ?? [], as: UTF8.self).split(separator: "\n")
                    .map(String.init))
            if !before.isSubset(of: lines) {
                finding.faults.append(broken("verify.pruned", "the list of pruned contents lost an entry", commit))
            }
            before = lines
            guard isSigned else { continue }
            let flaw = try SignedCommit.flaw(of: commit, for: [.coordinator], signers ?? AllowedSigners([]), ledger)
            if let flaw { finding.faults.append(broken("verify.pruned", flaw, commit)) }
        }
        return finding
    }

    func approvals(_ sites: [CommitRecord]) throws(Fault) -> Finding {
        let isRequired = declaration.approvals == .required
        var finding = Finding(evidence: "", faults: [])
        var approved = 0
        var withdrawn = 0
        for site in declaration.sites.map(\.id) {
            let (answers, faults) = try Approval.answers(
                run, site, plan: planDigest, signers ?? AllowedSigners([]), ledger)
            finding.faults += faults
            finding.commits += answers.map(\.commit)
            if let last = answers.last {
                approved += last.approves ? 1 : 0
                withdrawn += last.approves ? 0 : 1
            }
            guard isRequired else { continue }
            for step in sites where step.kind != .upload && step.site == site {
                if answers.last(where: { $0.commit.time <= step.time })?.approves != true {
                    let what = step.kind == .evaluateAtSite ? "scored its cohort" : "trained"
                    finding.faults.append(
                        broken("verify.approval", "\(site) \(what) without its approval of the plan", step))
                }
            }
        }
        finding.evidence = "\(approved) of \(declaration.sites.count) sites approved"
        if withdrawn > 0 { finding.evidence += ", \(withdrawn) withdrew their approval" }
        if !isRequired {
            finding.evidence += "; the workflow does not require it"
            finding.isProven = approved == declaration.sites.count && approved > 0
        }
        return finding
    }

    func times(_ all: [CommitRecord]) throws(Fault) -> Finding {
        let times = Dictionary(all.map { ($0.id, $0.time) }) { first, _ in first }
        var finding = Finding(evidence: "\(all.count) commits, all in UTC", faults: [])
        for commit in all {
            for parent in commit.parents {
                guard let before = times[parent] else { continue }
                if before > commit.time {
                    finding.faults.append(
                        broken(
                            "verify.time",
                            "the commit says \(SignerTime.text(commit.time)), its parent \(SignerTime.text(before))",
                            commit))
                }
            }
        }
        return finding
    }
}
