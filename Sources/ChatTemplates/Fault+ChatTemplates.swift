// The one fault of chat templates, worded here and nowhere else.

import Faults

extension Fault {
    /// `tokenizer.chat-template`: a chat template with a construct that is not read, or one that refuses a conversation.
    static func chatTemplate(_ what: String, place: Place?) -> Fault {
        Fault(
            .model, "tokenizer.chat-template", "the model's chat template \(what)", at: place,
            mend:
                "Leave `chat` out of the prompt template and write the model's special tokens into its layout; for, if and set with common filters are read."
        )
    }
}
