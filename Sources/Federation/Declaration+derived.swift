// Values derived from a declaration: its rounds, the cohorts that are evaluated, the settings of its steps.

extension FederationDeclaration {
    /// The rounds in order; only round 0 where only the base model is evaluated.
    public var roundNumbers: ClosedRange<Int> { rounds == 0 ? 0...0 : 1...rounds }
    /// The cohorts that some step evaluates.
    public var evaluatedCohorts: Set<CohortID> {
        var cohorts: Set<CohortID> = []
        for case .evaluate(let evaluation) in steps { cohorts.formUnion(evaluation.cohorts) }
        return cohorts
    }
    /// The settings of the train step.
    public var training: TrainingConfiguration? {
        for case .train(let configuration) in steps { return configuration }
        return nil
    }
    /// The precision of the upload step, which the published global adapter shares.
    public var uploadPrecision: UploadPrecision {
        for case .upload(let precision) in steps { return precision }
        return .f32
    }
}

extension EvaluationConfiguration {
    /// Whether the step runs in that round.
    public func runs(in round: Int, of rounds: Int) -> Bool {
        switch when {
        case .everyRound: true
        case .lastRound: round == rounds
        }
    }
}

extension UploadPrecision {
    /// Bytes of one number.
    public var bytesPerNumber: Int {
        switch self {
        case .f32: 4
        case .bf16: 2
        }
    }
}
