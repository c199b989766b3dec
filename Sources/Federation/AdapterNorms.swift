// Norms of the weight changes that adapters make, layer by layer: of scale B A, and of the difference of two such products, computed from
// the factors alone.

/// The weight changes of two adapters in one decoder layer, as Frobenius norms over its adapted maps.
public struct LayerNorms: Sendable, Equatable {
    /// The layer, from 0.
    public var layer: Int
    /// The norm of the left adapter's weight change (alpha / rank) B A.
    public var left: Double
    /// The same norm of the right adapter.
    public var right: Double
    /// The norm of the difference of the two weight changes.
    public var difference: Double
}

extension Adapter {
    /// The norms of every layer that at least one of the two adapts, in layer order. The adapters may differ in rank, scale and targets; a
    /// map that one of them does not adapt counts as zero. Sums are computed in Double in a fixed order.
    public static func layerNorms(_ left: Adapter, _ right: Adapter) -> [LayerNorms] {
        var rows: [LayerNorms] = []
        for layer in 0..<max(left.layerCount, right.layerCount) {
            var squares = (left: 0.0, right: 0.0, difference: 0.0)
            for map in LinearMap.allCases {
                let mine = Factors(left, layer, map)
                let theirs = Factors(right, layer, map)
                squares.left += mine?.squaredNorm ?? 0
                squares.right += theirs?.squaredNorm ?? 0
                squares.difference += Factors.squaredDifference(mine, theirs)
            }
            rows.append(
                LayerNorms(
                    layer: layer, left: squares.left.squareRoot(), right: squares.right.squareRoot(),
                    difference: squares.difference.squareRoot()))
        }
        return rows
    }

    /// The norms over all layers together.
    public static func norms(_ left: Adapter, _ right: Adapter) -> (left: Double, right: Double, difference: Double) {
        let rows = layerNorms(left, right)
        func total(_ value: (LayerNorms) -> Double) -> Double {
            rows.reduce(0) { $0 + value($1) * value($1) }.squareRoot()
        }
        return (total(\.left), total(\.right), total(\.difference))
    }

    private var layerCount: Int {
        var count = 0
        while LinearMap.allCases.contains(where: {
            tensor(named: Self.tensorName(layer: count, map: $0, matrix: .a)) != nil
        }) {
            count += 1
        }
        return count
    }
}

/// The factors of one map's weight change: A [rank, in], and B transposed [rank, out] with the scale in it.
private struct Factors {
    var a: [[Double]]
    var b: [[Double]]

    init(a: [[Double]], b: [[Double]]) {
        self.a = a
        self.b = b
    }

    init?(_ adapter: Adapter, _ layer: Int, _ map: LinearMap) {
        guard let a = adapter.tensor(named: Adapter.tensorName(layer: layer, map: map, matrix: .a)),
            let b = adapter.tensor(named: Adapter.tensorName(layer: layer, map: map, matrix: .b)),
            a.shape.count == 2, b.shape.count == 2, a.shape[0] == b.shape[1]
        else { return nil }
        let rank = a.shape[0]
        let scale = adapter.configuration.scale
        self.a = (0..<rank).map { r in a.values[(r * a.shape[1])..<((r + 1) * a.shape[1])].map { Double($0) } }
        self.b = (0..<rank).map { r in (0..<b.shape[0]).map { scale * Double(b.values[$0 * rank + r]) } }
    }

    /// |B A|^2 = sum over i, j of (B^T B)_ij (A A^T)_ij; rounding may make it slightly negative.
    var squaredNorm: Double {
        var sum = 0.0
        for i in a.indices {
            sum += Self.dot(a[i], a[i]) * Self.dot(b[i], b[i])
            for j in 0..<i { sum += 2 * Self.dot(a[i], a[j]) * Self.dot(b[i], b[j]) }
        }
        return max(0, sum)
    }

    /// |B A - B' A'|^2 as the product of the stacked factors [B - B', B'] and [A; A - A'], whose terms are small where the adapters are
    /// close: subtracting the plain squares would lose all digits.
    static func squaredDifference(_ left: Factors?, _ right: Factors?) -> Double {
        guard let left else { return right?.squaredNorm ?? 0 }
        guard let right, left.a.first?.count == right.a.first?.count, left.b.first?.count == right.b.first?.count else {
            return left.squaredNorm + (right?.squaredNorm ?? 0)
        }
        func padded(_ rows: [[Double]], to count: Int) -> [[Double]] {
            rows + Array(repeating: Array(repeating: 0, count: rows.first?.count ?? 0), count: count - rows.count)
        }
        let rank = max(left.a.count, right.a.count)
        let (a, b) = (padded(left.a, to: rank), padded(left.b, to: rank))
        let (otherA, otherB) = (padded(right.a, to: rank), padded(right.b, to: rank))
        func minus(_ x: [Double], _ y: [Double]) -> [Double] { zip(x, y).map { $0 - $1 } }
        return Factors(a: a + zip(a, otherA).map(minus), b: zip(b, otherB).map(minus) + otherB).squaredNorm
    }

    private static func dot(_ x: [Double], _ y: [Double]) -> Double {
        x.withUnsafeBufferPointer { x in
            y.withUnsafeBufferPointer { y in
                var sum = 0.0
                for i in 0..<min(x.count, y.count) { sum += x[i] * y[i] }
                return sum
            }
        }
    }
}
