// Each layer's backward pass against finite differences of its forward pass, over small odd shapes.

import CKernels
import Engine
import Federation
import Foundation
import ModelFiles
import Testing

/// Central differences of float32 sums of size about 1 with steps of 1e-2: rounding and curvature.
private let differenceNoise = 2e-3

/// A float32 tensor that gradients are checked for.
private struct Variable {
    let values: UnsafeMutablePointer<Float>
    let gradient: UnsafeMutablePointer<Float>
    let count: Int

    init(_ count: Int, _ arena: Arena, _ numbers: inout TestNumbers, scale: Float = 1, around centre: Float = 0) throws
    {
        self.count = count
        values = try arena.floats(count)
        gradient = try arena.floats(count)
        for (i, value) in numbers.floats(count, scale: scale).enumerated() { values[i] = value + centre }
    }

    /// The gradient along a random direction against central differences of the loss.
    func check(_ name: String, _ loss: () -> Double) {
        var numbers = TestNumbers(UInt64(count))
        let direction = numbers.floats(count, scale: 1)
        let start = Array(UnsafeBufferPointer(start: values, count: count))
        func along(_ step: Float) -> Double {
            for i in 0..<count { values[i] = start[i] + step * direction[i] }
            return loss()
        }
        let found = (along(0.01) - along(-0.01)) / 0.02
        _ = along(0)
        var expected = 0.0
        for i in 0..<count { expected += Double(direction[i]) * Double(gradient[i]) }
        #expect(abs(found - expected) <= differenceNoise * max(1, abs(expected)), "\(name): \(found), \(expected)")
        #expect(expected != 0, "\(name) has no gradient")
    }
}

/// A weighted sum that takes the place of a loss: its gradient is the weights.
private func weightedSum(_ y: UnsafePointer<Float>, _ weights: [Float]) -> Double {
    var sum = 0.0
    for i in weights.indices { sum += Double(y[i]) * Double(weights[i]) }
    return sum
}

/// Dropout with a mask of its own, nil for none.
private func testDropout(
    _ probability: Double, stream: UInt32, elements: Int, _ arena: Arena
) throws -> AdaptedMap.Dropout? {
    guard probability > 0 else { return nil }
    return AdaptedMap.Dropout(
        probability: Float(probability), random: kernel_random(key: (1, 2), stream: (3, stream)),
        mask: try arena.halves((elements + 15) / 16 + 1))
}

@Suite struct LayerTests {
    @Test(arguments: [0, 0.4], [1, 2])
    func loraLinear(dropout: Double, threads: Int) throws {
        let (T, inputs, outputs, rank) = (37, 13, 101, 3)
        let arena = Arena()
        var numbers = TestNumbers(1)
        let workers = try Workers(count: threads, headDimension: 8, width: 128)
        let x = try Variable(T * inputs, arena, &numbers)
        let w = try Variable(outputs * inputs, arena, &numbers, scale: 0.3)
        let a = try Variable(rank * inputs, arena, &numbers, scale: 0.3)
        let b = try Variable(rank * outputs, arena, &numbers, scale: 0.3)
        let map = AdaptedMap(
            weight: matrix(w.values, rows: outputs, columns: inputs),
            low: AdaptedMap.LowRank(
                rank: rank, scale: 1.5, a: a.values, b: b.values, da: a.gradient, db: b.gradient,
                dropout: try testDropout(dropout, stream: 4, elements: T * inputs, arena)))
        let y = try arena.floats(T * outputs)
        let u = try arena.floats(T * rank)
        let dy = numbers.floats(T * outputs, scale: 0.1)
        func loss() -> Double {
            LoRALinear.forward(y, accumulate: false, u, x: x.values, map: map, T: T, workers: workers)
            return weightedSum(y, dy)
        }
        _ = loss()
        LoRALinear.backward(
            x.gradient, maps: [LoRALinear.OutputGradient(map: map, dy: dy, u: u)], x: x.values, T: T,
            scratch: try MapScratch(maps: 1, inputs: inputs, rank: rank, rows: T, arena: arena), workers: workers)
        x.check("x", loss)
        a.check("A", loss)
        b.check("B", loss)
        withExtendedLifetime(arena) {}
    }

