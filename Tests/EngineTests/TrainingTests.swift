// Training, scoring and generation on a tiny random model: gradients by finite differences, sharing, threads, faults.

import Engine
import Faults
import Federation
import Foundation
import ModelFiles
import Testing

/// float32 sums in another order: relative distance of gradients that differ only by it.
private let reorderingNoise = 2e-5
/// Central differences of a float32 loss of about 5 with steps of 1e-2: rounding 5e-7 / 1e-2 and curvature.
private let differenceNoise = 3e-3

@Suite struct TrainingTests {
    @Test(arguments: [true, false])
    func gradientMeetsFiniteDifferences(tied: Bool) throws {
        let model = try TinyModel.make(tied: tied)
        let adapter = try TinyModel.adapter(model)
        let batch = TinyModel.records([25, 22, 31], prefix: 19)
        let (_, gradient) = try lossAndGradient(model, adapter: adapter, batch: batch, sharing: true, threads: 2)
        try meetsDifferences(adapter, gradient) {
            try score(model, adapter: $0, sequences: batch, threads: 1).mean
        }
    }

    @Test(arguments: [1, 12, 24])
    func sharedPrefixEqualsUnshared(lossStart: Int) throws {
        let model = try TinyModel.make()
        let adapter = try TinyModel.adapter(model)
        // Two groups, one record alone, and two records that are equal.
        let batch =
            TinyModel.records([31, 28, 40], prefix: 20, lossStart: lossStart)
            + TinyModel.records([30, 33], prefix: 25, lossStart: lossStart)
            + TinyModel.records([27], prefix: 3, lossStart: lossStart)
        let all = batch + [batch[1]]
        let shared = try lossAndGradient(model, adapter: adapter, batch: all, sharing: true, threads: 2)
        let apart = try lossAndGradient(model, adapter: adapter, batch: all, sharing: false, threads: 2)
        #expect(abs(shared.loss - apart.loss) <= reorderingNoise)
        let worst = largestRelativeDistance(shared.gradient, apart.gradient)
        #expect(worst.distance <= reorderingNoise, "\(worst.name)")
    }

    @Test func threadsDoNotChangeABit() throws {
        let model = try TinyModel.make()
        var outcomes: [TrainingOutcome] = []
        for threads in [1, 2, 3] { outcomes.append(try train(Self.job(model, dropout: 0.1, threads: threads))) }
        #expect(outcomes[0].steps == 4)
        #expect(outcomes[0].adapter == outcomes[1].adapter)
        #expect(outcomes[0].adapter == outcomes[2].adapter)
        #expect(outcomes[0].losses == outcomes[1].losses)
    }

    @Test func seedRoundAndSiteChangeTheResult() throws {
        let model = try TinyModel.make()
        let plain = try train(Self.job(model, dropout: 0.1))
        for change in [
            { (job: inout TrainingJob) in job.seed = 2 }, { $0.round = 2 }, { $0.site = "other" },
        ] {
            var job = try Self.job(model, dropout: 0.1)
            change(&job)
            #expect(try train(job).adapter != plain.adapter)
        }
        #expect(try train(Self.job(model, dropout: 0.1)).adapter == plain.adapter)
    }

    @Test func dropoutGradientMeetsFiniteDifferences() throws {
        // The masks come from the seed, so the loss with masks is a plain function of the adapter.
        let model = try TinyModel.make()
        let adapter = try TinyModel.adapter(model, dropout: 0.3)
        let batch = TinyModel.records([25, 22, 31], prefix: 19)
        func loss(_ adapter: Adapter) throws -> Double {
            try lossAndGradient(model, adapter: adapter, batch: batch, sharing: true, threads: 1, seed: 5).loss
        }
        let (loss0, gradient) = try lossAndGradient(
            model, adapter: adapter, batch: batch, sharing: true, threads: 2, seed: 5)
        let plain = try lossAndGradient(model, adapter: adapter, batch: batch, sharing: true, threads: 2).loss
        #expect(loss0 != plain)
        try meetsDifferences(adapter, gradient, loss)
    }

    /// Every tensor's gradient along a random direction against central differences.
    private func meetsDifferences(_ adapter: Adapter, _ gradient: Adapter, _ loss: (Adapter) throws -> Double) throws {
        var numbers = TestNumbers(3)
        for (place, tensor) in adapter.tensors.enumerated() {
            let direction = numbers.floats(tensor.values.count, scale: 1)
            func along(_ step: Float) throws -> Double {
                var tensors = adapter.tensors
                for i in direction.indices { tensors[place].values[i] += step * direction[i] }
                return try loss(Adapter(configuration: adapter.configuration, tensors: tensors))
            }
            let expected = zip(direction, gradient.tensors[place].values).reduce(0.0) { $0 + Double($1.0 * $1.1) }
            let found = (try along(0.01) - along(-0.01)) / 0.02
            #expect(abs(found - expected) <= differenceNoise * max(1, abs(expected)), "\(tensor.name)")
        }
    }

