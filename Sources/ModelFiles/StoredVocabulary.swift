// StoredVocabulary: the tokenizer's data as a model file stores it. Tokenization makes a tokenizer of it.

import Faults
import Federation

/// The tokenizer's data as a model file stores it.
public struct StoredVocabulary: Sendable, Equatable {
    /// `gpt2` for byte-level BPE.
    public var model: String
    /// The pre-tokenizer, such as `smollm`; empty where the file does not say it, or says it only in `json`.
    public var preTokenizer: String
    /// The tokens by id, in the byte-level alphabet; special tokens unchanged.
    public var tokens: [String]
    /// By id: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte; empty where the file does not say.
    public var tokenTypes: [Int32]
    /// The merges by rank: `left right`, with one space between.
    public var merges: [String]
    /// The token that begins a text, if there is one.
    public var beginningID: Int32?
    /// The token that ends a text or turn, if there is one.
    public var endID: Int32?
    /// The token for text that the vocabulary lacks, if there is one.
    public var unknownID: Int32?
    /// The token for padding, if there is one.
    public var paddingID: Int32?
    /// Whether the file asks for the beginning token before every text.
    public var addsBeginning: Bool
    /// Whether the file asks for the end token after every text.
    public var addsEnd: Bool
    /// Whether the file asks for a space before every text.
    public var addsSpacePrefix: Bool
    /// Whether text is converted to Unicode's normal form C before it is cut.
    public var composes = false
    /// Whether a word that is a token is taken whole, without merging.
    public var ignoresMerges = false
    /// For BPE with byte fallback, where a space is put before text: `never`, `first`, `always` or `unconditional`; nil for byte-level BPE.
    public var byteFallback: String?
    /// The chat template (Jinja), if there is one.
    public var chatTemplate: String?
    /// What the chat template calls bos_token; nil where the model has none.
    public var beginningText: String?
    /// What the chat template calls eos_token; nil where the model has none.
    public var endText: String?
    /// The tokens that end an answer, as generation_config.json says; empty where it does not say any.
    public var answerEndIDs: [Int32] = []
    /// The bytes of tokenizer.json, where the model is a Hugging Face folder.
    public var json: [UInt8]?
}

extension StoredVocabulary {
    /// The vocabulary with the way of cutting text that a workflow names, for a file that does not say it. Throws
    /// `tokenizer.two-pre-tokenizers` where the file says another.
    public func cut(as cutting: TextCutting?, path: String) throws(Fault) -> StoredVocabulary {
        guard let cutting, preTokenizer != cutting.rawValue else { return self }
        guard preTokenizer.isEmpty else {
            throw Fault(
                .model, "tokenizer.two-pre-tokenizers",
                "the file says that text is cut as \(Place.printable(String(preTokenizer.prefix(40)))), the workflow says \(cutting.rawValue)",
                at: Place(file: path), mend: "Take model.pre_tokenizer out of the workflow: the file's own is used.")
        }
        var copy = self
        copy.preTokenizer = cutting.rawValue
        copy.composes = cutting.composes
        copy.ignoresMerges = cutting.ignoresMerges
        return copy
    }
}
