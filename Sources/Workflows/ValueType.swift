// ValueType: one kind of value, described once: its text for people, its JSON Schema, how it is read from YAML and written to a plan.

import Faults
import Federation

/// A kind of value that a setting can have.
package struct ValueType<Value: Sendable>: Sendable {
    /// `whole number from 1 to 2048`, as docs and faults say it.
    var words: String
    /// The JSON Schema (draft-07) of the value.
    var schema: [String: JSONValue]
    /// The value of a node at a dotted path; nil where it is wrong, and then a fault was added.
    package var read: @Sendable (YAMLNode, _ path: String, FaultCollector) -> Value?
    /// The value as a plan writes it.
    package var write: @Sendable (Value) -> JSONValue

    /// The same kind with another text.
    func called(_ words: String) -> ValueType {
        var type = self
        type.words = words
        return type
    }
}

// MARK: Texts

extension ValueType where Value == String {
    /// Any text. A plain scalar that the core schema types as something else is a `workflow.wrong-type`.
    static func text(_ words: String, expected: String = "a text") -> ValueType {
        ValueType(
            words: words, schema: ["type": "string"],
            read: { MappingReader.string($0, path: $1, expected: expected, faults: $2) }, write: { .string($0) })
    }

    /// One line of text (`workflow.bad-text`).
    package static func line(mayBeEmpty: Bool = false) -> ValueType {
        var type = text("one line of text")
        if !mayBeEmpty { type.schema["minLength"] = 1 }
        let plain = type.read
        type.read = { node, path, faults in
            guard let text = plain(node, path, faults) else { return nil }
            if text.isEmpty && !mayBeEmpty {
                faults.add(.badText(path, "is empty", at: node.mark.place))
                return nil
            }
            guard text.unicodeScalars.allSatisfy({ YAMLSource.isPrintable($0.value) && $0.value != 0x09 }),
                !text.unicodeScalars.contains(where: { $0.value == 0x2028 || $0.value == 0x2029 })
            else {
                faults.add(.badText(path, "holds a line break or a control character", at: node.mark.place))
                return nil
            }
            return text
        }
        return type
    }

    /// A path of a file or a folder; the place where it is written is kept, so that its existence can be checked later.
    static func path(_ role: PlacedPath.Role, _ words: String = "path") -> ValueType {
        var type = line().called(words)
        let plain = type.read
        type.read = { node, path, faults in
            guard let text = plain(node, path, faults) else { return nil }
            faults.note(PlacedPath(role: role, key: path, text: text, mark: node.mark))
            return text
        }
        return type
    }

    /// A kebab-case name (`workflow.bad-name`).
    static var kebabCase: ValueType {
        var type = line().called("kebab-case name")
        type.schema = kebabCaseSchema
        let plain = type.read
        type.read = { node, path, faults in
            guard let name = plain(node, path, faults) else { return nil }
            guard KebabCase.accepts(name) else {
                faults.add(.badName(path, name, at: node.mark.place))
                return nil
            }
            return name
        }
        return type
    }
}

/// The names that `KebabCase` accepts, as JSON Schema.
let kebabCaseSchema: [String: JSONValue] = [
    "type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$", "maxLength": 64,
]

// MARK: Numbers and truth values

extension ValueType where Value == Int {
    /// A whole number within the range.
    package static func wholeNumber(_ range: ClosedRange<Int>) -> ValueType {
        ValueType(
            words: "whole number from \(range.lowerBound) to \(range.upperBound)",
            schema: [
                "type": "integer", "minimum": .integer(Int64(range.lowerBound)),
                "maximum": .integer(Int64(range.upperBound)),
            ],
            read: { node, path, faults in
                guard case .integer(let whole) = node.scalar else {
                    faults.wrongType(path, node, "a whole number")
                    return nil
                }
                guard let value = whole.int, range.contains(value) else {
                    faults.outOfRange(path, node, "from \(range.lowerBound) to \(range.upperBound)")
                    return nil
                }
                return value
            },
            write: { .integer(Int64($0)) })
    }
}

extension ValueType where Value == UInt64 {
    /// An unsigned whole number of 64 bits. Above 2^63 - 1 a plan holds it as a string of digits, because JSON integers here have 63 bits.
    static var unsigned: ValueType {
        ValueType(
            words: "whole number from 0 to \(UInt64.max)",
            schema: ["type": "integer", "minimum": 0, "maximum": .number(Double(UInt64.max))],
            read: { node, path, faults in
                guard case .integer(let whole) = node.scalar else {
                    faults.wrongType(path, node, "a whole number")
                    return nil
                }
                guard let value = whole.magnitude, !whole.isNegative || value == 0 else {
                    faults.outOfRange(path, node, "from 0 to \(UInt64.max)")
                    return nil
                }
                return value
            },
            write: { value in Int64(exactly: value).map { .integer($0) } ?? .string(String(value)) })
    }
}

