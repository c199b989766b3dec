// Verification: the outcome of checking a run's history; Verifier makes the checks.

import Faults
import Federation

/// One check with its evidence.
public struct VerificationCheck: Sendable, Equatable {
    /// What is claimed, in a few words.
    public var claim: String
    /// What was looked at: counts, not opinions.
    public var evidence: String
    /// What is wrong; empty where the claim holds.
    public var faults: [Fault]

    /// Whether the claim holds.
    public var holds: Bool { faults.isEmpty }
}

/// The outcome of verifying a run.
public struct VerificationReport: Sendable, Equatable {
    /// The run.
    public var run: RunName
    /// The commit the main line stands at.
    public var tip: String
    /// The checks in the order in which they were made.
    public var checks: [VerificationCheck]
    /// Steps that have a commit, and how many the plan asks for.
    public var steps: (done: Int, planned: Int)
    /// Whether every commit carries a signature; signing comes with keys, so an unsigned run says so.
    public var isSigned: Bool

    /// Whether every claim holds.
    public var holds: Bool { checks.allSatisfy(\.holds) }

    /// Compares field by field.
    public static func == (left: Self, right: Self) -> Bool {
        left.run == right.run && left.tip == right.tip && left.checks == right.checks && left.steps == right.steps
            && left.isSigned == right.isSigned
    }
}
