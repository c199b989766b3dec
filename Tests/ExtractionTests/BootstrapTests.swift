// Intervals and paired differences: what they are computed of, and that only their random words decide them.

import Extraction
import TestSupport
import Testing

@Suite struct BootstrapTests {
    private let rows = (0..<20).map { DocumentCounts(gold: 10, predicted: 8, strict: $0 % 5, lenient: 4 + $0 % 5) }

    private func words(_ resample: Int, _ count: Int) -> [UInt32] {
        var numbers = SeededGenerator(state: UInt64(resample))
        return (0..<count).map { _ in UInt32(truncatingIfNeeded: numbers.next()) }
    }

    @Test func anIntervalHoldsTheScoreAndIsTheSameAgain() {
        let interval = Bootstrap.interval(rows, .strict, words: words)
        let f1 = Bootstrap.f1(rows, .strict)
        #expect(f1 == 2 * 40.0 / 360)
        #expect(interval.low < f1 && f1 < interval.high && interval.high - interval.low < 0.15)
        #expect(interval == Bootstrap.interval(rows, .strict, words: words))
    }

    @Test func onlyOneDocumentHasNoSpread() {
        let interval = Bootstrap.interval([rows[3]], .lenient, words: words)
        #expect(interval == Interval(low: Bootstrap.f1([rows[3]], .lenient), high: Bootstrap.f1([rows[3]], .lenient)))
        #expect(Bootstrap.interval([], .strict, words: words) == Interval(low: 0, high: 0))
    }

    @Test func aBetterAdapterIsBetterInEveryResample() {
        let better = rows.map {
            DocumentCounts(gold: $0.gold, predicted: $0.predicted, strict: $0.strict + 1, lenient: $0.lenient)
        }
        let difference = Bootstrap.difference(rows, better, .strict, words: words)
        #expect(abs(difference.observed - 2 * 20.0 / 360) < 1e-12)
        // Every document improves by one: the paired difference has no spread at all; unpaired intervals would have.
        #expect(abs(difference.interval.high - difference.interval.low) < 1e-12)
        #expect(difference.noBetter == 0)
        #expect(Bootstrap.difference(rows, rows, .strict, words: words).noBetter == 1)
    }

    @Test func rowsReadBackAndOthersAreRefused() {
        for row in rows { #expect(DocumentCounts(text: row.text) == row) }
        for text in ["", "1 2 3", "1 2 1 1 1", "3 3 2 1", "1 5 0 2", "5 1 0 2", "-1 2 0 0", "a b c d", "1  2 0 0"] {
            #expect(DocumentCounts(text: text) == nil, "\(text)")
        }
    }
}
