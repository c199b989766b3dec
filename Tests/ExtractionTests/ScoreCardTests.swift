// Scores: definitions on small cases, and everything against a brute-force reference on random cases.

import Extraction
import Federation
import TestSupport
import Testing

@Suite struct ScoreCardTests {
    private let types = ["problem", "treatment", "test", "drug"]

    private func gold(_ spans: [(String, Range<Int>)]) -> [Entity] {
        spans.enumerated().map { Entity(id: "T\($0.offset)", type: $0.element.0, spans: [$0.element.1]) }
    }
    private func made(_ spans: [(String, Range<Int>?)]) -> [Prediction] {
        spans.map { Prediction(type: $0.0, range: $0.1) }
    }
    private func card(_ predictions: [(String, Range<Int>?)], _ gold: [(String, Range<Int>)]) -> ScoreCard {
        var card = ScoreCard(task: .ner, types: types)
        card.add(predictions: made(predictions), gold: self.gold(gold))
        return card
    }

    @Test func everyTypeWrongScoresZero() {
        let card = card([("drug", 0..<4), ("test", 5..<9)], [("problem", 0..<4), ("drug", 5..<9)])
        for measure in MatchMeasure.typed {
            #expect(card.micro(measure) == MatchCounts(truePositives: 0, falsePositives: 2, falseNegatives: 2))
            #expect(card.micro(measure).f1 == 0)
            #expect(card.macroF1(measure) == 0)
        }
        #expect(card.micro(.exact).f1 == 1 && card.micro(.overlap).f1 == 1)
    }

    @Test func countsStrictAndLenient() {
        let card = card(
            [("problem", 0..<4), ("problem", 9..<12), ("drug", 20..<22), ("problem", 30..<31)],
            [("problem", 0..<4), ("problem", 10..<14), ("drug", 22..<24), ("test", 40..<41)])
        #expect(card.micro(.strict) == MatchCounts(truePositives: 1, falsePositives: 3, falseNegatives: 3))
        #expect(card.micro(.lenient) == MatchCounts(truePositives: 2, falsePositives: 2, falseNegatives: 2))
        #expect(card.micro(.lenient).f1 == 0.5)
        #expect(card.micro(.exact) == MatchCounts(truePositives: 1, falsePositives: 3, falseNegatives: 3))
        #expect(card.micro(.overlap) == card.micro(.lenient))
        #expect(card.row == DocumentCounts(gold: 4, predicted: 4, strict: 1, lenient: 2))
        // problem 2*2/(4+1+0) = 0.8, drug 0, test 0 (it occurs in gold only), treatment absent on both sides.
        #expect(card.macroF1(.lenient) == 0.8 / 3)
        #expect(card.json["types"]?["problem"]?["strict"]?["true_positives"] == 1)
        #expect(card.json["micro"]?["lenient"]?["f1"] == .number(0.5))
    }

    @Test func nothingAtAllScoresZero() {
        let card = card([], [])
        #expect(card.micro(.strict).f1 == 0 && card.micro(.strict).precision == 0 && card.macroF1(.strict) == 0)
        #expect(card.records == 1)
    }

    @Test func matchesAsManyAsPossibleNotGreedily() {
        // The first prediction overlaps both mentions, the second only the first: greedy in order would match one.
        let card = card([("problem", 0..<20), ("problem", 2..<4)], [("problem", 0..<5), ("problem", 15..<18)])
        #expect(card.micro(.lenient).truePositives == 2)
        // One to one: two predictions within one mention are one match.
        #expect(self.card([("drug", 0..<2), ("drug", 3..<5)], [("drug", 0..<5)]).micro(.lenient).truePositives == 1)
    }

    @Test func repeatedPredictionsAreFalsePositivesAndRepeatedGoldCountsOnce() {
        let twice = card([("drug", 0..<2), ("drug", 0..<2)], [("drug", 0..<2)])
        #expect(twice.micro(.strict) == MatchCounts(truePositives: 1, falsePositives: 1, falseNegatives: 0))
        #expect(card([("drug", 0..<2)], [("drug", 0..<2), ("drug", 0..<2)]).micro(.strict).f1 == 1)
    }

