// PreTokenizer: cuts text into the words inside which BPE merges, by a hand-written scanner over Unicode scalars.

import Faults

/// How text is cut before merging.
public enum PreTokenizer: Sendable, Equatable {
    /// Every scalar of the number categories is a word of its own; the text between them is cut by the pattern of GPT-2:
    /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.
    case smollm
    /// By a pattern of tokenizer.json; `named` is its name in a model file.
    case pattern(SplitPattern, named: String)
    /// No cutting: merges run over whole texts (Llama 2 and similar).
    case whole

    /// The names that GGUF files give to supported ways of cutting, and their patterns.
    private static let patterns = [
        "gpt-2": SplitPattern.gpt2, "llama-bpe": SplitPattern.llama3, "llama3": SplitPattern.llama3,
        "llama-v3": SplitPattern.llama3, "qwen2": SplitPattern.qwen2, "deepseek-r1-qwen": SplitPattern.qwen2,
    ]
    /// The names that `named` accepts, besides `split:` and a pattern.
    static let names = ["smollm", "whole"] + patterns.keys.sorted()

    /// The pre-tokenizer that a model file names, or `split:` and a pattern. Throws `tokenizer.no-pre-tokenizer` where the
    /// name is empty, `tokenizer.unknown-pre-tokenizer`, `tokenizer.unsupported-pattern`.
    public init(named name: String, at place: Place? = nil) throws(Fault) {
        switch name {
        case "": throw Fault.tokenizerNoPreTokenizer(place: place)
        case "smollm": self = .smollm
        case "whole": self = .whole
        default:
            let pattern = name.hasPrefix("split:") ? String(name.dropFirst(6)) : Self.patterns[name]
            guard let pattern else { throw Fault.tokenizerUnknownPreTokenizer(name, place: place) }
            self = .pattern(try SplitPattern(pattern, at: place), named: name)
        }
    }
}

/// The class of a scalar in the pattern.
enum ScalarClass: UInt8 {
    case letter, number, space, other
}

/// Cuts valid UTF-8 into words.
struct WordScanner {
    /// Valid UTF-8; the caller must keep it alive.
    let bytes: UnsafeBufferPointer<UInt8>
    /// The classes of ASCII.
    private let ascii = Self.asciiClasses
    /// Where a pattern cuts; nil for the smollm scanner.
    private let pattern: PatternScanner?
    private let isWhole: Bool
    /// What merges can join, where whole texts may be cut by it.
    private let joined: JoinedPairs?
    static let asciiClasses: [ScalarClass] = (0..<128).map { classify(Unicode.Scalar(UInt8($0))) }

    init(_ bytes: UnsafeBufferPointer<UInt8>, _ preTokenizer: PreTokenizer = .smollm, joined: JoinedPairs? = nil) {
        self.bytes = bytes
        if case .pattern(let pattern, _) = preTokenizer {
            self.pattern = PatternScanner(pattern)
        } else {
            pattern = nil
        }
        isWhole = preTokenizer == .whole
        self.joined = joined
    }

    /// The end of the word that starts at `start`, which is below `limit`; words do not reach beyond `limit`.
    ///
    /// A number ends a piece of text as the end of the text does: the pattern never looks beyond it.
    func wordEnd(from start: Int, limit: Int) -> Int {
        if let pattern { return pattern.wordEnd(in: self, from: start, limit: limit) }
        if isWhole { return joined.map { wordEnd(from: start, limit: limit, $0) } ?? limit }
        let first = scalarClass(at: start)
        if first.kind == .number { return start + first.length }
        if bytes[start] == 0x27, let end = contractionEnd(start, limit) { return end }
        if first.kind == .letter || first.kind == .other {
            return runEnd(of: first.kind, from: start + first.length, limit: limit)
        }
        if bytes[start] == 0x20, start + 1 < limit {
            let second = scalarClass(at: start + 1)
            if second.kind == .letter || second.kind == .other {
                return runEnd(of: second.kind, from: start + 1 + second.length, limit: limit)
            }
        }
        // \s+(?!\S): the whole run before the end of a piece, otherwise all of it except the last scalar; a single scalar is a word.
        var end = start + first.length
        var last = start
        while end < limit {
            let next = scalarClass(at: end)
            if next.kind == .number { return end }
            if next.kind != .space { return last > start ? last : end }
            last = end
            end += next.length
        }
        return end
    }

    /// The first place where no merge can join the two characters beside it.
    private func wordEnd(from start: Int, limit: Int, _ joined: JoinedPairs) -> Int {
        var (last, length) = value(at: start)
        var end = start + length
        while end < limit {
            let (next, length) = value(at: end)
            if !joined.contains(last, next) { break }
            last = next
            end += length
        }
        return end
    }

    private func runEnd(of kind: ScalarClass, from start: Int, limit: Int) -> Int {
        var end = start
        while end < limit {
            let next = scalarClass(at: end)
            if next.kind != kind { break }
            end += next.length
        }
        return end
    }

    private func contractionEnd(_ start: Int, _ limit: Int) -> Int? {
        guard start + 1 < limit else { return nil }
        switch bytes[start + 1] {
        case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return start + 2
        case UInt8(ascii: "r"), UInt8(ascii: "v"):
            return start + 2 < limit && bytes[start + 2] == UInt8(ascii: "e") ? start + 3 : nil
        case UInt8(ascii: "l"):
            return start + 2 < limit && bytes[start + 2] == UInt8(ascii: "l") ? start + 3 : nil
        default: return nil
        }
    }

    /// The class and length in bytes of the scalar at `index`.
    private func scalarClass(at index: Int) -> (kind: ScalarClass, length: Int) {
        let scalar = scalar(at: index)
        return (scalar.kind, scalar.length)
    }

    /// The scalar at `index`, its class and its length in bytes.
    func scalar(at index: Int) -> (value: UInt32, kind: ScalarClass, length: Int) {
        let (value, length) = value(at: index)
        if length == 1 { return (value, ascii[Int(value)], 1) }
        guard let scalar = Unicode.Scalar(value) else { preconditionFailure("a String holds valid UTF-8") }
        return (value, Self.classify(scalar), length)
    }

    /// The scalar at `index` and its length in bytes.
    func value(at index: Int) -> (value: UInt32, length: Int) {
        let lead = bytes[index]
        if lead < 0x80 { return (UInt32(lead), 1) }
        let length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
        var value = UInt32(lead) & (0x7f >> UInt32(length))
        for offset in 1..<length { value = value << 6 | UInt32(bytes[index + offset] & 0x3f) }
        return (value, length)
    }

    private static func classify(_ scalar: Unicode.Scalar) -> ScalarClass {
        let properties = scalar.properties
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: return .letter
        case .decimalNumber, .letterNumber, .otherNumber: return .number
        default: return properties.isWhitespace ? .space : .other
        }
    }
}

extension PreTokenizer {
    /// The words of a text in order; joined, they are the text.
    package func words(of text: String) -> [String] {
        var text = text
        return text.withUTF8 { bytes in
            let scanner = WordScanner(bytes, self)
            var words: [String] = []
            var start = 0
            while start < bytes.count {
                let end = scanner.wordEnd(from: start, limit: bytes.count)
                words.append(String(decoding: bytes[start..<end], as: UTF8.self))
                start = end
            }
            return words
        }
    }
}
