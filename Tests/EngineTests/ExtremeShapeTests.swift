// Shapes, sizes and settings that a hostile or careless file may declare: each works or gives a fault; none ends the process.

import Engine
import Faults
import Federation
import Foundation
import ModelFiles
import Testing

/// The code of the fault that a call throws; nil where it throws none.
private func code(_ body: () throws -> Void) throws -> String? {
    do {
        try body()
        return nil
    } catch let fault as Fault {
        return fault.code
    }
}

@Suite struct ExtremeShapeTests {
    static let worst = [0, -1, 1 << 31, 1 << 49, Int.max]

    private static func shape(_ change: (inout ModelShape) -> Void) -> ModelShape {
        var shape = ModelShape(
            architecture: "llama", hiddenSize: 32, layerCount: 1, headCount: 2, keyValueHeadCount: 1,
            headDimension: 16, feedForwardSize: 32, vocabularySize: 64, rmsEpsilon: 1e-5, ropeTheta: 1e4,
            ropeScaling: .none, contextLength: 64, tiedHead: true)
        change(&shape)
        return shape
    }

    // MARK: Models

    /// One key-value head serves 3,000 query heads whose norms are taken together: more than fits into a scratch whose size is computed
    /// from the head dimension alone.
    @Test(arguments: [(3000, 1, 2), (1, 1, 2), (4, 4, 254)])
    func decodesManyHeadsWithNorms(heads: Int, keyValueHeads: Int, dimension: Int) throws {
        let model = try TinyModel.make(
            family: "qwen3", heads: heads, keyValueHeads: keyValueHeads, headDimension: dimension)
        let prompt: [Int32] = [5, 3, 8, 1]
        let found = try generate(
            model, adapter: nil, prompts: [prompt, [7, 7]], maxNewTokens: 6, stop: [], batchSize: 2, threads: 2)
        var tokens = prompt
        for token in found[0].tokens {
            #expect(try probe(model, adapter: nil, tokens: tokens, threads: 1, top: 1).top[0].token == token)
            tokens.append(token)
        }
        #expect(found[0].tokens.count == 6)
    }

