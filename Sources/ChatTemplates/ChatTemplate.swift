// ChatTemplate: a model's chat template, written out for a conversation. It reads the part of Jinja that the templates of instruct
// models are written in; TemplateLexer, TemplateParser and TemplateRendering hold it.

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
    private let place: Place?

    /// Reads a template; `beginning` and `end` are what it calls bos_token and eos_token, nil where the model has none. The place is
    /// for faults. Throws `tokenizer.chat-template`, naming the construct that is not read.
    public init(_ source: String, beginning: String?, end: String?, at place: Place? = nil) throws(Fault) {
        var parser = TemplateParser(try TemplateLexer.parts(of: source, place: place), place: place)
        nodes = try parser.document()
        self.beginning = beginning
        self.end = end
        self.place = place
    }

    /// The conversation as text, with the opening of the assistant's turn where that is asked for.
    ///
    /// A template sees messages, add_generation_prompt, bos_token, eos_token and enable_thinking, which is false: what the
    /// model is to write holds no reasoning. It sees no tools, no documents and no clock. Throws `tokenizer.chat-template` where the template refuses
    /// the conversation or asks for what is not supported.
    public func text(of messages: [Message], addsGenerationPrompt: Bool) throws(Fault) -> String {
        var rendering = TemplateRendering(place: place)
        var globals: [String: TemplateValue] = [
            "add_generation_prompt": .bool(addsGenerationPrompt), "enable_thinking": .bool(false),
            "messages": .list(
                messages.map { message in
                    .mapping([
                        TemplateMember(key: "role", value: .string(message.role)),
                        TemplateMember(key: "content", value: .string(message.content)),
                    ])
                }),
        ]
        if let beginning { globals["bos_token"] = .string(beginning) }
        if let end { globals["eos_token"] = .string(end) }
        return try rendering.text(of: nodes, globals: globals)
    }
}

/// A value of a template.
enum TemplateValue: Sendable, Equatable {
    /// A name that nothing was said of: prints as nothing and is false.
    case undefined
    case none
    case bool(Bool)
    case integer(Int)
    case string(String)
    case list([TemplateValue])
    case mapping([TemplateMember])
    /// What `namespace()` gives: its place in the rendering.
    case namespace(Int)

    /// What Python calls its truth.
    var isTrue: Bool {
        switch self {
        case .undefined, .none: false
        case .bool(let value): value
        case .integer(let value): value != 0
        case .string(let text): !text.isEmpty
        case .list(let elements): !elements.isEmpty
        case .mapping(let members): !members.isEmpty
        case .namespace: true
        }
    }
}

/// A key of a mapping and its value.
struct TemplateMember: Sendable, Equatable {
    var key: String
    var value: TemplateValue
}

/// An expression of a template.
indirect enum TemplateExpression: Sendable {
    case literal(TemplateValue)
    case name(String)
    case list([TemplateExpression])
    case item(TemplateExpression, TemplateExpression)
    case slice(TemplateExpression, from: TemplateExpression?, to: TemplateExpression?, by: TemplateExpression?)
    case call(TemplateExpression, method: String?, TemplateArguments)
    case filter(TemplateExpression, String, TemplateArguments)
    case test(TemplateExpression, String, TemplateArguments)
    case not(TemplateExpression)
    case negative(TemplateExpression)
    case binary(String, TemplateExpression, TemplateExpression)
    case conditional(TemplateExpression, then: TemplateExpression, otherwise: TemplateExpression?)
}

/// What stands in the parentheses of a call.
struct TemplateArguments: Sendable {
    var plain: [TemplateExpression] = []
    var named: [(key: String, value: TemplateExpression)] = []
}

/// A piece of a template.
indirect enum TemplateNode: Sendable {
    case text(String)
    case output(TemplateExpression)
    /// Assigns to a name, or to a member of a namespace.
    case set(name: String, member: String?, TemplateExpression)
    case condition([(test: TemplateExpression, body: [TemplateNode])], otherwise: [TemplateNode])
    case loop(
        names: [String], over: TemplateExpression, where: TemplateExpression?, body: [TemplateNode],
        otherwise: [TemplateNode])
}
