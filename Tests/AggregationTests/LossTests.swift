// What the mean loses, against dense products; cosines; the bits of the mean; the order of sums.

import CSums
import Federation
import Testing

@Suite struct LossTests {
    /// Grams of differences against dense products: both in Double, over sums of a few hundred terms.
    private let tolerance = 1e-9

    private func dense(
        _ adapters: [Adapter], _ weights: [Double], published: Adapter, rounded: Adapter, kind: LinearMap?
    ) -> (lost: Double, rounding: Double) {
        var (lost, rounding, ideal) = (0.0, 0.0, 0.0)
        for place in Sample.shapes.indices where kind == nil || Sample.shapes[place].kind == kind {
            var sum = Dense(Sample.shapes[place].out, Sample.shapes[place].in)
            for (adapter, weight) in zip(adapters, weights) { sum = sum + weight * Sample.product(adapter, place) }
            let mean = Sample.product(published, place)
            func square(_ x: Double) -> Double { x * x }
            lost += square((sum - mean).norm)
            rounding += square((mean - Sample.product(rounded, place)).norm)
            ideal += square(sum.norm)
        }
        return ((lost / ideal).squareRoot(), (rounding / ideal).squareRoot())
    }

    @Test func lossOfTheMeanIsThatOfDenseProducts() throws {
        var numbers = Numbers(1)
        let start = Sample.adapter(&numbers, rank: 3)
        let adapters = (0..<3).map { _ in Sample.adapter(&numbers, rank: 3, near: start, by: 0.3) }
        let sizes = [3, 1, 4]
        let (mean, evidence) = try Aggregation(.fedMedLoRA).combine(
            Sample.uploads(adapters, sizes: sizes, start: start), isLast: false, precision: .bf16)
        let weights = Sample.weights(sizes)
        let all = dense(adapters, weights, published: mean, rounded: mean.rounded(to: .bf16), kind: nil)
        #expect(abs(evidence.lost.all.lostShare - all.lost) < 1e-6 * all.lost)
        #expect(all.lost > 0.01)
        // Rounding to bfloat16 begins at the Double means here and at their float32 in the oracle.
        #expect(abs(evidence.lost.all.roundingShare - all.rounding) < 1e-4 * all.rounding)
        for (kind, squares) in evidence.lost.kinds {
            let own = dense(
                adapters, weights, published: mean, rounded: mean.rounded(to: .bf16), kind: LinearMap(rawValue: kind))
            #expect(abs(squares.lostShare - own.lost) < 1e-6 * own.lost)
        }
        #expect(evidence.lost.kinds.map(\.kind) == ["q_proj", "down_proj"])
    }

    /// Sites that drifted by a millionth lose 1e-12 of the product; large products that cancel could not show it.
    @Test func smallLossesDoNotCancel() throws {
        var numbers = Numbers(2)
        let start = Sample.adapter(&numbers, rank: 2)
        let sizes = [1, 1]
        func loss(_ drift: Double) throws -> Double {
            var again = Numbers(3)
            let adapters = (0..<2).map { _ in Sample.adapter(&again, rank: 2, near: start, by: drift) }
            return try Aggregation(.fedMedLoRA).combine(
                Sample.uploads(adapters, sizes: sizes, start: start), isLast: false, precision: .f32
            ).evidence.lost.all.lostShare
        }
        let (large, small) = (try loss(1.0 / 64), try loss(1.0 / 1024))
        #expect(abs(large / small / 256 - 1) < 0.05, "\(large) \(small)")
    }

    @Test func oneSiteOrACommonFactorLosesNothing() throws {
        var numbers = Numbers(4)
        let one = Sample.adapter(&numbers, rank: 2)
        let alone = try Aggregation(.fedMedLoRA).combine(
            Sample.uploads([one], sizes: [5]), isLast: false, precision: .f32)
        #expect(alone.evidence.lost.all.lostShare == 0)
        #expect(alone.adapter == one)
        // B differs, A is the start's.
        let start = Sample.adapter(&numbers, rank: 2)
        let others = (0..<3).map { _ in Sample.adapter(&numbers, rank: 2) }
        let combined = try Aggregation(.fedMedLoRA).combine(
            Sample.uploads(others, sizes: [1, 2, 3], start: start, frozen: .a), isLast: false, precision: .f32)
        #expect(combined.evidence.lost.all.lostShare == 0)
        for place in Sample.shapes.indices {
            #expect(Sample.factors(combined.adapter, place).a == Sample.factors(start, place).a)
            var sum = Dense(Sample.shapes[place].out, Sample.shapes[place].in)
            for (adapter, weight) in zip(others, Sample.weights([1, 2, 3])) {
                sum = sum + (weight * 3) * (Sample.factors(adapter, place).b * Sample.factors(start, place).a)
            }
            #expect((sum - Sample.product(combined.adapter, place)).norm < 1e-6 * sum.norm)
        }
    }

