// Reading JSON by hand (RFC 8259): strict, bounded in depth, and quick on headers and vocabularies of many thousand values.

import Faults

extension JSONValue {
    /// Parses UTF-8 JSON. Throws `data.json` with `place` where the text is no JSON, an object names a member twice, a
    /// number is beyond a Double, or values nest deeper than 512.
    public init(parsing bytes: [UInt8], at place: Place? = nil) throws(Fault) {
        var parser = JSONParser(bytes: bytes)
        guard let value = parser.document() else {
            throw Fault(
                .data, "data.json", "the text is not valid JSON at byte \(parser.offset)", at: place,
                mend: "Write one complete JSON value in UTF-8.")
        }
        self = value
    }
}

/// A recursive descent over bytes; every function gives nil at the first byte that is wrong.
private struct JSONParser {
    let bytes: [UInt8]
    var offset = 0
    private var depth = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func document() -> JSONValue? {
        guard let value = value() else { return nil }
        skipSpace()
        return offset == bytes.count ? value : nil
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
        switch current {
        case UInt8(ascii: "{"): return nested { $0.object() }
        case UInt8(ascii: "["): return nested { $0.array() }
        case UInt8(ascii: "\""): return string().map { .string($0) }
        case UInt8(ascii: "t"): return word("true", .bool(true))
        case UInt8(ascii: "f"): return word("false", .bool(false))
        case UInt8(ascii: "n"): return word("null", .null)
        default: return number()
        }
    }

    private mutating func nested(_ read: (inout JSONParser) -> JSONValue?) -> JSONValue? {
        guard depth < 512 else { return nil }
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
            guard accept(UInt8(ascii: ":")), let value = value(), members.updateValue(value, forKey: key) == nil else {
                return nil
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
        return String(validating: bytes[start..<offset - 1], as: UTF8.self)
    }

    /// The rest of a string that holds an escape (or is broken); `offset` stands at the first odd byte.
    private mutating func escapedString(from start: Int) -> String? {
        var text = Array(bytes[start..<offset])
        while let byte = current, byte >= 0x20 {
            offset += 1
            if byte == UInt8(ascii: "\"") { return String(validating: text, as: UTF8.self) }
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
            default: return nil
            }
        }
        return nil
    }

    /// The scalar of `\uXXXX`, or of two of them that form a surrogate pair; nil for a lone surrogate.
    private mutating func unicodeEscape() -> Unicode.Scalar? {
        guard let unit = hexUnit() else { return nil }
        guard (0xd800...0xdbff).contains(unit) else { return Unicode.Scalar(unit) }
        guard accept(UInt8(ascii: "\\")), accept(UInt8(ascii: "u")), let low = hexUnit(),
            (0xdc00...0xdfff).contains(low)
        else { return nil }
        return Unicode.Scalar(0x10000 + (unit - 0xd800) << 10 + (low - 0xdc00))
    }

    private mutating func hexUnit() -> UInt32? {
        var unit: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = current, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else { return nil }
            unit = unit << 4 | UInt32(digit)
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
        _ = accept(UInt8(ascii: "-"))
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
        guard let number = Double(text), number.isFinite else { return nil }
        return .number(number)
    }
}
