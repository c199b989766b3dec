// Decoder: which record is in which slot of the cache, what each pass computes for it, and when it ends.

import Faults
import Federation

/// Greedy decoding with continuous refill and verified guesses.
final class Decoder {
    /// Once a pass has this many rows, no further prompt joins it.
    private static let passRows = 512
    /// Guesses join a pass up to this many rows; `longestGuess` is the most for one record. Up to six rows are one strip of the
    /// kernels, which unpack the weights once for the strip; a seventh row costs as much as four of those six.
    private static let guessRows = 48
    private static let longestGuess = 4

    private struct Slot {
        var record: Int
        /// Tokens that are not in the cache yet: the prompt's suffix, later the last new token.
        var pending: [Int32]
        /// The guess that follows `pending`.
        var guess: ArraySlice<Int32> = []
        /// Own keys in the cache.
        var stored: Int
        var new: [Int32] = []
    }

    private let prompts: [[Int32]]
    private let maxNewTokens: Int
    private let stop: Set<Int32>
    private let context: Int
    private let vocabulary: Int
    private let network: Network
    private let cached: CachedPass
    private var slots: [Slot?]
    private var next = 0
    private(set) var finished = 0
    private(set) var tokens = 0
    private(set) var passes = 0
    private(set) var rows = 0
    private(set) var results: [Generation]

    init(
        _ model: LanguageModel, adapter: Adapter?, prompts: [[Int32]], maxNewTokens: Int, stop: Set<Int32>, slots: Int,
        threads: Int, drafts: Bool
    ) throws(Fault) {
        let shortest = prompts.reduce(Int.max) { min($0, $1.count) }
        let longest = prompts.reduce(0) { max($0, $1.count) }
        let common = prompts.dropFirst().reduce(prompts[0].count) { min($0, Packing.commonPrefix(prompts[0], $1)) }
        let prefix = prompts.count == 1 ? 0 : min(common, shortest - 1)
        context = model.shape.contextLength
        vocabulary = model.shape.vocabularySize
        let longestText = min(longest + min(maxNewTokens, context), context)
        // Whole blocks of keys are shared by all slots. The prefix's keys after the last whole block are copied, so that a record's keys
        // are in the same blocks as they would be without the other records.
        let shared = prefix / Packing.keyBlock * Packing.keyBlock
        let headRows = slots + (drafts ? max(Self.guessRows, Self.longestGuess) : 0)
        let capacity = max(Self.passRows + headRows, longest + headRows)
        network = try Network(
            model, adapter: adapter, configuration: nil, trains: false, rows: capacity, positionCount: longestText,
            threads: threads)
        cached = try CachedPass(
            network, rows: capacity, headRows: headRows,
            sizes: CacheSizes(
                shared: shared, prefix: prefix, slots: slots, slotKeys: longestText - shared,
                shortestSlot: shortest - shared))
        self.slots = Array(repeating: nil, count: slots)
        self.prompts = prompts
        self.maxNewTokens = maxNewTokens
        self.stop = stop
        results = prompts.map { _ in Generation(tokens: [], ending: .length) }
    }

    /// Computes the keys and values of the common prefix.
    func fillPrefix() {
        let prefix = cached.sizes.prefix
        guard prefix > 0 else { return }
        _ = cached.run(
            Array(prompts[0][..<prefix]), [CachedSegment(rows: 0..<prefix, slot: nil, stored: 0)], headRows: [])
    }

    /// One forward pass: every active record moves on by one token and by the tokens that were guessed right; free slots take the next
    /// prompts while there are rows left.
    func pass(_ draft: ((_ prompt: Int, _ written: [Int32], _ limit: Int) -> [Int32])?) throws(Fault) {
        refill()
        let atWork = slots.indices.filter { slots[$0] != nil }
        let share = max(1, Self.guessRows / atWork.count - 1)
        var left = Self.guessRows  // the head has room for no more, however many records are at work
        var ids: [Int32] = []
        var segments: [CachedSegment] = []
        var headRows: [Int] = []
        for index in atWork {
            guard var slot = slots[index] else { continue }
            slot.guess = draft.map { guess(slot, min(Self.longestGuess, share, left), $0) } ?? []
            left -= slot.guess.count
            slots[index] = slot
            let first = ids.count
            ids += slot.pending
            headRows += ids.count - 1..<ids.count + slot.guess.count
            ids += slot.guess
            segments.append(CachedSegment(rows: first..<ids.count, slot: index, stored: slot.stored))
        }
        let best = cached.run(ids, segments, headRows: headRows)
        passes += 1
        rows += ids.count
        var place = 0
        for index in atWork {
            let count = (slots[index]?.guess.count ?? 0) + 1
            try advance(index, best[place..<place + count])
            place += count
        }
    }

    /// Puts the next prompts into free slots.
    private func refill() {
        var rows = slots.reduce(0) { $0 + ($1?.pending.count ?? 0) }
        let prefix = cached.sizes.prefix
        for index in slots.indices where slots[index] == nil && next < prompts.count {
            let suffix = prompts[next].count - prefix
            if rows > 0 && rows + suffix > Self.passRows { continue }
            rows += suffix
            slots[index] = Slot(
                record: next, pending: Array(prompts[next][prefix...]), stored: prefix - cached.sizes.shared)
            cached.open(slot: index)
            next += 1
        }
    }

    /// The draft's guess, cut to the length that can be of use.
    private func guess(
        _ slot: Slot, _ most: Int, _ draft: (_ prompt: Int, _ written: [Int32], _ limit: Int) -> [Int32]
    ) -> ArraySlice<Int32> {
        let limit = min(
            most, maxNewTokens - slot.new.count - 1, context - cached.sizes.shared - slot.stored - slot.pending.count)
        guard limit > 0 else { return [] }
        return draft(slot.record, slot.new, limit).prefix(limit).prefix { $0 >= 0 && $0 < vocabulary }
    }

    /// Takes the pass's tokens into a slot; each is taken only if all tokens before it were guessed right.
    private func advance(_ index: Int, _ best: ArraySlice<CachedPass.Best>) throws(Fault) {
        guard var slot = slots[index] else { return }
        let guess = slot.guess
        slot.stored += slot.pending.count
        var right = 0
        for choice in best {
            guard choice.logit.isFinite else { throw .logitsNotFinite }
            if let ending = take(choice.token, &slot) {
                results[slot.record] = Generation(tokens: slot.new, ending: ending)
                slots[index] = nil
                finished += 1
                return
            }
            slot.pending = [choice.token]
            guard right < guess.count, guess[guess.startIndex + right] == choice.token else { break }
            right += 1
            slot.stored += 1
        }
        slots[index] = slot
    }

    /// Appends a new token; returns why the record ends with it, or nil. `slot.stored` counts the keys before it.
    private func take(_ token: Int32, _ slot: inout Slot) -> Generation.Ending? {
        if stop.contains(token) { return .stopToken(token) }
        slot.new.append(token)
        tokens += 1
        if let period = Repetition.period(atEndOf: slot.new) {
            slot.new.removeLast(Repetition.excess(period))
            return .loop
        }
        if slot.new.count == maxNewTokens { return .length }
        return cached.sizes.shared + slot.stored + 1 > context ? .context : nil
    }
}
