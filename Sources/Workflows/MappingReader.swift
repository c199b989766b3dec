// MappingReader: reads one mapping of a file with the keys it may have; faults are collected instead of stopping. Also bounds of numbers.

import Faults
import Federation

/// Bounds of a floating-point setting, with the text that faults use for them.
package struct NumberRange: Sendable {
    /// The text: `above 0`, `from 0 up to but not including 1`.
    let words: String
    /// The bounds as JSON Schema.
    let schema: [String: JSONValue]
    let accepts: @Sendable (Double) -> Bool

    /// Greater than the bound.
    static func above(_ bound: Double) -> NumberRange {
        NumberRange(words: "above \(short(bound))", schema: ["exclusiveMinimum": .number(bound)]) { $0 > bound }
    }
    /// At least the lower bound, less than the upper.
    package static func from(_ lower: Double, below upper: Double) -> NumberRange {
        NumberRange(
            words: "from \(short(lower)) up to but not including \(short(upper))",
            schema: ["minimum": .number(lower), "exclusiveMaximum": .number(upper)]
        ) { $0 >= lower && $0 < upper }
    }
    /// Both bounds included.
    package static func from(_ lower: Double, through upper: Double) -> NumberRange {
        NumberRange(
            words: "from \(short(lower)) to \(short(upper))",
            schema: ["minimum": .number(lower), "maximum": .number(upper)]
        ) { $0 >= lower && $0 <= upper }
    }
    /// Greater than the lower bound, at most the upper.
    static func above(_ lower: Double, through upper: Double) -> NumberRange {
        NumberRange(
            words: "above \(short(lower)) and at most \(short(upper))",
            schema: ["exclusiveMinimum": .number(lower), "maximum": .number(upper)]
        ) { $0 > lower && $0 <= upper }
    }
    private static func short(_ value: Double) -> String { Int(exactly: value).map(String.init) ?? "\(value)" }
}

/// One mapping of a file with the keys it may have.
///
/// A fault is added to the collector, and the caller continues with the default: once there is a fault, no value that was read is used.
public struct MappingReader {
    /// The mapping's dotted path, such as `sites.general`; empty for the top of the file.
    public let path: String
    /// Where the mapping begins.
    public let mark: YAMLMark
    /// The pairs in the order of the file.
    public let pairs: [YAMLPair]
    /// Where faults are collected.
    public let faults: FaultCollector

    /// Takes a mapping; nil where the node is not one (`workflow.wrong-type`). With `keys`, any other key is a `workflow.unknown-key`.
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
    /// The value of that key; if it is required and missing, there is a `workflow.missing-key`.
    public func node(_ key: String, required: Bool = false) -> YAMLNode? {
        if let pair = pair(key) { return pair.value }
        if required {
            faults.add(.missingKey(key, in: path.isEmpty ? "the workflow" : path, at: mark.place))
        }
        return nil
    }

    /// A text value.
    static func string(_ node: YAMLNode, path: String, expected: String, faults: FaultCollector) -> String? {
        if case .string(let text) = node.scalar { return text }
        faults.add(.wrongType(path, is: kind(of: node), expected: expected, at: node.mark.place))
        return nil
    }

    /// What a node is, as text.
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
