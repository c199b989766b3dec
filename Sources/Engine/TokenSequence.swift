// TokenSequence: one record as the engine sees it, and the checks that every call makes of its input.

import Faults
import ModelFiles

/// The token ids of one record and the first of them that is a label.
public struct TokenSequence: Sendable, Hashable {
    /// Prompt and completion, including all markers that the template adds.
    public var tokens: [Int32]
    /// The index of the first token that is a label, at least 1 (the first token has nothing before it).
    public var lossStart: Int

    /// Makes a sequence; `lossStart` 1 puts the loss on every token but the first.
    public init(tokens: [Int32], lossStart: Int = 1) {
        self.tokens = tokens
        self.lossStart = max(1, lossStart)
    }
}

extension ModelShape {
    /// Checks ids and length of one sequence.
    func check(_ tokens: [Int32], minimum: Int, index: Int) throws(Fault) {
        guard tokens.count >= minimum else {
            throw .sequenceTooShort(tokens.count, minimum: minimum, sequence: index)
        }
        guard tokens.count <= contextLength else {
            throw .sequenceTooLong(tokens.count, context: contextLength, sequence: index)
        }
        for (position, token) in tokens.enumerated() where token < 0 || Int(token) >= vocabularySize {
            throw .tokenOutsideVocabulary(token, size: vocabularySize, sequence: index, position: position)
        }
    }

    /// Checks sequences that are to be scored or trained on.
    func check(_ sequences: [TokenSequence], work: String) throws(Fault) {
        if sequences.isEmpty { throw .noSequences(work) }
        for (index, sequence) in sequences.enumerated() {
            try check(sequence.tokens, minimum: 2, index: index)
            guard sequence.lossStart < sequence.tokens.count else {
                throw .noLabels(sequence: index, lossStart: sequence.lossStart, count: sequence.tokens.count)
            }
        }
    }
}
