// The plan: the root of a run; it says what will be done, before anything is done.

import Faults

extension StepRules {
    static let plan = StepRules(
        kind: .plan, actor: .coordinator, line: .main, owner: nil, parents: .none,
        files: [
            File(RunPath.workflow, in: .root, .written), File(RunPath.template, in: .root, .written),
            File(RunPath.plan, in: .root, .plan),
        ],
        record: nil, summary: { _ throws(Fault) in "" },
        recomputed: [
            "the workflow with every override resolves to the plan",
            "workflow and template have the digests of the plan",
        ])
}
