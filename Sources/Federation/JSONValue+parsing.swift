// A JSON parser written by hand (RFC 8259): strict, in time linear in the text, with limits on depth and number of values, and fast on
// headers and vocabularies of many thousand values.

import Faults

/// What a JSON text may cost and how strictly numbers are read.
public struct JSONLimits: Sendable {
    /// How deep arrays and objects may be nested; a stack of half a megabyte holds 512.
    public var depth: Int
    /// How many values there may be: the largest tokenizer.json of today has two million.
    public var values: Int
    /// Reads Python's words for numbers that JSON does not have (`NaN`, `Infinity`, `-Infinity`) as texts, so that nobody takes them for a
    /// number or for a missing value. Without this, they are not JSON.
    public var allowsNonFinite: Bool

    /// Makes limits; the defaults are enough for every reader of this program.
    public init(depth: Int = 512, values: Int = 1 << 22, allowsNonFinite: Bool = false) {
        precondition((1...512).contains(depth), "the stack is sized for a depth of 512")
        self.depth = depth
        self.values = values
        self.allowsNonFinite = allowsNonFinite
    }
}

extension JSONValue {
    /// Parses UTF-8 JSON. Throws `data.json` with `place`, the byte and the reason where the text is not JSON, an object names a member
    /// twice, a number does not fit a Double, or a limit is exceeded. The fault holds no text of the document.
    public init(parsing bytes: [UInt8], at place: Place? = nil, limits: JSONLimits = JSONLimits()) throws(Fault) {
        var parser = JSONParser(bytes: bytes, limits: limits)
        guard let value = parser.document() else {
            let reason = parser.reason.map { ": \($0)" } ?? ""
            throw Fault(
                .data, "data.json", "the text is not valid JSON at byte \(parser.offset)\(reason)", at: place,
                mend: "Write one complete JSON value in UTF-8.")
        }
        self = value
    }
}

/// A recursive descent over bytes; every function returns nil at the first wrong byte.
private struct JSONParser {
    let bytes: [UInt8]
    let limits: JSONLimits
    var offset = 0
    /// What is wrong, where that is more than an unexpected byte.
    private(set) var reason: String?
    private var depth = 0
    private var values = 0

    init(bytes: [UInt8], limits: JSONLimits) {
        self.bytes = bytes
        self.limits = limits
    }

    /// Notes why the text is refused.
    private mutating func refuse<T>(_ what: String) -> T? {
        reason = reason ?? what
        return nil
    }

    mutating func document() -> JSONValue? {
        guard let value = value() else { return nil }
        skipSpace()
        if offset < bytes.count { return refuse("more follows the value") }
        return value
    }

    private var current: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    private mutating func skipSpace() {
        while let byte = current, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { offset += 1 }
    }

    private mutating func accept(_ byte: UInt8) -> Bool {
        guard current == byte else { return false }
        offset += 1
        return true
    }

    private mutating func word(_ text: StaticString, _ value: JSONValue) -> JSONValue? {
        for index in 0..<text.utf8CodeUnitCount where !accept(text.utf8Start[index]) { return nil }
        return value
    }

    private mutating func value() -> JSONValue? {
        skipSpace()
        values += 1
        guard values <= limits.values else { return refuse("there are more than \(limits.values) values") }
        switch current {
        case UInt8(ascii: "{"): return nested { $0.object() }
        case UInt8(ascii: "["): return nested { $0.array() }
        case UInt8(ascii: "\""): return string().map { .string($0) }
        case UInt8(ascii: "t"): return word("true", .bool(true))
        case UInt8(ascii: "f"): return word("false", .bool(false))
        case UInt8(ascii: "n"): return word("null", .null)
        case UInt8(ascii: "N"): return notFinite("NaN")
        case UInt8(ascii: "I"): return notFinite("Infinity")
        case nil: return refuse("the text ends too early")
        default: return number()
        }
    }

    private mutating func nested(_ read: (inout JSONParser) -> JSONValue?) -> JSONValue? {
        guard depth < limits.depth else { return refuse("values nest deeper than \(limits.depth)") }
        depth += 1
        offset += 1
        defer { depth -= 1 }
        return read(&self)
    }

    private mutating func object() -> JSONValue? {
        var members: [String: JSONValue] = [:]
        skipSpace()
        if accept(UInt8(ascii: "}")) { return .object(members) }
        while true {
            skipSpace()
            guard let key = string() else { return nil }
            skipSpace()
            guard accept(UInt8(ascii: ":")), let value = value() else { return nil }
            guard members.updateValue(value, forKey: key) == nil else {
                return refuse("an object names a member twice")
            }
            skipSpace()
            if accept(UInt8(ascii: "}")) { return .object(members) }
            guard accept(UInt8(ascii: ",")) else { return nil }
        }
    }

