// Publish: what leaves the coordinator for the sites: the plan as they see it, then each round's adapter with a receipt for every upload.

import Faults

extension StepRules {
    static let publish = StepRules(
        kind: .publish, actor: .coordinator, line: .published, owner: nil, parents: .before,
        files: [
            File(RunPath.published, in: .root, .record),
            File(RunPath.plan, in: .root, .view, only: "with the plan, in round 0"),
            File(RunPath.global, in: .root, .adapter, only: "from round 1 on"),
        ],
        record: RecordShape(
            RecordShape.head(.publish, owner: nil) + [
                .init("publish_version", .count(1...1), .recomputed, "1"),
                .init("plan_sha256", .digest, .recomputed, "the whole plan, which the coordinator keeps"),
                .init(
                    "adapter_sha256", .digest, .recomputed, .optional("from round 1 on"),
                    "the adapter that the aggregate published"),
                .init("bytes", .count(), .recomputed, .optional("from round 1 on"), "its length"),
                .init(
                    "receipts",
                    .list(
                        .object(
                            RecordShape([
                                .init("site", .site, .recomputed, "a site whose upload arrived, in site order"),
                                .init(
                                    "weight", .sealed, .recomputed,
                                    "the eight bytes of its weight, 0 where it was left out, sealed under its upload's digest"
                                ),
                                .init(
                                    "receipt", .digest, .recomputed,
                                    "a keyed digest of round, site and weight under its upload's digest"),
                            ]))), .inside, .optional("from round 1 on"),
                    "what each site can read of itself, and nobody else"),
            ]),
        summary: { record throws(Fault) in
            guard record["adapter_sha256"] != nil else {
                return "publish plan \(try record.digest("plan_sha256").hex.prefix(12))"
            }
            return "publish round \(try record.int("round")): adapter "
                + "\(try record.digest("adapter_sha256").hex.prefix(12)), \(Figures.bytes(try record.int("bytes")))"
        },
        recomputed: [
            "the plan is the main line's as sites see it; the adapter is the one that the round's aggregate published",
            "Source and Source-State-SHA256 are that commit of the main line and its state",
            "every receipt",
        ])
}