    /// A prefix of five rows, two suffixes of four and seven, and six rows apart.
    private static let segments = [
        Segment(rows: 0..<5, prefix: 0..<0, ownRow: 0, ownOffset: 0),
        Segment(rows: 5..<9, prefix: 0..<5, ownRow: 5, ownOffset: 0),
        Segment(rows: 9..<16, prefix: 0..<5, ownRow: 9, ownOffset: 0),
        Segment(rows: 16..<22, prefix: 0..<0, ownRow: 16, ownOffset: 0),
    ]
    private static let groups = [0..<3, 3..<4]
    private static let positions: [Int32] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 5, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5]

    @Test(arguments: [1, 2])
    func attention(threads: Int) throws {
        let T = 22
        let shape = AttentionShape(heads: 6, keyValueHeads: 3, D: 6)
        let arena = Arena()
        var numbers = TestNumbers(2)
        let workers = try Workers(count: threads, headDimension: 6, width: 64)
        let q = try Variable(T * 36, arena, &numbers, scale: 2)
        let k = try Variable(T * 18, arena, &numbers, scale: 2)
        let v = try Variable(T * 18, arena, &numbers)
        let out = try arena.floats(T * 36)
        let logSumExp = try arena.floats(T * 6)
        let dout = numbers.floats(T * 36, scale: 0.5)
        func loss() -> Double {
            Attention.forward(
                out, logSumExp, q: q.values, keys: k.values, values: v.values, segments: Self.segments, shape: shape,
                T: T,
                workers: workers)
            return weightedSum(out, dout)
        }
        _ = loss()
        Attention.backward(
            q.gradient, k.gradient, v.gradient, dout: dout, out: out, q: q.values, keys: k.values, values: v.values,
            logSumExp: logSumExp, segments: Self.segments, groups: Self.groups, shape: shape, T: T, workers: workers)
        q.check("q", loss)
        k.check("k", loss)
        v.check("v", loss)
        withExtendedLifetime(arena) {}
    }

    @Test(arguments: [0, 0.25])
    func decoderLayer(dropout: Double) throws {
        let (T, H, F, rank) = (22, 20, 27, 3)
        let sizes = ModelShape(
            architecture: "llama", hiddenSize: H, layerCount: 1, headCount: 6, keyValueHeadCount: 3, headDimension: 6,
            feedForwardSize: F, vocabularySize: 11, rmsEpsilon: 1e-5, ropeTheta: 1e4, ropeScaling: .none,
            contextLength: 64, tiedHead: true)
        let arena = Arena()
        var numbers = TestNumbers(3)
        let workers = try Workers(count: 2, headDimension: 6, width: 64)
        let widths = [(36, H), (18, H), (18, H), (H, 36), (F, H), (F, H), (H, F)]
        var low: [Variable] = []
        let maps = try widths.enumerated().map { place, width in
            let weight = try Variable(width.0 * width.1, arena, &numbers, scale: 0.3)
            let a = try Variable(rank * width.1, arena, &numbers, scale: 0.3)
            let b = try Variable(rank * width.0, arena, &numbers, scale: 0.3)
            low += [a, b]
            return AdaptedMap(
                weight: matrix(weight.values, rows: width.0, columns: width.1),
                low: AdaptedMap.LowRank(
                    rank: rank, scale: 1.5, a: a.values, b: b.values, da: a.gradient, db: b.gradient,
                    dropout: try testDropout(dropout, stream: UInt32(place), elements: T * width.1, arena)))
        }
        let layer = LayerMaps(
            maps: maps, inputNorm: try Variable(H, arena, &numbers, scale: 0.3, around: 1).values,
            postAttentionNorm: try Variable(H, arena, &numbers, scale: 0.3, around: 1).values, epsilon: 1e-5,
            attention: AttentionShape(heads: 6, keyValueHeads: 3, D: 6))
        let cosine = try arena.floats(12 * 3)
        let sine = try arena.floats(12 * 3)
        for i in 0..<36 {
            cosine[i] = Float(cos(0.3 * Double(i / 3) * Double(i % 3 + 1)))
            sine[i] = Float(sin(0.3 * Double(i / 3) * Double(i % 3 + 1)))
        }
        let x = try Variable(T * H, arena, &numbers)
        let saved = try LayerActivations(sizes, rank: rank, rows: T, arena: arena)
        let scratch = try LayerScratch(sizes, rows: T, arena: arena)
        let gradients = try GradientScratch(sizes, rank: rank, rows: T, arena: arena)
        let out = try arena.floats(T * H)
        let dout = numbers.floats(T * H, scale: 0.3)
        Self.positions.withUnsafeBufferPointer { positions in
            guard let positions = positions.baseAddress else { return }
            let rows = PassRows(T: T, positions: positions, segments: Self.segments, cosine: cosine, sine: sine)
            func loss() -> Double {
                saved.x.update(from: x.values, count: T * H)
                DecoderLayer.forward(
                    out, layer: layer, saved: saved, scratch: scratch, rows: rows, workers: workers)
                return weightedSum(out, dout)
            }
            _ = loss()
            for i in 0..<T * H { x.gradient[i] = dout[i] }
            DecoderLayer.backward(
                x.gradient, needsInput: true, layer: layer, saved: saved, scratch: scratch, gradients: gradients,
                rows: rows, groups: Self.groups, workers: workers)
            x.check("x", loss)
            for (place, variable) in low.enumerated() {
                variable.check("\(LinearMap.allCases[place / 2]) \(place % 2 == 0 ? "A" : "B")", loss)
            }
        }
        withExtendedLifetime(arena) {}
    }

    @Test(arguments: [1, 2])
    func head(threads: Int) throws {
        let (T, H, V) = (9, 13, 101)
        let arena = Arena()
        var numbers = TestNumbers(4)
        let workers = try Workers(count: threads, headDimension: 8, width: 128)
        let x = try Variable(T * H, arena, &numbers)
        let weights = HeadWeights(
            weight: matrix(try Variable(V * H, arena, &numbers, scale: 0.5).values, rows: V, columns: H),
            norm: try Variable(H, arena, &numbers, scale: 0.3, around: 1).values, epsilon: 1e-5)
        // Two rows in a chunk, rows without a label between them, and a label that two records share.
        let scratch = try HeadScratch(weights, limit: 2, arena: arena)
        let labels = [
            Label(row: 1, token: 5, records: [0]), Label(row: 2, token: 100, records: [0, 1]),
            Label(row: 4, token: 0, records: [1]), Label(row: 7, token: 63, records: [0]),
            Label(row: 8, token: 63, records: [1]),
        ]
        func loss() -> Double {
            let losses = Head.losses(x: x.values, labels: labels, head: weights, scratch: scratch, workers: workers)
            return zip(losses, [1.0, 2, 1, 1, 1]).reduce(0) { $0 + Double($1.0) * $1.1 } / 6
        }
        let losses = Head.lossesAndGradient(
            x.gradient, x: x.values, labels: labels, labelCount: 6, head: weights, scratch: scratch, workers: workers)
        #expect(losses == Head.losses(x: x.values, labels: labels, head: weights, scratch: scratch, workers: workers))
        #expect((0..<H).allSatisfy { x.gradient[$0] == 0 && x.gradient[3 * H + $0] == 0 })
        x.check("x", loss)
        withExtendedLifetime(arena) {}
    }

    @Test func elementaryFunctionsMeetTheSystems() {
        for i in -2000...2000 {
            let x = Double(i) * 0.05 + 0.0123
            #expect(abs(Elementary.exp(x) / exp(x) - 1) <= 1e-15)
            #expect(abs(Elementary.log(exp(x * 3)) - x * 3) <= 1e-13)
            for angle in [x, x * 1000] {
                let found = Elementary.sineAndCosine(angle)
                #expect(abs(found.sine - sin(angle)) <= 3e-16)
                #expect(abs(found.cosine - cos(angle)) <= 3e-16)
            }
        }
    }

    @Test func learningRatesAreTransformers() {
        func rates(_ schedule: LearningRateSchedule, warmup: Double) -> [Double] {
            let configuration = TrainingConfiguration(
                epochs: 1, batchSize: 1, learningRate: 1, warmupRatio: warmup, schedule: schedule, maxLength: 2,
                lossOn: .sequence, weightDecay: 0, clipNorm: nil)
            return (0..<10).map { LearningRate.rate($0, of: 10, configuration) }
        }
        #expect(rates(.constant, warmup: 0) == Array(repeating: 1, count: 10))
        #expect(rates(.linear, warmup: 0.15) == [0, 0.5, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125])
        for (step, rate) in rates(.cosine, warmup: 0.2).enumerated() {
            let expected = step < 2 ? Double(step) / 2 : 0.5 * (1 + cos(Double.pi * Double(step - 2) / 8))
            #expect(abs(rate - expected) <= 1e-15)
        }
    }
}
