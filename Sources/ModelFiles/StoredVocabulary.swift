// StoredVocabulary: the tokenizer's data as a model file stores it. Making a tokenizer of it is left to Tokenization.

/// The tokenizer's data as a model file stores it.
public struct StoredVocabulary: Sendable, Equatable {
    /// `gpt2` for byte-level BPE.
    public var model: String
    /// The pre-tokenizer, such as `smollm`; empty where the file does not say, or says it in `json` only.
    public var preTokenizer: String
    /// The tokens by id, in the byte-level alphabet; special tokens as they are.
    public var tokens: [String]
    /// By id: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte; empty where the file does not say.
    public var tokenTypes: [Int32]
    /// The merges by rank: `left right`, with one space between.
    public var merges: [String]
    /// The token that opens a text, where there is one.
    public var beginningID: Int32?
    /// The token that ends a text or turn, where there is one.
    public var endID: Int32?
    /// The token that stands for what the vocabulary lacks, where there is one.
    public var unknownID: Int32?
    /// The token for padding, where there is one.
    public var paddingID: Int32?
    /// Whether the file asks for the beginning token before every text.
    public var addsBeginning: Bool
    /// Whether the file asks for the end token after every text.
    public var addsEnd: Bool
    /// Whether the file asks for a space before every text.
    public var addsSpacePrefix: Bool
    /// Whether text is brought into Unicode's normal form C before it is cut.
    public var composes = false
    /// Whether a word that is a token is taken as it is, whatever the merges make of it.
    public var ignoresMerges = false
    /// For BPE with bytes as fallback, where a space goes before text: `never`, `first`, `always` or `unconditional`; nil for byte-level BPE.
    public var byteFallback: String?
    /// The chat template (Jinja), where there is one.
    public var chatTemplate: String?
    /// What the chat template calls bos_token; nil where the model has none.
    public var beginningText: String?
    /// What the chat template calls eos_token; nil where the model has none.
    public var endText: String?
    /// The tokens that end an answer, as generation_config.json says; empty where it does not.
    public var answerEndIDs: [Int32] = []
    /// The bytes of tokenizer.json, where the model is a Hugging Face folder.
    public var json: [UInt8]?
}
