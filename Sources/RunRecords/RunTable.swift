// RunTable: the steps that a plan asks for, in the order in which the coordinator commits them on the main line, and each site on its own.

import Federation

/// One commit that a plan asks for.
package struct PlannedStep: Hashable, Sendable, CustomStringConvertible {
    package var round: Int
    package var kind: StepKind
    /// The site or the cohort.
    package var owner: String?

    package init(_ round: Int, _ kind: StepKind, _ owner: String? = nil) {
        self.round = round
        self.kind = kind
        self.owner = owner
    }

    /// `round 2 evaluate final`.
    package var description: String { "round \(round) \(kind)" + (owner.map { " \($0)" } ?? "") }
}

package enum RunTable {
    /// What the main line of a finished run holds.
    package static func mainLine(_ declaration: FederationDeclaration) -> [PlannedStep] {
        var steps = [PlannedStep(0, .plan)]
        for round in declaration.roundNumbers {
            for step in declaration.steps where step.kind.rules.line == .main {
                switch step {
                case .train, .upload: continue
                case .score, .aggregate: steps.append(PlannedStep(round, step.kind))
                case .evaluate(let configuration):
                    guard configuration.runs(in: round, of: declaration.rounds) else { continue }
                    steps += configuration.cohorts.filter { declaration.site(of: $0) == nil }
                        .map { PlannedStep(round, .evaluate, $0.name) }
                }
            }
        }
        if !siteEvaluations(declaration).isEmpty { steps.append(PlannedStep(declaration.rounds, .collect)) }
        return steps
    }

    /// What a site's line holds of one round, in order.
    package static func siteLine(
        _ site: SiteID, round: Int, _ declaration: FederationDeclaration
    ) -> [PlannedStep] {
        StepKind.ofSite.map { PlannedStep(round, $0, site.name) }
            + siteEvaluations(declaration, round: round).filter { $0.site == site }.map(\.step)
    }

    /// The evaluations that sites make of their own cohorts, in all rounds or in one, in the order of the steps.
    package static func siteEvaluations(
        _ declaration: FederationDeclaration, round only: Int? = nil
    ) -> [(step: PlannedStep, site: SiteID)] {
        var found: [(step: PlannedStep, site: SiteID)] = []
        // Without rounds nothing is published that a site could score.
        guard declaration.rounds > 0, declaration.cohorts.contains(where: { $0.site != nil }) else { return found }
        for round in declaration.roundNumbers where only == nil || only == round {
            for case .evaluate(let configuration) in declaration.steps
            where configuration.runs(in: round, of: declaration.rounds) {
                for cohort in configuration.cohorts {
                    let step = PlannedStep(round, .evaluateAtSite, cohort.name)
                    guard let site = declaration.site(of: cohort), !found.contains(where: { $0.step == step }) else {
                        continue
                    }
                    found.append((step, site))
                }
            }
        }
        return found
    }
}

extension PlannedStep {
    /// Where the files of the step are.
    package var folder: String { kind.folder(round: round, owner: owner) }
    package var record: String { kind.record(round: round, owner: owner) }
    package var timing: String { kind.timing(round: round, owner: owner) }
}
