// ChatTemplate: a model's chat template, written out for a conversation. It reads the part of Jinja that the templates of instruct
// models are written in; TemplateLexer, TemplateParser and TemplateRendering hold it, TemplateBudget bounds all three.

import Faults

/// A chat template as tokenizer_config.json or a GGUF file brings it.
public struct ChatTemplate: Sendable {
    /// One turn of a conversation.
    public struct Message: Sendable, Equatable {
        /// `system`, `user` or `assistant`.
        public var role: String
        /// What is said.
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
    /// What reading the template has spent: every rendering goes on from there.
    private let budget: TemplateBudget

    /// Reads a template; `beginning` and `end` are what it calls bos_token and eos_token, nil where the model has none. The place is
    /// for faults. Throws `tokenizer.chat-template`, naming the construct that is not read.
    public init(_ source: String, beginning: String?, end: String?, at place: Place? = nil) throws(Fault) {
        var budget = TemplateBudget(place: place)
        let parts = try TemplateLexer.parts(of: source, &budget)
        nodes = try TemplateParser.nodes(of: parts, &budget)
        self.beginning = beginning
        self.end = end
        self.budget = budget
    }

    /// The conversation as text, with the opening of the assistant's turn where that is asked for.
    ///
    /// A template sees messages, add_generation_prompt, bos_token, eos_token and enable_thinking, which is false: what the
    /// model is to write holds no reasoning. It sees no tools, no documents and no clock. Throws `tokenizer.chat-template` where the
    /// template refuses the conversation, asks for what is not supported or costs more than a template may.
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
