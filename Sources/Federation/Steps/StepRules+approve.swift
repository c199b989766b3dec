// Approve: a site answers to the plan of a run, or withdraws its answer.

import Faults

extension StepRules {
    package static let approve = StepRules(
        kind: .approve, actor: .siteOrApprover, line: .answers, owner: .site, parents: .beforeOrPart,
        files: [File(RunPath.approval, in: .root, .record)],
        record: RecordShape([
            .init("approval_version", .count(1...1), .recomputed, "1"),
            .init("run", .ofPlan, .recomputed, "the run"),
            .init("site", .site, .recomputed, "the site that answers"),
            .init("status", .word(["approved", "withdrawn"]), .claimed, "the answer"),
            .init("plan_sha256", .digest, .recomputed, "the SHA-256 of plan.json"),
            .init("previous", .ofPlan, .claimed, "the run whose plan the site approved last, or null"),
        ]),
        summary: { record throws(Fault) in
            let verb = try record.text("status") == "approved" ? "approve" : "withdraw"
            return "\(verb) plan \(try record.digest("plan_sha256").hex.prefix(12)) for \(try record.site("site"))"
        },
        recomputed: ["run, site and plan are those of the line"])
}
