// Verifier: every claim of a run's history that can be checked without the notes and without training again. What is checked of
// the history's shape is in +history, of who signed in +signatures, of what may lie in it in +contents, of the records in +records.

import Digests
import Extraction
import Faults
import Federation
import GitLedger
import Identities
import ModelFiles
import RunRecords
import Workflows

/// Verifies one run of a ledger. Reads only; needs no model, no notes and no network.
public struct Verifier: Sendable {
    private(set) var ledger: Ledger
    let run: RunName
    package let tip: CommitID
    /// The plan; in a site's copy the one that sites see.
    package let plan: Plan
    let planBytes: [UInt8]
    /// The digest of the whole plan.
    let planDigest: Digest
    /// What the plan says of test notes; in a site's copy, what the site's own part says of them.
    let tests: [DatasetSummary]
    /// Reads a workflow again, as the run did.
    package let declaration: FederationDeclaration
    /// The declaration as plan.json writes it, made once: each training is compared with it.
    let declared: JSONValue
    /// The form of every upload, and what else is derived from the plan once for all commits.
    let form: AdapterForm
    /// The names that the plan gives to records.
    package let names: RecordShape.Names
    /// The committed template; nil where it cannot be read, which `plan` finds.
    let template: PromptTemplate?

    /// Who may sign, as the ledger says or as the auditor's own file does; nil where neither names anyone.
    let signers: AllowedSigners?
    let identities: Identities?
    /// Statements of earlier tips, kept outside the ledger.
    let witnesses: [Witness]
    /// Whether the copy is a site's: it holds no main line, and other sites' lines only as far as they were merged.
    let isSiteView: Bool
    /// Whether refs that are none of a ledger's are faults.
    let isStrict: Bool

    /// Opens a run for verification. `trusted` takes the place of the ledger's own allowed signers. Throws `run.missing` or what is
    /// wrong with its plan or signers.
    public init(
        run: RunName, ledger: Ledger, trusted: AllowedSigners? = nil, witnesses: [Witness] = [], isStrict: Bool = false
    ) throws(Fault) {
        let committed = try CommittedPlan(of: run, in: ledger)
        self.ledger = ledger
        self.run = run
        self.tip = committed.tip
        self.planBytes = committed.bytes
        self.planDigest = committed.digest
        self.plan = committed.plan
        self.declaration = plan.declaration
        self.declared = plan.declaration.json
        self.form = plan.adapterForm
        self.template = Self.template(ledger, at: tip)
        self.names = Self.names(plan, form, template)
        self.identities = try Identities.read(ledger)
        self.signers = trusted ?? identities?.signers
        self.witnesses = witnesses
        self.isStrict = isStrict
        self.isSiteView = committed.isSiteView
        self.tests = try Self.tests(of: committed, ledger)
    }

    private static func tests(of committed: CommittedPlan, _ ledger: Ledger) throws(Fault) -> [DatasetSummary] {
        guard committed.isSiteView else { return committed.plan.inputs.datasets.filter { $0.role == .test } }
        var found: [DatasetSummary] = []
        for site in committed.plan.declaration.sites.map(\.id) {
            guard let tip = try ledger.tip(.answers(committed.run, site)) else { continue }
            for commit in try ledger.firstParents(from: tip) where commit.kind == .part {
                guard let bytes = try ledger.file(RunPath.part, of: commit.id),
                    // A part that cannot be read is found where the plan is compared with it.
                    let json = try? JSONValue(parsing: bytes), let part = try? PlanPart(json: json)
                else { continue }
                found += part.datasets.filter { $0.role == .test }
            }
        }
        return found
    }

    /// What one check found: the evidence in words, the commits it was read from, and what is wrong.
    struct Finding {
        var evidence: String
        var faults: [Fault]
        var commits: [CommitRecord] = []
        var isProven = true
    }

    /// The same verifier with a ledger of its own, for another thread; nil where it does not open again.
    func reopened() -> Verifier? {
        guard let again = try? Ledger.open(path: ledger.path) else { return nil }
        var copy = self
        copy.ledger = again
        return copy
    }

