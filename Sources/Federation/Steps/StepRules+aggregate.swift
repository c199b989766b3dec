// Aggregate: the weights, the combined adapter that is published, and how many bytes were exchanged. It merges the sites' lines.

import Faults

extension StepRules {
    private static let lostShares = RecordShape.Form.object(
        RecordShape([
            .init(
                "share", .real(0...1e300), .recomputed,
                "the Frobenius norm of what was lost by that of the ideal product"),
            .init("rounding", .real(0...1e300), .recomputed, "what rounding to the published precision lost, likewise"),
        ]))

    static let aggregate = StepRules(
        kind: .aggregate, actor: .coordinator, line: .main, owner: nil, parents: .beforeAndSites,
        files: recordFiles + [File(RunPath.global, in: .root, .adapter)],
        record: RecordShape(
            RecordShape.head(.aggregate, owner: nil) + [
                .init("rule", .ofPlan, .recomputed, "name, formula and settings of the rule; computed from the plan"),
                .init(
                    "averaging", .word(Aggregation.averagings), .recomputed,
                    "how the sums are computed"),
                .init(
                    "weights",
                    .list(
                        .object(
                            RecordShape([
                                .init("site", .site, .recomputed, "a site that takes part, in site order"),
                                .init(
                                    "records", .count(), .recomputed, .optional("where sizes count in `records`"),
                                    "its size"),
                                .init(
                                    "label_tokens", .count(), .recomputed,
                                    .optional("where sizes count in `label_tokens`"), "its size"),
                                .init(
                                    "loss", .real(RecordShape.loss), .recomputed, .optional("only where it was scored"),
                                    "its score"),
                                .init("weight", .real(0...1), .recomputed, "its share in the published adapter"),
                                .init(
                                    "interval", .list(.real(0...1), atMost: 2), .recomputed,
                                    .optional("only where weights follow from losses"),
                                    "the 95% interval of the weight over resampled validation records"),
                                .init(
                                    "cosine", .real(-1...1), .recomputed, .optional("not where ranks differ"),
                                    "between its change of the product and the weighted mean of all changes"),
                                .init(
                                    "kept", .real(0...1), .recomputed, .optional("only with `clip`"),
                                    "the share of its change that clipping left; 1 where it was not clipped"),
                                .init("adapter_sha256", .digest, .recomputed, "the upload"),
                                .init("bytes", .count(), .recomputed, "its length"),
                            ]))), .inside, "one row for each site that takes part"),
                .init(
                    "lost",
                    .object(
                        RecordShape([
                            .init("all", lostShares, .inside, "over all maps"),
                            .init(
                                "maps",
                                .object(
                                    RecordShape(
                                        LinearMap.allCases.map {
                                            .init(
                                                $0.rawValue, lostShares, .inside, .optional("where it is adapted"),
                                                "over all layers")
                                        })), .inside, "by kind of map"),
                        ])), .inside,
                    "what the published adapter lost of the weighted mean of the products ([aggregation.md](aggregation.md))"
                ),
                .init(
                    "influence",
                    .object(
                        RecordShape([
                            .init(
                                "reliability", .real(0...1), .recomputed,
                                "max(0, 1 - se^2 / var): how much of the losses' differences is more than noise"),
                            .init(
                                "standard_error", .real(), .recomputed, .optional("of two validation records or more"),
                                "se of a loss's difference from the others, in nats"),
                            .init("spread", .real(), .recomputed, "the standard deviation of the losses, in nats"),
                        ])), .inside, .optional("only where weights follow from losses"),
                    "how sure the losses' differences are"),
                .init(
                    "left_out",
                    .list(
                        .object(
                            RecordShape([
                                .init("site", .site, .recomputed, "a site whose upload cannot be used"),
                                .init("reason", .code, .recomputed, "the code of the reason"),
                            ]))), .inside, "one row for each site that is left out"),
                .init(
                    "exchange",
                    .object(
                        RecordShape([
                            .init("uploaded_bytes", .count(), .recomputed, "all uploads that were used"),
                            .init("downloaded_bytes", .count(), .recomputed, "the published adapter, once per site"),
                            .init(
                                "full_model_bytes", .count(0...1 << 60), .recomputed,
                                "the same transfers with the whole model"),
                            .init("share_saved", .real(-1e12...1), .recomputed, "the share saved"),
                        ])), .inside, "what was exchanged"),
                .init(
                    "output",
                    .object(
                        RecordShape([
                            .init("adapter_sha256", .digest, .recomputed, "the published adapter"),
                            .init("bytes", .count(), .recomputed, "its length"),
                            .init(
                                "precision", .word(UploadPrecision.allCases.map(\.rawValue)), .planned,
                                "its number format"),
                        ])), .inside, "what is published"),
                .init("quorum", .count(), .planned, .optional("only with a `quorum`"), "the plan's number"),
                RecordShape.absent,
                RecordShape.late,
            ]),
        summary: { record throws(Fault) in
            var parts: [String] = []
            for row in try record.list("weights") {
                parts.append("\(try row.site("site")) \(Figures.fixed(try row.double("weight"), 3))")
            }
            if record["absent"] != nil {
                for row in try record.list("absent") { parts.append("\(try row.site("site")) absent") }
            }
            return " \(try record.object("rule").text("name")): \(parts.joined(separator: ", "))"
        },
        recomputed: [
            "weights from sizes and scores", "the published adapter, bit for bit", "what it lost", "the whole record",
        ])
}
