// What came from another machine, before a line moves: the new commits of one line, held to the same table as a whole run.

import Digests
import Faults
import Federation
import GitLedger
import Identities
import RunRecords
import Workflows

extension Verifier {
    /// A commit may be dated so many seconds ahead of the receiver's clock: one fast clock would otherwise date all that follows.
    static let mostAhead: Int64 = 3600

    /// What is wrong with the commits that a line of this ledger got since `old`; `ledger` is read as it would be with them. `now` is the
    /// receiver's clock, in seconds since 1970.
    package func received(_ line: LineRef, since old: CommitID?, now: Int64) throws(Fault) -> [Fault] {
        guard let tip = try ledger.tip(line) else { return [] }
        var history = RunHistoryFound()
        history.published =
            try ledger.tip(.published(run)).map { (id) throws(Fault) in
                try ledger.firstParents(from: id)
            } ?? []
        let most = mostCommits
        var fresh: [CommitRecord] = []
        var next: CommitID? = tip
        while let id = next, id != old {
            let commit = try ledger.read(id)
            fresh.append(commit)
            next = line == .published(run) ? commit.parents.first : commit.beforeOnSiteLine
            if commit.kind == .part { next = nil }
            if fresh.count > most {
                return [broken("verify.order", "the line has more commits than the plan asks for", commit)]
            }
        }
        var faults = fresh.filter { $0.time > now + Self.mostAhead }.map {
            broken(
                "verify.time",
                "the commit says \(SignerTime.text($0.time)), the clock here \(SignerTime.text(now)): it is over an hour ahead",
                $0)
        }
        switch line {
        case .site(_, let site):
            for commit in fresh where commit.site != site {
                faults.append(broken("verify.order", "\(Self.name(commit)) is on the line of \(site)", commit))
            }
            for commit in fresh { faults += try parents(of: commit, history) }
        case .published:
            faults += publishes(history)
        case .answers, .main, .identities, .pruned, .readme: return faults
        }
        let all = fresh[...]
        let changes = try changes(all)
        faults += try additions(all, changes)
        faults += try canonicalUploads(fresh.filter { $0.kind == .upload }[...], changes)
        faults += try contents(documents(of: fresh, changes)[...])
        if faults.isEmpty { faults += try metrics(fresh.filter { $0.kind == .evaluateAtSite }[...]) }
        faults += try messages(all)
        faults += try states(fresh, [:]).1
        faults += try plans(all)
        faults += try signatures(all)
        // A run stays what it began as: who sends nothing signed says nothing.
        if history.published.first?.signature != nil {
            faults += fresh.filter { $0.signature == nil }.map {
                broken("verify.signature", "the run is signed, and this commit is not", $0)
            }
        }
        faults += try times(fresh).faults
        if isSiteView, case .published = line {
            // What is said of the site's uploads has to fit those that it made.
            history.sites = try ownSteps()
            faults += try publishedAtSite(history).faults
        }
        return faults
    }

    /// More commits than any line of the plan has.
    private var mostCommits: Int { 4 * declaration.rounds + 16 + RunTable.siteEvaluations(declaration).count }

    /// The steps on the lines of sites in this copy, which are the site's own.
    private func ownSteps() throws(Fault) -> [CommitRecord] {
        let most = mostCommits
        var steps: [CommitRecord] = []
        for site in declaration.sites.map(\.id) {
            var next = try ledger.tip(.site(run, site))
            while let id = next, steps.count <= most {
                let commit = try ledger.read(id)
                steps.append(commit)
                next = commit.beforeOnSiteLine
            }
        }
        return steps
    }

    /// What is wrong with a site's answers to the plan.
    package func receivedAnswers(_ site: SiteID) throws(Fault) -> [Fault] {
        try Approval.answers(run, site, plan: planDigest, signers ?? AllowedSigners([]), ledger).faults
    }

    /// The same for the part of a site, before there is a plan to hold it against.
    package static func receivedPart(
        _ run: RunName, _ site: SiteID, isSigned: Bool, ledger: Ledger, now: Int64
    ) throws(Fault) -> [Fault] {
        guard let tip = try ledger.tip(.answers(run, site)), let published = try PublishedLine(of: run, in: ledger)
        else {
            return []
        }
        let commit = try ledger.read(tip)
        func flaw(_ what: String) -> Fault {
            Fault(
                .mismatch, "verify.part", what, at: Place(file: RunPath.part, commit: commit.id.hex),
                mend: "Ask the site to answer the call with this program.")
        }
        guard commit.kind == .part else { return [flaw("the site's line does not begin with its part")] }
        var faults = try SharedCommit.flaws(of: commit, .part, after: [published.call], ledger: ledger).map(flaw)
        guard let bytes = try ledger.file(RunPath.part, of: commit.id) else {
            throw .missingFile(RunPath.part, commit.id.hex)
        }
        let json = try JSONValue(parsing: bytes, at: Place(file: RunPath.part, commit: commit.id.hex))
        let names = RecordShape.Names(sites: [site.name], cohorts: [], types: nil, tensors: [])
        if let what = StepKind.part.rules.record?.flaw(of: json, names) { faults.append(flaw(what)) }
        if json.canonical != bytes { faults.append(flaw("the file is no canonical JSON")) }
        let part = try PlanPart(json: json)
        let callDigest = try published.callDigest(ledger)
        if part.site != site || commit.owner != site.name || commit.trailer("Run") != run.name
            || commit.trailer("Call-SHA256") != callDigest.hex
        {
            faults.append(flaw("the part is not one of \(site) to the call of \(run)"))
        }
        if commit.time > now + mostAhead {
            faults.append(
                flaw(
                    "the commit says \(SignerTime.text(commit.time)), the clock here \(SignerTime.text(now)): it is over an hour ahead"
                ))
        }
        if isSigned || commit.signature != nil {
            let signers = try Identities.read(ledger)?.signers ?? AllowedSigners([])
            if let what = try SignedCommit.flaw(of: commit, for: [.site(site)], signers, ledger) {
                faults.append(flaw(what))
            }
        }
        return faults
    }
}