    /// Makes every check. A fault inside one check is its result, so that one damaged object does not hide the others.
    public func report() -> VerificationReport {
        var checks: [VerificationCheck] = []
        let planned = RunTable.mainLine(declaration).count
        var history = RunHistoryFound()
        func check(_ id: String, _ claim: String, _ body: () throws(Fault) -> Finding) {
            let finding: Finding
            do { finding = try body() } catch { finding = Finding(evidence: "could not be finished", faults: [error]) }
            checks.append(
                VerificationCheck(
                    id: id, claim: claim, evidence: finding.evidence,
                    commits: finding.commits.isEmpty ? [tip.hex] : finding.commits.map(\.id.hex),
                    faults: finding.faults,
                    // Nothing was looked at where no commit could be read: that proves nothing.
                    isProven: finding.isProven && (id == "objects" || !history.published.isEmpty)))
        }
        func plain(_ pair: (String, [Fault]), _ commits: [CommitRecord] = []) -> Finding {
            Finding(evidence: pair.0, faults: pair.1, commits: commits)
        }
        /// A check of so many things; over none of them it proves nothing, and says so.
        func over(_ things: [CommitRecord], _ finding: () throws(Fault) -> Finding) throws(Fault) -> Finding {
            var finding = try finding()
            guard things.isEmpty, finding.faults.isEmpty else { return finding }
            finding.evidence = "nothing to check" + (history.line.count < planned ? " yet" : "")
            finding.isProven = false
            return finding
        }
        var lost: Fault?
        do { history = try self.history() } catch { lost = error }
        let (line, sites, all) = (history.line, history.sites, history.all)
        let merges = rounds(line)
        let uploading = sites.filter { $0.kind == .upload }
        let evaluations = (line + sites).filter { $0.kind?.isEvaluation == true }

        // What takes long, on all processors: first every object, and what each commit changes; then what the changes hold.
        let first = VerificationJobs()
        let objects = first.add { (verifier) throws(Fault) in try verifier.objects() }
        let compared = first.add(over: all) { (verifier, part) throws(Fault) in try verifier.changes(part) }
        first.run(self)
        let changes = Result { () throws(Fault) -> [CommitID: [FileDifference]] in
            var found: [CommitID: [FileDifference]] = [:]
            for part in compared { found.merge(try part.value()) { known, _ in known } }
            return found
        }
        let second = VerificationJobs()
        let added = second.add(over: all) { (verifier, part) throws(Fault) in
            try verifier.additions(part, changes.get())
        }
        let documents =
            (try? changes.get()).map { self.documents(of: sites + history.published + history.parts + line, $0) } ?? []
        let held = second.add(over: documents) { (verifier, part) throws(Fault) in try verifier.contents(part) }
        let signed = second.add(over: all) { (verifier, part) throws(Fault) in try verifier.signatures(part) }
        let told = second.add(over: all) { (verifier, part) throws(Fault) in try verifier.messages(part) }
        let plans = second.add(over: all) { (verifier, part) throws(Fault) in try verifier.plans(part) }
        let recomputed = second.add(over: Array(merges.indices)) { (verifier, part) -> RoundTallies in
            var tallies = RoundTallies()
            for index in part {
                tallies.add(verifier, merges[index], after: index > 0 ? merges[index - 1].commit : nil)
            }
            return tallies
        }
        let measured = second.add(over: evaluations) { (verifier, part) throws(Fault) in try verifier.metrics(part) }
        let steps = all.filter { $0.kind?.rules.isOfRound == true }
        let surroundings = second.add(over: steps) {
            (verifier, part) throws(Fault) in
            try verifier.surroundings(part, changes.get())
        }
        let canonical = second.add(over: uploading) { (verifier, part) throws(Fault) in
            try verifier.canonicalUploads(part, changes.get())
        }
        second.run(self)
        var tallies = RoundTallies()
        for part in recomputed { if let part = try? part.value() { tallies.join(part) } }

        check("objects", "every object reads and matches its id") { () throws(Fault) -> Finding in
            plain(try objects.value().found)
        }
        check("order", "the history is complete and in the planned order") { () throws(Fault) -> Finding in
            if let lost { throw lost }
            return try order(history)
        }
        check("witness", "every line stands at or after what each witness statement saw") {
            () throws(Fault) -> Finding in try witnessed()
        }
        check(
            "identities",
            "each change of the allowed signers only adds keys or ends their time, signed by a coordinator"
        ) {
            () throws(Fault) -> Finding in try identitiesHold()
        }
        check("signatures", "every commit is signed by a key allowed for its step and valid at its time") {
            () throws(Fault) -> Finding in try signatures(of: all, signed)
        }
        check("pruned", "what is missing was pruned by the coordinator and is listed with its digest") {
            () throws(Fault) -> Finding in try pruned(isSigned: all.contains { $0.signature != nil })
        }
        check("approvals", "every site approved the plan before it trained") { () throws(Fault) -> Finding in
            try approvals(sites)
        }
        check("times", "times never run backwards along a line") { () throws(Fault) -> Finding in try times(all) }
        check("additions", "each commit adds its own step's files and changes nothing else") {
            () throws(Fault) -> Finding in
            Finding(evidence: "\(all.count) commits compared with their parents", faults: try added.joined())
        }
        check("states", "every commit's state digest and trailers hold") { () throws(Fault) -> Finding in
            var finding = plain(try states(all, (try? objects.value().states) ?? [:]))
            finding.faults += try told.joined()
            return finding
        }
        check("plan", "all commits name one plan, and reading the committed workflow again gives its settings") {
            () throws(Fault) -> Finding in
            plain(try planHolds(history, plans.joined()), Array(line.prefix(1)))
        }
        check("published", "what left the coordinator is what the main line holds, with a receipt for each upload") {
            () throws(Fault) -> Finding in
            try over(Array(history.published.dropFirst())) { () throws(Fault) -> Finding in
                try published(history)
            }
        }
        check(
            "inputs",
            "the plan names one model, tokenizer and template, and a commitment for every source of the workflow"
        ) {
            () throws(Fault) -> Finding in inputsHold(all)
        }
        check(
            "contents",
            "nothing is reachable but the files and fields that the plan gives, each of its type and in its range"
        ) {
            () throws(Fault) -> Finding in
            _ = try changes.get()
            var finding = refs(try ledger.survey())
            finding.evidence = "\(documents.count) records and timings; \(finding.evidence)"
            finding.faults += try held.joined()
            return finding
        }
        check("disjoint", "the plan counts no document that training, validation and test share, or allows it") {
            () throws(Fault) -> Finding in
            disjoint()
        }
        let mergeCommits = merges.map(\.commit)
        check("uploads", "every upload has the form, shapes, size and digest that plan and records give") {
            () throws(Fault) -> Finding in
            try over(mergeCommits) { () throws(Fault) -> Finding in
                var finding = try uploads(tallies.uploads)
                finding.faults += try canonical.joined()
                finding.commits = uploading
                return finding
            }
        }
        check(
            "presence",
            "every site has an upload in each round, or its absence is recorded with its reason and the quorum"
        ) {
            () throws(Fault) -> Finding in
            try over(mergeCommits) { () throws(Fault) -> Finding in
                var finding = try presence(tallies.presence)
                finding.commits = mergeCommits
                return finding
            }
        }
        check("weights", "weights follow from sizes and scores and sum to one") { () throws(Fault) -> Finding in
            try over(mergeCommits) { () throws(Fault) -> Finding in
                plain(
                    ("\(tallies.weights.count) weights recomputed", try tallies.weights.whole()), mergeCommits)
            }
        }
        check("aggregates", "each global adapter and its record are what averaging the uploads again gives") {
            () throws(Fault) -> Finding in
            try over(mergeCommits) { () throws(Fault) -> Finding in
                var finding = try aggregates(tallies.aggregates)
                finding.commits = mergeCommits
                return finding
            }
        }
        check("starts", "each training names the adapter that the round before published as its start") {
            () throws(Fault) -> Finding in
            try over(mergeCommits) { () throws(Fault) -> Finding in
                plain(("\(tallies.starts.count) train steps", try tallies.starts.whole()), mergeCommits)
            }
        }
        check("environment", "every step records its threads, and the program that took it") {
            () throws(Fault) -> Finding in
            try over(steps) { () throws(Fault) -> Finding in
                try environment(surroundings)
            }
        }
        check("metrics", "scores and their intervals follow from the recorded counts") { () throws(Fault) -> Finding in
            try over(evaluations) { () throws(Fault) -> Finding in
                plain(("\(evaluations.count) evaluations", try measured.joined()), evaluations)
            }
        }
        check("release", "the published adapter is the output of one aggregated round") { () throws(Fault) -> Finding in
            try release(line)
        }
        let count = all.count { $0.signature != nil }
        let areGood = checks.first { $0.id == "signatures" }?.holds ?? false
        let signing: SigningState =
            count == 0 && !all.isEmpty && declaration.signing == .optional
            ? .unsigned : areGood && !all.isEmpty && count == all.count ? .signed : .broken
        return VerificationReport(
            run: run, tip: tip.hex, checks: checks,
            // A site knows of the main line what was published: the call, the plan and each round.
            done: isSiteView ? history.published.count : line.count,
            planned: isSiteView ? declaration.rounds + 2 : planned, signing: signing)
    }

    func broken(_ code: String, _ what: String, _ commit: CommitRecord, _ file: String? = nil) -> Fault {
        Fault(
            .mismatch, code, what, at: Place(file: file, commit: commit.id.hex),
            mend: "Compare with another copy of the ledger; this one cannot be relied on from this commit on.")
    }
    func brokenTip(_ code: String, _ what: String) -> Fault {
        Fault(
            .mismatch, code, what, at: Place(commit: tip.hex),
            mend: "Compare with another copy of the ledger; this one cannot be relied on.")
    }
}
