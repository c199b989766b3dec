// CoalitionValues: what each upload is worth, from the losses of the merges of all subsets of uploads.
//
//   phi_k = sum over S without k of |S|! (K - |S| - 1)! / K!  (v(S + k) - v(S))     Shapley 1953
//   beta_k = sum over S without k of (v(S + k) - v(S)) / 2^(K - 1)                  Banzhaf; Wang and Jia 2023, arXiv 2205.15466

import Faults

/// v(S) for every subset S of K uploads.
public struct CoalitionValues: Sendable, Equatable {
    /// The most uploads whose subsets are all scored.
    public static let mostUploads = 10
    /// By the subset as bits, bit k for upload k in site order; 2^K values.
    public let values: [Double]
    /// K.
    public let count: Int

    /// Takes 2^K values; nil for another number.
    public init?(_ values: [Double]) {
        guard values.count > 0, values.count & (values.count - 1) == 0,
            values.count <= 1 << Self.mostUploads
        else { return nil }
        self.values = values
        count = values.count.trailingZeroBitCount
    }

    /// phi_k, in site order.
    public var shapley: [Double] {
        // |S|! (K - |S| - 1)! / K! = 1 / (K binom(K - 1, |S|)); the binomials are whole.
        var weights = [Double](repeating: 0, count: max(1, count))
        var binomial = 1.0
        for size in 0..<count {
            weights[size] = 1 / (Double(count) * binomial)
            binomial = binomial * Double(count - 1 - size) / Double(size + 1)
        }
        return marginals { weights[$0] }
    }

    /// beta_k, in site order.
    public var banzhaf: [Double] {
        let weight = 1 / Double(1 << max(0, count - 1))
        return marginals { _ in weight }
    }

    private func marginals(_ weight: (Int) -> Double) -> [Double] {
        (0..<count).map { upload in
            var sum = 0.0
            for subset in values.indices where subset & (1 << upload) == 0 {
                sum += weight(subset.nonzeroBitCount) * (values[subset | 1 << upload] - values[subset])
            }
            return sum
        }
    }
}
