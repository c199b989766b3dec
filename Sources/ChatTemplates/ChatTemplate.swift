// ChatTemplate: renders a conversation by a model's chat template. It supports the part of Jinja that the templates of instruct models use:
// TemplateLexer, TemplateParser and TemplateRendering implement it, TemplateBudget limits all three.

import Faults

/// A chat template as tokenizer_config.json or a GGUF file holds it.
public struct ChatTemplate: Sendable {
    /// One turn of a conversation.
    public struct Message: Sendable, Equatable {
        /// `system`, `user` or `assistant`.
        public var role: String
        /// The text of the turn.
        public var content: String

        /// Makes a message.
        public init(role: String, content: String) {
            self.role = role
            self.content = content
        }
    }

    private let nodes: [TemplateNode]
    private let beginning: String?
    private let end: String?
    /// What reading the template has cost: every rendering counts on from there.
    private let budget: TemplateBudget

    /// Reads a template; `beginning` and `end` are its bos_token and eos_token, nil where the model has none. The place is for faults.
    /// Throws `tokenizer.chat-template` with the name of a construct that is not supported.
    public init(_ source: String, beginning: String?, end: String?, at place: Place? = nil) throws(Fault) {
        var budget = TemplateBudget(place: place)
        let parts = try TemplateLexer.parts(of: source, &budget)
        nodes = try TemplateParser.nodes(of: parts, &budget)
        self.beginning = beginning
        self.end = end
        self.budget = budget
    }

    /// The conversation as text, with the beginning of the assistant's turn if that is asked for.
    ///
    /// A template sees messages, add_generation_prompt, bos_token, eos_token and enable_thinking, which is false: the model should write no
    /// reasoning. It sees no tools, no documents and no clock. Throws `tokenizer.chat-template` where the template refuses the
    /// conversation, needs something that is not supported, or costs more than a template may.
    public func text(of messages: [Message], addsGenerationPrompt: Bool) throws(Fault) -> String {
        var globals: [String: TemplateValue] = [
            "add_generation_prompt": .bool(addsGenerationPrompt), "enable_thinking": .bool(false),
            "messages": .list(
                TemplateList(
                    messages.map { message in
                        .mapping([
                            TemplateMember(key: "role", value: .string(message.role)),
                            TemplateMember(key: "content", value: .string(message.content)),
                        ])
                    })),
        ]
        if let beginning { globals["bos_token"] = .string(beginning) }
        if let end { globals["eos_token"] = .string(end) }
        var rendering = TemplateRendering(budget, globals: globals)
        return try rendering.text(of: nodes)
    }
}
