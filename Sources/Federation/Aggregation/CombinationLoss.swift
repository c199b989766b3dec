// CombinationLoss: what a published adapter loses of the weighted mean of the products, and what rounding it to its precision loses.
//
//   lost = |M - P| / |M|,  M = sum_k w_k s_k B_k A_k,  P = s B A in Double before rounding,  Frobenius norms over all maps of a kind.
//
// For the mean of the factors, with the means Bm and Am, the bilinear identity
//
//   sum_k w_k B_k A_k - Bm Am = sum_k w_k (B_k - Bm)(A_k - Am)
//
// gives the norm from the Grams of the stacked differences, without the cancellation of the large products.

/// Squares of norms of one kind of map, or of all, over all layers.
public struct LostSquares: Sendable, Equatable {
    /// |M - P|^2.
    public var lost = 0.0
    /// |P - P rounded|^2.
    public var rounding = 0.0
    /// |M|^2.
    public var ideal = 0.0

    mutating func add(_ other: LostSquares) {
        lost += other.lost
        rounding += other.rounding
        ideal += other.ideal
    }

    /// |M - P| / |M|; where the sum of the products is zero, 0 if nothing was lost, else 1.
    public var lostShare: Double { share(lost) }
    /// |P - P rounded| / |M|, likewise.
    public var roundingShare: Double { share(rounding) }

    private func share(_ square: Double) -> Double {
        if ideal > 0 { return (square / ideal).squareRoot() }
        return square > 0 ? 1 : 0
    }
}

/// What was lost, by kind of map.
public struct CombinationLoss: Sendable, Equatable {
    /// In the order of `LinearMap`.
    public var kinds: [(kind: String, squares: LostSquares)] = []

    /// Compares by kind.
    public static func == (left: CombinationLoss, right: CombinationLoss) -> Bool {
        left.kinds.map(\.kind) == right.kinds.map(\.kind) && left.kinds.map(\.squares) == right.kinds.map(\.squares)
    }

    /// Over all maps.
    public var all: LostSquares {
        var sum = LostSquares()
        for kind in kinds { sum.add(kind.squares) }
        return sum
    }

    init(_ kinds: [String] = []) { self.kinds = kinds.map { ($0, LostSquares()) } }

    mutating func add(_ squares: LostSquares, _ kind: String) {
        for index in kinds.indices where kinds[index].kind == kind { kinds[index].squares.add(squares) }
    }
}

/// The inner products of one map's uploads: the Grams of the stacks [d_1 .. d_K, g, 0], where d_k is what upload k differs from the mean by,
/// g the mean from the start, and 0 the start itself; for A and for B transposed.
struct MapGrams {
    let count: Int
    let rank: Int
    let a: RowMatrix
    let b: RowMatrix

    init(_ uploads: [MapFactors], mean: MapFactors, start: MapFactors) {
        count = uploads.count
        rank = mean.rank
        let differences = uploads.map { $0.minus(mean) } + [mean.minus(start), start]
        a = RowMatrix.stacked(differences.map(\.a)).gram
        b = RowMatrix.stacked(differences.map(\.b)).gram
    }

    private func rows(_ block: Int) -> Range<Int> { (block * rank)..<((block + 1) * rank) }

    /// <B_x A_y, B_z A_w> of four blocks.
    private func product(_ b: RowMatrix, _ a: RowMatrix, _ x: Int, _ y: Int, _ z: Int, _ w: Int) -> Double {
        var sum = 0.0
        b.values.withUnsafeBufferPointer { left in
            a.values.withUnsafeBufferPointer { right in
                for i in 0..<rank {
                    let (leftRow, rightRow) = (
                        (x * rank + i) * b.columns + z * rank, (y * rank + i) * a.columns + w * rank
                    )
                    for j in 0..<rank { sum += left[leftRow + j] * right[rightRow + j] }
                }
            }
        }
        return sum
    }

    /// |sum w (B_k - Bm)(A_k - Am)|^2 and |M|^2, without the scale.
    func squares(_ weights: [Double]) -> (residual: Double, ideal: Double) {
        var residual = 0.0
        for k in 0..<count {
            residual += weights[k] * weights[k] * product(b, a, k, k, k, k)
            for l in 0..<k { residual += 2 * weights[k] * weights[l] * product(b, a, k, k, l, l) }
        }
        // Bm Am with Bm = g + 0: four products; the residual's inner products with them.
        let (g, zero) = (count, count + 1)
        let parts = [(g, g), (g, zero), (zero, g), (zero, zero)]
        var mean = 0.0
        for left in parts { for right in parts { mean += product(b, a, left.0, left.1, right.0, right.1) } }
        var cross = 0.0
        for k in 0..<count {
            for part in parts { cross += weights[k] * product(b, a, k, k, part.0, part.1) }
        }
        return (max(0, residual), max(0, mean + 2 * cross + residual))
    }

    /// The inner products <U_k, U_l> of the uploads' changes U_k = B_k A_k - B_0 A_0, without the scale.
    func changes() -> RowMatrix {
        // Of e_k = d_k + g, the blocks of upload k against the start.
        let (aChanges, bChanges) = (shifted(a), shifted(b))
        let zero = count
        var result = RowMatrix(rows: count, columns: count)
        for k in 0..<count {
            for l in 0...k {
                var sum = 0.0
                for left in [(k, zero), (zero, k), (k, k)] {
                    for right in [(l, zero), (zero, l), (l, l)] {
                        sum += product(bChanges, aChanges, left.0, left.1, right.0, right.1)
                    }
                }
                result[k, l] = sum
                result[l, k] = sum
            }
        }
        return result
    }

    /// The Gram of [e_1 .. e_K, 0] from that of [d_1 .. d_K, g, 0].
    private func shifted(_ gram: RowMatrix) -> RowMatrix {
        let size = (count + 1) * rank
        let (g, zero) = (count * rank, (count + 1) * rank)
        var result = RowMatrix(rows: size, columns: size)
        for row in 0..<size {
            let (isStart, i) = (row >= count * rank, row % rank)
            for column in 0..<size {
                let (isOtherStart, j) = (column >= count * rank, column % rank)
                let (x, y) = (isStart ? zero + i : row, isOtherStart ? zero + j : column)
                var sum = gram[x, y]
                if !isStart { sum += gram[g + i, y] }
                if !isOtherStart { sum += gram[x, g + j] }
                if !isStart && !isOtherStart { sum += gram[g + i, g + j] }
                result[row, column] = sum
            }
        }
        return result
    }

    /// |sum w_k B_k A_k - B A|^2 for other factors than the means: the residual with the blocks (Bm - B, Am) and (B, Am - A).
    static func squaredDistance(
        _ uploads: [MapFactors], _ weights: [Double], mean: MapFactors, published: MapFactors
    ) -> Double {
        var left: [RowMatrix] = []
        var right: [RowMatrix] = []
        for (upload, weight) in zip(uploads, weights) {
            let difference = upload.minus(mean)
            left.append(difference.b.scaled(weight))
            right.append(difference.a)
        }
        left += [mean.b.minus(published.b), published.b]
        right += [mean.a, mean.a.minus(published.a)]
        return RowMatrix.squaredNorm(ofProduct: .stacked(left), .stacked(right))
    }
}

extension MapFactors {
    /// |B A - B' A'|^2 of two adapters that are close: the products of (B - B', A) and (B', A - A').
    static func squaredDistance(_ x: MapFactors, _ y: MapFactors) -> Double {
        RowMatrix.squaredNorm(
            ofProduct: .stacked([x.b.minus(y.b), y.b]), .stacked([x.a, x.a.minus(y.a)]))
    }
}
