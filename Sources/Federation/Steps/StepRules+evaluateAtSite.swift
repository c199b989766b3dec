// Evaluate at a site: a cohort whose notes are at a site, decoded and scored there with the published adapter. The card alone leaves the site.

import Faults

extension StepRules {
    static let evaluateAtSite = StepRules(
        kind: .evaluateAtSite, actor: .site, line: .site, owner: .cohort, parents: .ownPublishAndBefore,
        files: recordFiles,
        record: RecordShape(
            RecordShape.head(.evaluateAtSite, owner: .cohort)
                + [.init("site", .site, .planned, "the site that has the notes")] + RecordShape.evaluation),
        summary: { record throws(Fault) in
            " at \(try record.site("site"))\(try evaluationSummary(record))"
        },
        recomputed: [
            "precision, recall, F1, averages and intervals from the counts",
            "the adapter is the one that was published for the round, which the commit's tree holds",
            "records, commitment and decoding are those of the plan",
        ])
}
