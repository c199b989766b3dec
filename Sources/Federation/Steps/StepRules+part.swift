// Part: what one site found of its own notes and on its own machine: counts, commitments and digests, from which the plan is put together.

import Faults

extension StepRules {
    static let part = StepRules(
        kind: .part, actor: .site, line: .answers, owner: .site, parents: .call,
        files: [File(RunPath.part, in: .root, .record)],
        record: RecordShape(
            RecordShape.head(.part, owner: .site) + [
                .init("part_version", .count(1...1), .recomputed, "1"),
                .init("engine_version", .ofPlan, .recomputed, "the engine at the site; that of the plan"),
                .init("model", .ofPlan, .recomputed, "the base model at the site; that of the plan"),
                .init("tokenizer_digest", .digest, .recomputed, "its tokenizer"),
                .init("template_digest", .digest, .recomputed, "the template of the call"),
                .init(
                    "numerics", .word(Numerics.allCases.map(\.rawValue)), .recomputed,
                    "the class of numerics that the site will compute in"),
                .init("datasets", .ofPlan, .recomputed, "the site's sources, as the plan repeats them"),
            ]),
        summary: { record throws(Fault) in
            var records = 0
            for row in try record.list("datasets") { records += try row.int("records") }
            return "part of \(try record.site("site")): \(records) record\(records == 1 ? "" : "s")"
        },
        recomputed: ["the plan says of the site what the part says, and no more"])
}
