// Repetition: where greedy decoding runs in circles, and how much of what it wrote is kept.

/// When greedy decoding runs in circles: what it wrote last, written several times over. Greedy decoding never leaves such a
/// circle by itself, since what follows depends on ever the same text.
package enum Repetition {
    /// Tokens of the longest circle looked for.
    static let longest = 48
    /// The repetitions cover at least so many tokens, so that a row of dashes or a list of equal values in a note is no circle.
    static let covered = 24
    /// And are at least so many.
    static let times = 3

    /// The length of the circle that the tokens end in, nil where there is none; the shortest one where there are several.
    package static func period(atEndOf tokens: [Int32]) -> Int? {
        for period in 1...longest {
            let span = period + excess(period)
            guard span <= tokens.count else { return nil }
            let first = tokens.count - span
            if (first..<tokens.count - period).allSatisfy({ tokens[$0] == tokens[$0 + period] }) { return period }
        }
        return nil
    }

    /// How many tokens the repetitions after the first hold.
    package static func excess(_ period: Int) -> Int {
        (max(times, (covered + period - 1) / period) - 1) * period
    }
}
