// Generation: greedy decoding of many prompts with a key-value cache, their common prefix computed once.

import CKernels
import Faults
import Federation

/// What the model wrote after one prompt.
public struct Generation: Sendable, Equatable {
    /// Why decoding ended.
    public enum Ending: Sendable, Equatable {
        /// The model chose this stop token, which `tokens` leaves out.
        case stopToken(Int32)
        /// `maxNewTokens` were written.
        case length
        /// The context is full.
        case context
        /// The model repeated itself; `tokens` keeps the first of the repetitions.
        case loop
    }

    /// The new tokens.
    public var tokens: [Int32]
    /// Why decoding ended.
    public var ending: Ending
}

/// What a generation call tells after every pass.
public struct GenerationProgress: Sendable {
    /// Prompts done.
    public var finished: Int
    /// Prompts in all.
    public var prompts: Int
    /// New tokens so far, over all prompts.
    public var tokens: Int
}

/// Greedy decoding: at each place the token with the largest logit, the lowest id among equals. A prompt's result does not
/// depend on the other prompts, on `batchSize` or on `threads`. `progress` may throw to cancel.
///
/// Faults: engine.no-sequences, engine.sequence-too-short, engine.sequence-too-long, engine.token-outside-vocabulary,
/// engine.adapter-*, engine.setting, engine.logits-not-finite.
public func generate(
    _ model: LanguageModel, adapter: Adapter?, prompts: [[Int32]], maxNewTokens: Int, stop: Set<Int32>, batchSize: Int,
    threads: Int, progress: (GenerationProgress) throws(Fault) -> Void = { _ in }
) throws(Fault) -> [Generation] {
    if prompts.isEmpty { throw .noSequences("continue") }
    guard maxNewTokens >= 1 else { throw .setting("max new tokens", "\(maxNewTokens)", range: "1...") }
    guard batchSize >= 1 else { throw .setting("batch size", "\(batchSize)", range: "1...") }
    for (index, prompt) in prompts.enumerated() { try model.shape.check(prompt, minimum: 1, index: index) }
    var decoder = try Decoder(
        model, adapter: adapter, prompts: prompts, maxNewTokens: maxNewTokens, stop: stop,
        slots: min(batchSize, prompts.count), threads: threads)
    decoder.fillPrefix()
    while decoder.finished < prompts.count {
        try decoder.pass()
        try progress(
            GenerationProgress(finished: decoder.finished, prompts: prompts.count, tokens: decoder.tokens))
    }
    return decoder.results
}

/// When greedy decoding runs in circles: what it wrote last, written several times over. Greedy decoding never leaves such a
/// circle by itself, since what follows depends on ever the same text.
package enum Repetition {
    /// Tokens of the longest circle looked for.
    static let longest = 48
    /// The repetitions cover at least so many tokens, so that a row of dashes or a list of equal values in a note is no circle.
    static let covered = 24
    /// And are at least so many.
    static let times = 3

    /// The length of the circle that the tokens end in, nil where there is none; the shortest one where there are several.
    package static func period(atEndOf tokens: [Int32]) -> Int? {
        for period in 1...longest {
            let span = period + excess(period)
            guard span <= tokens.count else { return nil }
            let first = tokens.count - span
            if (first..<tokens.count - period).allSatisfy({ tokens[$0] == tokens[$0 + period] }) { return period }
        }
        return nil
    }

    /// How many tokens the repetitions after the first hold.
    package static func excess(_ period: Int) -> Int {
        (max(times, (covered + period - 1) / period) - 1) * period
    }
}

/// Slots of the key-value store, each with the record it works on.
private struct Decoder {
    /// Rows of a pass beyond which no further prompt joins it.
    private static let passRows = 512

    private struct Slot {
        var record: Int
        /// Tokens that are not in the store yet: the prompt's suffix, later the last new token.
        var pending: [Int32]
        /// Own keys in the store.
        var stored: Int
        var new: [Int32]
    }

    private let prompts: [[Int32]]
    private let maxNewTokens: Int
    private let stop: Set<Int32>
    private let context: Int
    private let prefix: Int
    private let slotRows: Int
    private let network: Network
    private let inference: Inference
    private let head: HeadScratch
    private var slots: [Slot?]
    private var next = 0
    private(set) var finished = 0
    private(set) var tokens = 0
    private(set) var results: [Generation]

