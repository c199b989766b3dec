// PublishedCounting: how the published evaluation counts, faults included, so that a figure can be compared with the paper's. It is never
// our own score.

import Federation

/// Right and wrong mentions as the published evaluation of Fed-MedLoRA counts them.
///
/// What it does and ours does not: all types are one class, so that a mention of the wrong type is right; predictions of classes that do
/// not occur in the gold of the cohort are dropped; text is cut into words and single marks (1.5 is three tokens); a mention is found in
/// the text by comparing the sets of characters of its tokens (10 equals 100, was equals saw), at its first occurrence; a modifier counts
/// whichever head it was given to.
public struct PublishedCounting: Sendable, Equatable {
    /// Same tokens.
    public private(set) var strict = MatchCounts(truePositives: 0, falsePositives: 0, falseNegatives: 0)
    /// At least one token in common; each gold mention once, taken in order.
    public private(set) var lenient = MatchCounts(truePositives: 0, falsePositives: 0, falseNegatives: 0)
    private let goldTypes: Set<String>

    /// An empty count; `goldTypes` are the classes that occur in the gold of the cohort.
    public init(goldTypes: Set<String>) { self.goldTypes = goldTypes }

    /// Counts one answer.
    public mutating func add(generated: String, for record: Record) {
        let text = Self.tokens(record.text)
        let parsed = MarkupParser.parse(generated: generated)
        var found = parsed.spans.filter { goldTypes.contains($0.type) }
            .compactMap { Self.place(Self.tokens(parsed.text[$0.range]), in: text) }
        var wanted = record.gold.compactMap { entity -> Range<Int>? in
            let inside = entity.hull.clamped(to: record.range)
            let start = record.range.lowerBound
            return Self.place(
                Self.tokens(record.text[(inside.lowerBound - start)..<(inside.upperBound - start)]), in: text)
        }
        found = Array(Set(found)).sorted { ($0.lowerBound, $0.upperBound) < ($1.lowerBound, $1.upperBound) }
        wanted = Array(Set(wanted)).sorted { ($0.lowerBound, $0.upperBound) < ($1.lowerBound, $1.upperBound) }
        Self.count(found, wanted, into: &strict) { $0 == $1 }
        Self.count(found, wanted, into: &lenient) { $0.overlaps($1) }
    }

    private static func count(
        _ found: [Range<Int>], _ wanted: [Range<Int>], into counts: inout MatchCounts,
        isRight: (Range<Int>, Range<Int>) -> Bool
    ) {
        var free = wanted
        var right = 0
        for span in found {
            if let index = free.firstIndex(where: { isRight(span, $0) }) {
                free.remove(at: index)
                right += 1
            }
        }
        counts.truePositives += right
        counts.falsePositives += found.count - right
        counts.falseNegatives += free.count
    }

    /// Words of letters and digits; every other character except white space on its own.
    static func tokens(_ text: some Sequence<Unicode.Scalar>) -> [Set<Unicode.Scalar>] {
        var tokens: [Set<Unicode.Scalar>] = []
        var inWord = false
        for scalar in text {
            let isWord = scalar.isLetter || scalar.isDigit || scalar == "_"
            if isWord && inWord {
                tokens[tokens.count - 1].insert(scalar)
            } else if !scalar.isSpace {
                tokens.append([scalar])
            }
            inWord = isWord
        }
        return tokens
    }

    private static func place(_ mention: [Set<Unicode.Scalar>], in text: [Set<Unicode.Scalar>]) -> Range<Int>? {
        guard !mention.isEmpty, mention.count <= text.count else { return nil }
        for start in 0...(text.count - mention.count)
        where mention.indices.allSatisfy({ mention[$0] == text[start + $0] }) {
            return start..<start + mention.count
        }
        return nil
    }

    /// Both counts for a record.
    public var json: JSONValue { ["strict": strict.json, "lenient": lenient.json] }
}
