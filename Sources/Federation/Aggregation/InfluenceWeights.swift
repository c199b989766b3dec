// The weight of each upload: computed from sizes and validation losses; the weights sum to one.

import Faults

/// What the coordinator knows about one upload when it computes the weight.
public struct UploadStanding: Sendable, Equatable {
    /// The site that sent the upload.
    public var site: SiteID
    /// n_k: how many records, or label tokens, the site trained on; at least 1.
    public var records: Int
    /// L_k: mean validation loss of base + the site's adapter in nats a token; nil where no step scored.
    public var loss: Double?
    /// What n_k counts.
    public var unit = SizeUnit.records
    /// The loss by validation record; nil where no step scored.
    public var losses: RecordLosses?
    /// The upload's Shapley value in nats; nil where none was computed.
    public var value: Double?

    /// Makes a standing.
    public init(site: SiteID, records: Int, loss: Double?) {
        self.site = site
        self.records = records
        self.loss = loss
    }
}

/// The losses of one upload by validation record.
public struct RecordLosses: Sendable, Equatable {
    /// Labels of each record.
    public var labels: [Int]
    /// The sum of each record's cross-entropies, in nats.
    public var sums: [Double]

    /// Makes losses; there are as many sums as counts.
    public init(labels: [Int], sums: [Double]) {
        precondition(labels.count == sums.count, "\(sums.count) losses of \(labels.count) records")
        self.labels = labels
        self.sums = sums
    }

    /// The mean over all labels, added in record order.
    public var mean: Double { sums.reduce(0, +) / Double(labels.reduce(0, +)) }
}

/// One site's share in the new global adapter.
public struct InfluenceWeight: Sendable, Equatable {
    /// What the weight was computed from.
    public var standing: UploadStanding
    /// The site's share, 0 to 1; the shares of a round sum to one within rounding.
    public var weight: Double
}

extension Aggregation {
    /// The weights of the uploads, in site order.
    ///
    /// Fed-MedLoRA: w_k = n_k / sum n. Fed-MedLoRA+: w_k = n_k exp(-L_k / temperature) / sum (arXiv 2601.22124). The smallest loss is
    /// subtracted first, which cancels in the quotient and keeps exp within range; with `size: false` the result equals that of the
    /// published code's exp(1 - L_k), since its constant cancels as well.
    ///
    /// Throws `aggregate.nobody-left` for no standing and `aggregate.no-score` where a loss is needed and missing.
    public func weights(of standings: [UploadStanding]) throws(Fault) -> [InfluenceWeight] {
        let shares = try shares(of: standings)
        let total = shares.reduce(0, +)
        let ordered = standings.sorted { $0.site < $1.site }
        return zip(ordered, shares).map { InfluenceWeight(standing: $0, weight: $1 / total) }
    }

    /// The numerators of the weights, in site order. Throws as `weights` does.
    public func shares(of standings: [UploadStanding]) throws(Fault) -> [Double] {
        let ordered = standings.sorted { $0.site < $1.site }
        guard !ordered.isEmpty else { throw .nobodyLeft() }
        switch rule {
        case .fedMedLoRA: return ordered.map { Double($0.records) }
        case .fedMedLoRAPlus(let temperature, let size):
            var losses: [Double] = []
            for standing in ordered {
                guard let loss = standing.loss, loss.isFinite else { throw .noScore(standing.site) }
                losses.append(loss)
            }
            let strength = try strength(of: ordered)
            return Self.shares(
                sizes: ordered.map { Double($0.records) }, losses: losses, temperature: temperature, size: size,
                strength: strength)
        case .shapley:
            var values: [Double] = []
            for standing in ordered {
                guard let value = standing.value, value.isFinite else { throw .noScore(standing.site) }
                values.append(value)
            }
            // Where no upload helps, none is known to be better than another.
            guard values.contains(where: { $0 > 0 }) else { return ordered.map { Double($0.records) } }
            return values.map { max(0, $0) }
        }
    }

