// CharacterIDs: the symbols that BPE with byte fallback starts from, and the marks it writes for spaces.

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
    static func byte(of token: String) -> UInt8? {
        let text = token.utf8
        guard text.count == 6, token.hasPrefix("<0x"), token.hasSuffix(">") else { return nil }
        return UInt8(token.dropFirst(3).dropLast(), radix: 16)
    }

    /// Whether no character of any text is lost, because every byte has a token.
    var isComplete: Bool { bytes.allSatisfy { $0 >= 0 } }

    /// The bytes that a token gives.
    static func bytes(of token: String) -> [UInt8] {
        if let byte = byte(of: token) { return [byte] }
        return Array(String(String.UnicodeScalarView(token.unicodeScalars.map { $0 == "\u{2581}" ? " " : $0 })).utf8)
    }

    /// Text with `▁` for every space, and one before it where the tokenizer wants it; all in UTF-8.
    func marked(_ text: [UInt8], isFirst: Bool) -> [UInt8] {
        let mark: [UInt8] = [0xe2, 0x96, 0x81]
        var out: [UInt8] = []
        out.reserveCapacity(text.count + text.count / 2 + 3)
        let hasSpace = text.first == 0x20 || text.starts(with: mark)
        if prefix == .unconditional || !hasSpace && (prefix == .always || prefix == .first && isFirst) { out += mark }
        for byte in text {
            if byte == 0x20 { out += mark } else { out.append(byte) }
        }
        return out
    }

    /// The ids of the characters of a span.
    func append(_ scanner: WordScanner, _ span: Range<Int>, to out: inout [Int32]) {
        var index = span.lowerBound
        while index < span.upperBound {
            let (value, length) = scanner.value(at: index)
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
