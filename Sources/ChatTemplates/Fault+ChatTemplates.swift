// The only fault of chat templates, worded here and nowhere else.

import Faults

extension Fault {
    /// `tokenizer.chat-template`: a chat template with a construct that is not supported, or one that refuses a conversation.
    static func chatTemplate(_ what: String, place: Place?) -> Fault {
        Fault(
            .model, "tokenizer.chat-template", "the model's chat template \(what)", at: place,
            mend:
                "Leave `chat` out of the prompt template and write the model's special tokens into its layout; for, if and set with common filters are read."
        )
    }

    /// Text of a template in a form for a message: at most 40 scalars, in quotes, with a question mark for every scalar that is not safe
    /// for a terminal.
    static func shown(_ text: some StringProtocol, limit: Int = 40) -> String {
        var out = String.UnicodeScalarView()
        for scalar in text.unicodeScalars.prefix(limit) {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned: out.append("?")
            default: out.append(scalar)
            }
        }
        return "\"\(String(out))\"\(text.unicodeScalars.count > limit ? "…" : "")"
    }
}
