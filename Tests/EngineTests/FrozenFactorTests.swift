// A frozen factor, the proximal term, and the initial adapter without an engine.

import Engine
import Federation
import ModelFiles
import Testing

@Suite struct FrozenFactorTests {
    private func job(
        _ model: LanguageModel, _ matrices: TrainedMatrices, round: Int = 1, proximal: Double = 0,
        weightDecay: Double = 0.1, clip: Double? = nil, epochs: Int = 2
    ) throws -> TrainingJob {
        let adapter = try TinyModel.adapter(model)
        var configuration = TrainingConfiguration(
            epochs: epochs, batchSize: 2, learningRate: 0.01, warmupRatio: 0, schedule: .constant, maxLength: 64,
            lossOn: .sequence, weightDecay: weightDecay, clipNorm: clip)
        configuration.matrices = matrices
        configuration.proximal = proximal
        return TrainingJob(
            model: model, configuration: configuration, lora: adapter.configuration,
            sequences: TinyModel.records([19, 22, 24], prefix: 18), start: adapter, seed: 5, round: round, site: "s",
            threads: 2)
    }

    private func isFactor(_ tensor: NamedTensor, _ matrix: Adapter.Matrix) -> Bool {
        tensor.name.hasSuffix(".\(matrix.rawValue).weight")
    }

    /// Weight decay moves what has no gradient; a frozen factor stays to the bit all the same.
    @Test(arguments: [(TrainedMatrices.b, 1), (.b, 2), (.alternate, 1), (.alternate, 2)])
    func frozenTensorsKeepTheirBits(matrices: TrainedMatrices, round: Int) throws {
        let model = try TinyModel.make()
        let job = try job(model, matrices, round: round)
        let frozen = try #require(matrices.frozen(in: round))
        #expect(frozen == (matrices == .alternate && round == 2 ? .b : .a))
        let trained = try train(job).adapter
        for (before, after) in zip(job.start.tensors, trained.tensors) {
            if isFactor(before, frozen) {
                #expect(before.values.map(\.bitPattern) == after.values.map(\.bitPattern))
            } else {
                #expect(before.values != after.values)
            }
        }
    }

    /// The gradient of one factor is that of both, restricted: its norm, and so the first step of AdamW.
    @Test func gradientIsThatOfBothRestricted() throws {
        let model = try TinyModel.make()
        var both = try job(model, .both, weightDecay: 0, epochs: 1)
        both.configuration.batchSize = 3
        var one = try job(model, .b, weightDecay: 0, epochs: 1)
        one.configuration.batchSize = 3
        let (first, second) = (try train(both).adapter, try train(one).adapter)
        for (left, right) in zip(first.tensors, second.tensors) where isFactor(left, .b) {
            #expect(left.values.map(\.bitPattern) == right.values.map(\.bitPattern))
        }
        let gradient = try lossAndGradient(
            model, adapter: both.start, batch: both.sequences, sharing: true, threads: 1
        ).gradient
        let square = gradient.tensors.filter { isFactor($0, .b) }.reduce(0.0) { sum, tensor in
            tensor.values.reduce(sum) { $0 + Double($1) * Double($1) }
        }
        var norm = 0.0
        _ = try train(one, progress: { norm = $0.gradientNorm })
        #expect(abs(norm / square.squareRoot() - 1) < 1e-6)
    }

    /// At the start the term is zero; after it, it pulls back, more so the larger mu.
    @Test func proximalTermHoldsTheTrainingAtItsStart() throws {
        let model = try TinyModel.make()
        func drift(_ mu: Double) throws -> Double {
            let job = try job(model, .both, proximal: mu, weightDecay: 0, epochs: 6)
            let trained = try train(job).adapter
            return zip(trained.tensors, job.start.tensors).reduce(0.0) { sum, pair in
                zip(pair.0.values, pair.1.values).reduce(sum) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
            }.squareRoot()
        }
        let (none, some, much) = (try drift(0), try drift(0.3), try drift(30))
        #expect(some < none && much < some)
        #expect(try drift(0) == none)
    }

    /// What an auditor computes from the seed is what the engine makes, at f32 and rounded.
    @Test func initialAdapterNeedsNoEngine() throws {
        let model = try TinyModel.make()
        let configuration = LoRAConfiguration(rank: 5, alpha: 8, dropout: 0, targets: [.q, .k, .down])
        let engine = try initialAdapter(shape: model.shape, configuration: configuration, seed: 12345)
        let sizes = model.shape.sizes
        #expect(
            Adapter.initial(sizes: sizes, configuration: configuration, seed: 12345, precision: .f32) == engine)
        #expect(
            Adapter.initial(sizes: sizes, configuration: configuration, seed: 12345, precision: .bf16)
                == engine.rounded(to: .bf16))
    }
}