    private mutating func array() -> JSONValue? {
        var elements: [JSONValue] = []
        skipSpace()
        if accept(UInt8(ascii: "]")) { return .array(elements) }
        while true {
            guard let value = value() else { return nil }
            elements.append(value)
            skipSpace()
            if accept(UInt8(ascii: "]")) { return .array(elements) }
            guard accept(UInt8(ascii: ",")) else { return nil }
        }
    }

    // MARK: Scalars

    private mutating func string() -> String? {
        guard accept(UInt8(ascii: "\"")) else { return nil }
        let start = offset
        while let byte = current, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { offset += 1 }
        guard current == UInt8(ascii: "\"") else { return escapedString(from: start) }
        offset += 1
        return text(bytes[start..<offset - 1])
    }

    private mutating func text(_ utf8: some Collection<UInt8>) -> String? {
        guard let text = String(validating: utf8, as: UTF8.self) else { return refuse("a text is not UTF-8") }
        return text
    }

    /// The rest of a string that holds an escape (or is broken); `offset` is at the first unusual byte.
    private mutating func escapedString(from start: Int) -> String? {
        var text = Array(bytes[start..<offset])
        while let byte = current, byte >= 0x20 {
            offset += 1
            if byte == UInt8(ascii: "\"") { return self.text(text) }
            guard byte == UInt8(ascii: "\\") else {
                text.append(byte)
                continue
            }
            guard let escape = current else { return nil }
            offset += 1
            switch escape {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(escape)
            case UInt8(ascii: "b"): text.append(0x08)
            case UInt8(ascii: "f"): text.append(0x0c)
            case UInt8(ascii: "n"): text.append(0x0a)
            case UInt8(ascii: "r"): text.append(0x0d)
            case UInt8(ascii: "t"): text.append(0x09)
            case UInt8(ascii: "u"):
                guard let scalar = unicodeEscape() else { return nil }
                text += Array(String(Character(scalar)).utf8)
            default: return refuse("a text has an escape that JSON does not have")
            }
        }
        return refuse(offset < bytes.count ? "a text has a control character" : "a text has no end")
    }

    /// The scalar of `\uXXXX`, or of two of them that form a surrogate pair; nil for a lone surrogate.
    private mutating func unicodeEscape() -> Unicode.Scalar? {
        guard let unit = hexUnit() else { return nil }
        guard (0xd800...0xdfff).contains(unit) else { return Unicode.Scalar(unit) }
        guard unit < 0xdc00, accept(UInt8(ascii: "\\")), accept(UInt8(ascii: "u")), let low = hexUnit(),
            (0xdc00...0xdfff).contains(low)
        else { return refuse("a text has one half of a surrogate pair") }
        return Unicode.Scalar(0x10000 + (unit - 0xd800) << 10 + (low - 0xdc00))
    }

    private mutating func hexUnit() -> UInt32? {
        var unit: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = current else { return nil }
            switch byte {
            case 0x30...0x39: unit = unit << 4 | UInt32(byte - 0x30)
            case 0x41...0x46, 0x61...0x66: unit = unit << 4 | UInt32(byte & 0xf + 9)
            default: return nil
            }
            offset += 1
        }
        return unit
    }

    private mutating func digits() -> Bool {
        let start = offset
        while let byte = current, (0x30...0x39).contains(byte) { offset += 1 }
        return offset > start
    }

    private mutating func number() -> JSONValue? {
        let start = offset
        var isInteger = true
        if accept(UInt8(ascii: "-")), current == UInt8(ascii: "I") { return notFinite("Infinity", sign: "-") }
        if !accept(UInt8(ascii: "0")) && !digits() { return nil }
        if accept(UInt8(ascii: ".")) {
            isInteger = false
            guard digits() else { return nil }
        }
        if let byte = current, byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E") {
            isInteger = false
            offset += 1
            if !accept(UInt8(ascii: "+")) { _ = accept(UInt8(ascii: "-")) }
            guard digits() else { return nil }
        }
        let text = String(decoding: bytes[start..<offset], as: UTF8.self)
        if isInteger, let integer = Int64(text) { return .integer(integer) }
        guard let number = Double(text) else { return nil }
        if number.isFinite { return .number(number) }
        return limits.allowsNonFinite
            ? .string(number < 0 ? "-Infinity" : "Infinity") : refuse("a number is beyond 64-bit floating point")
    }

    /// One of Python's words for a number that JSON does not have.
    private mutating func notFinite(_ text: StaticString, sign: String = "") -> JSONValue? {
        guard limits.allowsNonFinite else { return refuse("NaN and Infinity are not JSON numbers") }
        return word(text, .string("\(sign)\(text)"))
    }
}
