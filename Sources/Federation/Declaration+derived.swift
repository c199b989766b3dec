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
    /// The site that has the notes of a cohort; nil where the coordinator has them.
    package func site(of cohort: CohortID) -> SiteID? { cohorts.first { $0.id == cohort }?.site }
    /// The kind of step that scores a cohort: it is scored where its notes are.
    package func evaluation(of cohort: CohortID) -> StepKind { site(of: cohort) == nil ? .evaluate : .evaluateAtSite }
    /// The cohorts that a site scores, in cohort order.
    package func cohorts(at site: SiteID) -> [CohortDeclaration] {
        let evaluated = evaluatedCohorts
        return cohorts.filter { $0.site == site && evaluated.contains($0.id) }
    }
    /// The settings of the train step.
    public var training: TrainingConfiguration? {
        for case .train(let configuration) in steps { return configuration }
        return nil
    }
    /// The declaration of a run that begins without some of the sites, and without the cohorts whose notes they have.
    package func without(_ out: some Collection<SiteID>) -> FederationDeclaration {
        var copy = self
        copy.sites.removeAll { out.contains($0.id) }
        let gone = Set(cohorts.filter { $0.site.map(out.contains) ?? false }.map(\.id))
        guard !gone.isEmpty else { return copy }
        copy.cohorts.removeAll { gone.contains($0.id) }
        copy.steps = steps.compactMap { step in
            guard case .evaluate(var evaluation) = step else { return step }
            evaluation.cohorts.removeAll(where: gone.contains)
            return evaluation.cohorts.isEmpty ? nil : .evaluate(evaluation)
        }
        return copy
    }
    /// The aggregate step.
    public var aggregation: Aggregation? {
        for case .aggregate(let aggregation) in steps { return aggregation }
        return nil
    }
    /// The score step.
    public var scoring: ScoreConfiguration? {
        for case .score(let scoring) in steps { return scoring }
        return nil
    }
    /// The factor that no site trains in a round, and that no upload holds.
    public func frozen(in round: Int) -> Adapter.Matrix? { training?.matrices.frozen(in: round) }
    /// The adapter that a site trains and uploads: its own rank, the common alpha.
    public func adapter(of site: SiteID) -> LoRAConfiguration {
        var configuration = adapter
        configuration.rank = sites.first { $0.id == site }?.rank ?? adapter.rank
        return configuration
    }
    /// The precision of the adapter that round 1 begins with: where a factor stays frozen it must be what is published later.
    public var startPrecision: UploadPrecision { (training?.matrices ?? .both) == .both ? .f32 : uploadPrecision }
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
