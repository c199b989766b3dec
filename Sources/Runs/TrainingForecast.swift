// TrainingForecast: what a training step will take here, from a few layers that really run, and benchmarks of random models.

import Engine
import Faults
import Federation
import ModelFiles
import RunRecords

/// The time of a step as a line in the number of layers, each measured with real forward and backward passes.
public struct StepTime: Sendable {
    /// What embedding, head, loss and optimiser take, in seconds.
    public var base: Double
    /// What a layer takes, in seconds.
    public var layer: Double

    /// A step of a model of so many layers, in seconds.
    public func seconds(layers: Int) -> Double { base + Double(layers) * layer }

    /// Trains the model cut to one layer and to some on the batch, a few steps each. Faults: those of `train`.
    static func measure(
        _ model: LanguageModel, job: (LanguageModel) throws(Fault) -> TrainingJob
    ) throws(Fault) -> StepTime {
        func seconds(_ count: Int) throws(Fault) -> Double {
            let steps = try Self.steps(of: try job(model.cut(to: count))).sorted()
            return steps.isEmpty ? 0 : steps[steps.count / 2]
        }
        let layers = model.shape.layerCount
        let one = try seconds(1)
        // Where steps are short, noise weighs more and layers cost little: a third of them tells what all will take.
        let some = min(layers, one > 1 ? 4 : max(4, layers / 3))
        let layer = some > 1 ? max(0, (try seconds(some) - one) / Double(some - 1)) : 0
        return StepTime(base: max(0, one - layer), layer: layer)
    }

    /// The seconds of every step of a job but the first, which meets cold memory.
    package static func steps(of job: TrainingJob) throws(Fault) -> [Double] {
        var marks: [ContinuousClock.Instant] = []
        _ = try train(job) { (_: TrainingProgress) throws(Fault) in marks.append(ContinuousClock.now) }
        return zip(marks.dropFirst(), marks).map { ($0 - $1) / .seconds(1) }
    }
}

/// What the train step of a plan will take on this machine.
public struct TrainingForecast: Sendable {
    /// One site's training of one round.
    public struct Site: Sendable {
        /// The site.
        public var site: SiteID
        /// Optimiser steps of a round.
        public var steps: Int
        /// The mean over the round's batches, in seconds.
        public var secondsPerStep: Double
        /// The memory of the largest batch.
        public var memory: TrainingMemory
    }

    /// The sites in the plan's order.
    public var sites: [Site]

    /// Measures the base model's layers on each site's batch of middling size. Nil where the plan trains nothing.
    public init?(_ context: RunContext) throws(Fault) {
        let declaration = context.plan.declaration
        guard let configuration = declaration.training else { return nil }
        let model = try context.model()
        let lora = declaration.adapter
        sites = []
        for site in declaration.sites {
            let sequences = try context.records(of: site.id).sequences
            let batches = trainingBatches(
                sequences, configuration, seed: declaration.seed, round: 1, site: site.id.name)
            let rows = batches.map { packedRows($0) }
            let order = rows.indices.sorted { rows[$0] == rows[$1] ? $0 < $1 : rows[$0] < rows[$1] }
            guard let middle = order.isEmpty ? nil : order[order.count / 2], let most = rows.max() else { continue }
            var few = configuration
            few.epochs = 6
            few.checkpointEvery = nil
            few.batchSize = batches[middle].count
            let time = try StepTime.measure(model) { (cut: LanguageModel) throws(Fault) in
                try TrainingJob(
                    model: cut, configuration: few, lora: lora, sequences: batches[middle],
                    start: initialAdapter(shape: cut.shape, configuration: lora, seed: 1), seed: 1, round: 1,
                    site: site.id.name, threads: context.threads)
            }
            let mean = Double(rows.reduce(0, +)) / Double(rows.count)
            sites.append(
                Site(
                    site: site.id, steps: batches.count,
                    secondsPerStep: time.seconds(layers: model.shape.layerCount) * mean / Double(rows[middle]),
                    memory: try TrainingMemory(
                        shape: model.shape, weights: model.storedBytes, lora: lora, numerics: model.numerics,
                        checkpointing: configuration.checkpointActivations, rows: most,
                        longest: sequences.reduce(0) { max($0, $1.tokens.count) }, threads: context.threads)))
        }
    }
}