    @Test func discontinuousGoldIsNeverStrictlyRight() {
        var card = ScoreCard(task: .ner, types: types)
        card.add(
            predictions: made([("problem", 0..<10), ("problem", 12..<14)]),
            gold: [
                Entity(id: "T1", type: "problem", spans: [0..<4, 6..<10]),
                Entity(id: "T2", type: "problem", spans: [11..<12, 14..<15]),
            ])
        #expect(card.micro(.strict).truePositives == 0)
        // The second prediction is in the gap of the second mention.
        #expect(card.micro(.lenient).truePositives == 1)
    }

    @Test func whatIsNotAnnotatedIsLeftOutAndForeignClassesAreFalsePositives() {
        var card = ScoreCard(task: .ner, types: ["problem", "drug"])
        card.add(
            predictions: made([
                ("test", 0..<2), ("headache", 0..<2), ("bodyloc", 0..<2), ("drug", nil), ("problem", 3..<4),
                ("test", nil),
            ]),
            gold: gold([("problem", 3..<4), ("test", 0..<2)]))
        #expect(card.micro(.strict) == MatchCounts(truePositives: 1, falsePositives: 3, falseNegatives: 0))
        #expect(card.notAnnotated == 2 && card.foreign == 2 && card.nowhere == 1)
        #expect(!card.json.canonicalText.contains("headache"))
    }

    @Test func cardsAddUp() {
        let parts = [
            card([("drug", 0..<2)], [("drug", 0..<2), ("test", 3..<4)]),
            card([("drug", nil), ("x", 0..<1)], [("test", 3..<4)]),
        ]
        var sum = parts[0]
        sum += parts[1]
        var whole = ScoreCard(task: .ner, types: types)
        whole.add(predictions: made([("drug", 0..<2)]), gold: gold([("drug", 0..<2), ("test", 3..<4)]))
        whole.add(predictions: made([("drug", nil), ("x", 0..<1)]), gold: gold([("test", 3..<4)]))
        #expect(sum == whole)
        #expect(sum.micro(.strict) == MatchCounts(truePositives: 1, falsePositives: 2, falseNegatives: 2))
    }

    @Test func agreesWithBruteForceOnRandomCases() {
        var numbers = SeededGenerator(state: 23)
        func spans() -> [(String, Range<Int>)] {
            (0..<Int.random(in: 0...5, using: &numbers)).map { _ in
                let start = Int.random(in: 0...9, using: &numbers)
                return (
                    types[Int.random(in: 0...1, using: &numbers)],
                    start..<start + Int.random(in: 1...6, using: &numbers)
                )
            }
        }
        for _ in 0..<3000 {
            let (predicted, wanted) = (spans(), spans())
            let card = card(predicted.map { ($0.0, Optional($0.1)) }, wanted)
            for (index, type) in types.enumerated() {
                let made = predicted.filter { $0.0 == type }.map(\.1)
                let there = Array(Set(wanted.filter { $0.0 == type }.map(\.1)))
                let strict = bruteForce(made, there) { $0 == $1 }
                let lenient = bruteForce(made, there) { $0.overlaps($1) }
                let tally = card.tallies[index]
                guard tally.strict == strict, tally.lenient == lenient, tally.predicted == made.count,
                    tally.gold == there.count
                else {
                    Issue.record("\(predicted) against \(wanted): \(tally), not \(strict) and \(lenient)")
                    return
                }
                let precision = made.isEmpty ? 0 : Double(lenient) / Double(made.count)
                let recall = there.isEmpty ? 0 : Double(lenient) / Double(there.count)
                let f1 = precision + recall == 0 ? 0 : 2 * precision * recall / (precision + recall)
                #expect(abs(tally.counts(.lenient).f1 - f1) < 1e-12)
            }
        }
    }

    /// The largest matching, by trying everything.
    private func bruteForce(_ made: [Range<Int>], _ there: [Range<Int>], _ fits: (Range<Int>, Range<Int>) -> Bool)
        -> Int
    {
        guard let first = made.first else { return 0 }
        let rest = Array(made.dropFirst())
        var best = bruteForce(rest, there, fits)
        for index in there.indices where fits(first, there[index]) {
            var left = there
            left.remove(at: index)
            best = max(best, 1 + bruteForce(rest, left, fits))
        }
        return best
    }
}
