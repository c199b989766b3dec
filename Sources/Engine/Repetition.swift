// Repetition: where greedy decoding repeats itself without end, and how much of what it wrote is kept.

/// Finds out when greedy decoding repeats itself: the last tokens are the same sequence, a circle, several times in a row. Greedy decoding
/// never leaves such a circle by itself, since what follows always depends on the same text.
package enum Repetition {
    /// The length of the longest circle that is looked for, in tokens.
    static let longest = 48
    /// The repetitions cover at least this many tokens, so that a row of dashes or a list of equal values in a note is not a circle.
    static let covered = 24
    /// The circle occurs at least this many times.
    static let times = 3

    /// The length of the circle that the tokens end with; nil where there is none, the shortest one where there are several.
    package static func period(atEndOf tokens: [Int32]) -> Int? {
        for period in 1...longest {
            let span = period + excess(period)
            guard span <= tokens.count else { return nil }
            let first = tokens.count - span
            if (first..<tokens.count - period).allSatisfy({ tokens[$0] == tokens[$0 + period] }) { return period }
        }
        return nil
    }

    /// How many tokens the repetitions after the first one hold.
    package static func excess(_ period: Int) -> Int {
        (max(times, (covered + period - 1) / period) - 1) * period
    }
}
