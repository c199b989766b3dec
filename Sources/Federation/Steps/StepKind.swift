// StepKind: every kind of commit that a ledger may hold. The file of a kind, beside this one, is the only place that describes it: the
// runner, the checker, summaries, reports and the tables of the docs all read it there.

/// A kind of commit. The raw value is the word in workflows, paths and the trailer `Step`.
public enum StepKind: String, CaseIterable, Sendable, Hashable, CustomStringConvertible {
    case call, part, plan, publish, train, upload, score, aggregate, evaluate
    case evaluateAtSite = "evaluate_at_site"
    case collect
    case approve, identities, prune

    /// The raw value.
    public var description: String { rawValue }

    /// All rules for commits of this kind.
    package var rules: StepRules {
        switch self {
        case .call: .call
        case .part: .part
        case .plan: .plan
        case .publish: .publish
        case .train: .train
        case .upload: .upload
        case .score: .score
        case .aggregate: .aggregate
        case .evaluate: .evaluate
        case .evaluateAtSite: .evaluateAtSite
        case .collect: .collect
        case .approve: .approve
        case .identities: .identities
        case .prune: .prune
        }
    }

    /// The kinds of a round, in the order of a round.
    package static let ofRound: [StepKind] = allCases.filter { $0.rules.isOfRound }
    /// The kinds by which a site takes part in the average of a round, on its own line, in order.
    package static let ofSite: [StepKind] = ofRound.filter { $0.rules.line == .site && $0.rules.owner == .site }

    /// Whether the step scores a cohort.
    package var isEvaluation: Bool { self == .evaluate || self == .evaluateAtSite }
}

extension Step {
    /// The kind of commit that the step makes.
    package var kind: StepKind {
        switch self {
        case .train: .train
        case .upload: .upload
        case .score: .score
        case .aggregate: .aggregate
        case .evaluate: .evaluate
        }
    }
}
