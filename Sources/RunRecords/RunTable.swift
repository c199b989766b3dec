// RunTable: the steps that a plan asks for, in the order in which the coordinator commits them on the main line.

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
                    steps += configuration.cohorts.map { PlannedStep(round, .evaluate, $0.name) }
                }
            }
        }
        return steps
    }

    /// What a site's line holds of one round, in order.
    package static func siteLine(_ site: SiteID, round: Int) -> [PlannedStep] {
        StepKind.ofSite.map { PlannedStep(round, $0, site.name) }
    }
}

extension PlannedStep {
    /// Where the files of the step are.
    package var folder: String { kind.folder(round: round, owner: owner) }
    package var record: String { kind.record(round: round, owner: owner) }
    package var timing: String { kind.timing(round: round, owner: owner) }
}