    init(
        _ model: LanguageModel, adapter: Adapter?, prompts: [[Int32]], maxNewTokens: Int, stop: Set<Int32>, slots: Int,
        threads: Int
    ) throws(Fault) {
        let shortest = prompts.reduce(Int.max) { min($0, $1.count) }
        let longest = prompts.reduce(0) { max($0, $1.count) }
        let common = prompts.dropFirst().reduce(prompts[0].count) { min($0, Packing.commonPrefix(prompts[0], $1)) }
        prefix = prompts.count == 1 ? 0 : min(common, shortest - 1) / Packing.keyBlock * Packing.keyBlock
        context = model.shape.contextLength
        slotRows = min(longest + maxNewTokens, context) - prefix
        let rows = max(Self.passRows + slots, longest)
        network = try Network(
            model, adapter: adapter, configuration: nil, trains: false, rows: rows,
            positionCount: min(longest + maxNewTokens, context), threads: threads)
        inference = Inference(network, rows: rows, storeRows: prefix + slots * slotRows)
        head = HeadScratch(network.head, limit: slots, arena: network.arena)
        self.slots = Array(repeating: nil, count: slots)
        self.prompts = prompts
        self.maxNewTokens = maxNewTokens
        self.stop = stop
        results = prompts.map { _ in Generation(tokens: [], ending: .length) }
    }

    /// Puts the common prefix's keys and values into the first rows of the store.
    func fillPrefix() {
        guard prefix > 0 else { return }
        _ = inference.run(
            Array(prompts[0][..<prefix]), [Segment(rows: 0..<prefix, prefix: 0..<0, ownRow: 0, ownOffset: 0)])
    }

    /// One forward pass: every record at work moves on by a token; free slots take the next prompts while rows last.
    mutating func pass() throws(Fault) {
        var rows: [Int32] = []
        var segments: [Segment] = []
        var active: [Int] = []
        for index in slots.indices {
            if slots[index] == nil, next < prompts.count {
                let suffix = prompts[next].count - prefix
                if rows.isEmpty || rows.count + suffix <= Self.passRows {
                    slots[index] = Slot(record: next, pending: Array(prompts[next][prefix...]), stored: 0, new: [])
                    next += 1
                }
            }
            guard let slot = slots[index] else { continue }
            segments.append(
                Segment(
                    rows: rows.count..<rows.count + slot.pending.count, prefix: 0..<prefix,
                    ownRow: prefix + index * slotRows, ownOffset: slot.stored))
            rows += slot.pending
            active.append(index)
        }
        let x = inference.run(rows, segments)
        let V = network.head.V
        for first in stride(from: 0, to: active.count, by: head.rows) {
            let chunk = first..<min(active.count, first + head.rows)
            Head.logits(
                x: x, rows: segments[chunk].map { $0.rows.upperBound - 1 }, head: network.head, scratch: head,
                workers: network.workers)
            for place in chunk {
                let logits = head.logits + (place - first) * V
                let token = kernel_argmax(logits, V)
                guard logits[Int(token)].isFinite else { throw .logitsNotFinite }
                advance(active[place], token)
            }
        }
    }

    /// Takes a new token into a slot, and frees the slot where its record ends.
    private mutating func advance(_ index: Int, _ token: Int32) {
        guard var slot = slots[index] else { return }
        slot.stored += slot.pending.count
        var ending: Generation.Ending?
        if stop.contains(token) {
            ending = .stopToken(token)
        } else {
            slot.new.append(token)
            tokens += 1
            if let period = Repetition.period(atEndOf: slot.new) {
                slot.new.removeLast(Repetition.excess(period))
                ending = .loop
            } else if slot.new.count == maxNewTokens {
                ending = .length
            } else if prefix + slot.stored + 1 > context {
                ending = .context
            }
        }
        slot.pending = [token]
        if let ending {
            results[slot.record] = Generation(tokens: slot.new, ending: ending)
            slots[index] = nil
            finished += 1
        } else {
            slots[index] = slot
        }
    }
}
