// What brings the mean of the factors nearer to the mean of the products: B fitted to it, and factors turned before the mean.

import Faults

extension Aggregation {
    /// D of B = Bm + D: the least squares |sum_k w_k B_k A_k - (Bm + D) Am|^2 + ridge |D|^2 in closed form (LoRA-FAIR, arXiv 2411.14961, whose
    /// own fit is by gradient steps on a cosine): D = G (Am Am^T + ridge I)^-1 with G = sum_k w_k (B_k - Bm) (A_k - Am) Am^T.
    ///
    /// D is transposed, [rank, out], as B is here. Throws `aggregate.singular` where the system has no solution in Double.
    static func refinement(
        _ factors: [MapFactors], _ weights: [Double], mean: MapFactors, ridge: Double, _ map: AggregatedMap
    ) throws(Fault) -> RowMatrix {
        let rank = mean.rank
        // G^T [rank, out] = sum_k w_k (Am dA_k^T) dB_k^T.
        var right = RowMatrix(rows: rank, columns: mean.b.columns)
        for (upload, weight) in zip(factors, weights) {
            let difference = upload.minus(mean)
            right.add(weight, mean.a.times(rowsOf: difference.a).times(difference.b))
        }
        var system = mean.a.gram
        for index in 0..<rank { system[index, index] += ridge }
        guard let lower = cholesky(system) else {
            throw Fault(
                .failed, "aggregate.singular", "the mean of A of a \(map.kind) is singular with ridge \(ridge)",
                mend: "Set aggregate.refine.ridge above zero, 0.01 for example.")
        }
        return solve(lower, right)
    }

    /// L with L L^T = the matrix; nil where a pivot is not positive.
    static func cholesky(_ matrix: RowMatrix) -> RowMatrix? {
        let n = matrix.rows
        var lower = RowMatrix(rows: n, columns: n)
        for row in 0..<n {
            for column in 0...row {
                var sum = matrix[row, column]
                for k in 0..<column { sum -= lower[row, k] * lower[column, k] }
                if row == column {
                    // A pivot that rounding alone could have left is none.
                    guard sum > matrix[row, row] * 1e-14, sum.isFinite else { return nil }
                    lower[row, row] = sum.squareRoot()
                } else {
                    lower[row, column] = sum / lower[column, column]
                }
            }
        }
        return lower
    }

    /// X with L L^T X = the right side, by rows.
    private static func solve(_ lower: RowMatrix, _ right: RowMatrix) -> RowMatrix {
        let n = lower.rows
        var rows = (0..<n).map { right.rows($0..<($0 + 1)) }
        for row in 0..<n {
            for k in 0..<row { rows[row].add(-lower[row, k], rows[k]) }
            rows[row] = rows[row].scaled(1 / lower[row, row])
        }
        for row in stride(from: n - 1, through: 0, by: -1) {
            for k in (row + 1)..<max(row + 1, n) { rows[row].add(-lower[k, row], rows[k]) }
            rows[row] = rows[row].scaled(1 / lower[row, row])
        }
        return .stacked(rows)
    }

    /// Each upload's factors turned by the orthogonal R_k that brings A_k nearest to the start's A: B_k R_k and R_k^T A_k, whose product is
    /// the same (the alignment of FedRot-LoRA, arXiv 2602.23638, hard and by A alone; there it is softened and by turns).
    static func turned(_ factors: [MapFactors], towards start: MapFactors) -> [MapFactors] {
        factors.map { upload in
            // Procrustes: A_k A_0^T = U S V^T gives R = U V^T. Rows here are columns of the transpose.
            let cross = upload.a.times(rowsOf: start.a)
            let svd = JacobiSVD(columns: cross.transposed)
            guard let least = svd.values.last, let largest = svd.values.first, least > 1e-12 * largest else {
                return upload
            }
            let rank = upload.rank
            var left = svd.scaledLeft
            for row in 0..<rank {
                for column in 0..<rank { left[row, column] /= svd.values[row] }
            }
            // R = sum_i u_i v_i^T; rows of R^T A are R^T applied to the rows of A.
            let turn = left.transposed.times(svd.right)
            return MapFactors(a: turn.transposed.times(upload.a), b: turn.transposed.times(upload.b))
        }
    }
}
