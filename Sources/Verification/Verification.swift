// Verification: the outcome of checking a run's history, for people and for tools; Verifier makes the checks.

import Faults
import Federation

/// What became of one claim.
public enum VerificationStatus: String, Sendable, CaseIterable {
    /// What the ledger holds bears the claim out.
    case holds
    /// Something contradicts it.
    case fails
    /// The ledger holds nothing that could prove it: an unsigned run proves no signature, and says so.
    case unproven
}

/// One check with its evidence.
public struct VerificationCheck: Sendable, Equatable {
    /// A stable name for tools, such as `signatures`.
    public var id: String
    /// What is claimed, in a few words.
    public var claim: String
    /// What was looked at: counts, not opinions.
    public var evidence: String
    /// The commits that the evidence was read from, as 40 hexadecimal digits; the tip where it was the whole history.
    public var commits: [String]
    /// What is wrong; empty where the claim holds or nothing can prove it.
    public var faults: [Fault]
    /// Whether the ledger holds anything to judge the claim by.
    public var isProven: Bool

    /// Makes a check.
    public init(
        id: String, claim: String, evidence: String, commits: [String], faults: [Fault], isProven: Bool = true
    ) {
        self.id = id
        self.claim = claim
        self.evidence = evidence
        self.commits = commits
        self.faults = faults
        self.isProven = isProven
    }

    /// What became of the claim.
    public var status: VerificationStatus { !faults.isEmpty ? .fails : isProven ? .holds : .unproven }

    /// Whether nothing contradicts the claim.
    public var holds: Bool { faults.isEmpty }

    /// The check as `verify --json` prints it.
    public var json: JSONValue {
        [
            "id": .string(id), "claim": .string(claim), "evidence": .string(evidence),
            "status": .string(status.rawValue), "holds": .bool(holds),
            "commits": .array(commits.map { .string($0) }), "faults": .array(faults.map(\.json)),
        ]
    }
}

/// How far a run is signed.
public enum SigningState: String, Sendable, CaseIterable {
    /// No commit carries a signature: an experiment.
    case unsigned
    /// Every commit carries one, and each was checked against the allowed signers.
    case signed
    /// Some do and some do not, or one of them does not hold.
    case broken
}

/// The outcome of verifying a run.
public struct VerificationReport: Sendable, Equatable {
    /// The run.
    public var run: RunName
    /// The commit the main line stands at.
    public var tip: String
    /// The checks in the order in which they were made.
    public var checks: [VerificationCheck]
    /// How many steps of the main line have a commit; in a site's copy, how many commits were published.
    public var done: Int
    /// How many the plan asks for.
    public var planned: Int
    /// How far the run is signed.
    public var signing: SigningState

    /// Whether nothing contradicts any claim.
    public var holds: Bool { checks.allSatisfy(\.holds) }

    /// The report as `verify --json` prints it.
    public var json: JSONValue {
        [
            "report_version": 1, "run": .string(run.name), "tip": .string(tip), "holds": .bool(holds),
            "signing": .string(signing.rawValue),
            "steps": ["done": .integer(Int64(done)), "planned": .integer(Int64(planned))],
            "checks": .array(checks.map(\.json)),
        ]
    }
}

extension Fault {
    /// The fault for `--json`.
    package var json: JSONValue {
        var members: [String: JSONValue] = ["code": .string(code), "what": .string(what), "mend": .string(mend)]
        if let place { members["place"] = .string(place.description) }
        return .object(members)
    }
}