    private func strength(of ordered: [UploadStanding]) throws(Fault) -> InfluenceStrength {
        guard needsRecordLosses else { return InfluenceStrength() }
        var losses: [RecordLosses] = []
        for standing in ordered {
            guard let found = standing.losses else { throw .noScore(standing.site) }
            losses.append(found)
        }
        return InfluenceStrength(self, LossSpread(losses))
    }

    /// Whether weights need the losses by record.
    public var needsRecordLosses: Bool {
        if case .fedMedLoRAPlus = rule { return shrinks || temperatureUnit == .standardErrors }
        return false
    }

    static func shares(
        sizes: [Double], losses: [Double], temperature: Double, size: Bool, strength: InfluenceStrength
    ) -> [Double] {
        let least = losses.min() ?? 0
        return zip(sizes, losses).map { records, loss in
            let influence = strength.influence(of: loss, least: least, temperature: temperature)
            return size ? records * influence : influence
        }
    }

    /// The rule with its symbols, for people who read a record.
    public var formula: String {
        guard case .fedMedLoRAPlus(_, let size) = rule else { return rule.formula }
        let exponent = "\(shrinks ? "rho " : "")L_k / \(temperatureUnit == .nats ? "temperature" : "(temperature se)")"
        if exponent == "L_k / temperature" { return rule.formula }
        let other = exponent.replacing("_k", with: "_j")
        return
            (size
            ? "w_k = n_k exp(-\(exponent)) / sum_j n_j exp(-\(other))"
            : "w_k = exp(-\(exponent)) / sum_j exp(-\(other))")
            + (shrinks ? ", rho = max(0, 1 - se^2 / var(L))" : "")
    }
}

extension AggregationRule {
    /// How the published adapter is made of the uploads where nothing else is asked.
    public static let averaging = "A and B apart, in site order, sums in double precision, rounded once"

    /// The rule with its symbols.
    public var formula: String {
        switch self {
        case .fedMedLoRA: "w_k = n_k / sum_j n_j"
        case .fedMedLoRAPlus(_, true): "w_k = n_k exp(-L_k / temperature) / sum_j n_j exp(-L_j / temperature)"
        case .fedMedLoRAPlus(_, false): "w_k = exp(-L_k / temperature) / sum_j exp(-L_j / temperature)"
        case .shapley: "w_k = max(phi_k, 0) / sum_j max(phi_j, 0), n_k / sum_j n_j where no phi is positive"
        }
    }
}

/// exp for weights, from additions, multiplications and fma only, so that a replay with another C library gives the same bits.
public enum PortableMath {
    /// e to the x for x at most 0, within 2 units in the last place; 0 below -700.
    public static func exp(_ x: Double) -> Double {
        precondition(x <= 0, "weights need exp of numbers that are not positive")
        guard x > -700 else { return 0 }
        // x = k ln 2 + r with |r| <= ln 2 / 2; ln 2 is split into two parts, so that r keeps its low bits.
        let k = (x * 1.4426950408889634).rounded(.toNearestOrEven)
        var r = x.addingProduct(-k, 0.6931471803691238)
        r = r.addingProduct(-k, 1.9082149292705877e-10)
        // Taylor to degree 13: the remainder is below 2^-55 on this interval.
        var sum = 1.0 / 6_227_020_800
        for divisor in [479_001_600.0, 39_916_800, 3_628_800, 362_880, 40_320, 5_040, 720, 120, 24, 6, 2, 1, 1] {
            sum = (1 / divisor).addingProduct(sum, r)
        }
        return Double(sign: .plus, exponent: Int(k), significand: sum)
    }
}

extension Fault {
    /// No upload of the round can be used.
    public static func nobodyLeft() -> Fault {
        Fault(
            .failed, "aggregate.nobody-left", "no upload of this round can be used",
            mend: "Read in the sites' train and upload records why each was left out.")
    }

    /// A rule that needs losses found an upload without one.
    public static func noScore(_ site: SiteID) -> Fault {
        Fault(
            .failed, "aggregate.no-score", "site \(site) has no finite validation loss",
            mend: "Put a score step before aggregate, or use rule fed-medlora.", cause: .notFinite)
    }
}
