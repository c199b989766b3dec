// SurfaceWitness: whether the surface text that a corpus writes beside a mention confirms or contradicts its offsets.

import Foundation

/// Compares a surface with the text at a mention's offsets. Offsets decide what a mention is; the surface is a witness only.
enum SurfaceWitness {
    enum Verdict: Equatable {
        /// The same code points, except for white space.
        case same
        /// Another way to write the text: hyphens, Greek letters, case, accents, marks between fragments, more or fewer words.
        case differing
        /// The surface is in the text, this many code points after (or before) the offsets.
        case elsewhere(Int)
        /// The surface and the text at the offsets have nothing in common.
        case unlike
    }

    /// How far around the offsets a surface is searched for, in code points.
    private static let reach = 32

    static func verdict(
        _ surface: [Unicode.Scalar], at spans: [Range<Int>], of text: [Unicode.Scalar]
    ) -> Verdict {
        if reads(surface, at: spans, of: text) { return .same }
        let there = words(excerpt(spans, of: text, limit: 8 * surface.count + 64))
        let said = words(surface)
        if there.joined().elementsEqual(said.joined()) || contains(there, said) || contains(said, there) {
            return .differing
        }
        if let shift = shift(surface, from: spans, of: text) { return .elsewhere(shift) }
        return resemble(there, said) ? .differing : .unlike
    }

    /// Whether the fragments, joined by a blank, equal the surface, except for white space: BRAT writes a line end within a mention as a
    /// blank.
    static func reads(_ surface: [Unicode.Scalar], at spans: [Range<Int>], of text: [Unicode.Scalar]) -> Bool {
        var index = 0
        func skipSpace() { while index < surface.count && surface[index].isSpace { index += 1 } }
        skipSpace()
        var isApart = false
        var hasBegun = false
        for span in spans {
            for position in span {
                let scalar = text[position]
                if scalar.isSpace {
                    isApart = true
                    continue
                }
                if hasBegun && isApart {
                    guard index < surface.count, surface[index].isSpace else { return false }
                    skipSpace()
                }
                guard index < surface.count, surface[index] == scalar else { return false }
                index += 1
                isApart = false
                hasBegun = true
            }
            isApart = true
        }
        skipSpace()
        return index == surface.count
    }

    // MARK: Other ways to write a text

    /// The code points at the spans, with a blank between fragments; at most `limit`, so that a span over a whole note costs no more than
    /// its surface.
    private static func excerpt(_ spans: [Range<Int>], of text: [Unicode.Scalar], limit: Int) -> [Unicode.Scalar] {
        var out: [Unicode.Scalar] = []
        for span in spans where out.count < limit {
            out += text[span.prefix(limit - out.count)]
            out.append(" ")
        }
        return out
    }

