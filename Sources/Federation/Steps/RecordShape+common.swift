// Parts of records that several kinds share: the first fields, reasons, absences, score cards and the timing file.

extension RecordShape {
    /// Mean cross-entropies in nats; a softmax over 2^20 tokens in float32 cannot give a larger one.
    static let loss = 0.0...1e6

    /// The fields that every record of a round begins with.
    static func head(_ kind: StepKind, owner: StepRules.Owner?) -> [Field] {
        var fields: [Field] = [
            .init("step", .word([kind.rawValue]), .recomputed, "the kind"),
            .init("round", .count(), .recomputed, "the round, from 1; 0 for the base model"),
        ]
        switch owner {
        case .site: fields.append(.init("site", .site, .recomputed, "the site"))
        case .cohort: fields.append(.init("cohort", .cohort, .recomputed, "the cohort"))
        case nil: break
        }
        return fields
    }

    static let reason = Form.object(RecordShape([.init("code", .code, .claimed, "the fault's code")]))

    static let reasonOfTensor = Form.object(
        RecordShape([
            .init("code", .code, .recomputed, "the fault's code"),
            .init("tensor", .tensor, .claimed, .optional("where one is the cause"), "the tensor that is not finite"),
        ]))

    static let absent = Field(
        "absent",
        .list(
            .object(
                RecordShape([
                    .init("site", .site, .claimed, "a site without which the round continues"),
                    .init(
                        "step", .word([StepKind.train.rawValue, StepKind.upload.rawValue]), .claimed,
                        "the step that the site did not finish"),
                    .init("reason", .code, .claimed, "the fault's code"),
                    .init("attempts", .count(1...2), .claimed, "how often the step was tried"),
                ]))), .inside, .optional("only with a `quorum`"), "one row for each absent site")

    static let late = Field(
        "late",
        .list(
            .object(
                RecordShape([
                    .init("site", .site, .recomputed, "a site whose line is merged, in site order"),
                    .init("round", .count(), .recomputed, "the earlier round, which went on without the upload"),
                ]))), .inside, .optional("only with a `deadline`"),
        "uploads that came too late and are on the lines that this commit merges; never averaged")

    /// Six figures computed from three counts.
    static let counts = Form.object(
        RecordShape([
            .init("true_positives", .count(), .recomputed, "right"),
            .init("false_positives", .count(), .recomputed, "predicted and wrong"),
            .init("false_negatives", .count(), .recomputed, "missed"),
            .init("precision", .real(0...1), .recomputed, "right of those predicted"),
            .init("recall", .real(0...1), .recomputed, "right of those annotated"),
            .init("f1", .real(0...1), .recomputed, "their harmonic mean"),
        ]))

    static let card: [Field] = [
        .init("task", .word(ExtractionTask.allCases.map(\.rawValue)), .planned, "`ner` or `re`"),
        .init("records", .count(), .planned, "answers scored"),
        .init(
            "types",
            .byType(
                RecordShape([
                    .init("strict", counts, .inside, "span and type right"),
                    .init("lenient", counts, .inside, "spans overlap, type right"),
                ])), .inside, "the counts of each type"),
        .init(
            "micro",
            .object(
                RecordShape([
                    .init("strict", counts, .inside, "over all types: span and type right"),
                    .init("exact", counts, .inside, "span right"),
                    .init("lenient", counts, .inside, "spans overlap, type right"),
                    .init("overlap", counts, .inside, "spans overlap"),
                ])), .inside, "the counts over all types"),
        .init(
            "macro_f1",
            .object(
                RecordShape([
                    .init("strict", .real(0...1), .recomputed, "mean strict F1 of the types that occur"),
                    .init("lenient", .real(0...1), .recomputed, "mean lenient F1 of the types that occur"),
                ])), .inside, "means over types"),
        .init("foreign_class", .count(), .recomputed, "predictions of an unknown type"),
        .init("not_annotated", .count(), .claimed, "predictions of a type that the cohort does not annotate"),
        .init("nowhere", .count(), .claimed, "predictions whose text was not found in the input"),
        .init(
            "markup_faults",
            .object(
                RecordShape(
                    ["unclosed", "stray_close", "unknown_type", "malformed_tag", "truncated_tag", "empty"].map {
                        .init($0, .count(), .claimed, "answers with such a mark")
                    })), .inside, "marks that cannot be read"),
    ]

    static let drawn: [Field] = [
        .init(
            "by_document", .list(.fourCounts), .claimed,
            "one row for each document: gold, predicted, strictly right, leniently right"),
        .init(
            "intervals",
            .object(
                RecordShape([
                    .init("level", .real(0...1), .recomputed, "0.95"),
                    .init("resamples", .count(), .recomputed, "how many resamples"),
                    .init("unit", .word(["document"]), .recomputed, "what is resampled"),
                    .init("strict", .list(.real(0...1), atMost: 2), .recomputed, "the interval of strict micro F1"),
                    .init("lenient", .list(.real(0...1), atMost: 2), .recomputed, "the interval of lenient micro F1"),
                ])), .inside, "the 95% intervals over resampled documents"),
    ]

    /// The makers of processors, by the names that cpuid gives.
    package static let vendors = ["AuthenticAMD", "GenuineIntel", "HygonGenuine", "CentaurHauls", "unknown"]

    /// timing.json: written beside every record of a round, never replayed, not part of State-SHA256.
    package static let timing = RecordShape([
        .init("started", .time, .claimed, "when the step began, in UTC"),
        .init("seconds", .real(0...1e9), .claimed, "duration of the step"),
        .init("threads", .count(1...65536), .claimed, "threads that the step used"),
        .init("peak_memory_bytes", .count(0...1 << 50), .claimed, "the largest resident set of the process so far"),
        .init(
            "processor",
            .object(
                RecordShape([
                    .init("vendor", .word(vendors), .claimed, "the maker, as the processor names it"),
                    .init("family", .count(0...1 << 16), .claimed, "its family number"),
                    .init("model", .count(0...1 << 16), .claimed, "its model number"),
                    .init("stepping", .count(0...1 << 16), .claimed, "its stepping"),
                ])), .inside, "the processor by numbers; its name is free text, which no file of a run holds"),
        .init("program_sha256", .digest, .claimed, "SHA-256 of the running program's file"),
        .init(
            "program_source", .source, .claimed,
            "the git commit that it was built from, with `+changes` where sources differed, or `unknown`"),
        .init(
            "records_per_second", .real(0...1e12), .claimed,
            .optional("train, evaluate; not where a train step went on from a checkpoint"),
            "over all epochs"),
        .init("tokens_per_second", .real(0...1e12), .claimed, .optional("train"), "tokens trained on per second"),
        .init("new_tokens_per_second", .real(0...1e12), .claimed, .optional("evaluate"), "tokens written per second"),
        .init(
            "waiting", waiting, .inside, .optional("aggregate; only with a `deadline`"), "the wait for other machines"),
    ])

    /// The times of a wait for sites on other machines, all by the coordinator's clock.
    private static let waiting = Form.object(
        RecordShape([
            .init("started", .time, .claimed, "when the coordinator had published what the round starts from"),
            .init("ended", .time, .claimed, "when the coordinator went on"),
            .init(
                "arrived",
                .list(
                    .object(
                        RecordShape([
                            .init("site", .site, .claimed, "a site on another machine, in site order"),
                            .init("time", .time, .claimed, "when the coordinator first held its upload"),
                        ]))), .inside, "one row for each upload that came in time"),
        ]))
}
