// JSONValue: a JSON document as a value. Parsing and the canonical form of the ledger are in files of their own.

/// A JSON value. Objects have no order of their own; the canonical form sorts keys.
public enum JSONValue: Sendable {
    case null
    case bool(Bool)
    /// A number written without fraction or exponent that fits in 64 bits.
    case integer(Int64)
    /// Any other finite number.
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])
}

extension JSONValue {
    /// The members of an object, or nil.
    public var members: [String: JSONValue]? { if case .object(let members) = self { members } else { nil } }
    /// The elements of an array, or nil.
    public var elements: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }
    /// The text of a string, or nil.
    public var text: String? { if case .string(let text) = self { text } else { nil } }
    /// The value of an integer, or nil.
    public var int: Int? { if case .integer(let value) = self { Int(value) } else { nil } }
    /// The value of a number, integer or not, or nil.
    public var double: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }
    /// The value of a truth value, or nil.
    public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    /// The member of that name; nil where this is not an object or has no such member.
    public subscript(_ key: String) -> JSONValue? { members?[key] }
}

extension JSONValue: Equatable {
    /// Whether both are the same JSON: 64 and 64.0 are the same number.
    public static func == (left: JSONValue, right: JSONValue) -> Bool {
        switch (left, right) {
        case (.null, .null): true
        case (.bool(let left), .bool(let right)): left == right
        case (.integer(let left), .integer(let right)): left == right
        case (.string(let left), .string(let right)): left == right
        case (.array(let left), .array(let right)): left == right
        case (.object(let left), .object(let right)): left == right
        case (.number(let left), .number(let right)): left == right
        case (.integer(let whole), .number(let number)), (.number(let number), .integer(let whole)):
            Int64(exactly: number) == whole
        default: false
        }
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    /// A string.
    public init(stringLiteral value: String) { self = .string(value) }
    /// An integer.
    public init(integerLiteral value: Int64) { self = .integer(value) }
    /// A number.
    public init(floatLiteral value: Double) { self = .number(value) }
    /// A truth value.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    /// An array.
    public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    /// An object; a key that is written twice is a programmer's error.
    public init(dictionaryLiteral elements: (String, JSONValue)...) {
        self = .object(Dictionary(uniqueKeysWithValues: elements))
    }
}
