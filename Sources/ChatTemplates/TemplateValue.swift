// TemplateValue: the value of an expression of a template, with Python's meaning of truth and printing.

/// A value of a template.
enum TemplateValue: Sendable {
    /// A name without a value: it prints as nothing and is false.
    case undefined
    case none
    case bool(Bool)
    case integer(Int)
    case string(String)
    case list(TemplateList)
    case mapping([TemplateMember])
    /// The result of `namespace()`: its index in the rendering. A namespace that holds itself is a number here, so there is no cycle.
    case namespace(Int)

    /// What Python calls its truth value.
    var isTrue: Bool {
        switch self {
        case .undefined, .none: false
        case .bool(let value): value
        case .integer(let value): value != 0
        case .string(let text): !text.isEmpty
        case .list(let list): !list.elements.isEmpty
        case .mapping(let members): !members.isEmpty
        case .namespace: true
        }
    }

    /// How deep lists and mappings are nested in it; 0 for everything else.
    var depth: Int {
        switch self {
        case .list(let list): list.depth
        case .mapping(let members): 1 + (members.map(\.value.depth).max() ?? 0)
        default: 0
        }
    }

    /// A list of texts.
    static func texts(_ texts: [String]) -> TemplateValue { .list(TemplateList(texts.map { .string($0) })) }
}

/// A list that knows how deep it is nested, so that nobody has to walk through it to find out.
struct TemplateList: Sendable {
    let elements: [TemplateValue]
    let depth: Int

    init(_ elements: [TemplateValue]) {
        self.elements = elements
        depth = 1 + (elements.map(\.depth).max() ?? 0)
    }
}

/// A key of a mapping and its value.
struct TemplateMember: Sendable {
    var key: String
    var value: TemplateValue
}
