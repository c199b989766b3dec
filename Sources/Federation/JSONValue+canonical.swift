// The canonical JSON of the ledger: sorted keys, two-space indentation, shortest round-trip numbers, a newline at the end.

extension JSONValue {
    /// The canonical UTF-8 form. The same value always gives the same bytes.
    ///
    /// Keys are sorted by their UTF-8 bytes; arrays of scalars are on one line; strings escape only what JSON requires; numbers are in
    /// Swift's shortest round-trip form. A non-finite number is a programmer's error.
    public var canonical: [UInt8] {
        var out: [UInt8] = []
        write(to: &out, indentation: 0)
        out.append(0x0a)
        return out
    }

    /// The canonical form as text.
    public var canonicalText: String { String(decoding: canonical, as: UTF8.self) }

    private var isScalar: Bool {
        switch self {
        case .array, .object: false
        default: true
        }
    }

    /// Whether every number in it is finite, as canonical JSON needs.
    package var isFinite: Bool {
        switch self {
        case .number(let value): value.isFinite
        case .array(let elements): elements.allSatisfy(\.isFinite)
        case .object(let members): members.values.allSatisfy(\.isFinite)
        default: true
        }
    }

    private func write(to out: inout [UInt8], indentation: Int) {
        switch self {
        case .null: out += "null".utf8
        case .bool(let value): out += (value ? "true" : "false").utf8
        case .integer(let value): out += String(value).utf8
        case .number(let value):
            precondition(value.isFinite, "canonical JSON holds finite numbers only")
            // A whole number is written without a fraction, so that reading it gives the same value.
            if let whole = Int64(exactly: value), whole.magnitude < 1 << 53 {
                out += String(whole).utf8
            } else {
                out += "\(value)".utf8
            }
        case .string(let value): Self.write(value, to: &out)
        case .array(let elements):
            if elements.allSatisfy(\.isScalar) {
                out.append(0x5b)
                for (index, element) in elements.enumerated() {
                    if index > 0 { out += ", ".utf8 }
                    element.write(to: &out, indentation: indentation)
                }
                out.append(0x5d)
                return
            }
            out += "[\n".utf8
            for (index, element) in elements.enumerated() {
                if index > 0 { out += ",\n".utf8 }
                Self.indent(indentation + 1, &out)
                element.write(to: &out, indentation: indentation + 1)
            }
            out.append(0x0a)
            Self.indent(indentation, &out)
            out.append(0x5d)
        case .object(let members):
            if members.isEmpty {
                out += "{}".utf8
                return
            }
            out += "{\n".utf8
            let keys = members.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            for (index, key) in keys.enumerated() {
                if index > 0 { out += ",\n".utf8 }
                Self.indent(indentation + 1, &out)
                Self.write(key, to: &out)
                out += ": ".utf8
                (members[key] ?? .null).write(to: &out, indentation: indentation + 1)
            }
            out.append(0x0a)
            Self.indent(indentation, &out)
            out.append(0x7d)
        }
    }

    private static func indent(_ depth: Int, _ out: inout [UInt8]) {
        out.append(contentsOf: repeatElement(0x20, count: 2 * depth))
    }

    private static func write(_ text: String, to out: inout [UInt8]) {
        let hex = Array("0123456789abcdef".utf8)
        out.append(0x22)
        for byte in text.utf8 {
            switch byte {
            case 0x22: out += "\\\"".utf8
            case 0x5c: out += "\\\\".utf8
            case 0x0a: out += "\\n".utf8
            case 0x0d: out += "\\r".utf8
            case 0x09: out += "\\t".utf8
            case 0..<0x20: out += "\\u00".utf8 + [hex[Int(byte >> 4)], hex[Int(byte & 15)]]
            default: out.append(byte)
            }
        }
        out.append(0x22)
    }
}
