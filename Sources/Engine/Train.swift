// Training: one site's local epochs of a round, from a starting adapter to a final one. Nothing here reads a clock.

import CKernels
import Faults
import Federation

/// Everything that decides the result of a training call, and the number of threads, which does not.
public struct TrainingJob: Sendable {
    /// The frozen model.
    public var model: LanguageModel
    /// Epochs, batch size, learning rate and the like. `maxLength` cuts longer sequences at their end.
    public var configuration: TrainingConfiguration
    /// Rank, alpha, dropout and targets; rank, alpha and targets must be those of `start`.
    public var lora: LoRAConfiguration
    /// The site's records, in the site's order.
    public var sequences: [TokenSequence]
    /// Where training starts.
    public var start: Adapter
    /// The workflow's seed.
    public var seed: UInt64
    /// The round, from 1.
    public var round: Int
    /// The site's name, which its random numbers depend on.
    public var site: String
    /// Threads to use; the result does not depend on it.
    public var threads: Int

    /// Makes a job.
    public init(
        model: LanguageModel, configuration: TrainingConfiguration, lora: LoRAConfiguration, sequences: [TokenSequence],
        start: Adapter, seed: UInt64, round: Int, site: String, threads: Int
    ) {
        self.model = model
        self.configuration = configuration
        self.lora = lora
        self.sequences = sequences
        self.start = start
        self.seed = seed
        self.round = round
        self.site = site
        self.threads = threads
    }
}

/// What a training call reports after every step.
public struct TrainingProgress: Sendable {
    /// Steps done, from 1.
    public var step: Int
    /// Steps in all.
    public var steps: Int
    /// The epoch of the step, from 0.
    public var epoch: Int
    /// Mean cross-entropy over the labels of the step's batch, in nats, before its update.
    public var loss: Double
    /// The learning rate of the step.
    public var learningRate: Double
    /// The gradient's norm before clipping.
    public var gradientNorm: Double
    /// Tokens of all records seen so far (a shared prefix counts for each record).
    public var tokens: Int
}

/// The result of a training call.
public struct TrainingOutcome: Sendable {
    /// The trained adapter, with the job's configuration.
    public var adapter: Adapter
    /// The mean cross-entropy of every step, in nats, before its update.
    public var losses: [Double]
    /// The mean over the labels of the first epoch.
    public var firstEpochLoss: Double
    /// The mean over the labels of the last epoch.
    public var lastEpochLoss: Double
    /// Tokens of all records seen, over all epochs.
    public var tokens: Int
    /// Rows actually computed; shared prefixes count once.
    public var rows: Int
    /// Optimiser steps.
    public var steps: Int
    /// Records cut to `maxLength`.
    public var truncated: Int
    /// The steps that were computed a second time, where that was asked for.
    public var comparisons: [ArithmeticComparison] = []
}

