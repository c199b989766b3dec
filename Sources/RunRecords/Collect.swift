// Collect: the evaluations that sites made of their own cohorts, as their lines hold them, and the record that brings them to the main line.

import Digests
import Faults
import Federation
import GitLedger
import Workflows

/// The evaluations at sites that some commits lead to.
package struct SiteCards: Sendable {
    /// One evaluation that a site made.
    package struct Card: Sendable {
        package var step: PlannedStep
        package var site: SiteID
        package var commit: CommitID
    }
    /// What was made of what the plan asks for, in the order of the steps.
    package let made: [Card]
    /// What was not.
    package let missing: [(step: PlannedStep, site: SiteID)]
    /// The last evaluation of each site that made one, in site order.
    package let ends: [CommitID]

    /// Walks each site's line back from one commit of it. Throws the ledger's faults.
    package init(_ declaration: FederationDeclaration, from heads: [CommitID], _ ledger: Ledger) throws(Fault) {
        let planned = RunTable.siteEvaluations(declaration)
        var found: [PlannedStep: (site: SiteID, commit: CommitID)] = [:]
        var ends: [SiteID: CommitID] = [:]
        for head in planned.isEmpty ? [] : heads {
            var next: CommitID? = head
            var seen: Set<CommitID> = []
            while let id = next, seen.insert(id).inserted {
                let commit = try ledger.read(id)
                guard let site = commit.site, let step = commit.step else { break }
                if step.kind == .evaluateAtSite {
                    if ends[site] == nil { ends[site] = id }
                    if found[step] == nil { found[step] = (site, id) }
                }
                next = commit.beforeOnSiteLine
            }
        }
        made = planned.compactMap { step, site in
            found[step].flatMap { $0.site == site ? Card(step: step, site: site, commit: $0.commit) : nil }
        }
        missing = planned.filter { found[$0.step]?.site != $0.site }
        self.ends = declaration.sites.compactMap { ends[$0.id] }
    }

    /// What the sites' lines of a run hold.
    package init(_ declaration: FederationDeclaration, of run: RunName, _ ledger: Ledger) throws(Fault) {
        var heads: [CommitID] = []
        for site in declaration.sites.map(\.id) {
            if let tip = try ledger.tip(.site(run, site)) { heads.append(tip) }
        }
        try self.init(declaration, from: heads, ledger)
    }

    /// record.json of an evaluation.
    package static func bytes(_ card: Card, _ ledger: Ledger) throws(Fault) -> [UInt8] {
        guard let bytes = try ledger.file(card.step.record, of: card.commit) else {
            throw .missingFile(card.step.record, card.commit.hex)
        }
        return bytes
    }
}

package enum CollectStep {
    /// Why a card is missing where nothing is known but that.
    package static let noCard = "run.no-card"

    /// The record, made for the run and its check alike. `reasons` says why a step has no card.
    package static func record(
        round: Int, _ cards: SiteCards, reasons: [PlannedStep: String], _ ledger: Ledger
    ) throws(Fault) -> JSONValue {
        func row(_ step: PlannedStep, _ site: SiteID, _ name: String, _ value: String) -> JSONValue {
            [
                "round": .integer(Int64(step.round)), "cohort": .string(step.owner ?? ""),
                "site": .string(site.name), name: .string(value),
            ]
        }
        var made: [JSONValue] = []
        for card in cards.made {
            made.append(
                row(card.step, card.site, "record_sha256", try Digest.sha256(SiteCards.bytes(card, ledger)).hex))
        }
        return [
            "step": .string(StepKind.collect.rawValue), "round": .integer(Int64(round)), "cards": .array(made),
            "absent": .array(
                cards.missing.map { row($0.step, $0.site, "reason", reasons[$0.step] ?? noCard) }),
        ]
    }

    package static func compute(
        round: Int, _ cards: SiteCards, reasons: [PlannedStep: String], _ ledger: Ledger, clock: StepClock,
        threads: Int
    ) throws(Fault) -> StepOutput {
        StepOutput(
            folder: StepKind.collect.folder(round: round),
            record: try record(round: round, cards, reasons: reasons, ledger), timing: clock.timing(threads: threads))
    }
}
