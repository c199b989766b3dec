// LossSpread: how far the losses of uploads differ, and how far that is noise of the few validation records: shrinkage, the unit of a
// temperature, and paired bootstrap intervals of weights.
//
// With t_ki the sum of the cross-entropies of record i under upload k and n_i its labels, L_k = sum_i t_ki / sum_i n_i is a ratio. Records are
// paired: what all uploads find hard is no difference between them. With the plain means over uploads t_i and L, the linearised residual
// is e_ki = (t_ki - t_i) - (L_k - L) n_i, and
//
//   se_k^2 = n / (n - 1) sum_i e_ki^2 / (sum_i n_i)^2,   se^2 = mean_k se_k^2,   var = sum_k (L_k - L)^2 / (K - 1)

import Faults

struct LossSpread: Sendable, Equatable {
    /// The mean square standard error of the losses' differences; nil for one record, which has none.
    var squaredError: Double?
    /// The variance of the losses between uploads; 0 for one upload.
    var variance: Double

    init(_ losses: [RecordLosses]) {
        let (sites, records) = (losses.count, losses.first?.labels.count ?? 0)
        let labels = losses.first?.labels ?? []
        let all = Double(labels.reduce(0, +))
        let means = losses.map(\.mean)
        let mean = means.reduce(0, +) / Double(max(1, sites))
        variance =
            sites > 1 ? means.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(sites - 1) : 0
        guard records > 1, all > 0, sites > 0 else { return }
        var sum = 0.0
        for record in 0..<records {
            let common = losses.reduce(0) { $0 + $1.sums[record] } / Double(sites)
            for site in 0..<sites {
                let residual =
                    (losses[site].sums[record] - common) - (means[site] - mean) * Double(labels[record])
                sum += residual * residual
            }
        }
        squaredError = Double(records) / Double(records - 1) * sum / (all * all) / Double(sites)
    }

    /// rho = max(0, 1 - se^2 / var): how much of the differences is more than noise; 0 where nothing tells.
    var reliability: Double {
        guard let squaredError, variance > 0 else { return 0 }
        return max(0, 1 - squaredError / variance)
    }
    /// se; nil for one record.
    var error: Double? { squaredError?.squareRoot() }
}

/// What stands before a loss in the exponent.
struct InfluenceStrength: Sendable, Equatable {
    var reliability = 1.0
    /// What the temperature is multiplied with.
    var unit = 1.0

    init() {}
    init(_ aggregation: Aggregation, _ spread: LossSpread) {
        if aggregation.shrinks { reliability = spread.reliability }
        // Of one record nothing is known of the error: then no difference counts.
        if aggregation.temperatureUnit == .standardErrors { unit = spread.error ?? .infinity }
    }

    /// exp(-rho (L - least) / (temperature unit)).
    func influence(of loss: Double, least: Double, temperature: Double) -> Double {
        let difference = reliability * (least - loss)
        // Equal losses weigh alike even where the error is zero, and zero by zero is no number.
        guard difference != 0 else { return 1 }
        return PortableMath.exp(difference / (temperature * unit))
    }
}

/// The interval of a weight over resampled validation records.
public struct WeightInterval: Sendable, Equatable {
    /// The share of resamples that lie within.
    public static let level = 0.95
    /// How often records are drawn anew.
    public static let resamples = 1000
    /// The lower end.
    public var low: Double
    /// The upper end.
    public var high: Double
}

extension Aggregation {
    /// The 95% interval of each weight, in site order, by a paired bootstrap: of n validation records n are drawn with replacement, the same for
    /// all uploads, and the weights computed as the rule does. Nil where weights follow from no losses by record.
    ///
    /// Draw b takes the word i of the stream (b, 0) of purpose `weights`, owner `coordinator`, for the record (word n) >> 32.
    public func intervals(of standings: [UploadStanding], seed: UInt64, round: Int) -> [WeightInterval]? {
        guard case .fedMedLoRAPlus(let temperature, let size) = rule else { return nil }
        let ordered = standings.sorted { $0.site < $1.site }
        let losses = ordered.compactMap(\.losses)
        guard losses.count == ordered.count, let labels = losses.first?.labels, !labels.isEmpty else { return nil }
        let sizes = ordered.map { Double($0.records) }
        var drawn: [[Double]] = Array(repeating: [], count: ordered.count)
        for resample in 0..<WeightInterval.resamples {
            let words = RandomStream(
                seed: seed, purpose: .weights, round: round, owner: "coordinator", stream: (resample, 0)
            ).words(labels.count)
            let records = words.map { Int((UInt64($0) * UInt64(labels.count)) >> 32) }
            // Records whose answers were cut away have no labels: of them alone there is no mean.
            guard records.contains(where: { labels[$0] > 0 }) else { continue }
            let again = losses.map { all in
                RecordLosses(labels: records.map { all.labels[$0] }, sums: records.map { all.sums[$0] })
            }
            let strength = needsRecordLosses ? InfluenceStrength(self, LossSpread(again)) : InfluenceStrength()
            let shares = Self.shares(
                sizes: sizes, losses: again.map(\.mean), temperature: temperature, size: size, strength: strength)
            let total = shares.reduce(0, +)
            for (site, share) in shares.enumerated() { drawn[site].append(share / total) }
        }
        guard drawn.first?.isEmpty == false else { return nil }
        return drawn.map { values in
            let sorted = values.sorted()
            // Of 1,000 in rising order the 25th and the 975th.
            let cut = max(1, Int((1 - WeightInterval.level) / 2 * Double(sorted.count) + 0.5))
            return WeightInterval(low: sorted[cut - 1], high: sorted[sorted.count - cut])
        }
    }

    /// How much of the losses' differences is more than noise, and their standard error; nil where there are no losses by record.
    public func evidence(of standings: [UploadStanding]) -> (reliability: Double, error: Double?, spread: Double)? {
        let losses = standings.sorted { $0.site < $1.site }.compactMap(\.losses)
        guard losses.count == standings.count, !losses.isEmpty else { return nil }
        let spread = LossSpread(losses)
        return (spread.reliability, spread.error, spread.variance.squareRoot())
    }
}
