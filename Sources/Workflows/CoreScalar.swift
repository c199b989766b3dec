// CoreScalar: the meaning of a scalar under the YAML 1.2 core schema (section 10.3). `yes`, `1_000` and dates are plain text.

/// The typed value of a YAML scalar.
public enum CoreScalar: Sendable, Equatable {
    case null
    case bool(Bool)
    /// The text of a whole number, decimal and signed where negative; of any size.
    case integer(WholeNumber)
    /// Any other number; infinite or not a number where it is written like that or where the exponent is too large.
    case number(Double)
    case string(String)

    /// Gives a scalar its type; a scalar in quotes is always a string.
    public init(_ text: String, plain: Bool) {
        guard plain else {
            self = .string(text)
            return
        }
        switch text {
        case "", "~", "null", "Null", "NULL": self = .null
        case "true", "True", "TRUE": self = .bool(true)
        case "false", "False", "FALSE": self = .bool(false)
        case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF": self = .number(.infinity)
        case "-.inf", "-.Inf", "-.INF": self = .number(-.infinity)
        case ".nan", ".NaN", ".NAN": self = .number(.nan)
        default:
            if let whole = WholeNumber(text) {
                self = .integer(whole)
            } else if Self.isDecimal(Array(text.utf8)), let value = Double(text) {
                self = .number(value)
            } else {
                self = .string(text)
            }
        }
    }

    /// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
    private static func isDecimal(_ text: [UInt8]) -> Bool {
        var rest = text[...]
        func digits() -> Int {
            let run = rest.prefix { (0x30...0x39).contains($0) }
            rest = rest.dropFirst(run.count)
            return run.count
        }
        if rest.first == 0x2b || rest.first == 0x2d { rest = rest.dropFirst() }
        let whole = digits()
        var fraction = 0
        if rest.first == 0x2e {
            rest = rest.dropFirst()
            fraction = digits()
        }
        guard whole > 0 || fraction > 0 else { return false }
        if rest.first == 0x65 || rest.first == 0x45 {
            rest = rest.dropFirst()
            if rest.first == 0x2b || rest.first == 0x2d { rest = rest.dropFirst() }
            guard digits() > 0 else { return false }
        }
        return rest.isEmpty
    }
}

/// A whole number in the forms of the core schema: decimal, `0o17` or `0xff`; its magnitude is nil above 64 bits.
public struct WholeNumber: Sendable, Equatable {
    /// Whether it has a minus sign.
    public let isNegative: Bool
    /// The magnitude; nil where it does not fit in 64 bits.
    public let magnitude: UInt64?

    /// Reads the text; nil where it is not a whole number.
    public init?(_ text: String) {
        var digits = Substring(text)
        var radix = 10
        var negative = false
        if digits.hasPrefix("0o") {
            radix = 8
            digits = digits.dropFirst(2)
        } else if digits.hasPrefix("0x") {
            radix = 16
            digits = digits.dropFirst(2)
        } else if digits.hasPrefix("-") || digits.hasPrefix("+") {
            negative = digits.hasPrefix("-")
            digits = digits.dropFirst()
        }
        guard let first = digits.utf8.first, first != 0x2b, first != 0x2d else { return nil }
        let legal = digits.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x37: true
            case 0x38...0x39: radix >= 10
            case 0x41...0x46, 0x61...0x66: radix == 16
            default: false
            }
        }
        guard legal else { return nil }
        isNegative = negative
        magnitude = UInt64(digits, radix: radix)
    }

    /// The value, or nil where it does not fit.
    public var int: Int? {
        guard let magnitude else { return nil }
        guard isNegative else { return Int(exactly: magnitude) }
        return magnitude == Int.min.magnitude ? Int.min : Int(exactly: magnitude).map { -$0 }
    }
    /// The nearest floating-point value; infinite where the magnitude does not fit in 64 bits.
    public var double: Double {
        guard let magnitude else { return isNegative ? -.infinity : .infinity }
        return isNegative ? -Double(magnitude) : Double(magnitude)
    }
}
