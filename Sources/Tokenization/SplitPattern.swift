// SplitPattern: the patterns by which tokenizer.json cuts text into words, as alternatives of runs of scalar classes. Only the constructs
// of the patterns of GPT-2, Llama 3 and Qwen2 are supported; any other is refused by name.

import Faults

/// A set of scalars: kinds, with single scalars added or removed.
struct ScalarSet: Sendable, Equatable {
    /// Bits 1 << ScalarClass.rawValue.
    var kinds: UInt8 = 0
    var plus: [UInt32] = []
    var minus: [UInt32] = []

    static let all: UInt8 = 0b1111

    func contains(_ value: UInt32, _ kind: ScalarClass) -> Bool {
        if kinds & (1 << kind.rawValue) != 0 { return minus.isEmpty || !minus.contains(value) }
        return !plus.isEmpty && plus.contains(value)
    }

    var inverted: ScalarSet { ScalarSet(kinds: ~kinds & Self.all, plus: minus, minus: plus) }

    /// Adds another set; exact unless the two contradict each other in `minus`, which no pattern read here does.
    mutating func formUnion(_ other: ScalarSet) {
        kinds |= other.kinds
        plus += other.plus
        minus += other.minus
    }
}

/// A pattern: the first alternative that matches is used; each alternative matches greedy runs with backtracking.
public struct SplitPattern: Sendable, Equatable {
    /// A run of scalars of a set, or a check of the next scalar.
    struct Piece: Sendable, Equatable {
        var set: ScalarSet
        var least = 1
        var most = 1
        /// Consumes nothing; it matches where the next scalar is not in the set or the text ends.
        var isRefusal = false
    }

    var alternatives: [[Piece]] = []

    /// GPT-2's pattern; ByteLevel with `use_regex` means this pattern.
    static let gpt2 = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
    /// Llama 3's pattern.
    static let llama3 =
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    /// Qwen2's pattern: as Llama 3's, but each digit is a word of its own.
    static let qwen2 =
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

    /// The longest pattern that is read, in bytes: those of models have at most a few hundred.
    private static let limit = 4096

    /// Reads a pattern. Throws `tokenizer.unsupported-pattern`, naming the construct.
    public init(_ text: String, at place: Place? = nil) throws(Fault) {
        guard text.utf8.count <= Self.limit else {
            throw .tokenizerUnsupportedPattern("more than \(Self.limit) bytes", place: place)
        }
        var reader = PatternReader(text, place: place)
        alternatives = try reader.alternation(foldsCase: false, inGroup: false)
    }
}

/// Reads one pattern from left to right.
private struct PatternReader {
    private let scalars: [Unicode.Scalar]
    private let place: Place?
    private var index = 0

    init(_ text: String, place: Place?) {
        scalars = Array(text.unicodeScalars)
        self.place = place
    }

    private var next: Unicode.Scalar? { index < scalars.count ? scalars[index] : nil }

    private mutating func take(_ text: String) -> Bool {
        let wanted = Array(text.unicodeScalars)
        guard index + wanted.count <= scalars.count, scalars[index..<index + wanted.count].elementsEqual(wanted) else {
            return false
        }
        index += wanted.count
        return true
    }

    private func refused(_ construct: String) -> Fault { .tokenizerUnsupportedPattern(construct, place: place) }

    mutating func alternation(foldsCase: Bool, inGroup: Bool) throws(Fault) -> [[SplitPattern.Piece]] {
        var alternatives: [[SplitPattern.Piece]] = []
        var current: [SplitPattern.Piece] = []
        // Alternatives of a group, which must be a whole alternative itself.
        var group: [[SplitPattern.Piece]]?
        func finish() throws(Fault) {
            if let group {
                guard current.isEmpty else { throw refused("a group beside other pieces") }
                alternatives += group
            } else {
                guard !current.isEmpty, current.contains(where: { $0.least > 0 && !$0.isRefusal }) else {
                    throw refused("an alternative that may match nothing")
                }
                alternatives.append(current)
            }
            guard alternatives.count <= 64 else { throw refused("more than 64 alternatives") }
            current = []
            group = nil
        }
        while let scalar = next {
            if scalar == ")", inGroup { break }
            if scalar == "|" {
                index += 1
                try finish()
            } else if take("(?i:") || take("(?:") {
                guard !inGroup, group == nil, current.isEmpty else { throw refused("a nested group") }
                let folds = scalars[index - 2] == "i"
                group = try alternation(foldsCase: folds, inGroup: true)
                guard take(")") else { throw refused("a group without its end") }
            } else if take("(?!") {
                let set = try atom(foldsCase: foldsCase)
                guard take(")") else { throw refused("a lookahead of more than one class") }
                current.append(SplitPattern.Piece(set: set, least: 0, most: 0, isRefusal: true))
            } else {
                var piece = SplitPattern.Piece(set: try atom(foldsCase: foldsCase))
                try quantifier(&piece)
                current.append(piece)
            }
            try checkCost(current)
            guard current.count <= 64 else { throw refused("an alternative of more than 64 pieces") }
        }
        try finish()
        return alternatives
    }

