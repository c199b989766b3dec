// The kinds of the two lines that all runs share: the allowed signers and the list of pruned adapters.

import Faults

extension StepRules {
    static let identities = StepRules(
        kind: .identities, actor: .coordinator, line: .identities, owner: nil, parents: .before,
        files: [File(RunPath.signers, in: .root, .signers)], record: nil, summary: { _ throws(Fault) in "" },
        recomputed: ["the list only grew, each change signed by a coordinator that the commit before allows"])

    static let prune = StepRules(
        kind: .prune, actor: .coordinator, line: .pruned, owner: nil, parents: .before,
        files: [File(RunPath.pruned, in: .root, .prunedList)], record: nil, summary: { _ throws(Fault) in "" },
        recomputed: ["the list only grew; a content that is gone has the listed digest, as State-SHA256 confirms"])
}
