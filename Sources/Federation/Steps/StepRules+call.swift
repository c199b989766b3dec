// Call: the root of a run. The coordinator says to the sites what is asked, before anybody has looked at a note.

import Faults

extension StepRules {
    static let call = StepRules(
        kind: .call, actor: .coordinator, line: .published, owner: nil, parents: .none,
        files: [File(RunPath.call, in: .root, .record), File(RunPath.template, in: .root, .written)],
        record: RecordShape(
            RecordShape.head(.call, owner: nil) + [
                .init("call_version", .count(1...1), .recomputed, "1"),
                .init("plan", .ofPlan, .recomputed, "the plan as sites see it, without what is known of notes"),
            ]),
        summary: { record throws(Fault) in
            let workflow = try record.object("plan").object("workflow")
            let (sites, rounds) = (workflow["sites"]?.members?.count ?? 0, try workflow.int("rounds"))
            return "call \(try workflow.text("name")): \(sites) site\(sites == 1 ? "" : "s"), "
                + "\(rounds) round\(rounds == 1 ? "" : "s")"
        },
        recomputed: ["it follows from the plan; the template has the plan's digest"])
}
