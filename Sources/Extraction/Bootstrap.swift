// Bootstrap: how certain a score is: documents are resampled with replacement, for intervals of F1 and for the difference of two adapters.

import Federation

/// The counts of one document that micro averages are computed from.
public struct DocumentCounts: Sendable, Equatable {
    /// Gold mentions or pairs.
    public var gold: Int
    /// Predicted mentions or pairs, foreign classes included.
    public var predicted: Int
    /// Predictions that are strictly right.
    public var strict: Int
    /// Predictions that are leniently right.
    public var lenient: Int

    /// Makes a row.
    public init(gold: Int, predicted: Int, strict: Int, lenient: Int) {
        self.gold = gold
        self.predicted = predicted
        self.strict = strict
        self.lenient = lenient
    }

    /// The four counts as a record writes them: `gold predicted strict lenient`.
    public var text: String { "\(gold) \(predicted) \(strict) \(lenient)" }

    /// Reads `text`; nil for anything else, also where more are right than there are.
    public init?(text: String) {
        let numbers = text.utf8.split(separator: 0x20, omittingEmptySubsequences: false).map { CorpusReader.number($0) }
        guard numbers.count == 4, let gold = numbers[0], let predicted = numbers[1], let strict = numbers[2],
            let lenient = numbers[3], strict <= lenient, lenient <= gold, lenient <= predicted
        else { return nil }
        self.init(gold: gold, predicted: predicted, strict: strict, lenient: lenient)
    }

    /// Predicted ones that are right under a measure that looks at types.
    public func right(_ measure: MatchMeasure) -> Int { measure == .strict ? strict : lenient }
}

/// The middle 95% of the resampled values.
public struct Interval: Sendable, Equatable {
    /// The lower end.
    public var low: Double
    /// The upper end.
    public var high: Double

    /// Makes an interval.
    public init(low: Double, high: Double) {
        self.low = low
        self.high = high
    }

    /// The two ends for a record.
    public var json: JSONValue { [.number(low), .number(high)] }
}

/// Percentile bootstrap over documents: sentences of one note are not independent, so a note is drawn as a whole.
public enum Bootstrap {
    /// How often the documents are resampled.
    public static let resamples = 1000

    /// The 95% interval of micro F1. `words(b, n)` must return n random words of 32 bits for resample b, always the same ones.
    public static func interval(
        _ rows: [DocumentCounts], _ measure: MatchMeasure, words: (_ resample: Int, _ count: Int) -> [UInt32]
    ) -> Interval {
        let values = (0..<resamples).map { f1(rows, measure, drawn: words($0, rows.count)) }
        return percentiles(values)
    }

    /// The observed difference of micro F1 (second minus first) of two adapters on the same documents, its interval, and the share of
    /// resamples in which the second is not better. Both use the same resamples.
    public static func difference(
        _ first: [DocumentCounts], _ second: [DocumentCounts], _ measure: MatchMeasure,
        words: (_ resample: Int, _ count: Int) -> [UInt32]
    ) -> (observed: Double, interval: Interval, noBetter: Double) {
        precondition(first.count == second.count, "a paired comparison needs the same documents")
        let values = (0..<resamples).map { resample -> Double in
            let drawn = words(resample, first.count)
            return f1(second, measure, drawn: drawn) - f1(first, measure, drawn: drawn)
        }
        return (
            f1(second, measure) - f1(first, measure), percentiles(values),
            Double(values.count { $0 <= 0 }) / Double(resamples)
        )
    }

    /// Micro F1 of all rows, or of the rows that the words draw.
    public static func f1(_ rows: [DocumentCounts], _ measure: MatchMeasure, drawn words: [UInt32]? = nil) -> Double {
        var right = 0
        var total = 0
        func add(_ row: DocumentCounts) {
            right += row.right(measure)
            total += row.gold + row.predicted
        }
        if let words {
            for word in words { add(rows[Int((UInt64(word) * UInt64(rows.count)) >> 32)]) }
        } else {
            rows.forEach(add)
        }
        return total == 0 ? 0 : Double(2 * right) / Double(total)
    }

    private static func percentiles(_ values: [Double]) -> Interval {
        let sorted = values.sorted()
        return Interval(low: sorted[resamples * 25 / 1000], high: sorted[resamples * 975 / 1000 - 1])
    }
}
