// CharacterIDs: the symbols that BPE with bytes as fallback starts from, and the marks it writes for spaces.

import Faults

/// The id of each character, and of each byte for characters without one.
struct CharacterIDs: Sendable {
    private let prefix: BPEVocabulary.SpacePrefix
    private var ids: [UInt32: Int32] = [:]
    /// By byte; -1 where the vocabulary lacks it.
    private var bytes = [Int32](repeating: -1, count: 256)

    /// Throws `tokenizer.malformed` where no byte has a token.
    init(_ tokens: [String: Int32], prefix: BPEVocabulary.SpacePrefix, place: Place?) throws(Fault) {
        self.prefix = prefix
        for (token, id) in tokens {
            if let byte = Self.byte(of: token) {
                bytes[Int(byte)] = id
            } else if let scalar = token.unicodeScalars.first, token.unicodeScalars.count == 1 {
                ids[scalar.value] = id
            }
        }
        guard bytes.contains(where: { $0 >= 0 }) else {
            throw Fault.tokenizerMalformed("byte fallback without a token for any byte", place: place)
        }
    }

    /// The byte of a token such as `<0x0A>`.
    private static func byte(of token: String) -> UInt8? {
        let text = token.utf8
        guard text.count == 6, token.hasPrefix("<0x"), token.hasSuffix(">") else { return nil }
        return UInt8(token.dropFirst(3).dropLast(), radix: 16)
    }

    /// The bytes that a token writes.
    static func bytes(of token: String) -> [UInt8] {
        if let byte = byte(of: token) { return [byte] }
        return Array(String(String.UnicodeScalarView(token.unicodeScalars.map { $0 == "\u{2581}" ? " " : $0 })).utf8)
    }

    /// Text with `▁` for every space, and one before it where the tokenizer wants it.
    func marked(_ text: String, isFirst: Bool) -> String {
        var out = String.UnicodeScalarView()
        let hasSpace = text.unicodeScalars.first == " " || text.unicodeScalars.first == "\u{2581}"
        if prefix == .unconditional || !hasSpace && (prefix == .always || prefix == .first && isFirst) {
            out.append("\u{2581}")
        }
        for scalar in text.unicodeScalars { out.append(scalar == " " ? "\u{2581}" : scalar) }
        return String(out)
    }

    /// The ids of the characters of a span.
    func append(_ scanner: WordScanner, _ span: Range<Int>, to out: inout [Int32]) {
        var index = span.lowerBound
        while index < span.upperBound {
            let (value, _, length) = scanner.scalar(at: index)
            if let id = ids[value] {
                out.append(id)
            } else {
                for place in index..<index + length where bytes[Int(scanner.bytes[place])] >= 0 {
                    out.append(bytes[Int(scanner.bytes[place])])
                }
            }
            index += length
        }
    }
}
