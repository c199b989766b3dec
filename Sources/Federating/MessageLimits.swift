// MessageLimits: what a message may hold at most, from what is known of the plan.

import Federation
import GitLedger
import ModelFiles
import Workflows

enum MessageLimits {
    /// No object is larger than all adapters in float32 with some room, or than the record of a long training; before anything is known of the
    /// adapter, than a call.
    static func of(_ plan: Plan?) -> ReceivingLimits {
        let numbers =
            plan.map { plan in
                AdapterFile.expected(sizes: plan.inputs.model.sizes, configuration: plan.declaration.adapter)
                    .reduce(0) { $0 + $1.shape.reduce(1, *) }
            } ?? 0
        // A published adapter may be made of all uploads together.
        let object = max(32 << 20, numbers * 4 * ((plan?.declaration.sites.count ?? 0) + 1) + 1 << 20)
        return ReceivingLimits(object: object, pack: object * 8, count: 20_000)
    }
}
