// Evaluate: a cohort decoded with the published adapter, or with the base model in round 0, and scored.

import Faults

extension StepRules {
    static let evaluate = StepRules(
        kind: .evaluate, actor: .coordinator, line: .main, owner: .cohort, parents: .before, files: recordFiles,
        record: RecordShape(RecordShape.head(.evaluate, owner: .cohort) + RecordShape.evaluation),
        summary: { record throws(Fault) in try evaluationSummary(record) },
        recomputed: [
            "precision, recall, F1, averages and intervals from the counts", "the adapter is the published one",
            "records, commitment and decoding are those of the plan",
        ])

    /// `: strict F1 0.512, lenient F1 0.640 (48 records)`.
    static func evaluationSummary(_ record: RecordReader) throws(Fault) -> String {
        func figures(_ card: RecordReader) throws(Fault) -> String {
            let micro = try card.object("micro")
            return "strict F1 \(Figures.fixed(try micro.object("strict").double("f1"), 3)), "
                + "lenient F1 \(Figures.fixed(try micro.object("lenient").double("f1"), 3))"
        }
        var parts: [String] = []
        if record["scores"] != nil { parts.append(try figures(record.object("scores"))) }
        if record["relation_scores"] != nil {
            parts.append("relations \(try figures(record.object("relation_scores").object("pairs")))")
        }
        return ": \(parts.joined(separator: ", ")) (\(try record.int("records")) records)"
    }
}

extension RecordShape {
    /// What every evaluation says beside whose it is.
    static let evaluation: [Field] = [
        .init(
            "settings",
            .object(
                RecordShape([
                    .init("max_new_tokens", .count(), .planned, "the most new tokens of a record"),
                    .init(
                        "decoding", .word(["greedy"]), .recomputed,
                        "the batch size changes no result and is not recorded"),
                    .init(
                        "heads", .word(HeadSource.allCases.map(\.rawValue)), .planned,
                        "the heads that relation extraction was asked about"),
                ])), .inside, "how it was decoded"),
        .init(
            "numerics", .word(Numerics.allCases.map(\.rawValue)), .planned,
            "the class of numerics that computed it"),
        .init(
            "input",
            .object(
                RecordShape([
                    .init(
                        "adapter_sha256", .orNull(.digest), .recomputed,
                        "the published adapter; null for the base model"),
                    .init("dataset_commitment", .digest, .planned, "the cohort's records"),
                ])), .inside, "what went in"),
        .init("records", .count(), .planned, "the cohort's records"),
        .init("documents", .count(), .planned, "documents of the corpus"),
        .init("truncated_records", .count(), .planned, "records cut to `max_length`"),
        .init(
            "generation",
            .object(
                RecordShape([
                    .init(
                        "records", .count(), .recomputed,
                        "records decoded; others than the cohort's where heads are predicted"),
                    .init("new_tokens", .count(), .claimed, "tokens written"),
                    .init(
                        "cut_at_max_new_tokens", .count(), .claimed, "answers that did not end by themselves"),
                    .init("cut_in_a_loop", .count(), .claimed, "answers cut because the model repeated itself"),
                ])), .inside, "what was written"),
        .init(
            "predictions_commitment", .digest, .claimed, "HMAC of the predictions file, under the cohort's key"),
        .init(
            "scores", .object(RecordShape(RecordShape.card + RecordShape.drawn)), .inside,
            .optional("where the cohort's tasks have `ner`"), "the card of named entity recognition"),
        .init(
            "whole_words",
            .object(
                RecordShape([
                    .init("rule", .word([BoundaryRule.wholeWords]), .recomputed, "the rule and its version"),
                    .init(
                        "scores", .object(RecordShape(RecordShape.card + RecordShape.drawn)), .inside,
                        "the card of the moved mentions"),
                ])), .inside, .optional("as `scores`"),
            "the same answers with each mention moved to whole words and without final punctuation"),
        .init(
            "relation_scores",
            .object(
                RecordShape([
                    .init("heads", .word(HeadSource.allCases.map(\.rawValue)), .planned, "as in `settings`"),
                    .init(
                        "pairs", .object(RecordShape(RecordShape.card + RecordShape.drawn)), .inside,
                        "the card of pairs of head and modifier"),
                    .init(
                        "modifiers_alone", .object(RecordShape(RecordShape.card)), .inside,
                        "the card of modifiers, with any head"),
                ])), .inside, .optional("where the cohort's tasks have `re`"),
            "the cards of relation extraction"),
        .init(
            "published_counting",
            .byTask(
                RecordShape([
                    .init("strict", RecordShape.counts, .inside, "strict counts"),
                    .init("lenient", RecordShape.counts, .inside, "lenient counts"),
                ])), .inside, .optional("only with `compat: authors`"), "the counts of the published evaluation"
        ),
        .init(
            "overlapping_documents", .count(), .planned, .optional("only where the workflow allows it"),
            "documents that are in training too"),
    ]
}
