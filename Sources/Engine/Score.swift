// Scoring: the cross-entropy of records under model and adapter, without gradients.

import CKernels
import Faults
import Federation

/// The cross-entropy of a set of records.
public struct Score: Sendable, Equatable {
    /// The sum over all labels, in nats.
    public var total: Double
    /// How many labels there are.
    public var labels: Int
    /// The sum of each record, in nats, in record order.
    public var sequences: [Double]
    /// How many labels each record has.
    public var sequenceLabels: [Int] = []

    /// The mean over all labels, in nats.
    public var mean: Double { total / Double(labels) }
}

/// Scores records. Records of one chunk of 4,096 tokens that share a prefix have it computed once; a record's sum does not depend on the
/// other records. `adapter` nil scores the base model alone.
///
/// Faults: those of Scorer.
public func score(
    _ model: LanguageModel, adapter: Adapter?, sequences: [TokenSequence], threads: Int
) throws(Fault) -> Score {
    try Scorer(model, sequences: sequences, threads: threads).score(adapter)
}

/// One set of records, to be scored under several adapters: their packing, the memory, the tables and the threads are the same for all
/// adapters. (Of the arithmetic, only the first layer's norm and its products with frozen weights could be shared, 1/240 of it.)
public final class Scorer {
    private struct Chunk {
        let records: Range<Int>
        let packing: Packing
    }

    /// The passes of adapters of one configuration.
    private struct Pass {
        let configuration: LoRAConfiguration?
        let network: Network
        let inference: Inference
        let scratch: HeadScratch
    }

    private let model: LanguageModel
    private let threads: Int
    private let records: Int
    private let chunks: [Chunk]
    private let rows: Int
    private let positions: Int
    private var pass: Pass?

    /// Faults: engine.no-sequences, engine.sequence-too-short, engine.sequence-too-long, engine.no-labels,
    /// engine.token-outside-vocabulary.
    public init(_ model: LanguageModel, sequences: [TokenSequence], threads: Int) throws(Fault) {
        try model.shape.check(sequences, work: "score")
        self.model = model
        self.threads = threads
        records = sequences.count
        chunks = chunkRanges(of: sequences, tokens: 4096).map {
            Chunk(records: $0, packing: Packing(Array(sequences[$0]), sharing: .blocks))
        }
        rows = chunks.reduce(0) { max($0, $1.packing.tokens.count) }
        positions = sequences.reduce(0) { max($0, $1.tokens.count) }
    }

    /// Scores the records under one more adapter, or under the base model alone; the bits are the same as with a new scorer.
    ///
    /// Faults: engine.adapter-*, engine.setting, engine.memory, engine.loss-not-finite.
    public func score(_ adapter: Adapter?) throws(Fault) -> Score {
        let pass = try pass(for: adapter)
        var score = Score(total: 0, labels: 0, sequences: [Double](repeating: 0, count: records))
        score.sequenceLabels = [Int](repeating: 0, count: records)
        for chunk in chunks {
            let packing = chunk.packing
            let x = pass.inference.run(packing.tokens, packing.segments)
            let losses = Head.losses(
                x: x, labels: packing.labels, head: pass.network.head, scratch: pass.scratch,
                workers: pass.network.workers)
            for (label, loss) in zip(packing.labels, losses) {
                for record in label.records {
                    score.sequences[chunk.records.lowerBound + record] += Double(loss)
                    score.sequenceLabels[chunk.records.lowerBound + record] += 1
                }
            }
            score.labels += packing.labelCount
        }
        score.total = score.sequences.reduce(0, +)
        guard score.total.isFinite else { throw .scoreNotFinite(score.total, adapted: adapter != nil) }
        return score
    }

    /// The last pass with this adapter in place of the former one, where their configurations are equal; otherwise a new pass.
    private func pass(for adapter: Adapter?) throws(Fault) -> Pass {
        if let pass, pass.configuration == adapter?.configuration {
            if let adapter { try pass.network.layout?.read(adapter, into: pass.network.parameters) }
            return pass
        }
        pass = nil  // its memory is freed before the next pass allocates
        let network = try Network(
            model, adapter: adapter, configuration: nil, trains: false, rows: rows, positionCount: positions,
            threads: threads)
        let made = Pass(
            configuration: adapter?.configuration, network: network,
            inference: try Inference(network, rows: rows),
            scratch: try HeadScratch(network.head, limit: rows, arena: network.arena))
        pass = made
        return made
    }
}

/// Ranges of consecutive sequences that have together at most this many tokens, or a single longer sequence.
private func chunkRanges(of sequences: [TokenSequence], tokens limit: Int) -> [Range<Int>] {
    var chunks: [Range<Int>] = []
    var first = 0
    var tokens = 0
    for (index, sequence) in sequences.enumerated() {
        if index > first, tokens + sequence.tokens.count > limit {
            chunks.append(first..<index)
            first = index
            tokens = 0
        }
        tokens += sequence.tokens.count
    }
    chunks.append(first..<sequences.count)
    return chunks
}

/// What `probe` returns for one text.
public struct Probe: Sendable {
    /// Mean cross-entropy of every token but the first, in nats; nil for a single token.
    public var crossEntropy: Double?
    /// log(sum(exp(logits))) of the last position.
    public var logSumExp: Float
    /// The ids with the largest logits of the last position, largest first, the lower id first among equals.
    public var top: [(token: Int32, logit: Float)]
}

/// Runs one text, for comparison with other implementations.
///
/// Faults: engine.sequence-too-short, engine.sequence-too-long, engine.token-outside-vocabulary, engine.adapter-*,
/// engine.setting.
public func probe(
    _ model: LanguageModel, adapter: Adapter?, tokens: [Int32], threads: Int, top: Int
) throws(Fault) -> Probe {
    let logits = try allLogits(model, adapter: adapter, tokens: tokens, threads: threads, positions: [tokens.count - 1])
    let order = logits.indices.sorted { logits[$0] == logits[$1] ? $0 < $1 : logits[$0] > logits[$1] }
    let mean =
        tokens.count < 2
        ? nil : try score(model, adapter: adapter, sequences: [TokenSequence(tokens: tokens)], threads: threads).mean
    return Probe(
        crossEntropy: mean, logSumExp: kernel_log_sum_exp(logits, logits.count),
        top: order.prefix(max(0, top)).map { (Int32($0), logits[$0]) })
}

/// The logits [positions, V] of a text at the given positions.
package func allLogits(
    _ model: LanguageModel, adapter: Adapter?, tokens: [Int32], threads: Int, positions: [Int]
) throws(Fault) -> [Float] {
    try model.shape.check(tokens, minimum: 1, index: 0)
    let network = try Network(
        model, adapter: adapter, configuration: nil, trains: false, rows: tokens.count, positionCount: tokens.count,
        threads: threads)
    let inference = try Inference(network, rows: tokens.count)
    let scratch = try HeadScratch(network.head, limit: positions.count, arena: network.arena)
    let x = inference.run(
        tokens, [Segment(rows: 0..<tokens.count, prefix: 0..<0, ownRow: 0, ownOffset: 0)])
    var logits: [Float] = []
    for first in stride(from: 0, to: positions.count, by: scratch.rows) {
        let chunk = Array(positions[first..<min(positions.count, first + scratch.rows)])
        Head.logits(x: x, rows: chunk, head: network.head, scratch: scratch, workers: network.workers)
        logits.append(contentsOf: UnsafeBufferPointer(start: scratch.logits, count: chunk.count * network.head.V))
    }
    withExtendedLifetime(network) {}
    return logits
}
