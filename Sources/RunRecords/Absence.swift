// Absence: a site that a round went on without, because its step failed or it had not approved the plan, under the workflow's quorum.

import Faults
import Federation
import GitLedger
import Workflows

/// Why a site is not part of a round.
package struct Absence: Equatable, Sendable {
    /// The site.
    package var site: SiteID
    /// The step that it did not end: `train` or `upload`.
    package var step: StepKind
    /// The code of the fault it ended with.
    package var reason: String
    /// How often the step was tried.
    package var attempts: Int

    /// A step that fails is tried so often.
    package static let tries = 2

    package var json: JSONValue {
        [
            "site": .string(site.name), "step": .string(step.rawValue), "reason": .string(reason),
            "attempts": .integer(Int64(attempts)),
        ]
    }

    package init(site: SiteID, step: StepKind, reason: String, attempts: Int) {
        self.site = site
        self.step = step
        self.reason = reason
        self.attempts = attempts
    }

    /// Reads a row of a record.
    init(_ row: RecordReader) throws(Fault) {
        site = try row.site("site")
        guard let kind = StepKind(rawValue: try row.text("step")), StepKind.ofSite.contains(kind) else {
            throw Fault(
                .ledger, "ledger.bad-record", "an absent site did not end a step that no site takes",
                at: Place(file: row.path, commit: row.commit),
                mend: "Fetch the run again from a copy whose verification passes.", cause: .badRecord)
        }
        step = kind
        reason = try row.text("reason")
        attempts = try row.int("attempts")
    }

    /// The absences that a record of the score or the aggregate step names; none where the workflow has no quorum.
    package static func all(in record: RecordReader) throws(Fault) -> [Absence] {
        guard record["absent"] != nil else { return [] }
        var absences: [Absence] = []
        for row in try record.list("absent") { absences.append(try Absence(row)) }
        return absences
    }

    /// The absences of a round as its commits hold them: with the average, or before it with the scores; nil where neither is there yet.
    package static func recorded(_ round: Int, in commit: CommitID, _ ledger: Ledger) throws(Fault) -> [Absence]? {
        for step in [StepKind.aggregate, .score] {
            let path = step.record(round: round)
            guard let bytes = try ledger.file(path, of: commit) else { continue }
            return try all(in: RecordReader(parsing: bytes, path: path, commit: commit.hex))
        }
        return nil
    }
}

extension Fault {
    /// `run.below-quorum`: too few uploads can be used.
    package static func belowQuorum(_ round: Int, present: Int, quorum: Int, _ absent: [Absence], _ leftOut: [LeftOut])
        -> Fault
    {
        let missing = absent.map { "\($0.site) (\($0.reason))" } + leftOut.map { "\($0.site) (\($0.reason))" }
        return Fault(
            .failed, "run.below-quorum",
            "round \(round) has \(present) uploads that can be used, the quorum is \(quorum); missing: \(missing.joined(separator: ", "))",
            mend: "Mend what keeps the sites away and go on with --resume; nothing of the round is lost.")
    }
}