/// Trains an adapter: shuffled epochs, the last short batch is kept, a new AdamW. `progress` may throw to cancel.
///
/// `state` is the state of an earlier call of the same job: this call continues from it and gives the same bits. `last` ends the call after
/// that many steps of the whole job, with the adapter of that moment. `checkpoint` gets the state after every `checkpointEvery` steps
/// except the job's last step, before `progress` is called for that step. `second` asks for steps to be computed a second time, in another
/// arithmetic, from the same adapter and moments: it changes only `outcome.comparisons`.
///
/// Faults: engine.state, engine.no-sequences, engine.sequence-too-short, engine.sequence-too-long, engine.no-labels,
/// engine.token-outside-vocabulary, engine.adapter-*, engine.setting, engine.memory, engine.openblas,
/// engine.loss-not-finite, engine.gradient-not-finite.
public func train(
    _ job: TrainingJob, from state: TrainingState? = nil, through last: Int? = nil, second: SecondArithmetic? = nil,
    progress: (TrainingProgress) throws(Fault) -> Void = { _ in },
    checkpoint: (TrainingState) throws(Fault) -> Void = { _ in }
) throws(Fault) -> TrainingOutcome {
    let configuration = job.configuration
    if second?.arithmetic == .openblas { try OpenBLAS.load() }
    let (sequences, truncated) = try prepare(job)
    let batches = EpochBatches(sequences, configuration, seed: job.seed, round: job.round, site: job.site)
    let perEpoch = batches.count
    let (steps, overflow) = configuration.epochs.multipliedReportingOverflow(by: perEpoch)
    guard !overflow, steps <= Int(Int32.max) else {
        throw .setting("epochs", "\(configuration.epochs)", range: "1...\(Int(Int32.max) / perEpoch)")
    }
    let done = state?.steps ?? 0
    guard done <= steps else { throw .stateBeyond(done, of: steps) }

    var mostRows = 0
    for epoch in 0..<configuration.epochs {
        mostRows = batches.of(epoch).reduce(mostRows) { max($0, packedRows($1)) }
    }
    let network = try Network(
        job.model, adapter: state?.adapter ?? job.start, configuration: job.lora, trains: true, rows: mostRows,
        positionCount: sequences.reduce(0) { max($0, $1.tokens.count) }, threads: job.threads)
    guard let layout = network.layout, let gradient = network.gradient else {
        preconditionFailure("a network that trains has an adapter")
    }
    let differentiation = try Differentiation(
        network, rows: mostRows, checkpointing: configuration.checkpointActivations)
    var optimizer = try Optimizer(
        count: layout.count, weights: network.parameters, gradient: gradient, arena: network.arena,
        workers: network.workers)
    let constraint = try TrainingConstraint(configuration, round: job.round, layout: layout, start: job.start)
    if let state {
        try layout.read(state.firstMoment, into: optimizer.first)
        try layout.read(state.secondMoment, into: optimizer.second)
        optimizer.resume(after: done)
    }
    var outcome = TrainingOutcome(
        adapter: job.start, losses: [], firstEpochLoss: 0, lastEpochLoss: 0, tokens: 0, rows: 0, steps: steps,
        truncated: truncated)
    var epochs = [(sum: Double, labels: Int)](repeating: (0, 0), count: configuration.epochs)

    func account(_ loss: Double, _ packing: Packing, _ batch: [TokenSequence], step: Int) {
        epochs[step / perEpoch].sum += loss * Double(packing.labelCount)
        epochs[step / perEpoch].labels += packing.labelCount
        outcome.losses.append(loss)
        outcome.rows += packing.tokens.count
        outcome.tokens += batch.reduce(0) { $0 + $1.tokens.count }
    }

    training: for epoch in 0..<configuration.epochs {
        for (place, batch) in batches.of(epoch).enumerated() {
            let step = epoch * perEpoch + place
            if let last, step >= last { break training }
            let packing = Packing(batch, sharing: .all)
            if let state, step < done {
                account(state.losses[step], packing, batch, step: step)
                continue
            }
            let draw = dropout(seed: job.seed, round: job.round, site: job.site, step: step)
            let before = second?.steps.contains(step) == true ? optimizer.state(after: step) : nil
            let loss = differentiation.run(packing, dropout: draw)
            constraint.apply(to: gradient, network.parameters)
            guard loss.isFinite else { throw .lossNotFinite(loss, step: step) }
            let norm = optimizer.gradientNorm()
            guard norm.isFinite else { throw .gradientNotFinite(step: step) }
            let rate = LearningRate.rate(step, of: steps, configuration)
            optimizer.step(
                learningRate: rate, decay: configuration.weightDecay, norm: norm, clip: configuration.clipNorm)
            constraint.restore(network.parameters)
            if let second, let before {
                outcome.comparisons.append(
                    try second.compare(
                        job, packing, before: before, after: optimizer.state(after: step + 1), loss: loss, norm: norm,
                        gradient: gradient, rate: rate, dropout: draw))
            }
            account(loss, packing, batch, step: step)
            if let every = configuration.checkpointEvery, (step + 1) % every == 0, step + 1 < steps {
                try checkpoint(
                    withExtendedLifetime(network) {
                        TrainingState(
                            adapter: layout.adapter(network.parameters), firstMoment: layout.adapter(optimizer.first),
                            secondMoment: layout.adapter(optimizer.second), losses: outcome.losses)
                    })
            }
            try progress(
                TrainingProgress(
                    step: step + 1, steps: steps, epoch: epoch, loss: loss, learningRate: rate,
                    gradientNorm: norm, tokens: outcome.tokens))
        }
    }
    let finite = withExtendedLifetime(network) {
        outcome.adapter = layout.adapter(network.parameters)
        return kernel_all_finite(network.parameters, layout.count) == 1
    }
    guard finite else { throw .gradientNotFinite(step: outcome.losses.count - 1) }
    outcome.firstEpochLoss = epochs.first.map { $0.sum / Double(max(1, $0.labels)) } ?? 0
    outcome.lastEpochLoss = epochs.last.map { $0.sum / Double(max(1, $0.labels)) } ?? 0
    return outcome
}

/// The batches of all epochs in their order, as a training call takes them.
public func trainingBatches(
    _ sequences: [TokenSequence], _ configuration: TrainingConfiguration, seed: UInt64, round: Int, site: String
) -> [[TokenSequence]] {
    let batches = EpochBatches(sequences, configuration, seed: seed, round: round, site: site)
    return (0..<configuration.epochs).flatMap { batches.of($0) }
}

