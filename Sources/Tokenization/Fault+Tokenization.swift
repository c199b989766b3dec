// The faults of tokenizers: every code is worded here and nowhere else.

import Faults

extension Fault {
    /// `tokenizer.unknown-pre-tokenizer`: a way of cutting text that is not implemented.
    static func tokenizerUnknownPreTokenizer(_ name: String, place: Place?) -> Fault {
        let known = PreTokenizer.names.joined(separator: ", ")
        let shown = String(String.UnicodeScalarView(name.unicodeScalars.prefix(80).filter { $0.value >= 0x20 }))
        return Fault(
            .model, "tokenizer.unknown-pre-tokenizer", "pre-tokenizer \"\(shown)\" is not supported; \(known) are",
            at: place, mend: "Choose a model with a supported tokenizer, such as SmolLM2.")
    }

    /// `tokenizer.unsupported-pattern`: a pattern with a construct that is not read.
    static func tokenizerUnsupportedPattern(_ construct: String, place: Place?) -> Fault {
        let shown = String(String.UnicodeScalarView(construct.unicodeScalars.prefix(80).filter { $0.value >= 0x20 }))
        return Fault(
            .model, "tokenizer.unsupported-pattern", "the pattern that cuts text has \(shown), which is not supported",
            at: place, mend: "Choose a model whose tokenizer cuts text as GPT-2, Llama 3 or Qwen2 do.")
    }

    /// `tokenizer.malformed`: vocabulary and merges contradict each other.
    static func tokenizerMalformed(_ what: String, place: Place?) -> Fault {
        Fault(
            .model, "tokenizer.malformed", what, at: place,
            mend: "Fetch the model again or convert its tokenizer anew.")
    }
}
