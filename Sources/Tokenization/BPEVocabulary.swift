// BPEVocabulary: the parts of a BPE tokenizer. The caller reads them from a model file.

import Faults

/// The parts of a BPE tokenizer: byte-level, or over characters with byte fallback.
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

    /// The tokens by id, in the byte-level alphabet; special and added tokens unchanged.
    public var tokens: [String]
    /// The raw value of each token's `TokenType`; empty where all are normal.
    public var tokenTypes: [Int32]
    /// The merges by rank: `left right`, with one space between.
    public var merges: [String]
    /// How text is cut before merging.
    public var preTokenizer: PreTokenizer
    /// The token that begins a text, if there is one.
    public var beginningID: Int32?
    /// The token that ends a text or turn, if there is one.
    public var endID: Int32?
    /// The token for text that the vocabulary lacks, if there is one.
    public var unknownID: Int32?
    /// The token for padding, if there is one.
    public var paddingID: Int32?

    /// Whether text is first converted to Unicode's normal form C.
    public var composes = false
    /// Whether a word that is a token is taken whole, without merging (Llama 3).
    public var ignoresMerges = false
    /// If set, tokens hold plain characters with `▁` for a space, and `<0x00>` to `<0xFF>` are the bytes of characters that the vocabulary
    /// lacks (Llama 2, Mistral).
    public var byteFallback: SpacePrefix?

    /// Where a tokenizer with byte fallback puts a space before text.
    public enum SpacePrefix: String, Sendable, CaseIterable {
        case never
        /// Before the text, unless it begins with a special token.
        case first
        /// Before every piece between special tokens.
        case always
        /// The same, also before a piece that begins with a space (Llama 2's older files).
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
