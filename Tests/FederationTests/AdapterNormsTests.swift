// Norms of weight changes against the full products, for equal and for different ranks, and for adapters that are nearly equal.

import Federation
import Testing

@Suite struct AdapterNormsTests {
    private static func adapter(rank: Int, alpha: Double, seed: Int, layers: Int = 2) -> Adapter {
        var state = UInt64(seed)
        func values(_ count: Int) -> [Float] {
            (0..<count).map { _ in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Float(state >> 40) / Float(1 << 23) - 1
            }
        }
        var tensors: [NamedTensor] = []
        for layer in 0..<layers {
            for (map, inputs, outputs) in [(LinearMap.q, 5, 3), (.down, 4, 5)] {
                tensors.append(
                    NamedTensor(
                        name: Adapter.tensorName(layer: layer, map: map, matrix: .a), shape: [rank, inputs],
                        values: values(rank * inputs)))
                tensors.append(
                    NamedTensor(
                        name: Adapter.tensorName(layer: layer, map: map, matrix: .b), shape: [outputs, rank],
                        values: values(outputs * rank)))
            }
        }
        return Adapter(
            configuration: LoRAConfiguration(rank: rank, alpha: alpha, dropout: 0, targets: [.q, .down]),
            tensors: tensors)
    }

    /// scale B A of a layer, the elements of all maps one after the other.
    private static func change(_ adapter: Adapter, layer: Int) -> [Double] {
        var all: [Double] = []
        for map in [LinearMap.q, .down] {
            guard let a = adapter.tensor(named: Adapter.tensorName(layer: layer, map: map, matrix: .a)),
                let b = adapter.tensor(named: Adapter.tensorName(layer: layer, map: map, matrix: .b))
            else { continue }
            let rank = a.shape[0]
            for o in 0..<b.shape[0] {
                for i in 0..<a.shape[1] {
                    let sum = (0..<rank).reduce(0.0) {
                        $0 + Double(b.values[o * rank + $1]) * Double(a.values[$1 * a.shape[1] + i])
                    }
                    all.append(adapter.configuration.scale * sum)
                }
            }
        }
        return all
    }

    private static func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }

    @Test(arguments: [(2, 2), (3, 1), (1, 4)])
    func areThoseOfTheProducts(ranks: (Int, Int)) {
        let left = Self.adapter(rank: ranks.0, alpha: 3, seed: 1)
        let right = Self.adapter(rank: ranks.1, alpha: 5, seed: 2)
        let rows = Adapter.layerNorms(left, right)
        #expect(rows.map(\.layer) == [0, 1])
        for row in rows {
            let (mine, theirs) = (Self.change(left, layer: row.layer), Self.change(right, layer: row.layer))
            #expect(abs(row.left - Self.norm(mine)) < 1e-12 * row.left)
            #expect(abs(row.right - Self.norm(theirs)) < 1e-12 * row.right)
            #expect(abs(row.difference - Self.norm(zip(mine, theirs).map { $0 - $1 })) < 1e-12 * row.difference)
        }
        let total = Adapter.norms(left, right)
        #expect(abs(total.left - Self.norm(rows.map(\.left))) < 1e-12 * total.left)
    }

    @Test func keepASmallDifferenceAndCountAMissingLayerAsZero() {
        let left = Self.adapter(rank: 2, alpha: 3, seed: 1)
        var tensors = left.tensors
        tensors[0].values[0] = tensors[0].values[0].nextUp
        let close = Adapter(configuration: left.configuration, tensors: tensors)
        let mine = Self.change(left, layer: 0)
        let theirs = Self.change(close, layer: 0)
        let expected = Self.norm(zip(mine, theirs).map { $0 - $1 })
        let found = Adapter.layerNorms(left, close)[0].difference
        #expect(expected > 0 && abs(found - expected) < 1e-6 * expected)
        #expect(Adapter.layerNorms(left, left).allSatisfy { $0.difference == 0 })
        let short = Self.adapter(rank: 2, alpha: 3, seed: 1, layers: 1)
        let rows = Adapter.layerNorms(left, short)
        #expect(rows[1].right == 0 && rows[1].difference == rows[1].left && rows[0].difference == 0)
    }

    @Test func ulpsOfDoublesCount() {
        #expect(Adapter.ulps(1, 1) == 0)
        #expect(Adapter.ulps(1, 1.0.nextUp) == 1)
        #expect(Adapter.ulps(-0.0, 0.0) == 0)
        #expect(Adapter.ulps(-5e-324, 5e-324) == 2)
        #expect(Adapter.ulps(-.infinity, .infinity) == .max)
    }
}