/// The batches of a training call, one epoch at a time: any number of epochs takes the memory of one.
struct EpochBatches {
    private let sequences: [TokenSequence]
    private let batchSize: Int
    private let order: (Int) -> [Int]
    /// How many batches an epoch has.
    let count: Int

    init(
        _ sequences: [TokenSequence], _ configuration: TrainingConfiguration, seed: UInt64, round: Int, site: String
    ) {
        self.sequences = sequences
        let records = sequences.count
        let batchSize = max(1, min(configuration.batchSize, records))
        self.batchSize = batchSize
        count = (records + batchSize - 1) / batchSize
        order = { Seeds.order(count: records, seed: seed, round: round, site: site, epoch: $0) }
    }

    func of(_ epoch: Int) -> [[TokenSequence]] {
        let order = order(epoch)
        return stride(from: 0, to: order.count, by: batchSize).map {
            order[$0..<min(order.count, $0 + batchSize)].map { sequences[$0] }
        }
    }
}

/// In how many rows a batch is computed; shared prefixes count once.
public func packedRows(_ batch: [TokenSequence]) -> Int { Packing(batch, sharing: .all).tokens.count }

/// Checks a job and cuts its sequences to maxLength.
private func prepare(_ job: TrainingJob) throws(Fault) -> (sequences: [TokenSequence], truncated: Int) {
    let configuration = job.configuration
    guard (1...1 << 20).contains(configuration.epochs) else {
        throw .setting("epochs", "\(configuration.epochs)", range: "1...\(1 << 20)")
    }
    guard configuration.batchSize >= 1 else {
        throw .setting("batch size", "\(configuration.batchSize)", range: "1...")
    }
    guard configuration.maxLength >= 2 else {
        throw .setting("max length", "\(configuration.maxLength)", range: "2...")
    }
    guard (0...1).contains(configuration.warmupRatio) else {
        throw .setting("warm-up ratio", "\(configuration.warmupRatio)", range: "0...1")
    }
    if let every = configuration.checkpointEvery, every < 1 {
        throw .setting("steps between checkpoints", "\(every)", range: "1...")
    }
    let start = job.start.configuration
    if start.rank != job.lora.rank {
        throw .adapterConfiguration("rank", found: "\(start.rank)", expected: "\(job.lora.rank)")
    }
    if start.alpha != job.lora.alpha {
        throw .adapterConfiguration("alpha", found: "\(start.alpha)", expected: "\(job.lora.alpha)")
    }
    if Set(start.targets) != Set(job.lora.targets) {
        throw .adapterConfiguration(
            "target list", found: start.targets.map(\.rawValue).joined(separator: " "),
            expected: job.lora.targets.map(\.rawValue).joined(separator: " "))
    }
    var truncated = 0
    let sequences = job.sequences.map { sequence in
        guard sequence.tokens.count > configuration.maxLength else { return sequence }
        truncated += 1
        var cut = sequence
        cut.tokens.removeLast(sequence.tokens.count - configuration.maxLength)
        return cut
    }
    try job.model.shape.check(sequences, work: "train on")
    return (sequences, truncated)
}

/// The dropout streams of a step.
private func dropout(seed: UInt64, round: Int, site: String, step: Int) -> (Int, LinearMap) -> kernel_random {
    { layer, map in
        Seeds.random(
            seed: seed, purpose: .dropout, round: round, site: site,
            stream: (step, layer * LinearMap.allCases.count + map.place))
    }
}

/// The loss of one batch and its gradient under the adapter's own names and shapes. Where a seed is given, the dropout masks are those of a
/// training call's first step; otherwise there is no dropout.
package func lossAndGradient(
    _ model: LanguageModel, adapter: Adapter, batch: [TokenSequence], sharing: Bool, threads: Int, seed: UInt64? = nil
) throws(Fault) -> (loss: Double, gradient: Adapter) {
    try model.shape.check(batch, work: "differentiate")
    let packing = Packing(batch, sharing: sharing ? .all : .none)
    let network = try Network(
        model, adapter: adapter, configuration: nil, trains: true, rows: packing.tokens.count,
        positionCount: batch.reduce(0) { max($0, $1.tokens.count) }, threads: threads)
    guard let layout = network.layout, let gradient = network.gradient else {
        preconditionFailure("a network that trains has an adapter")
    }
    let loss = try Differentiation(network, rows: packing.tokens.count).run(
        packing, dropout: seed.map { dropout(seed: $0, round: 1, site: "", step: 0) })
    return withExtendedLifetime(network) { (loss, layout.adapter(gradient)) }
}
