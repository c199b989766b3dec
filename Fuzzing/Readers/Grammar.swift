// Grammar: the parts of a reader's inputs, so that mutations get past its first check: large integers, operators, nesting.

/// The words and brackets of a format.
public struct Grammar: Sendable {
    /// Operators, keys and other words.
    public var words: [String]
    /// Opening and closing brackets; the closing one may be empty.
    public var brackets: [(String, String)]
    /// Whether numbers are also in the file as little-endian integers.
    public var isBinary: Bool

    /// Makes a grammar.
    public init(words: [String], brackets: [(String, String)], isBinary: Bool = false) {
        self.words = words
        self.brackets = brackets
        self.isBinary = isBinary
    }

    /// Numbers at which counts, sizes and products overflow or change their sign.
    public static let numbers: [Int64] = [
        0, 1, -1, 2, 7, 127, 128, 255, 256, 65535, 65536, 1 << 24, 1 << 31 - 1, 1 << 31, 1 << 32, 1 << 33, 1 << 49,
        1 << 61, 1 << 62,
        .max - 1, .max, .min, .min + 1,
    ]
    private static let texts =
        numbers.map { String($0) } + [
            "9223372036854775808", "18446744073709551615", "18446744073709551616", "1e999", "-1e999", "1e-999", "-0",
            "0.5", "NaN",
            "Infinity", "01", "1e5", String(repeating: "9", count: 400),
        ]

    /// Changes an input in one place; it does not grow beyond `limit`.
    public func mutate(_ input: inout [UInt8], limit: Int, _ generator: inout some RandomNumberGenerator) {
        func below(_ count: Int) -> Int { Int.random(in: 0..<max(count, 1), using: &generator) }
        /// Replaces a part where the result is not too long.
        func put(_ part: Range<Int>, _ bytes: [UInt8]) {
            guard input.count - part.count + bytes.count <= limit else { return }
            input.replaceSubrange(part, with: bytes)
        }
        let at = below(input.count + 1)
        switch below(isBinary ? 12 : 9) {
        case 0: put(at..<at, Array((words.randomElement(using: &generator) ?? "").utf8))
        case 1:
            let end = min(input.count, at + below(12))
            put(at..<end, Array((words.randomElement(using: &generator) ?? "").utf8))
        case 2:
            // A number in place of an existing one.
            let start = input[at...].firstIndex { (0x30...0x39).contains($0) } ?? at
            let end = input[start...].firstIndex { !(0x30...0x39).contains($0) } ?? input.count
            put(start..<end, Array((Self.texts.randomElement(using: &generator) ?? "0").utf8))
        case 3: put(at..<at, Array((Self.texts.randomElement(using: &generator) ?? "0").utf8))
        case 4:
            // A part within brackets, once or several times.
            guard let (open, close) = brackets.randomElement(using: &generator) else { return }
            let count = [1, 1, 2, 3, 70, 600, 5000][below(7)]
            let end = min(input.count, at + below(24))
            let inner = Array(input[at..<end])
            let opened = [[UInt8]](repeating: Array(open.utf8), count: count).joined()
            let closed = [[UInt8]](repeating: Array(close.utf8), count: count).joined()
            put(at..<end, Array(opened) + inner + Array(closed))
        case 5:
            // A part repeated many times: chains of operators, long lists, doubled members.
            let part = Array(input[at..<min(input.count, at + 1 + below(24))])
            let count = [1, 2, 3, 50, 1000][below(5)]
            put(at..<at, Array([[UInt8]](repeating: part, count: count).joined()))
        case 6: put(at..<min(input.count, at + 1 + below(32)), [])
        case 7:
            let from = below(input.count + 1)
            let part = Array(input[from..<min(input.count, from + 1 + below(64))])
            put(at..<min(input.count, at + (Bool.random(using: &generator) ? part.count : 0)), part)
        case 8:
            guard at < input.count else { return }
            input[at] ^= 1 << UInt8(below(8))
        default:
            let number = Self.numbers.randomElement(using: &generator) ?? 0
            let width = [1, 2, 4, 8, 8][below(5)]
            let bytes = withUnsafeBytes(of: number.littleEndian) { Array($0.prefix(width)) }
            put(at..<min(input.count, at + width), bytes)
        }
    }
}
