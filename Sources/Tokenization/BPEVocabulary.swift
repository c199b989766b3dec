// BPEVocabulary: what a BPE tokenizer is made of. Reading it from a model file is left to the caller.

import Faults

/// What a BPE tokenizer is made of: byte-level, or over characters with bytes as fallback.
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

    /// Whether text is brought into Unicode's normal form C first.
    public var composes = false
    /// Whether a word that is a token is taken as it is, whatever the merges make of it (Llama 3).
    public var ignoresMerges = false
    /// Where set, tokens hold plain characters with `▁` for a space, and `<0x00>` to `<0xFF>` stand for the bytes of
    /// characters that the vocabulary lacks (Llama 2, Mistral).
    public var byteFallback: SpacePrefix?

    /// Where a tokenizer with bytes as fallback puts a space before text.
    public enum SpacePrefix: String, Sendable, CaseIterable {
        case never
        /// Before the text, unless a special token opens it.
        case first
        /// Before every piece between special tokens.
        case always
        /// The same, before a piece that opens with a space as well (Llama 2's older files).
        case unconditional
    }

    /// Makes a vocabulary.
    public init(
        tokens: [String], tokenTypes: [Int32], merges: [String], preTokenizer: PreTokenizer,
        beginningID: Int32? = nil, endID: Int32? = nil, unknownID: Int32? = nil, paddingID: Int32? = nil,
        composes: Bool = false, ignoresMerges: Bool = false, byteFallback: SpacePrefix? = nil
    ) {
        self.tokens = tokens
        self.tokenTypes = tokenTypes
        self.merges = merges
        self.preTokenizer = preTokenizer
        self.beginningID = beginningID
        self.endID = endID
        self.unknownID = unknownID
        self.paddingID = paddingID
        self.composes = composes
        self.ignoresMerges = ignoresMerges
        self.byteFallback = byteFallback
    }
}
