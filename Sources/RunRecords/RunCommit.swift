// RunCommit: author and trailers of a run's commits, as the step table has them.

import Federation
import GitLedger

package enum RunCommit {
    /// Author and committer of every commit of a run.
    package static let author = CommitAuthor(name: "MedRounds", email: "medrounds@localhost")

    /// The trailers of a commit without the last, State-SHA256, which the ledger writes. `plan` is the digest of the plan, or of the call
    /// before there is a plan; `site` is the site whose line it is; `source` is what a publish is made from.
    package static func trailers(
        _ kind: StepKind, run: RunName, round: Int, owner: String?, site: SiteID? = nil, plan: Digest,
        source: CommitRecord? = nil
    ) -> [Trailer] {
        kind.rules.trailers.dropLast().map { key in
            switch key {
            case "Run": Trailer(key, run.name)
            case "Round": Trailer(key, String(round))
            case "Step": Trailer(key, kind.rawValue)
            case "Site": Trailer(key, site?.name ?? owner ?? "")
            case "Plan-SHA256", "Call-SHA256": Trailer(key, plan.hex)
            case "Source": Trailer(key, source?.id.hex ?? "")
            case "Source-State-SHA256": Trailer(key, source?.trailer("State-SHA256") ?? "")
            default: Trailer(key, owner ?? "")
            }
        }
    }

    /// The subject of a plan's commit: its name, and its sites and rounds in words.
    package static func planSubject(_ declaration: FederationDeclaration) -> String {
        let (sites, rounds) = (declaration.sites.count, declaration.rounds)
        return
            "plan \(declaration.name): \(sites) site\(sites == 1 ? "" : "s"), \(rounds) round\(rounds == 1 ? "" : "s")"
    }

    /// The body of a plan's commit: the workflow's own description, without empty lines, which would end the paragraph.
    package static func planBody(_ declaration: FederationDeclaration) -> String {
        declaration.summary.split(separator: "\n").joined(separator: "\n")
    }
}
