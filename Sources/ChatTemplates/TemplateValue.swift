// TemplateValue: what an expression of a template is worth, with Python's meaning of truth and printing.

/// A value of a template.
enum TemplateValue: Sendable {
    /// A name that nothing was said of: prints as nothing and is false.
    case undefined
    case none
    case bool(Bool)
    case integer(Int)
    case string(String)
    case list(TemplateList)
    case mapping([TemplateMember])
    /// What `namespace()` gives: its place in the rendering. A namespace that holds itself is a number here, no cycle.
    case namespace(Int)

    /// What Python calls its truth.
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

    /// How deep lists and mappings nest in it; 0 for all else.
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

/// A list that knows how deep it nests, so that nobody has to walk it to find out.
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