    @Test func cosinesAreThoseOfDenseChanges() throws {
        var numbers = Numbers(5)
        let start = Sample.adapter(&numbers, rank: 3)
        let adapters = (0..<3).map { _ in Sample.adapter(&numbers, rank: 3, near: start, by: 0.2) }
        let sizes = [2, 3, 5]
        let found = try Aggregation(.fedMedLoRA).combine(
            Sample.uploads(adapters, sizes: sizes, start: start), isLast: false, precision: .f32
        ).evidence.cosines
        let weights = Sample.weights(sizes)
        for (site, adapter) in adapters.enumerated() {
            var (dot, own, mean) = (0.0, 0.0, 0.0)
            for place in Sample.shapes.indices {
                let before = Sample.product(start, place)
                let change = Sample.product(adapter, place) - before
                var all = Dense(change.rows, change.columns)
                for (other, weight) in zip(adapters, weights) {
                    all = all + weight * (Sample.product(other, place) - before)
                }
                dot += change.dot(all)
                own += change.dot(change)
                mean += all.dot(all)
            }
            #expect(abs((found?[site] ?? .nan) - dot / (own * mean).squareRoot()) < tolerance)
        }
    }

    /// The mean is what it was before anything else was recorded: sums in Double in site order, rounded to float32 once.
    @Test func meanKeepsItsBits() throws {
        var numbers = Numbers(6)
        let adapters = (0..<4).map { _ in Sample.adapter(&numbers, rank: 2) }
        let sizes = [7, 11, 2, 5]
        let mean = try Aggregation(.fedMedLoRA).combine(
            Sample.uploads(adapters, sizes: sizes), isLast: false, precision: .bf16
        ).adapter
        let weights = Sample.weights(sizes)
        for (index, tensor) in mean.tensors.enumerated() {
            for element in tensor.values.indices {
                var sum = 0.0
                for (adapter, weight) in zip(adapters, weights) {
                    sum += weight * Double(adapter.tensors[index].values[element])
                }
                #expect(tensor.values[element].bitPattern == Float(sum).bitPattern)
            }
        }
    }

    /// The order that CSums.h states, in plain Swift: what wide vectors and tiles make of it has the same bits.
    @Test(arguments: [1, 7, 8, 9, 255, 256, 257, 600, 1031]) func sumsRunInTheStatedOrder(count: Int) {
        var numbers = Numbers(7)
        let rows = (0..<6).map { _ in (0..<count).map { _ in numbers.one() } }
        func stated(_ x: [Double], _ y: [Double]) -> Double {
            var sum = 0.0
            for first in stride(from: 0, to: count, by: 256) {
                var lanes = [Double](repeating: 0, count: 8)
                for i in first..<min(count, first + 256) { lanes[(i - first) % 8] += x[i] * y[i] }
                sum +=
                    ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]))
            }
            return sum
        }
        let flat = Array(rows.joined())
        var gram = [Double](repeating: .nan, count: 36)
        sums_gram(&gram, flat, 6, count)
        for i in 0..<6 {
            for j in 0..<6 {
                #expect(gram[6 * i + j].bitPattern == stated(rows[max(i, j)], rows[min(i, j)]).bitPattern)
            }
        }
        #expect(sums_dot(rows[0], rows[1], count).bitPattern == stated(rows[0], rows[1]).bitPattern)
    }

    @Test func roundingIsThatOfFiles() {
        #expect(UploadPrecision.bf16.rounded(1.00390625) == 1)  // a tie, to even
        #expect(UploadPrecision.bf16.rounded(1.01171875) == 1.015625)
        #expect(UploadPrecision.f32.rounded(1.00390625) == 1.00390625)
    }
}
