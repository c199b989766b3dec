// PromptEncoder: prompts and completions as tokens, alone or as turns of the model's own chat template.

import ChatTemplates
import Faults
import ModelFiles
import Tokenization

/// Encodes what a model is asked and what it is to write.
///
/// Prompt and completion are encoded apart, so that what the model is asked in evaluation is a prefix of what it learned. Special tokens
/// are never read out of a note's text; those of a chat template are.
package struct PromptEncoder: Sendable {
    package let tokenizer: Tokenizer
    /// The token that follows a completion.
    package let endToken: Int32
    /// The tokens that end an answer: that one, and with `chat: model` those of the model's generation_config.json.
    package let stopTokens: Set<Int32>
    private let chat: Chat?

    /// The model's template, and what it writes around the one message of a prompt.
    private struct Chat: Sendable {
        var template: ChatTemplate
        var head: String
        var tail: String
    }

    /// Stands for a message's content: no template and no note of ours holds this scalar of the private use area.
    private static let mark = "\u{f8ff}"

    /// Plain prompts, with the end token that the prompt template names. Throws `template.end` where it is no single token.
    package init(_ tokenizer: Tokenizer, end: String, file: String) throws(Fault) {
        guard let token = tokenizer.id(of: end) else {
            throw Fault(
                .workflow, "template.end", "\(end) is no single token of the base model", at: Place(file: file),
                mend: "Set end: to a special token of the model's tokenizer.")
        }
        self.tokenizer = tokenizer
        endToken = token
        stopTokens = [token]
        chat = nil
    }

    /// Prompts as the user's message of the model's chat template; the end token is what the template writes after the assistant's.
    ///
    /// Throws `template.chat` where the model brings no template, or one with which a message cannot be told from what is around it,
    /// and `tokenizer.chat-template`.
    package init(_ tokenizer: Tokenizer, chat vocabulary: StoredVocabulary, model: String) throws(Fault) {
        guard let source = vocabulary.chatTemplate else {
            throw Self.fault("the model brings no chat template", model)
        }
        let template = try ChatTemplate(
            source, beginning: vocabulary.beginningText, end: vocabulary.endText, at: Place(file: model))
        let user = ChatTemplate.Message(role: "user", content: Self.mark)
        let asked = try template.text(of: [user], addsGenerationPrompt: true)
        let answered = try template.text(
            of: [ChatTemplate.Message(role: "user", content: "?"), .init(role: "assistant", content: Self.mark)],
            addsGenerationPrompt: false)
        guard let (head, tail) = Self.around(asked), let (_, after) = Self.around(answered) else {
            throw Self.fault("the model's chat template does not write a message once and as it is", model)
        }
        let end = after.drop { $0.isWhitespace }
        guard let token = tokenizer.encode(String(end)).first, tokenizer.isSpecial(token) else {
            throw Self.fault("the model's chat template ends the assistant's turn without a special token", model)
        }
        self.tokenizer = tokenizer
        endToken = token
        stopTokens = Set(vocabulary.answerEndIDs).union([token])
        chat = Chat(template: template, head: head, tail: tail)
    }

    private static func fault(_ what: String, _ model: String) -> Fault {
        Fault(
            .model, "template.chat", what, at: Place(file: model),
            mend: "Leave `chat` out of the prompt template and name its `end`.")
    }

    /// What stands before and after the mark; nil where it does not stand in the text once.
    private static func around(_ text: String) -> (String, String)? {
        let parts = text.unicodeScalars.split(
            separator: "\u{f8ff}", omittingEmptySubsequences: false)
        return parts.count == 2 ? (String(parts[0]), String(parts[1])) : nil
    }

    /// The ids of a prompt. Throws `tokenizer.chat-template`, and `template.chat` where the template changes the message.
    package func prompt(_ text: String) throws(Fault) -> [Int32] {
        guard let chat else { return tokenizer.encode(text, specials: false) }
        let whole = try chat.template.text(of: [.init(role: "user", content: text)], addsGenerationPrompt: true)
        let head = chat.head.utf8.count
        let tail = chat.tail.utf8.count
        guard whole.utf8.count >= head + tail, whole.utf8.starts(with: chat.head.utf8),
            whole.utf8.suffix(tail).elementsEqual(chat.tail.utf8)
        else {
            throw Fault(
                .model, "template.chat", "the model's chat template writes other text around a longer message",
                mend: "Leave `chat` out of the prompt template and name its `end`.")
        }
        return tokenizer.encode(whole, plain: head..<whole.utf8.count - tail)
    }

    /// The ids of a completion, without the end token.
    package func completion(_ text: String) -> [Int32] { tokenizer.encode(text, specials: false) }
}
