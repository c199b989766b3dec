// Collect: the cards that sites made of their own cohorts, brought to the main line at the end of a run, and those that are missing.

import Faults

extension StepRules {
    private static let whose: [RecordShape.Field] = [
        .init("round", .count(), .recomputed, "the round that was scored"),
        .init("cohort", .cohort, .recomputed, "the cohort"),
        .init("site", .site, .recomputed, "the site that has its notes"),
    ]

    static let collect = StepRules(
        kind: .collect, actor: .coordinator, line: .main, owner: nil, parents: .beforeAndCards, files: recordFiles,
        record: RecordShape(
            RecordShape.head(.collect, owner: nil) + [
                .init(
                    "cards",
                    .list(
                        .object(
                            RecordShape(
                                whose + [
                                    .init(
                                        "record_sha256", .digest, .recomputed,
                                        "the record of the evaluation at the site")
                                ]))), .inside, "one row for each evaluation at a site that was made, as planned"),
                .init(
                    "absent",
                    .list(
                        .object(
                            RecordShape(
                                whose + [
                                    .init("reason", .code, .claimed, "the fault's code; `run.no-card` without one")
                                ]
                            ))), .inside, "one row for each that was planned and is missing"),
            ]),
        summary: { record throws(Fault) in
            let cards = try record.list("cards").count
            let absent = try record.list("absent").count
            return ": \(cards) card\(cards == 1 ? "" : "s") made at sites" + (absent > 0 ? ", \(absent) missing" : "")
        },
        recomputed: [
            "the cards are all evaluations of the lines that it merges, with the digests of their records",
            "what is missing is every other evaluation at a site that the plan asks for",
        ])
}
