// The plan: where the main line begins; what will be done, put together from the parts of the sites before anything is done.

import Faults

extension StepRules {
    static let plan = StepRules(
        kind: .plan, actor: .coordinator, line: .main, owner: nil, parents: .callAndParts,
        files: [
            File(RunPath.workflow, in: .root, .written), File(RunPath.template, in: .root, .written),
            File(RunPath.plan, in: .root, .plan),
        ],
        record: nil, summary: { _ throws(Fault) in "" },
        recomputed: [
            "the workflow with every override resolves to the plan",
            "each site's part says what the plan says of it; the call is the plan as sites see it, without notes",
            "workflow and template have the digests of the plan",
        ])
}
