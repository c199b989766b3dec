// What a run shares with all others, and every ref of the ledger: objects, the refs, the list of pruned adapters.

import Digests
import Faults
import Federation
import GitLedger

extension Verifier {
    func objects() throws(Fault) -> (found: (String, [Fault]), states: [CommitID: Digest]) {
        var tips = [tip]
        for site in declaration.sites.map(\.id) {
            if let tip = try ledger.tip(.site(run, site)) { tips.append(tip) }
            if let tip = try ledger.tip(.answers(run, site)) { tips.append(tip) }
        }
        if let identities { tips.append(identities.tip) }
        if let pruned = try ledger.tip(.pruned) { tips.append(pruned) }
        let (faults, states) = try ledger.check(reachableFrom: tips)
        let pruned = try ledger.prunedCount()
        let evidence =
            "\(tips.count) lines read to their roots"
            + (pruned == 0 ? "" : "; \(pruned) adapters pruned, none missing")
        return ((evidence, faults), states)
    }

    /// Every line of the run is one that the plan names. Refs of other runs are counted and not looked at; refs that belong to no run are told,
    /// and are faults where `strict` asks for it.
    func refs() throws(Fault) -> Finding {
        var finding = Finding(evidence: "", faults: [])
        let sites = Set(declaration.sites.map(\.id))
        var own = 0
        for line in try ledger.lines(of: run) {
            own += 1
            switch line {
            case .main: continue
            case .site(_, let site), .answers(_, let site):
                if sites.contains(site) { continue }
            default: break
            }
            finding.faults.append(
                Fault(
                    .mismatch, "verify.foreign-ref", "the plan of \(run) names no such line",
                    at: Place(commit: line.ref),
                    mend: "Find out who made it, then delete it or leave it out of the clone."))
        }
        finding.evidence = "\(own) lines of the run"
        return finding
    }
}
