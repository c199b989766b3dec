// MappingReader: reads the values of one mapping by type and range, and collects what is wrong instead of stopping.

import Faults

/// Bounds of a floating-point setting, with the words that faults use for them.
public struct NumberRange: Sendable {
    /// The words: `above 0`, `from 0 up to but not including 1`.
    public let words: String
    let accepts: @Sendable (Double) -> Bool

    /// Greater than the bound.
    public static func above(_ bound: Double) -> NumberRange {
        NumberRange(words: "above \(short(bound))") { $0 > bound }
    }
    /// The lower bound or more, less than the upper.
    public static func from(_ lower: Double, below upper: Double) -> NumberRange {
        NumberRange(words: "from \(short(lower)) up to but not including \(short(upper))") { $0 >= lower && $0 < upper }
    }
    /// Both bounds included.
    public static func from(_ lower: Double, through upper: Double) -> NumberRange {
        NumberRange(words: "from \(short(lower)) to \(short(upper))") { $0 >= lower && $0 <= upper }
    }
    /// Greater than the lower bound, the upper included.
    public static func above(_ lower: Double, through upper: Double) -> NumberRange {
        NumberRange(words: "above \(short(lower)) and at most \(short(upper))") { $0 > lower && $0 <= upper }
    }
    private static func short(_ value: Double) -> String { Int(exactly: value).map(String.init) ?? "\(value)" }
}

/// One mapping of a file with the keys it may have.
///
/// Every reading method returns nil where the key is absent or its value at fault; a fault is added to the collector, so that the
/// caller may put the default in place of nil and go on: nothing read is used once a fault was found.
public struct MappingReader {
    /// The mapping's dotted path, such as `sites.general`; empty for the top of the file.
    public let path: String
    /// Where the mapping begins.
    public let mark: YAMLMark
    /// The pairs in the order of the file.
    public let pairs: [YAMLPair]
    /// Where faults go.
    public let faults: FaultCollector

    /// Takes a mapping; nil where the node is none (`workflow.wrong-type`). With `keys`, any other key is a `workflow.unknown-key`.
    public init?(_ node: YAMLNode, path: String, keys: [String]?, faults: FaultCollector) {
        let owner = path.isEmpty ? "the workflow" : path
        guard let pairs = node.pairs else {
            faults.add(
                .wrongType(owner, is: Self.kind(of: node), expected: "a mapping of keys", at: node.mark.place))
            return nil
        }
        self.path = path
        self.mark = node.mark
        self.pairs = pairs
        self.faults = faults
        guard let keys else { return }
        for pair in pairs where !keys.contains(pair.key) {
            faults.add(.unknownKey(pair.key, in: owner, known: keys, at: pair.keyMark.place))
        }
    }

    /// The dotted path of a key of this mapping.
    public func path(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }
    /// The pair of that key, or nil.
    public func pair(_ key: String) -> YAMLPair? { pairs.first { $0.key == key } }
    /// The value of that key; where it is absent and required, a `workflow.missing-key`.
    public func node(_ key: String, required: Bool = false) -> YAMLNode? {
        if let pair = pair(key) { return pair.value }
        if required {
            faults.add(.missingKey(key, in: path.isEmpty ? "the workflow" : path, at: mark.place))
        }
        return nil
    }

    /// A mapping under that key.
    public func mapping(_ key: String, keys: [String]?, required: Bool = false) -> MappingReader? {
        node(key, required: required).flatMap { MappingReader($0, path: path(of: key), keys: keys, faults: faults) }
    }

    /// A list under that key.
    public func list(_ key: String, of things: String, required: Bool = false) -> [YAMLNode]? {
        guard let node = node(key, required: required) else { return nil }
        guard let elements = node.elements else {
            wrongType(key, node, "a list of \(things)")
            return nil
        }
        return elements
    }

    /// A text. A plain scalar that the core schema types as something else is a `workflow.wrong-type`.
    public func string(_ key: String, required: Bool = false) -> String? {
        guard let node = node(key, required: required) else { return nil }
        return Self.string(node, path: path(of: key), expected: "a text", faults: faults)
    }