extension ValueType where Value == Double {
    /// A finite number within the range. A plan writes a whole number as an integer, which is what a JSON parser would return for it.
    package static func number(_ range: NumberRange) -> ValueType {
        ValueType(
            words: "number \(range.words)", schema: ["type": "number"].merging(range.schema) { $1 },
            read: { node, path, faults in
                let value: Double
                switch node.scalar {
                case .integer(let whole): value = whole.double
                case .number(let number): value = number
                default:
                    faults.wrongType(path, node, "a number")
                    return nil
                }
                guard value.isFinite, range.accepts(value) else {
                    faults.outOfRange(path, node, range.words)
                    return nil
                }
                return value + 0  // Minus zero becomes zero.
            },
            write: { value in Int64(exactly: value).map { .integer($0) } ?? .number(value) })
    }
}

extension ValueType where Value == Bool {
    /// `true` or `false`.
    package static var flag: ValueType {
        ValueType(
            words: "`true` or `false`", schema: ["type": "boolean"],
            read: { node, path, faults in
                guard case .bool(let value) = node.scalar else {
                    faults.wrongType(path, node, "true or false")
                    return nil
                }
                return value
            },
            write: { .bool($0) })
    }
}

extension ValueType where Value == Deadline {
    /// A length of time. A plan writes it in its largest whole unit.
    static var deadline: ValueType {
        let expected = "a time such as 90s, 30m, 2h or 3d"
        return ValueType(
            words: "time such as `90s`, `30m`, `2h` or `3d`, at most 365 days",
            schema: ["type": "string", "pattern": "^[1-9][0-9]{0,8}[smhd]$"],
            read: { node, path, faults in
                guard let text = MappingReader.string(node, path: path, expected: expected, faults: faults) else {
                    return nil
                }
                guard let seconds = Deadline.seconds(in: text) else {
                    faults.wrongType(path, node, expected)
                    return nil
                }
                guard let deadline = Deadline(seconds: seconds) else {
                    faults.outOfRange(path, node, "from 1s to 365d")
                    return nil
                }
                return deadline
            },
            write: { .string($0.text) })
    }
}

// MARK: Choices and values that may be null

extension ValueType where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    /// One of the raw values of an enumeration (`workflow.unknown-value`); `also` holds other names that are accepted for a value.
    static func choice(also aliases: [String: Value] = [:]) -> ValueType {
        let known = Value.allCases.map(\.rawValue)
        let quoted = known.map { "`\($0)`" }
        let listed =
            quoted.count < 2
            ? quoted.joined() : quoted.dropLast().joined(separator: ", ") + " or " + (quoted.last ?? "")
        return ValueType(
            words: listed,
            schema: ["enum": .array((known + aliases.keys.sorted()).map { .string($0) })],
            read: { node, path, faults in
                let expected = "one of \(Wording.list(known))"
                guard let text = MappingReader.string(node, path: path, expected: expected, faults: faults) else {
                    return nil
                }
                guard let value = Value(rawValue: text) ?? aliases[text] else {
                    faults.add(.unknownValue(path, is: text, known: known, at: node.mark.place))
                    return nil
                }
                return value
            },
            write: { .string($0.rawValue) })
    }
}

extension ValueType {
    /// A value, or null for none.
    package static func optional<Wrapped>(_ type: ValueType<Wrapped>, null meaning: String) -> ValueType
    where Value == Wrapped? {
        ValueType(
            words: "\(type.words); `null`: \(meaning)",
            schema: ["anyOf": [.object(type.schema), ["type": "null"]]],
            read: { node, path, faults in
                if node.isNull { return .some(nil) }
                return type.read(node, path, faults).map { .some($0) }
            },
            write: { $0.map(type.write) ?? .null })
    }

    /// A value that cannot be null, though its key may be missing.
    static func absent<Wrapped>(_ type: ValueType<Wrapped>) -> ValueType where Value == Wrapped? {
        ValueType(
            words: type.words, schema: type.schema,
            read: { node, path, faults in type.read(node, path, faults).map { .some($0) } },
            write: { $0.map(type.write) ?? .null })
    }
}
