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
    /// The site or the cohort that the commit belongs to. What a site does for a cohort belongs to the cohort.
    package var owner: String? {
        let cohort = trailer(StepRules.Owner.cohort.rawValue)
        if kind?.rules.owner == .cohort { return cohort }
        return trailer(StepRules.Owner.site.rawValue) ?? cohort
    }
    /// The site that made the commit; nil where the coordinator did.
    package var site: SiteID? { trailer(StepRules.Owner.site.rawValue).flatMap(SiteID.init) }
    /// On a site's line, the commit before it: what grows from a publish goes on with its second parent.
    package var beforeOnSiteLine: CommitID? {
        guard kind?.rules.parents.growsFromPublish == true else { return parents.first }
        return parents.count > 1 ? parents[1] : nil
    }
    /// The step that the commit says it is; nil where a trailer is none of the table's.
    package var step: PlannedStep? {
        guard let kind, let round else { return nil }
        return PlannedStep(round, kind, owner)
    }
}
