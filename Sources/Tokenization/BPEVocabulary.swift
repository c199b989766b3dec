// BPEVocabulary: what a byte-level BPE tokenizer is made of. Reading it from a model file is left to the caller.

import Faults

/// What a byte-level BPE tokenizer is made of.
public struct BPEVocabulary: Sendable, Equatable {
    /// What a token is for; the raw values are those of GGUF.
    public enum TokenType: Int32, Sendable, CaseIterable {
        case normal = 1
        case unknown = 2
        /// A special token, recognised as a whole in text.
        case control = 3
        /// An added token, recognised as a whole in text.
        case userDefined = 4
        case unused = 5
        case byte = 6
    }

    /// The tokens by id, in the byte-level alphabet; special and added tokens as they are.
    public var tokens: [String]
    /// The raw value of each token's `TokenType`; empty where all are normal.
    public var tokenTypes: [Int32]
    /// The merges by rank: `left right`, with one space between.
    public var merges: [String]
    /// How text is cut before merging.
    public var preTokenizer: PreTokenizer
    /// The token that opens a text, where there is one.
    public var beginningID: Int32?
    /// The token that ends a text or turn, where there is one.
    public var endID: Int32?
    /// The token that stands for what the vocabulary lacks, where there is one.
    public var unknownID: Int32?
    /// The token for padding, where there is one.
    public var paddingID: Int32?

    /// Makes a vocabulary.
    public init(
        tokens: [String], tokenTypes: [Int32], merges: [String], preTokenizer: PreTokenizer,
        beginningID: Int32? = nil, endID: Int32? = nil, unknownID: Int32? = nil, paddingID: Int32? = nil
    ) {
        self.tokens = tokens
        self.tokenTypes = tokenTypes
        self.merges = merges
        self.preTokenizer = preTokenizer
        self.beginningID = beginningID
        self.endID = endID
        self.unknownID = unknownID
        self.paddingID = paddingID
    }
}
