// Score: the coordinator's validation loss of the base model with each upload.

import Faults

extension StepRules {
    static let score = StepRules(
        kind: .score, actor: .coordinator, line: .main, owner: nil, parents: .before, files: recordFiles,
        record: RecordShape(
            RecordShape.head(.score, owner: nil) + [
                .init("measure", .word(ScoreMeasure.allCases.map(\.rawValue)), .planned, "how uploads are rated"),
                .init(
                    "numerics", .word(Numerics.allCases.map(\.rawValue)), .planned,
                    "the class of numerics that computed it"),
                .init(
                    "loss_on", .word(LossScope.allCases.map(\.rawValue)), .planned, "the tokens that a loss covers"),
                .init("records", .count(), .planned, "validation records"),
                .init(
                    "labels", .list(.count(1...Count.range.upperBound)), .claimed,
                    "of each validation record, how many tokens its loss covers"),
                .init(
                    "coalition_losses",
                    .list(.real(RecordShape.loss), atMost: 1 << CoalitionValues.mostUploads), .claimed,
                    .optional("only with the measure `shapley`"),
                    "the loss of the merge of every subset of the uploads, bit k of its place for the k-th; the first is that of the round's start"
                ),
                .init("validation_commitment", .digest, .planned, "the validation records"),
                .init(
                    "scores",
                    .list(
                        .object(
                            RecordShape([
                                .init("site", .site, .recomputed, "a site whose upload arrived"),
                                .init(
                                    "loss", .real(RecordShape.loss), .recomputed, .optional("not where `left_out`"),
                                    "mean cross-entropy in nats"),
                                .init(
                                    "losses", .list(.real(0...1e9)), .claimed, .optional("not where `left_out`"),
                                    "of each validation record, the sum of its cross-entropies in nats"),
                                .init(
                                    "shapley", .real(), .recomputed, .optional("only with the measure `shapley`"),
                                    "its Shapley value in nats"),
                                .init(
                                    "banzhaf", .real(), .recomputed, .optional("only with the measure `shapley`"),
                                    "its Banzhaf value in nats"),
                                .init(
                                    "label_tokens", .count(1...Count.range.upperBound), .recomputed,
                                    .optional("not where `left_out`"),
                                    "over how many labels; the same number in all rows"),
                                .init(
                                    "adapter_sha256", .digest, .recomputed, .optional("not where `left_out`"),
                                    "the upload that was scored"),
                                .init(
                                    "left_out", .code, .claimed, .optional("only where the loss is not finite"),
                                    "in place of the loss: the reason"),
                            ]))), .inside, "one row for each upload, in site order"),
                .init(
                    "overlapping_documents", .count(), .planned, .optional("only where the workflow allows it"),
                    "validation documents that are in training too"),
                RecordShape.absent,
            ]),
        summary: { record throws(Fault) in
            var parts: [String] = []
            for row in try record.list("scores") {
                let site = try row.site("site")
                if let reason = row["left_out"]?.text {
                    parts.append("\(site) left out (\(reason))")
                } else {
                    parts.append("\(site) \(Figures.fixed(try row.double("loss"), 3))")
                }
            }
            return ": " + (parts.isEmpty ? "nothing to score" : parts.joined(separator: ", "))
        },
        recomputed: [
            "each score is of an upload of the round, on the validation records of the plan",
            "the mean losses from those by record, Shapley and Banzhaf values from the losses of the merges",
        ])
}
