// What keeps one upload from moving the mean as far as it likes: clipping by the change of the product, and rules by coordinate.

import Faults

extension RobustRule {
    /// Each coordinate of A and of B by itself.
    func combined(_ factors: [MapFactors]) -> MapFactors {
        MapFactors(a: combined(factors.map(\.a)), b: combined(factors.map(\.b)))
    }

    private func combined(_ matrices: [RowMatrix]) -> RowMatrix {
        var result = RowMatrix(rows: matrices[0].rows, columns: matrices[0].columns)
        var values = [Double](repeating: 0, count: matrices.count)
        for element in result.values.indices {
            for (index, matrix) in matrices.enumerated() { values[index] = matrix.values[element] }
            values.sort()
            result.values[element] = combined(sorted: values)
        }
        return result
    }

    /// Of values in rising order.
    func combined(sorted values: [Double]) -> Double {
        let count = values.count
        switch self {
        case .none: return values.reduce(0, +) / Double(count)
        case .median: return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2
        case .trimmed:
            let cut = Self.cut(count)
            let kept = values[cut..<(count - cut)]
            return kept.reduce(0, +) / Double(kept.count)
        }
    }

    /// How many values the trimmed mean leaves out at each end: a fifth, but one at least.
    static func cut(_ count: Int) -> Int { max(1, count / 5) }
}

extension Aggregation {
    /// The halvings that find the share of a change: 2^-40 of the way.
    private static let bisections = 40

    /// For each upload the largest share t up to 1 of its change, A_0 + t (A_k - A_0) and B likewise, with which the product over all maps
    /// changes by at most `clip`: |s (B(t) A(t) - B_0 A_0)|_F = |t X + t^2 Y| with X = s (dB A_0 + B_0 dA), Y = s dB dA.
    func kept(of uploads: some UploadSource, _ layout: AggregationLayout, clip: Double) throws(Fault) -> [Double] {
        var shares: [Double] = []
        let scale = uploads.configuration.scale
        for upload in uploads.standings.indices {
            var (linear, mixed, square) = (0.0, 0.0, 0.0)
            for map in layout.maps {
                let start = try uploads.startFactors(of: map)
                let change = try uploads.factors(of: map, in: upload).minus(start)
                let rank = change.rank
                // Rows dB, B_0, dB against A_0, dA, dA: the first two blocks are X, the third is Y.
                let left = RowMatrix.stacked([change.b, start.b, change.b]).gram
                let right = RowMatrix.stacked([start.a, change.a, change.a]).gram
                linear += RowMatrix.sumOfProducts(left, right, 0..<(2 * rank), 0..<(2 * rank))
                mixed += RowMatrix.sumOfProducts(left, right, 0..<(2 * rank), (2 * rank)..<(3 * rank))
                square += RowMatrix.sumOfProducts(left, right, (2 * rank)..<(3 * rank), (2 * rank)..<(3 * rank))
            }
            let limit = clip * clip / (scale * scale)
            func isWithin(_ t: Double) -> Bool {
                t * t * (linear + t * (2 * mixed + t * square)) <= limit
            }
            shares.append(Self.largestShare(isWithin))
        }
        return shares
    }

    static func largestShare(_ isWithin: (Double) -> Bool) -> Double {
        if isWithin(1) { return 1 }
        var (low, high) = (0.0, 1.0)
        for _ in 0..<bisections {
            let middle = (low + high) / 2
            if isWithin(middle) { low = middle } else { high = middle }
        }
        return low
    }
}
