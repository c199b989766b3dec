// Generated text aligned to its source: each mention to its own occurrence, numbers whole, and nothing where nothing fits.

import Extraction
import TestSupport
import Testing

@Suite struct AlignmentTests {
    private func places(_ generated: String, in source: String, at start: Int = 0) -> [String?] {
        let text = scalars(source)
        let record = Record(
            document: "n", task: .ner, types: ["problem"], range: start..<start + text.count, text: text, prompt: "",
            completion: "", gold: [],
            head: nil)
        let marked = generated.replacing("[", with: "<span class=\"problem\">").replacing("]", with: "</span>")
        return RecordPrediction(generated: marked, for: record).predictions.map { prediction in
            prediction.range.map { "\($0.lowerBound):" + string(text[$0.lowerBound - start..<$0.upperBound - start]) }
        }
    }

    @Test func repeatedMentionsFindTheirOwnOccurrence() {
        #expect(places("pain, no [pain], pain", in: "pain, no pain, pain") == ["9:pain"])
        #expect(places("pain and no [pain], pain", in: "pain, no pain, pain", at: 50) == ["59:pain"])
        #expect(places("no [back pain]", in: "no chest pain, no back pain") == ["18:back pain"])
        #expect(places("[pain], [pain], [pain]", in: "pain, pain") == ["0:pain", "6:pain", nil])
    }

    @Test func droppedAndAddedWordsMoveNothing() {
        #expect(places("has [chest pain] today", in: "She has chest pain today.") == ["8:chest pain"])
        #expect(places("She now has [chest pain] today again", in: "She has chest pain today.") == ["8:chest pain"])
        #expect(places("[acute pancreatitis]", in: "acute severe pancreatitis") == ["0:acute severe pancreatitis"])
        #expect(places("[CHEST  PAIN]", in: "chest\npain x") == ["0:chest\npain"])
    }

    @Test func numbersAreAlignedWholeOrNotAtAll() {
        #expect(places("[10]", in: "100") == [nil])
        #expect(places("[100]", in: "10") == [nil])
        #expect(places("took [10] mg of it", in: "took 100 mg of it") == [nil])
        #expect(places("took [100] mg of it", in: "took 10 mg of it") == [nil])
        #expect(places("[1.5]", in: "1.50") == [nil])
        #expect(places("[Hgb 100] now", in: "Hgb 10 now") == ["0:Hgb"])
        #expect(places("a [10] and x", in: "a 10 and y") == ["2:10"])
        #expect(places("x [1]0 a", in: "y 10 a") == ["2:1"])
    }

    @Test func whatIsNotThereStandsNowhere() {
        #expect(places("he [was] ill", in: "he saw ill") == [nil])
        #expect(places("[fever]", in: "chest pain") == [nil])
        #expect(places("[diabetes] and pain", in: "pain") == [nil])
        #expect(places("a[]b", in: "ab") == [nil])
        #expect(places("[chest pain]", in: "chest and severe burning retrosternal back pain") == [nil])
        #expect(places("[chest pain]", in: "") == [nil])
        #expect(places("", in: "chest pain") == [])
    }

    @Test func isMonotoneAndOptimalOnRandomTexts() {
        var numbers = SeededGenerator(state: 5)
        let alphabet = scalars("ab c")
        for _ in 0..<2000 {
            func text() -> [Unicode.Scalar] {
                (0..<Int.random(in: 0...9, using: &numbers)).map { _ in alphabet.randomElement(using: &numbers) ?? "a" }
            }
            let (generated, source) = (text(), text())
            let alignment = Alignment(of: generated, to: source).source
            let pairs = alignment.enumerated().filter { $0.element >= 0 }
            // Between aligned pairs, the cheapest edit costs the length of the longer side; the sum must be the edit distance.
            var cost = 0
            var before = (-1, -1)
            for pair in pairs.map({ ($0.offset, $0.element) }) + [(generated.count, source.count)] {
                cost += max(pair.0 - before.0, pair.1 - before.1) - 1
                before = pair
            }
            guard alignment.count == generated.count,
                zip(pairs, pairs.dropFirst()).allSatisfy({ $0.element < $1.element }),
                pairs.allSatisfy({ generated[$0.offset] == source[$0.element] }), cost == distance(generated, source)
            else {
                Issue.record("\(generated) to \(source) is aligned as \(alignment)")
                return
            }
        }
    }

    /// The textbook recursion, as the reference.
    private func distance(_ a: [Unicode.Scalar], _ b: [Unicode.Scalar]) -> Int {
        var table = [[Int]](repeating: [Int](repeating: 0, count: b.count + 1), count: a.count + 1)
        for i in 0...a.count {
            for j in 0...b.count {
                if i == 0 || j == 0 {
                    table[i][j] = i + j
                } else {
                    table[i][j] = min(
                        table[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1), table[i - 1][j] + 1, table[i][j - 1] + 1)
                }
            }
        }
        return table[a.count][b.count]
    }

    @Test func garbageBeyondTheCapKeepsItsCommonEnds() {
        let source = "chest pain " + String(repeating: "x", count: 5000)
        let garbage = "[chest pain] " + String(repeating: "yz", count: 3000)
        #expect(places(garbage, in: source) == ["0:chest pain"])
    }
}
