// What the trailers of a commit say of its step, read as the step table writes them.

import Federation
import GitLedger

extension CommitRecord {
    /// The kind that the commit says it is; nil for any other word.
    package var kind: StepKind? { trailer("Step").flatMap(StepKind.init(rawValue:)) }
    /// The round, in the one way of writing it; nil for anything else, also for one that no workflow can ask for.
    package var round: Int? {
        guard let text = trailer("Round"), text.utf8.count <= 7, let round = Int(text), String(round) == text,
            round >= 0
        else { return nil }
        return round
    }
    /// The site or the cohort that the commit belongs to.
    package var owner: String? { trailer(StepRules.Owner.site.rawValue) ?? trailer(StepRules.Owner.cohort.rawValue) }
    /// The step that the commit says it is; nil where a trailer is none of the table's.
    package var step: PlannedStep? {
        guard let kind, let round else { return nil }
        return PlannedStep(round, kind, owner)
    }
}
