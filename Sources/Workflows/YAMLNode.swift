// YAMLNode: a YAML document as values that know their place. CoreScalar gives plain scalars their types.

import Federation

/// A value of a YAML document and the place where it begins. Aliases are already expanded.
public struct YAMLNode: Sendable {
    /// What a node holds.
    public enum Content: Sendable {
        /// The text of a scalar, and whether it is plain, that is without quotes, so that its form decides its type.
        case scalar(String, plain: Bool)
        /// The elements of a list.
        case sequence([YAMLNode])
        /// The pairs of a mapping in the order of the file; keys are unique.
        case mapping([YAMLPair])
    }
    /// What the node holds.
    public var content: Content
    /// Where the node begins.
    public var mark: YAMLMark
    /// How many nodes this subtree has with every alias written out.
    var expandedNodes = 1
    /// Levels of this subtree: 1 for a scalar.
    var height = 1

    init(_ content: Content, mark: YAMLMark) {
        self.content = content
        self.mark = mark
    }

    /// The elements of a list, or nil.
    public var elements: [YAMLNode]? { if case .sequence(let elements) = content { elements } else { nil } }
    /// The pairs of a mapping, or nil.
    public var pairs: [YAMLPair]? { if case .mapping(let pairs) = content { pairs } else { nil } }
    /// The typed value of a scalar, or nil.
    public var scalar: CoreScalar? {
        if case .scalar(let text, let plain) = content { CoreScalar(text, plain: plain) } else { nil }
    }
    /// Whether this is a null: `null`, `~` or no text at all.
    public var isNull: Bool { scalar == .null }
    /// The value of that key; nil where this is not a mapping or has no such key.
    public subscript(_ key: String) -> YAMLNode? { pairs?.first { $0.key == key }?.value }
}

/// A key and its value.
public struct YAMLPair: Sendable {
    /// The key as text.
    public var key: String
    /// Where the key begins.
    public var keyMark: YAMLMark
    /// The value.
    public var value: YAMLNode
}

extension YAMLNode {
    /// The document as JSON: mappings become objects, plain scalars are typed by the core schema, quoted ones are strings.
    ///
    /// Numbers that JSON cannot hold (`.inf`, `.nan`, `1e999`) stay strings, as written.
    public var plain: JSONValue {
        switch content {
        case .sequence(let elements): .array(elements.map(\.plain))
        case .mapping(let pairs): .object(Dictionary(pairs.map { ($0.key, $0.value.plain) }) { first, _ in first })
        case .scalar(let text, let plain):
            switch CoreScalar(text, plain: plain) {
            case .null: .null
            case .bool(let value): .bool(value)
            case .integer(let value): value.int.map { .integer(Int64($0)) } ?? .string(text)
            case .number(let value): value.isFinite ? .number(value) : .string(text)
            case .string(let value): .string(value)
            }
        }
    }

    /// The value in YAML on one line. Plain scalars keep their form, unless flow style would read them as something else.
    var flow: String {
        switch content {
        case .sequence(let elements): return "[" + elements.map(\.flow).joined(separator: ", ") + "]"
        case .mapping(let pairs):
            return "{" + pairs.map { "\(Self.quoted($0.key)): \($0.value.flow)" }.joined(separator: ", ") + "}"
        case .scalar(let text, let plain):
            if plain, text.isEmpty { return "null" }
            if plain, case .string = CoreScalar(text, plain: true) {
                return Self.isSafe(text) ? text : Self.quoted(text)
            }
            if plain { return text }
            return Self.isSafe(text) && CoreScalar(text, plain: true) == .string(text) ? text : Self.quoted(text)
        }
    }

    /// Whether a text is one word that every style of YAML reads as text.
    private static func isSafe(_ text: String) -> Bool {
        guard let first = text.utf8.first, (0x61...0x7a).contains(first) || (0x41...0x5a).contains(first) else {
            return false
        }
        return text.utf8.allSatisfy {
            switch $0 {
            case 0x61...0x7a, 0x41...0x5a, 0x30...0x39, 0x2d, 0x5f, 0x2e, 0x2f: true
            default: false
            }
        }
    }

    private static func quoted(_ text: String) -> String {
        if isSafe(text), CoreScalar(text, plain: true) == .string(text) { return text }
        var bytes = JSONValue.string(text).canonical
        if bytes.last == 0x0a { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// A node for every value of a JSON document, all at one mark; members in the byte order of their keys.
    init(json: JSONValue, mark: YAMLMark) {
        switch json {
        case .null: self.init(.scalar("null", plain: true), mark: mark)
        case .bool(let value): self.init(.scalar(value ? "true" : "false", plain: true), mark: mark)
        case .integer(let value): self.init(.scalar(String(value), plain: true), mark: mark)
        case .number(let value): self.init(.scalar("\(value)", plain: true), mark: mark)
        case .string(let value): self.init(.scalar(value, plain: false), mark: mark)
        case .array(let elements): self.init(.sequence(elements.map { YAMLNode(json: $0, mark: mark) }), mark: mark)
        case .object(let members):
            let keys = members.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            let pairs = keys.compactMap { key in
                members[key].map { YAMLPair(key: key, keyMark: mark, value: YAMLNode(json: $0, mark: mark)) }
            }
            self.init(.mapping(pairs), mark: mark)
        }
    }
}
