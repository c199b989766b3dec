// The products of uploads side by side, and their best approximation at a rank.

import Faults

extension Aggregation {
    /// A = [A_k], B = [w_k B_k s_k / s]: s B A is the weighted sum of the products (FLoRA, arXiv 2409.05976, eq. 7; there the weights are in A).
    static func stacked(
        _ factors: [MapFactors], _ weights: [Double], _ scales: [Double], scale: Double, _ start: MapFactors,
        _ hasOneRank: Bool
    ) -> CombinedMap {
        let left = factors.indices.map { factors[$0].b.scaled(weights[$0] * (scales[$0] / scale)) }
        let stacked = MapFactors(a: .stacked(factors.map(\.a)), b: .stacked(left))
        return CombinedMap(
            factors: stacked, squares: LostSquares(ideal: scale * scale * stacked.squaredNorm),
            changes: hasOneRank ? changes(factors, weights, start) : nil)
    }

    /// B = U S, A = V^T of sum_k w_k (s_k / s) B_k A_k cut at a rank: no other product of that rank is nearer (Eckart and Young 1936; FlexLoRA,
    /// arXiv 2402.11505, with QR of the stacks in place of the dense sum).
    static func cut(
        _ factors: [MapFactors], _ weights: [Double], _ scales: [Double], scale: Double, rank: Int,
        _ start: MapFactors, _ hasOneRank: Bool
    ) -> CombinedMap {
        let left = factors.indices.map { factors[$0].b.scaled(weights[$0] * (scales[$0] / scale)) }
        let svd = ProductSVD(left: .stacked(left), right: .stacked(factors.map(\.a)), rank: rank)
        return CombinedMap(
            factors: MapFactors(a: svd.a, b: svd.b),
            squares: LostSquares(lost: scale * scale * svd.cut(at: rank), ideal: scale * scale * svd.squaredNorm),
            changes: hasOneRank ? changes(factors, weights, start) : nil)
    }

    private static func changes(_ factors: [MapFactors], _ weights: [Double], _ start: MapFactors) -> RowMatrix {
        MapGrams(factors, mean: mean(of: factors, weights), start: start).changes()
    }
}