    @Test func countsTokensRowsAndCuts() throws {
        let model = try TinyModel.make()
        var job = try Self.job(model, dropout: 0)
        job.configuration.maxLength = 30
        let outcome = try train(job)
        let lengths = job.sequences.map { min(30, $0.tokens.count) }
        #expect(outcome.truncated == job.sequences.filter { $0.tokens.count > 30 }.count)
        #expect(outcome.tokens == 2 * lengths.reduce(0, +))
        #expect(outcome.rows < outcome.tokens)
        #expect(outcome.losses.count == outcome.steps)
    }

    @Test func progressCancels() throws {
        let model = try TinyModel.make()
        var seen = 0
        let fault = #expect(throws: Fault.self) {
            _ = try train(Self.job(model, dropout: 0)) { progress throws(Fault) in
                seen = progress.step
                if progress.step == 2 { throw Fault(.interrupted, "test.interrupted", "stop", mend: "") }
            }
        }
        #expect(fault?.kind == .interrupted)
        #expect(seen == 2)
    }

    @Test(arguments: [1, 2, 3])
    func goesOnFromEveryCheckpointToTheSameBits(every: Int) throws {
        let model = try TinyModel.make()
        var job = try Self.job(model, dropout: 0.1)
        let plain = try train(job)
        job.configuration.checkpointEvery = every
        var states: [TrainingState] = []
        let whole = try train(job, checkpoint: { states.append($0) })
        #expect(whole.adapter == plain.adapter && whole.losses == plain.losses)
        #expect(states.map(\.steps) == Array(stride(from: every, to: 4, by: every)))
        for state in states {
            var later: [TrainingState] = []
            job.threads = 3
            let rest = try train(job, from: state, checkpoint: { later.append($0) })
            #expect(rest.adapter == whole.adapter)
            #expect(rest.losses == whole.losses)
            #expect(rest.firstEpochLoss == whole.firstEpochLoss && rest.lastEpochLoss == whole.lastEpochLoss)
            #expect(rest.tokens == whole.tokens && rest.rows == whole.rows)
            #expect(later == states.filter { $0.steps > state.steps })
            let one = try train(job, from: state, through: state.steps + 1)
            #expect(one.losses == Array(whole.losses.prefix(state.steps + 1)))
        }
        let first = try #require(states.first)
        job.configuration.epochs = 1
        job.sequences = [job.sequences[0]]
        if first.steps > 1 {
            let fault = #expect(throws: Fault.self) { _ = try train(job, from: first) }
            #expect(fault?.code == "engine.state")
        }
    }

    @Test func initialAdapterIsPEFTs() throws {
        let model = try TinyModel.make()
        let adapter = try initialAdapter(
            shape: model.shape,
            configuration: LoRAConfiguration(rank: 4, alpha: 8, dropout: 0, targets: [.q, .down]), seed: 9)
        #expect(adapter.tensors.count == 2 * 2 * TinyModel.layers)
        for tensor in adapter.tensors {
            if tensor.name.contains("lora_B") {
                #expect(tensor.values.allSatisfy { $0 == 0 })
            } else {
                let bound = 1 / Float(tensor.shape[1]).squareRoot()
                #expect(tensor.values.allSatisfy { abs($0) <= bound })
                #expect(tensor.values.max() ?? 0 > bound / 2 && tensor.values.min() ?? 0 < -bound / 2)
            }
        }
        #expect(adapter.tensors[0].values != adapter.tensors[4].values)
    }

    @Test func targetsAloneAreTrained() throws {
        let model = try TinyModel.make()
        var job = try Self.job(model, dropout: 0)
        job.lora.targets = [.v, .o]
        job.start = try TinyModel.adapter(model, targets: [.v, .o])
        let outcome = try train(job)
        #expect(outcome.adapter.tensors.count == 4 * TinyModel.layers)
        #expect(zip(outcome.adapter.tensors, job.start.tensors).allSatisfy { $0.values != $1.values })
    }

    @Test(arguments: [19, 97, 110, 200])
    func scoreAddsUpAndNoRecordDependsOnOthers(prefix: Int) throws {
        let model = try TinyModel.make()
        let batch = TinyModel.records([prefix + 6, prefix + 3, prefix + 12], prefix: prefix, lossStart: 5)
        let together = try score(model, adapter: nil, sequences: batch, threads: 2)
        #expect(together.labels == batch.reduce(0) { $0 + $1.tokens.count - 5 })
        #expect(together.total == together.sequences.reduce(0, +))
        for (index, sequence) in batch.enumerated() {
            let alone = try score(model, adapter: nil, sequences: [sequence], threads: 1)
            #expect(alone.total == together.sequences[index])
        }
    }

    @Test func oneScorerServesManyAdapters() throws {
        let model = try TinyModel.make()
        let records = TinyModel.records([19, 30, 24], prefix: 18)
        let adapters = [
            try TinyModel.adapter(model), try TinyModel.adapter(model, rank: 5), nil,
            try TinyModel.adapter(model, targets: [.q, .down]), try TinyModel.adapter(model),
        ]
        let scorer = try Scorer(model, sequences: records, threads: 2)
        let first = try TinyModel.adapter(model)
        let other = Adapter(
            configuration: first.configuration,
            tensors: first.tensors.map {
                NamedTensor(name: $0.name, shape: $0.shape, values: $0.values.map { 1.5 * $0 })
            })
        for adapter in adapters + [other, adapters[0]] {
            #expect(try scorer.score(adapter) == score(model, adapter: adapter, sequences: records, threads: 1))
        }
        #expect(try scorer.score(other) != scorer.score(adapters[0]))
    }

    @Test func refusesBadJobs() throws {
        let model = try TinyModel.make(context: 64)
        func code(_ change: (inout TrainingJob) throws -> Void) throws -> String? {
            var job = try Self.job(model, dropout: 0)
            try change(&job)
            do {
                _ = try train(job)
                return nil
            } catch {
                return error.code
            }
        }
        #expect(try code { _ in } == nil)
        #expect(try code { $0.sequences = [] } == "engine.no-sequences")
        #expect(try code { $0.sequences[1].tokens[3] = 101 } == "engine.token-outside-vocabulary")
        #expect(try code { $0.sequences[1].tokens[3] = -1 } == "engine.token-outside-vocabulary")
        #expect(try code { $0.sequences[0].tokens = [1] } == "engine.sequence-too-short")
        #expect(try code { $0.sequences[0].tokens = Array(repeating: 1, count: 65) } == "engine.sequence-too-long")
        #expect(try code { $0.sequences[0].lossStart = 200 } == "engine.no-labels")
        #expect(try code { $0.lora.rank = 4 } == "engine.adapter-configuration")
        #expect(try code { $0.lora.targets = [.q] } == "engine.adapter-configuration")
        let other = try Golden.adapter(
            Golden.folder.appendingPathComponent("lora-tiny-llama3/grads.safetensors"), rank: 3, alpha: 6)
        #expect(try code { $0.start = other } == "engine.adapter-shape")
        let short = Array(try Self.job(model, dropout: 0).start.tensors.dropLast())
        #expect(
            try code { $0.start = Adapter(configuration: $0.lora, tensors: short) } == "engine.adapter-count")
        #expect(
            try code {
                var tensors = $0.start.tensors
                tensors[2].values[1] = .nan
                $0.start = Adapter(configuration: $0.lora, tensors: tensors)
            } == "engine.adapter-not-finite")
        #expect(
            try code {
                let tensors = $0.start.tensors.map {
                    NamedTensor(name: $0.name, shape: $0.shape, values: $0.values.map { $0 * 1e30 })
                }
                $0.start = Adapter(configuration: $0.lora, tensors: tensors)
            } == "engine.loss-not-finite")
        #expect(try code { $0.threads = 0 } == "engine.setting")
        #expect(try code { $0.configuration.epochs = 0 } == "engine.setting")
        #expect(try code { $0.configuration.batchSize = 0 } == "engine.setting")
    }

    /// Two epochs of five records in batches of three: four steps.
    static func job(_ model: LanguageModel, dropout: Double, threads: Int = 2) throws -> TrainingJob {
        let start = try TinyModel.adapter(model, dropout: dropout)
        return TrainingJob(
            model: model,
            configuration: TrainingConfiguration(
                epochs: 2, batchSize: 3, learningRate: 1e-3, warmupRatio: 0.25, schedule: .cosine, maxLength: 100,
                lossOn: .sequence, weightDecay: 0.01, clipNorm: 1),
            lora: start.configuration, sequences: TinyModel.records([31, 28, 40, 33, 26], prefix: 20), start: start,
            seed: 1, round: 1, site: "general", threads: threads)
    }
}