    /// Where a match fails, every length of every earlier run is tried. So a second long run must be the end of its alternative, and a
    /// place costs at most the length of the first run; short runs may have a limited number of lengths together.
    private func checkCost(_ pieces: [SplitPattern.Piece]) throws(Fault) {
        var long = 0
        var lengths = 1
        for piece in pieces {
            let width = piece.most == .max ? Int.max : piece.most - piece.least + 1
            guard long < 2 else {
                throw refused(width > 16 ? "a third unbounded run" : "something behind a second unbounded run")
            }
            if width > 16 {
                long += 1
            } else {
                lengths *= width
                guard lengths <= 64 else { throw refused("short runs with more than 64 lengths together") }
            }
        }
    }

    private mutating func quantifier(_ piece: inout SplitPattern.Piece) throws(Fault) {
        guard let scalar = next else { return }
        switch scalar {
        case "?": (piece.least, piece.most) = (0, 1)
        case "*": (piece.least, piece.most) = (0, .max)
        case "+": (piece.least, piece.most) = (1, .max)
        case "{":
            guard let end = scalars[index...].firstIndex(of: "}") else { throw refused("a brace without its end") }
            let text = String(String.UnicodeScalarView(scalars[index + 1..<end]))
            let parts = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            guard (1...2).contains(parts.count), let least = Int(parts[0]), least >= 0 else {
                throw refused("the quantifier {\(text)}")
            }
            let most = parts.count == 1 ? least : parts[1].isEmpty ? Int.max : Int(parts[1]) ?? -1
            guard most >= max(1, least), least <= 1000 else { throw refused("the quantifier {\(text)}") }
            (piece.least, piece.most) = (least, most)
            index = end
        default: return
        }
        index += 1
        if let after = next, after == "?" || after == "+" || after == "*" {
            throw refused("a lazy or possessive quantifier")
        }
    }

    /// One scalar, one class or one bracket.
    private mutating func atom(foldsCase: Bool) throws(Fault) -> ScalarSet {
        guard let scalar = next else { throw refused("an end where a class is expected") }
        if scalar == "[" { return try bracket() }
        if scalar == "\\" { return try escape() }
        guard !"().^$*+?{}]|".unicodeScalars.contains(scalar) else { throw refused("\"\(scalar)\"") }
        index += 1
        return literal(scalar, foldsCase: foldsCase)
    }

    private func literal(_ scalar: Unicode.Scalar, foldsCase: Bool) -> ScalarSet {
        guard foldsCase else { return ScalarSet(plus: [scalar.value]) }
        var forms = Set([scalar.value])
        for form in [scalar.properties.lowercaseMapping, scalar.properties.uppercaseMapping] {
            let mapped = Array(form.unicodeScalars)
            if mapped.count == 1 { forms.insert(mapped[0].value) }
        }
        // U+017F, the long s, is the only scalar besides S that folds to s.
        if forms.contains(0x73) { forms.insert(0x17f) }
        return ScalarSet(plus: forms.sorted())
    }

    private mutating func escape() throws(Fault) -> ScalarSet {
        for (name, set) in [
            ("\\p{L}", ScalarSet(kinds: 1 << ScalarClass.letter.rawValue)),
            ("\\p{N}", ScalarSet(kinds: 1 << ScalarClass.number.rawValue)),
            ("\\P{L}", ScalarSet(kinds: 1 << ScalarClass.letter.rawValue).inverted),
            ("\\P{N}", ScalarSet(kinds: 1 << ScalarClass.number.rawValue).inverted),
            ("\\s", ScalarSet(kinds: 1 << ScalarClass.space.rawValue)),
            ("\\S", ScalarSet(kinds: 1 << ScalarClass.space.rawValue).inverted),
            ("\\r", ScalarSet(plus: [13])), ("\\n", ScalarSet(plus: [10])), ("\\t", ScalarSet(plus: [9])),
        ] where take(name) { return set }
        guard index + 1 < scalars.count else { throw refused("a backslash at the end") }
        let escaped = scalars[index + 1]
        guard escaped.isASCII, !escaped.properties.isAlphabetic, !(0x30...0x39).contains(escaped.value) else {
            let end = scalars[index...].firstIndex(of: "}").map { min($0 + 1, index + 12) } ?? index + 2
            let shown =
                escaped == "p" || escaped == "P" ? scalars[index..<min(end, scalars.count)] : scalars[index...index + 1]
            throw refused(String(String.UnicodeScalarView(shown)))
        }
        index += 2
        return ScalarSet(plus: [escaped.value])
    }

    private mutating func bracket() throws(Fault) -> ScalarSet {
        index += 1
        let isNegated = take("^")
        var set = ScalarSet()
        while let scalar = next, scalar != "]" {
            guard scalar != "-", scalar != "[", scalar != "&" else { throw refused("\"\(scalar)\" in a bracket") }
            if scalar == "\\" {
                set.formUnion(try escape())
            } else {
                index += 1
                set.formUnion(ScalarSet(plus: [scalar.value]))
            }
        }
        guard take("]") else { throw refused("a bracket without its end") }
        return isNegated ? set.inverted : set
    }
}
