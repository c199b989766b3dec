// Verifier: every claim of a run's history that can be checked without the notes and without training again. What is checked of
// the history's shape is in +history, of what the records say in +records.

import Faults
import Federation
import GitLedger
import Workflows

/// Verifies one run of a ledger. Reads only; needs no model, no notes and no network.
public struct Verifier {
    let ledger: Ledger
    let run: RunName
    let tip: CommitID
    let plan: Plan
    let planBytes: [UInt8]
    /// Reads a workflow again, as the run did.
    let declaration: FederationDeclaration

    /// Opens a run for verification. Throws `run.missing` or what is wrong with its plan.
    public init(run: RunName, ledger: Ledger) throws(Fault) {
        let committed = try CommittedPlan(of: run, in: ledger)
        self.ledger = ledger
        self.run = run
        self.tip = committed.tip
        self.planBytes = committed.bytes
        self.plan = committed.plan
        self.declaration = plan.declaration
    }

    /// Makes every check. A fault inside one check is its result, so that one damaged object does not hide the others.
    public func report() -> VerificationReport {
        var checks: [VerificationCheck] = []
        var line: [CommitRecord] = []
        var sites: [CommitRecord] = []
        checks.append(check("every object reads and matches its id", objects))
        checks.append(
            check("the history is complete and in the planned order") { () throws(Fault) -> (String, [Fault]) in
                (line, sites) = try history()
                return order(line)
            })
        let all = line + sites
        checks.append(
            check("each commit adds its own step's files and changes nothing else") {
                () throws(Fault) -> (String, [Fault]) in
                try additions(line, sites)
            })
        checks.append(
            check("every commit's state digest and trailers hold") { () throws(Fault) -> (String, [Fault]) in
                try states(all)
            })
        checks.append(
            check("the plan never changed and follows from the workflow") { () throws(Fault) -> (String, [Fault]) in
                try planHolds(all)
            })
        checks.append(
            check("every upload is what its record says") { () throws(Fault) -> (String, [Fault]) in try uploads(line) }
        )
        checks.append(
            check("weights follow from sizes and scores") { () throws(Fault) -> (String, [Fault]) in try weights(line) }
        )
        checks.append(
            check("each global adapter is the recomputed average") { () throws(Fault) -> (String, [Fault]) in
                try aggregates(line)
            })
        checks.append(
            check("each round starts from the adapter the last one published") {
                () throws(Fault) -> (String, [Fault]) in try starts(line)
            })
        checks.append(
            check("metrics follow from their counts") { () throws(Fault) -> (String, [Fault]) in try metrics(line) })
        let planned = Self.plannedSteps(declaration).count
        return VerificationReport(
            run: run, tip: tip.hex, checks: checks, steps: (line.count, planned),
            isSigned: !all.isEmpty && all.allSatisfy { $0.signature != nil })
    }

    private func check(_ claim: String, _ body: () throws(Fault) -> (String, [Fault])) -> VerificationCheck {
        do {
            let (evidence, faults) = try body()
            return VerificationCheck(claim: claim, evidence: evidence, faults: faults)
        } catch {
            return VerificationCheck(claim: claim, evidence: "could not be finished", faults: [error])
        }
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
