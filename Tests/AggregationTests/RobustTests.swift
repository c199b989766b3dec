// Clipping, rules by coordinate, the fitted B and turned factors.

import Faults
import Federation
import Testing

@Suite struct RobustTests {
    @Test func clippedUploadsChangeTheProductByTheLimit() throws {
        var numbers = Numbers(21)
        let start = Sample.adapter(&numbers, rank: 2)
        let adapters = [
            Sample.adapter(&numbers, rank: 2, near: start, by: 0.01),
            Sample.adapter(&numbers, rank: 2, near: start, by: 3),
        ]
        var aggregation = Aggregation(.fedMedLoRA)
        aggregation.clip = 2
        let kept = try #require(
            try aggregation.combine(
                Sample.uploads(adapters, sizes: [1, 1], start: start), isLast: false, precision: .f32
            ).evidence.kept)
        #expect(kept[0] == 1)
        #expect(kept[1] > 0 && kept[1] < 1)
        // The change of the product at t, densely.
        func change(_ t: Double) -> Double {
            var square = 0.0
            for place in Sample.shapes.indices {
                let (a, b) = Sample.factors(adapters[1], place)
                let (a0, b0) = Sample.factors(start, place)
                let moved = (b0 + t * (b - b0)) * (a0 + t * (a - a0)) - b0 * a0
                square += 9 * moved.norm * moved.norm
            }
            return square.squareRoot()
        }
        #expect(change(kept[1]) <= 2 * (1 + 1e-12))
        #expect(change(kept[1] + 1e-9) > 2)
    }

    /// One upload of five is a thousand times too large, or has B turned: each coordinate stays within those of the honest.
    @Test(arguments: [RobustRule.median, .trimmed], [1000.0, -1]) func oneLiarStaysWithinTheHonest(
        rule: RobustRule, factor: Double
    ) throws {
        var numbers = Numbers(22)
        let honest = (0..<4).map { _ in Sample.adapter(&numbers, rank: 2) }
        let last = Sample.adapter(&numbers, rank: 2)
        let liar = Adapter(
            configuration: last.configuration,
            tensors: last.tensors.map { tensor in
                let turns = factor > 0 || tensor.name.contains("lora_B")
                return NamedTensor(
                    name: tensor.name, shape: tensor.shape,
                    values: turns ? tensor.values.map { Float(factor) * $0 } : tensor.values)
            })
        var aggregation = Aggregation(.fedMedLoRA)
        aggregation.robust = rule
        let combined = try aggregation.combine(
            Sample.uploads(honest + [liar], sizes: [1, 1, 1, 1, 9]), isLast: false, precision: .f32
        ).adapter
        for (index, tensor) in combined.tensors.enumerated() {
            for element in tensor.values.indices {
                let values = honest.map { $0.tensors[index].values[element] }
                #expect((values.min() ?? 0)...(values.max() ?? 0) ~= tensor.values[element])
            }
        }
    }

    @Test func medianOfThreeByHandAndFewerAreRefused() throws {
        var numbers = Numbers(23)
        let adapters = (0..<3).map { _ in Sample.adapter(&numbers, rank: 1) }
        var aggregation = Aggregation(.fedMedLoRA)
        aggregation.robust = .median
        let combined = try aggregation.combine(
            Sample.uploads(adapters, sizes: [1, 1, 1]), isLast: false, precision: .f32
        ).adapter
        let middle = adapters.map { $0.tensors[0].values[2] }.sorted()[1]
        #expect(combined.tensors[0].values[2] == middle)
        let fault = #expect(throws: Fault.self) {
            try aggregation.combine(
                Sample.uploads(Array(adapters.prefix(2)), sizes: [1, 1]), isLast: false, precision: .f32)
        }
        #expect(fault?.code == "aggregate.too-few")
    }

    @Test func fittedBHasNoGradientLeft() throws {
        var numbers = Numbers(24)
        let adapters = (0..<3).map { _ in Sample.adapter(&numbers, rank: 2) }
        let sizes = [1, 2, 2]
        let weights = Sample.weights(sizes)
        func combined(_ ridge: Double?) throws -> (adapter: Adapter, evidence: CombinationEvidence) {
            var aggregation = Aggregation(.fedMedLoRA)
            aggregation.ridge = ridge
            return try aggregation.combine(Sample.uploads(adapters, sizes: sizes), isLast: false, precision: .f32)
        }
        let mean = try combined(nil)
        for ridge in [0, 0.5] {
            let fitted = try combined(ridge)
            #expect(fitted.evidence.lost.all.lostShare < mean.evidence.lost.all.lostShare)
            for place in Sample.shapes.indices {
                var sum = Dense(Sample.shapes[place].out, Sample.shapes[place].in)
                for (adapter, weight) in zip(adapters, weights) {
                    let (a, b) = Sample.factors(adapter, place)
                    sum = sum + weight * (b * a)
                }
                let (am, bm) = Sample.factors(mean.adapter, place)
                let b = Sample.factors(fitted.adapter, place).b
                // Half the gradient of |sum - B Am|^2 + ridge |B - Bm|^2; float32 of what is published is all that is left.
                let gradient = (b * am - sum) * am.transposed + ridge * (b - bm)
                #expect(gradient.norm < 1e-5 * sum.norm)
            }
        }
        #expect(try combined(1e12).adapter == mean.adapter)
    }

    @Test func turnedFactorsKeepTheirProductsAndMeetTheStart() throws {
        var numbers = Numbers(25)
        let start = Sample.adapter(&numbers, rank: 2)
        // The same product in turned factors: the plain mean destroys it.
        let (c, s) = (Float(0.6), Float(0.8))
        let turned = Adapter(
            configuration: start.configuration,
            tensors: start.tensors.map { tensor in
                var values = tensor.values
                if tensor.name.contains("lora_A") {
                    let n = tensor.shape[1]
                    for i in 0..<n {
                        values[i] = c * tensor.values[i] - s * tensor.values[n + i]
                        values[n + i] = s * tensor.values[i] + c * tensor.values[n + i]
                    }
                } else {
                    for row in 0..<tensor.shape[0] {
                        values[2 * row] = c * tensor.values[2 * row] - s * tensor.values[2 * row + 1]
                        values[2 * row + 1] = s * tensor.values[2 * row] + c * tensor.values[2 * row + 1]
                    }
                }
                return NamedTensor(name: tensor.name, shape: tensor.shape, values: values)
            })
        var aggregation = Aggregation(.fedMedLoRA)
        let uploads = try Sample.uploads([start, turned], sizes: [1, 1], start: start)
        let plain = try aggregation.combine(uploads, isLast: false, precision: .f32).evidence.lost.all.lostShare
        aggregation.rotates = true
        let aligned = try aggregation.combine(uploads, isLast: false, precision: .f32)
        #expect(plain > 0.1)
        #expect(aligned.evidence.lost.all.lostShare < 1e-6)
        for place in Sample.shapes.indices {
            let product = Sample.product(start, place)
            #expect((product - Sample.product(aligned.adapter, place)).norm < 1e-5 * product.norm)
        }
    }
}