    /// A text of one line, not empty (`workflow.bad-text`).
    public func line(_ key: String, required: Bool = false, mayBeEmpty: Bool = false) -> String? {
        guard let text = string(key, required: required), let place = pair(key)?.value.mark.place else { return nil }
        if text.isEmpty && !mayBeEmpty {
            faults.add(.badText(path(of: key), "is empty", at: place))
            return nil
        }
        guard text.unicodeScalars.allSatisfy({ YAMLSource.isPrintable($0.value) && $0.value != 0x09 }),
            !text.unicodeScalars.contains(where: { $0.value == 0x2028 || $0.value == 0x2029 })
        else {
            faults.add(.badText(path(of: key), "holds a line break or a control character", at: place))
            return nil
        }
        return text
    }

    /// A whole number within the range.
    public func integer(_ key: String, in range: ClosedRange<Int>, required: Bool = false) -> Int? {
        guard let node = node(key, required: required) else { return nil }
        guard case .integer(let whole) = node.scalar else {
            wrongType(key, node, "a whole number")
            return nil
        }
        guard let value = whole.int, range.contains(value) else {
            outOfRange(key, node, "from \(range.lowerBound) to \(range.upperBound)")
            return nil
        }
        return value
    }

    /// A whole number of 64 bits without sign.
    public func unsigned(_ key: String, required: Bool = false) -> UInt64? {
        guard let node = node(key, required: required) else { return nil }
        guard case .integer(let whole) = node.scalar else {
            wrongType(key, node, "a whole number")
            return nil
        }
        guard let value = whole.magnitude, !whole.isNegative || value == 0 else {
            outOfRange(key, node, "from 0 to \(UInt64.max)")
            return nil
        }
        return value
    }

    /// A finite number within the range.
    public func number(_ key: String, in range: NumberRange, required: Bool = false) -> Double? {
        guard let node = node(key, required: required) else { return nil }
        let value: Double
        switch node.scalar {
        case .integer(let whole): value = whole.double
        case .number(let number): value = number
        default:
            wrongType(key, node, "a number")
            return nil
        }
        guard value.isFinite, range.accepts(value) else {
            outOfRange(key, node, range.words)
            return nil
        }
        return value + 0  // Minus zero becomes zero.
    }

    /// A truth value: `true` or `false`.
    public func flag(_ key: String, required: Bool = false) -> Bool? {
        guard let node = node(key, required: required) else { return nil }
        guard case .bool(let value) = node.scalar else {
            wrongType(key, node, "true or false")
            return nil
        }
        return value
    }

    /// One of the raw values of an enumeration (`workflow.unknown-value`).
    public func choice<Choice>(_ key: String, required: Bool = false) -> Choice?
    where Choice: RawRepresentable & CaseIterable, Choice.RawValue == String {
        guard let node = node(key, required: required) else { return nil }
        let known = Choice.allCases.map(\.rawValue)
        guard
            let text = Self.string(
                node, path: path(of: key), expected: "one of \(Wording.list(known))", faults: faults)
        else { return nil }
        guard let value = Choice(rawValue: text) else {
            faults.add(.unknownValue(path(of: key), is: text, known: known, at: node.mark.place))
            return nil
        }
        return value
    }

    /// A text, wherever it stands.
    static func string(_ node: YAMLNode, path: String, expected: String, faults: FaultCollector) -> String? {
        if case .string(let text) = node.scalar { return text }
        faults.add(.wrongType(path, is: kind(of: node), expected: expected, at: node.mark.place))
        return nil
    }

    /// Adds a `workflow.wrong-type` for the value of that key.
    func wrongType(_ key: String, _ node: YAMLNode, _ expected: String) {
        faults.add(.wrongType(path(of: key), is: Self.kind(of: node), expected: expected, at: node.mark.place))
    }

    private func outOfRange(_ key: String, _ node: YAMLNode, _ allowed: String) {
        guard case .scalar(let text, _) = node.content else { return }
        let found = text.unicodeScalars.count > 40 ? String(text.unicodeScalars.prefix(40)) + "..." : text
        faults.add(.outOfRange(path(of: key), is: found, allowed: allowed, at: node.mark.place))
    }

    /// What a node is, in words.
    static func kind(of node: YAMLNode) -> String {
        switch node.content {
        case .sequence: return "a list"
        case .mapping: return "a mapping"
        case .scalar(let text, let plain):
            switch CoreScalar(text, plain: plain) {
            case .null: return "nothing"
            case .bool: return "the truth value \(text)"
            case .integer, .number: return "the number \(text.unicodeScalars.count > 40 ? "written here" : text)"
            case .string: return "the text \(Wording.shown(text))"
            }
        }
    }
}
