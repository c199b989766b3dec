// LateUpload: an upload that came when its round had gone on without it. It is on its site's line, and no average holds it.

import Faults
import Federation
import GitLedger
import Workflows

/// An upload of an earlier round on a line that an aggregate merges.
package struct LateUpload: Equatable, Sendable {
    package var site: SiteID
    package var round: Int

    /// The row of an aggregate's record.
    package var json: JSONValue { ["site": .string(site.name), "round": .integer(Int64(round))] }

    /// What is late on the lines that an aggregate merges, by site and round; nil where the plan has no deadline.
    ///
    /// `before` is the commit of the main line that the aggregate follows: a step whose record is in its tree was merged in time, and so was
    /// all before it on the site's line.
    package static func all(
        in plan: Plan, round: Int, merged: some Sequence<CommitID>, before: CommitID, _ ledger: Ledger
    ) throws(Fault) -> [LateUpload]? {
        guard plan.declaration.deadline != nil else { return nil }
        var late: [LateUpload] = []
        for tip in merged {
            var own: [LateUpload] = []
            var next: CommitID? = tip
            while let id = next {
                let commit = try ledger.read(id)
                guard let step = commit.step, let site = commit.site, step.round <= round else { break }
                // What a site scored of its own notes is late for no average.
                if step.round < round, StepKind.ofSite.contains(step.kind) {
                    if try ledger.blob(step.record, of: before) != nil { break }
                    if step.kind == .upload { own.append(LateUpload(site: site, round: step.round)) }
                }
                next = commit.beforeOnSiteLine
            }
            late += own.reversed()
        }
        return late
    }
}
