// The faults of tokenizers: every code is worded here and nowhere else.

import Faults

extension Fault {
    /// `tokenizer.unknown-pre-tokenizer`: a way of cutting text that is not implemented.
    static func tokenizerUnknownPreTokenizer(_ name: String, place: Place?) -> Fault {
        let known = PreTokenizer.allCases.map(\.rawValue).joined(separator: ", ")
        let shown = String(String.UnicodeScalarView(name.unicodeScalars.prefix(80).filter { $0.value >= 0x20 }))
        return Fault(
            .model, "tokenizer.unknown-pre-tokenizer", "pre-tokenizer \"\(shown)\" is not supported; \(known) is",
            at: place, mend: "Choose a model with a supported tokenizer, such as SmolLM2.")
    }

    /// `tokenizer.malformed`: vocabulary and merges contradict each other.
    static func tokenizerMalformed(_ what: String, place: Place?) -> Fault {
        Fault(
            .model, "tokenizer.malformed", what, at: place,
            mend: "Fetch the model again or convert its tokenizer anew.")
    }
}
