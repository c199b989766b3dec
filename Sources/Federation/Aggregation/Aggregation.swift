// Aggregation: what an aggregate step is told: how uploads are weighed, and how the published adapter is made of them.

/// How the product of the published adapter is made of the uploads.
public enum ProductRule: String, Sendable, CaseIterable {
    /// A and B are averaged apart (Fed-MedLoRA, arXiv 2601.22124; FedIT, arXiv 2305.05644): mean(B) mean(A) is not mean(B A).
    case mean
    /// In the last round the uploads stand side by side: A = [A_k], B = [w_k B_k s_k / s], of rank sum r_k (FLoRA, arXiv 2409.05976).
    case stacked
    /// The best approximation of sum w_k s_k B_k A_k at the adapter's rank (FlexLoRA, arXiv 2402.11505), from QR and SVD of the stacks.
    case svd
}

/// Whether the averaged product is factored anew.
public enum Refactoring: String, Sendable, CaseIterable {
    case none
    /// B = U S and A = V^T of the product's singular value decomposition (FedSVD, arXiv 2505.12805).
    case svd
}

/// How the coordinates of uploads become one.
public enum RobustRule: String, Sendable, CaseIterable {
    /// The weighted mean.
    case none
    /// The median of each coordinate, weights aside (Yin et al. 2018, arXiv 1803.01498).
    case median
    /// The mean of each coordinate without the smallest and largest fifth, at least one value at each end, weights aside (the same).
    case trimmed
}

/// The unit in which a temperature counts.
public enum TemperatureUnit: String, Sendable, CaseIterable {
    case nats
    /// The standard error of the losses' differences, from the validation records.
    case standardErrors = "standard_errors"
}

/// What an aggregate step is told.
public struct Aggregation: Hashable, Sendable {
    /// How uploads are weighed.
    public var rule: AggregationRule
    /// The unit of the rule's temperature.
    public var temperatureUnit = TemperatureUnit.nats
    /// Whether weights go back to size as far as the losses' differences are noise.
    public var shrinks = false
    /// How the product is made.
    public var product = ProductRule.mean
    /// Whether it is factored anew.
    public var refactor = Refactoring.none
    /// The largest change of the product, as a Frobenius norm over all maps, that one upload may make; nil for no limit.
    public var clip: Double?
    /// How coordinates become one.
    public var robust = RobustRule.none
    /// The ridge with which B is fitted to the mean of the products; nil: it is not.
    public var ridge: Double?
    /// Whether the uploads' factors are turned towards the round's start before the mean.
    public var rotates = false

    /// The rule with nothing else asked.
    public init(_ rule: AggregationRule) { self.rule = rule }

    /// How the published adapter is made of the uploads, as every record says it.
    public var averaging: String {
        switch (product, robust) {
        case (.mean, .none): AggregationRule.averaging
        case (.mean, .median): "the median of each coordinate of A and of B, in double precision, rounded once"
        case (.mean, .trimmed): "the trimmed mean of each coordinate of A and of B, in double precision, rounded once"
        case (.svd, _): "the products' weighted sum cut at the adapter's rank, in double precision, rounded once"
        case (.stacked, _):
            "A and B apart, in site order, and stacked in the last round, in double precision, rounded once"
        }
    }
    /// All that a record may say there.
    public static let averagings: [String] = {
        var found: [String] = []
        for product in ProductRule.allCases {
            for robust in RobustRule.allCases {
                var aggregation = Aggregation(.fedMedLoRA)
                aggregation.product = product
                aggregation.robust = robust
                if !found.contains(aggregation.averaging) { found.append(aggregation.averaging) }
            }
        }
        return found
    }()

    /// The fewest usable uploads with which the step can end.
    public var fewestUploads: Int { robust == .none ? 1 : 3 }
}
