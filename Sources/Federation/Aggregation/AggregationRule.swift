// The rules by which a coordinator weights uploads. One case for each rule; the sums are in the rule's own file.

/// How uploads become the new global adapter.
public enum AggregationRule: Hashable, Sendable {
    /// w_k = n_k / sum n (Fed-MedLoRA, arXiv 2601.22124).
    case fedMedLoRA
    /// w_k proportional to n_k exp(-L_k / temperature); without n_k where `size` is false (Fed-MedLoRA+).
    case fedMedLoRAPlus(temperature: Double, size: Bool)
    /// w_k proportional to max(phi_k, 0) with the Shapley values of the merges of uploads; n_k where no value is positive.
    case shapley

    /// The rule's name in a workflow.
    public var name: String {
        switch self {
        case .fedMedLoRA: "fed-medlora"
        case .fedMedLoRAPlus: "fed-medlora-plus"
        case .shapley: "shapley"
        }
    }
    /// Whether weights follow from the losses.
    public var needsLosses: Bool {
        switch self {
        case .fedMedLoRA, .shapley: false
        case .fedMedLoRAPlus: true
        }
    }
    /// Whether the rule needs the score of every upload.
    public var needsScores: Bool {
        switch self {
        case .fedMedLoRA: false
        case .fedMedLoRAPlus, .shapley: true
        }
    }
}

/// One step of a round, in the order of the workflow.
public enum Step: Hashable, Sendable {
    case train(TrainingConfiguration)
    case upload(UploadPrecision)
    case score(ScoreConfiguration)
    case aggregate(Aggregation)
    case evaluate(EvaluationConfiguration)

    /// The step's name in a workflow, a path and a trailer.
    public var name: String {
        switch self {
        case .train: "train"
        case .upload: "upload"
        case .score: "score"
        case .aggregate: "aggregate"
        case .evaluate: "evaluate"
        }
    }
}
