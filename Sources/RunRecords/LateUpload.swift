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
                guard let step = commit.step, StepKind.ofSite.contains(step.kind), step.round <= round,
                    let site = step.owner.flatMap(SiteID.init)
                else { break }
                if step.round < round {
                    if try ledger.blob(step.record, of: before) != nil { break }
                    if step.kind == .upload { own.append(LateUpload(site: site, round: step.round)) }
                }
                next = commit.before
            }
            late += own.reversed()
        }
        return late
    }
}

extension CommitRecord {
    /// The commit before this one on a site's line: a training goes on with the line in its second parent, since the first is what was published.
    package var before: CommitID? { kind == .train ? parents.dropFirst().first : parents.first }
}
