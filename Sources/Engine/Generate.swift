// Generation: greedy decoding of many prompts with a key-value cache, their common prefix computed once.

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

/// What a generation call reports after every pass.
public struct GenerationProgress: Sendable {
    /// Prompts done.
    public var finished: Int
    /// Prompts in all.
    public var prompts: Int
    /// New tokens so far, over all prompts.
    public var tokens: Int
    /// Passes so far.
    public var passes: Int
    /// Rows of these passes: prompts, tokens and guesses.
    public var rows: Int
}

/// Greedy decoding: at each position the token with the largest logit, the lowest id among equals. A prompt's result does not depend on the
/// other prompts, on `batchSize`, on `threads` or on `draft`. `progress` may throw to cancel.
///
/// `draft` guesses how an answer goes on: it gets the prompt's index, the tokens written so far and the largest number of tokens that can
/// be of use. One pass verifies several tokens of a guess; tokens that greedy decoding would not choose are dropped, so that a bad guess
/// only costs time.
///
/// Faults: engine.no-sequences, engine.sequence-too-short, engine.sequence-too-long, engine.token-outside-vocabulary,
/// engine.adapter-*, engine.setting, engine.memory, engine.logits-not-finite.
public func generate(
    _ model: LanguageModel, adapter: Adapter?, prompts: [[Int32]], maxNewTokens: Int, stop: Set<Int32>, batchSize: Int,
    threads: Int, progress: (GenerationProgress) throws(Fault) -> Void = { _ in },
    draft: ((_ prompt: Int, _ written: [Int32], _ limit: Int) -> [Int32])? = nil
) throws(Fault) -> [Generation] {
    if prompts.isEmpty { throw .noSequences("continue") }
    guard maxNewTokens >= 1 else { throw .setting("max new tokens", "\(maxNewTokens)", range: "1...") }
    guard batchSize >= 1 else { throw .setting("batch size", "\(batchSize)", range: "1...") }
    for (index, prompt) in prompts.enumerated() { try model.shape.check(prompt, minimum: 1, index: index) }
    let decoder = try Decoder(
        model, adapter: adapter, prompts: prompts, maxNewTokens: maxNewTokens, stop: stop,
        slots: min(batchSize, prompts.count), threads: threads, drafts: draft != nil)
    decoder.fillPrefix()
    while decoder.finished < prompts.count {
        try decoder.pass(draft)
        try progress(
            GenerationProgress(
                finished: decoder.finished, prompts: prompts.count, tokens: decoder.tokens, passes: decoder.passes,
                rows: decoder.rows))
    }
    return decoder.results
}