    /// Letters and digits as words: compatibility forms decomposed, accents removed, Greek letters spelled out, in lower case.
    static func words(_ scalars: [Unicode.Scalar]) -> [[Unicode.Scalar]] {
        var words: [[Unicode.Scalar]] = [[]]
        for scalar in String(scalars: scalars).decomposedStringWithCompatibilityMapping.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .nonspacingMark, .enclosingMark, .format: continue
            case .decimalNumber, .letterNumber, .otherNumber, .spacingMark: words[words.count - 1].append(scalar)
            case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
                for small in scalar.properties.lowercaseMapping.unicodeScalars {
                    words[words.count - 1] += greek(small).map { Array($0.unicodeScalars) } ?? [small]
                }
            default: if words.last?.isEmpty == false { words.append([]) }
            }
        }
        return words.filter { !$0.isEmpty }
    }

    private static func greek(_ letter: Unicode.Scalar) -> String? {
        guard (0x3b1...0x3c9).contains(letter.value) else { return nil }
        return greekNames[Int(letter.value) - 0x3b1]
    }

    private static let greekNames = [
        "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu",
        "xi", "omicron", "pi", "rho", "sigma", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
    ]

    /// Whether the words of the second are consecutive words of the first. A surface is short, and so is the excerpt beside it.
    private static func contains(_ words: [[Unicode.Scalar]], _ part: [[Unicode.Scalar]]) -> Bool {
        guard let first = part.first, part.count <= words.count else { return false }
        // Runs that fail late, many times, would take quadratic time in a surface of a megabyte.
        guard words.count <= 4096 else { return words.starts(with: part) }
        return (0...(words.count - part.count)).contains { start in
            words[start] == first && words[start..<start + part.count].elementsEqual(part)
        }
    }

    /// Whether both have a word, or many pairs of letters, in common.
    private static func resemble(_ left: [[Unicode.Scalar]], _ right: [[Unicode.Scalar]]) -> Bool {
        let known = Set(left)
        let common = right.filter(known.contains).reduce(0) { $0 + $1.count }
        let least = min(left.reduce(0) { $0 + $1.count }, right.reduce(0) { $0 + $1.count })
        // Texts that consist only of signs, such as + and (+), say nothing about offsets.
        guard least > 0 else { return left.isEmpty && right.isEmpty }
        if 4 * common >= least && common > 0 { return true }
        var pairs: [UInt64: Int] = [:]
        for pair in Self.pairs(left) { pairs[pair, default: 0] += 1 }
        var shared = 0
        let others = Self.pairs(right)
        for pair in others {
            if let count = pairs[pair], count > 0 {
                pairs[pair] = count - 1
                shared += 1
            }
        }
        let all = Self.pairs(left).count + others.count
        return all > 0 && 40 * shared >= 7 * all
    }

    private static func pairs(_ words: [[Unicode.Scalar]]) -> [UInt64] {
        words.flatMap { word in
            zip(word, word.dropFirst()).map { UInt64($0.value) << 32 | UInt64($1.value) }
        }
    }

    // MARK: A surface beside its offsets

    /// How far from its offsets the surface is in the text as whole words, the nearest place first; nil where it is not near.
    private static func shift(_ surface: [Unicode.Scalar], from spans: [Range<Int>], of text: [Unicode.Scalar]) -> Int?
    {
        guard let start = spans.first?.lowerBound, let end = spans.last?.upperBound else { return nil }
        for distance in 0...reach {
            for shift in distance == 0 ? [0] : [distance, -distance] {
                if spans.count > 1 {
                    guard start + shift >= 0, end + shift <= text.count, shift != 0 else { continue }
                    let moved = spans.map { $0.lowerBound + shift..<$0.upperBound + shift }
                    if reads(surface, at: moved, of: text) { return shift }
                } else if let found = occurrence(of: surface, at: start + shift, of: text),
                    isEdge(start + shift, of: text), isEdge(found, of: text),
                    shift != 0 || !isEdge(end, of: text)
                {
                    return shift
                }
            }
        }
        return nil
    }

    /// The end of the surface if it begins at a place of the text, except for white space.
    private static func occurrence(of surface: [Unicode.Scalar], at start: Int, of text: [Unicode.Scalar]) -> Int? {
        guard start >= 0, start < text.count, !text[start].isSpace else { return nil }
        var (position, index) = (start, 0)
        while index < surface.count && surface[index].isSpace { index += 1 }
        while index < surface.count {
            guard position < text.count else { return nil }
            if surface[index].isSpace {
                while index < surface.count && surface[index].isSpace { index += 1 }
                guard index < surface.count else { break }
                guard text[position].isSpace else { return nil }
                while position < text.count && text[position].isSpace { position += 1 }
            } else {
                guard surface[index] == text[position] else { return nil }
                index += 1
                position += 1
            }
        }
        return position > start ? position : nil
    }

    /// Whether the place is not inside a word.
    private static func isEdge(_ place: Int, of text: [Unicode.Scalar]) -> Bool {
        guard place > 0, place < text.count else { return true }
        return !(text[place - 1].isWordPart && text[place].isWordPart)
    }
}
