// RunEvent: what a run tells whoever watches it. Printing is left to the command line.

import Federation
import GitLedger
import Reports
import RunRecords

/// Something that happened in a run, in order.
public enum RunEvent: Sendable {
    /// The run begins, or goes on with `done` steps already committed.
    case opened(run: RunName, plan: Digest, done: Int)
    /// A step begins; `owner` is the site or cohort.
    case started(round: Int, step: StepKind, owner: String?)
    /// How far the current step is; `detail` is a short figure such as `loss 1.23`.
    case progressed(done: Int, total: Int, unit: String, detail: String)
    /// A step was committed.
    case committed(round: Int, step: StepKind, owner: String?, subject: String, commit: String)
    /// Who is waited for, again and again while the coordinator waits; nil when the wait is over.
    case waiting(WaitingTable?)
    /// Something a person should know, such as records that were cut.
    case noted(String)
}