    @Test func refusesSizesThatNoMachineHolds() throws {
        let sizes: [(inout ModelShape, Int) -> Void] = [
            { $0.hiddenSize = $1 }, { $0.layerCount = $1 }, { $0.headCount = $1 }, { $0.keyValueHeadCount = $1 },
            { $0.headDimension = $1 }, { $0.feedForwardSize = $1 }, { $0.vocabularySize = $1 },
            { $0.contextLength = $1 },
        ]
        let lora = LoRAConfiguration(rank: 2048, alpha: 1, dropout: 0.5, targets: LinearMap.allCases)
        for size in sizes {
            for value in Self.worst {
                let shape = Self.shape { size(&$0, value) }
                #expect(
                    try code { _ = try LanguageModel(random: shape, type: .q4_0, numerics: .exact) }
                        == "engine.model-setting")
                #expect(
                    try code { _ = try initialAdapter(shape: shape, configuration: lora, seed: 1) }
                        == "engine.model-setting")
            }
        }
        // Each size is within its own bound, but all of them together exceed any machine.
        let huge = Self.shape {
            ($0.hiddenSize, $0.feedForwardSize, $0.vocabularySize) = (1 << 24, 1 << 24, 1 << 24)
            ($0.layerCount, $0.headCount, $0.headDimension) = (1 << 10, 1 << 12, 1 << 12)
        }
        #expect(try code { _ = try LanguageModel(random: huge, type: .q4_0, numerics: .exact) } == "engine.memory")
        #expect(try code { _ = try initialAdapter(shape: huge, configuration: lora, seed: 1) } == "engine.memory")
        let wide = Self.shape { ($0.headCount, $0.headDimension) = (1 << 13, 1 << 12) }
        #expect(
            try code { _ = try LanguageModel(random: wide, type: .q4_0, numerics: .exact) } == "engine.model-setting")
        for rows in [1 << 40, Int.max] {
            #expect(
                try code {
                    _ = try TrainingMemory(
                        shape: huge, weights: 0, lora: lora, numerics: .fast, checkpointing: false, rows: rows,
                        longest: 1 << 24, threads: 1)
                } == "engine.memory")
        }
    }

    @Test(arguments: [
        (1e4, RopeScaling.linear(factor: 1e-300)), (1e4, .linear(factor: 5e-324)), (1e-300, .none),
        (1e4, .llama3(factor: 1e-300, lowFrequencyFactor: 1e300, highFrequencyFactor: 2e300, originalContext: 1)),
    ])
    func refusesFrequenciesBeyondSense(theta: Double, scaling: RopeScaling) throws {
        let shape = Self.shape { ($0.ropeTheta, $0.ropeScaling) = (theta, scaling) }
        let model = try LanguageModel(random: shape, type: .q4_0, numerics: .exact)
        #expect(
            try code { _ = try probe(model, adapter: nil, tokens: [1, 2], threads: 1, top: 1) }
                == "engine.model-setting")
    }

    @Test(arguments: [Float.nan, .infinity, -.infinity]) func refusesWeightsWithoutNF4(value: Float) throws {
        var values = [Float](repeating: 0.1, count: 128)
        values[77] = value
        #expect(
            try code {
                _ = try QuantisedWeights.rows(of: matrix(values, rows: 2, columns: 64), name: "w")
            } == "engine.weight-not-finite")
        // The largest numbers are finite, but their mean is not: the result is some codes, and no trap.
        let large = [Float](repeating: .greatestFiniteMagnitude, count: 128)
        #expect(try QuantisedWeights.rows(of: matrix(large, rows: 2, columns: 64), name: "w").count == 2 * (8 + 4 + 33))
    }

    // MARK: Memory

    @Test func memoryThatCannotBeHadIsAFault() throws {
        let arena = Arena()
        for factors in [(Int.max, 1), (Int.max, Int.max), (1 << 40, 1 << 10), (1, 1 << 62), (-1, 8)] {
            #expect(try code { _ = try arena.floats(factors.0, factors.1) } == "engine.memory")
            #expect(try code { _ = try arena.halves(factors.0, factors.1) } == "engine.memory")
            #expect(try code { _ = try arena.reserve(factors.0, factors.1) } == "engine.memory")
        }
        // Refused memory is not counted as held: as much as before can still be had.
        let floats = try arena.floats(1 << 20)
        #expect(floats[0] == 0 && floats[(1 << 20) - 1] == 0)
        #expect(try arena.floats(0, Int.max)[15] == 0)
        #expect(arena.byteCount == 4 << 20 + 64)
    }

    @Test func theFaultNamesWhatWasAskedFor() throws {
        let fault = #expect(throws: Fault.self) { _ = try Arena().floats(1 << 50) }
        #expect(fault?.what.hasPrefix("4503599627370496 bytes of memory cannot be had") == true)
    }

    // MARK: Calls

    @Test func trainingSettingsOfAnyValue() throws {
        let model = try TinyModel.make()
        func trains(_ change: (inout TrainingJob) -> Void) throws -> String? {
            var job = try TrainingTests.job(model, dropout: 0)
            change(&job)
            return try code { _ = try train(job) }
        }
        for value in Self.worst {
            let beyond = value < 1 ? "engine.setting" : nil
            #expect(try trains { $0.configuration.epochs = value } == "engine.setting")
            #expect(try trains { $0.configuration.batchSize = value } == beyond)
            #expect(try trains { $0.configuration.maxLength = value } == beyond)
            #expect(try trains { $0.configuration.checkpointEvery = value } == beyond)
            #expect(try trains { $0.threads = value } == "engine.setting")
            #expect(try trains { $0.lora.rank = value } == "engine.adapter-configuration")
            #expect(try trains { $0.round = value } == nil)
        }
        for value in [Double.nan, .infinity, -1, 1e300] {
            #expect(try trains { $0.configuration.warmupRatio = value } == "engine.setting")
            #expect(try trains { $0.lora.dropout = value } == "engine.setting")
        }
        #expect(try trains { $0.lora.alpha = .nan } == "engine.adapter-configuration")
    }

    @Test func decodingSettingsOfAnyValue() throws {
        let model = try TinyModel.make(context: 40)
        let prompts: [[Int32]] = [[1, 2, 3], [4]]
        func answers(new: Int, batch: Int) throws -> [Generation] {
            try generate(
                model, adapter: nil, prompts: prompts, maxNewTokens: new, stop: [], batchSize: batch, threads: 1)
        }
        let plain = try answers(new: 100, batch: 2)
        for value in Self.worst where value >= 1 {
            #expect(try answers(new: value, batch: value) == plain)
        }
        for value in [0, -1, Int.min] {
            #expect(try code { _ = try answers(new: value, batch: 1) } == "engine.setting")
            #expect(try code { _ = try answers(new: 1, batch: value) } == "engine.setting")
        }
    }

    /// A batch of 100,000 records: one step and its scores, with the stack that a test has.
    @Test func hundredThousandRecordsInABatch() throws {
        let model = try TinyModel.make(layers: 1)
        var job = try TrainingTests.job(model, dropout: 0)
        job.start = try TinyModel.adapter(model)
        job.configuration.batchSize = 100_000
        job.configuration.epochs = 1
        job.sequences = (0..<100_000).map { TokenSequence(tokens: [Int32($0 % 101), Int32($0 / 101 % 101)]) }
        let outcome = try train(job)
        #expect(outcome.steps == 1 && outcome.rows == 100_000)
        let scores = try score(model, adapter: outcome.adapter, sequences: job.sequences, threads: 2)
        #expect(scores.sequences.count == 100_000 && scores.total.isFinite)
    }
}
