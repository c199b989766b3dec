// ValidationLoss: the coordinator's validation loss of any adapter, for explanations.

import Engine
import Faults
import Federation
import GitLedger

extension RunContext {
    /// The validation loss of base + an adapter, all on one packed set of records. Throws `replay.other-plan` where the plan here is not the
    /// run's.
    public func validationLoss(
        of run: RunName, in ledger: Ledger
    ) throws(Fault) -> (Adapter) throws(Fault) -> Double? {
        try Replayer(run: run, ledger: ledger).checkPlan(self)
        let scorer = try Scorer(model(), sequences: validation().sequences, threads: threads)
        return { (adapter: Adapter) throws(Fault) in
            try self.checkInterruption()
            return try scorer.score(adapter).mean
        }
    }
}
