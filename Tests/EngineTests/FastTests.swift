// Fast numerics on a tiny random model: near exact numerics, and reproducible for any number of threads.

import Engine
import Federation
import Testing

/// Inputs of every product have 8 bits: a gradient differs by about 2^-8 of its size, after a few products in a chain.
private let roundingOfHalves = 0.03

@Suite struct FastTests {
    @Test(arguments: [0, 0.2])
    func gradientIsNearTheExactOne(dropout: Double) throws {
        let exact = try TinyModel.make(tied: false)
        let fast = try TinyModel.make(tied: false, numerics: .fast)
        let adapter = try TinyModel.adapter(exact, dropout: dropout)
        let batch = TinyModel.records([25, 22, 31], prefix: 19)
        let seed: UInt64? = dropout > 0 ? 3 : nil
        let one = try lossAndGradient(exact, adapter: adapter, batch: batch, sharing: true, threads: 2, seed: seed)
        let two = try lossAndGradient(fast, adapter: adapter, batch: batch, sharing: true, threads: 2, seed: seed)
        #expect(one.loss != two.loss)
        #expect(abs(one.loss - two.loss) <= 0.01 * one.loss)
        for (a, b) in zip(one.gradient.tensors, two.gradient.tensors) {
            let distance = zip(a.values, b.values).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
            let size = a.values.reduce(0.0) { $0 + Double($1 * $1) }
            #expect(size > 0)
            #expect(distance.squareRoot() <= roundingOfHalves * size.squareRoot(), "\(a.name)")
        }
    }

    @Test func threadsDoNotChangeABit() throws {
        let model = try TinyModel.make(numerics: .fast)
        let outcomes = try [1, 2, 3].map { try train(TrainingTests.job(model, dropout: 0.1, threads: $0)) }
        #expect(outcomes[0].adapter == outcomes[1].adapter)
        #expect(outcomes[0].adapter == outcomes[2].adapter)
        #expect(outcomes[0].losses == outcomes[1].losses)
        let exact = try train(TrainingTests.job(TinyModel.make(), dropout: 0.1))
        #expect(exact.adapter != outcomes[0].adapter)
    }

    @Test(arguments: Numerics.allCases) func checkpointedActivationsGiveTheSameBits(numerics: Numerics) throws {
        let model = try TinyModel.make(numerics: numerics)
        var job = try TrainingTests.job(model, dropout: 0.1)
        let kept = try train(job)
        job.configuration.checkpointActivations = true
        let again = try train(job)
        #expect(kept.adapter == again.adapter)
        #expect(kept.losses == again.losses)
    }

    @Test func memoryIsWhatTheAllocationsAre() throws {
        let model = try TinyModel.make()
        let lora = try TinyModel.adapter(model, dropout: 0.1).configuration
        func memory(_ checkpointing: Bool, rows: Int, numerics: Numerics = .exact) throws -> TrainingMemory {
            try TrainingMemory(
                shape: model.shape, weights: model.storedBytes, lora: lora, numerics: numerics,
                checkpointing: checkpointing, rows: rows, longest: 40, threads: 2)
        }
        let (kept, again) = try (memory(false, rows: 640), memory(true, rows: 640))
        #expect(again.activations < kept.activations && again.scratch == kept.scratch)
        let spare = 2 * 7 * 2  // one word after the mask of each map
        #expect(try memory(false, rows: 1280).activations == 2 * kept.activations - spare)
        #expect(try memory(false, rows: 640, numerics: .fast).scratch != kept.scratch)
        // Two layers of float32 weights: 20 x (36 + 18 + 18 + 36 + 3 x 27) each, and the embedding.
        #expect(kept.weights == 4 * (2 * 20 * 189 + 101 * 20))
        // A row of a layer: 2 H + 2 Q + 2 KV + 2 F + heads + 2 floats, r for each map, and a bit for each input.
        let floats = 2 * 20 + 2 * 36 + 2 * 18 + 2 * 27 + 6 + 2 + 7 * 3
        let bits = 2 * 640 * (5 * 20 + 36 + 27)
        #expect(kept.activations == 640 * 2 * 4 * floats + bits / 8 + spare)
    }

    @Test func randomModelsTrainAndCutModelsKeepTheirFirstLayers() throws {
        var shape = try TinyModel.make().shape
        shape.hiddenSize = 32
        shape.feedForwardSize = 64
        shape.layerCount = 3
        let model = try LanguageModel(random: shape, type: .q4_0, numerics: .fast)
        #expect(model.storedBytes > model.outerBytes)
        #expect(model.cut(to: 2).shape.layerCount == 2)
        #expect((model.storedBytes - model.outerBytes) % 3 == 0)
        let outcome = try train(TrainingTests.job(model.cut(to: 2), dropout: 0.1))
        #expect(outcome.losses.allSatisfy { $0.isFinite && $0 > 0 })
    }

    @Test func aRecordsScoreDoesNotDependOnTheOthers() throws {
        let model = try TinyModel.make(numerics: .fast)
        let adapter = try TinyModel.adapter(model)
        let records = TinyModel.records([130, 120, 140], prefix: 100)
        let together = try score(model, adapter: adapter, sequences: records, threads: 2)
        for (record, sum) in zip(records, together.sequences) {
            #expect(try score(model, adapter: adapter, sequences: [record], threads: 1).total == sum)
        }
    }
}
