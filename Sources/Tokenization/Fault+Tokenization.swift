// The faults of tokenizers: the wording of every code is here and nowhere else.

import Faults

extension Fault {
    /// `tokenizer.unknown-pre-tokenizer`: a way of cutting text that is not implemented.
    static func tokenizerUnknownPreTokenizer(_ name: String, place: Place?) -> Fault {
        let known = PreTokenizer.names.joined(separator: ", ")
        let shown = shown(name)
        return Fault(
            .model, "tokenizer.unknown-pre-tokenizer", "pre-tokenizer \"\(shown)\" is not supported; \(known) are",
            at: place, mend: "Choose a model with a supported tokenizer, such as SmolLM2.")
    }

    /// `tokenizer.no-pre-tokenizer`: the file does not say how text is cut; a wrong guess would silently give other tokens.
    static func tokenizerNoPreTokenizer(place: Place?) -> Fault {
        let known = PreTokenizer.names.filter { $0 != "whole" }.joined(separator: ", ")
        return Fault(
            .model, "tokenizer.no-pre-tokenizer",
            "the file does not say how text is cut into words: the setting tokenizer.ggml.pre is missing, because converters did not write it before May 2024",
            at: place,
            mend:
                "Name that of its family in the workflow as model.pre_tokenizer, one of \(known); for commands without a workflow write it into a copy: gguf-new-metadata --pre-tokenizer NAME OLD NEW (Python package gguf)."
        )
    }

    /// `tokenizer.unsupported-pattern`: a pattern with a construct that is not supported.
    static func tokenizerUnsupportedPattern(_ construct: String, place: Place?) -> Fault {
        let shown = shown(construct)
        return Fault(
            .model, "tokenizer.unsupported-pattern", "the pattern that cuts text has \(shown), which is not supported",
            at: place, mend: "Choose a model whose tokenizer cuts text as GPT-2, Llama 3 or Qwen2 do.")
    }

    /// `tokenizer.malformed`: vocabulary and merges contradict each other.
    static func tokenizerMalformed(_ what: String, place: Place?) -> Fault {
        Fault(
            .model, "tokenizer.malformed", what, at: place,
            mend: "Fetch the model again or convert its tokenizer again.")
    }

    /// Text of a model file in a form for a message: at most 80 scalars, with a question mark for every scalar that is not safe for a
    /// terminal.
    private static func shown(_ text: String) -> String {
        var out = String.UnicodeScalarView()
        for scalar in text.unicodeScalars.prefix(80) {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator: out.append("?")
            default: out.append(scalar)
            }
        }
        return String(out)
    }
}
