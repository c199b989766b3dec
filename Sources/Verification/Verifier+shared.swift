// What a run shares with all others, and every ref of the ledger: objects, the refs, the list of pruned adapters.

import Digests
import Faults
import Federation
import GitLedger

extension Verifier {
    func objects() throws(Fault) -> (found: (String, [Fault]), states: [CommitID: Digest]) {
        var tips = [tip]
        if let tip = try ledger.tip(.published(run)) { tips.append(tip) }
        for site in declaration.sites.map(\.id) {
            if let tip = try ledger.tip(.site(run, site)) { tips.append(tip) }
            if let tip = try ledger.tip(.answers(run, site)) { tips.append(tip) }
        }
        for site in try calledInVain() { if let tip = try ledger.tip(.answers(run, site)) { tips.append(tip) } }
        if let identities { tips.append(identities.tip) }
        for line in [LineRef.pruned, .readme] {
            if let tip = try ledger.tip(line) { tips.append(tip) }
        }
        let (faults, states) = try ledger.check(reachableFrom: tips) { path in
            // The list of pruned adapters is that of all runs.
            path == "pruned" ? Ledger.largestObject : plan.largest(at: path, form)
        }
        let pruned = try ledger.prunedCount()
        let evidence =
            "\(tips.count) lines read to their roots"
            + (pruned == 0 ? "" : "; \(pruned) adapters pruned, none missing")
        return ((evidence, faults), states)
    }

    /// Every line of the run is one that the plan names, and nothing under refs/heads is none of a ledger's. Lines of other runs are counted
    /// and not looked at. Tags, remotes' refs and a forge's own are named and not counted as verified; with `isStrict` they are faults.
    func refs(_ survey: RefSurvey) -> Finding {
        var finding = Finding(evidence: "", faults: [])
        let sites = Set(declaration.sites.map(\.id))
        let inVain = Set((try? calledInVain()) ?? [])
        var (own, others) = (0, 0)
        var named: [String] = []
        func fault(_ entry: RefEntry, _ what: String) {
            finding.faults.append(
                Fault(
                    .mismatch, "verify.foreign-ref", what, at: Place(commit: entry.name),
                    mend: "Find out who made it, then delete it or leave it out of the clone."))
        }
        for entry in survey.refs {
            switch entry.kind {
            case .line(let line):
                guard case .commit = entry.target else {
                    fault(entry, "the line does not name a commit")
                    continue
                }
                if line == .readme, entry.target != .commit(Ledger.readmeCommit) {
                    fault(entry, "the readme is not the one that the program writes")
                }
                guard line.run == run else {
                    if line.run != nil { others += 1 }
                    continue
                }
                own += 1
                switch line {
                case .main, .published: continue
                case .answers(_, let site) where inVain.contains(site): continue
                case .site(_, let site), .answers(_, let site):
                    if !sites.contains(site) { fault(entry, "the plan of \(run) names no such site") }
                case .identities, .pruned, .readme:
                    fault(entry, "the plan of \(run) names no such line")
                }
            case .branch: fault(entry, "the branch is none of a ledger's")
            case .replacement: fault(entry, "stock git shows another object in place of one; this program does not")
            case .tag, .remote, .forge, .tool, .local, .other:
                named.append(entry.name)
                if isStrict { fault(entry, "the ref is none of a ledger's") }
            }
        }
        finding.evidence =
            "\(own) lines of the run; not looked at: \(others) lines of other runs"
            + (named.isEmpty
                ? ""
                : ", \(named.count) refs that are none of a ledger's (\(named.prefix(3).map { Printable.text($0) }.joined(separator: ", ")))")
        return finding
    }
}
