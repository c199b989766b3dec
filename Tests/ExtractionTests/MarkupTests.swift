// Marks: what is written is read back, and everything that a model writes is read without failing.

import Extraction
import TestSupport
import Testing

@Suite struct MarkupTests {
    private func span(_ type: String, _ range: Range<Int>) -> MarkedSpan { MarkedSpan(type: type, range: range) }

    @Test func writesNestedMarks() {
        let text = scalars("left arm pain, pain")
        let spans = [span("problem", 0..<13), span("bodyloc", 0..<8), span("problem", 15..<19), span("test", 15..<19)]
        let marked = Markup.marked(text, spans: spans)
        #expect(
            marked
                == "<span class=\"problem\"><span class=\"bodyloc\">left arm</span> pain</span>, "
                + "<span class=\"problem\"><span class=\"test\">pain</span></span>")
        let parsed = MarkupParser.parse(generated: marked)
        #expect(parsed.text == text)
        #expect(parsed.spans == spans)
        #expect(parsed.faults.total == 0)
    }

    @Test func keepsTheLongerOfCrossingSpans() {
        let spans = [
            span("problem", 0..<5), span("test", 3..<9), span("drug", 8..<12), span("problem", 0..<5),
            span("drug", 3..<5),
        ]
        let (kept, crossing) = Markup.nested(spans)
        #expect(kept == [span("test", 3..<9), span("drug", 3..<5)])
        #expect(crossing == 2)
    }

    @Test(arguments: [
        "a < b & c > d", "<span class=\"problem\">not a mark</span>", "<\\span class=\"x\">", "<\\\\/span> and </span",
        "a </span>", "<<<//",
        "p<0.05", "<\\", "</", "<span class=\"", "\u{1f600}e\u{301}\r\nx", "&lt;",
    ])
    func anyTextReadsBack(plain: String) {
        let text = scalars(plain)
        #expect(MarkupParser.parse(generated: Markup.plain(text)).text == text)
        for start in text.indices {
            for end in start + 1...text.count {
                let marked = Markup.marked(text, spans: [span("problem", start..<end)])
                let parsed = MarkupParser.parse(generated: marked)
                #expect(parsed.text == text)
                #expect(parsed.spans == [span("problem", start..<end)])
            }
        }
    }

    @Test func countsEveryFault() {
        func faults(_ text: String) -> MarkupFaults { MarkupParser.parse(generated: text).faults }
        func expected(_ change: (inout MarkupFaults) -> Void) -> MarkupFaults {
            var faults = MarkupFaults()
            change(&faults)
            return faults
        }
        #expect(faults("<span class=\"problem\">pain") == expected { $0.unclosed = 1 })
        #expect(faults("pain</span></span>") == expected { $0.strayClose = 2 })
        #expect(faults("<span class=\"headache\">pain</span>") == expected { $0.unknownType = 1 })
        #expect(faults("<span class=\"a b\">pain") == expected { $0.malformedTag = 1 })
        #expect(faults("<span class=\"\">pain") == expected { $0.malformedTag = 1 })
        #expect(faults("pain <span cla") == expected { $0.truncatedTag = 1 })
        #expect(faults("pain <span class=\"prob") == expected { $0.truncatedTag = 1 })
        #expect(
            faults("<span class=\"problem\">pain</spa")
                == expected {
                    $0.truncatedTag = 1; $0.unclosed = 1
                })
        #expect(faults("a<span class=\"problem\"> </span>b") == expected { $0.empty = 1 })
        #expect(faults("p < 0.05, a <") == MarkupFaults())
        var sum = faults("pain</span>")
        sum += faults("<span class=\"x\">")
        #expect(
            sum
                == expected {
                    $0.strayClose = 1; $0.unknownType = 1; $0.unclosed = 1; $0.empty = 1
                })
        #expect(sum.total == 4)
    }

    @Test func readsBrokenMarksAsWellAsItCan() {
        let unclosed = MarkupParser.parse(generated: "  a <span class=\"problem\">b <span class=\"test\">c</span> d \n")
        #expect(string(unclosed.text) == "a b c d")
        #expect(unclosed.spans == [span("problem", 2..<7), span("test", 4..<5)])
        let edges = MarkupParser.parse(generated: "<span class=\"drug\"> x </span>")
        #expect(edges.spans == [span("drug", 0..<1)])
    }

    @Test func neverCrashesOnRandomMarks() {
        var numbers = SeededGenerator(state: 11)
        let pieces = [
            "<span class=\"problem\">", "<span class=\"x\">", "</span>", "<span class=\"", "<span", "</", "<", ">",
            "\\", "\"", " ", "\n", "pain",
            "10", "1.5", "\u{1f600}", "e\u{301}", "\r\n", "&amp;", "class=\"test\">", "\0",
        ]
        let record = Record(
            document: "n", task: .ner, types: ["problem"], range: 100..<115, text: scalars("pain in the arm"),
            prompt: "", completion: "",
            gold: [], head: nil)
        for _ in 0..<20000 {
            let text = (0..<Int.random(in: 0...14, using: &numbers)).map { _ in
                pieces.randomElement(using: &numbers) ?? ""
            }.joined()
            let parsed = MarkupParser.parse(generated: text)
            let prediction = RecordPrediction(generated: text, for: record)
            guard parsed.spans.allSatisfy({ $0.range.lowerBound >= 0 && $0.range.upperBound <= parsed.text.count }),
                prediction.predictions.count == parsed.spans.count,
                prediction.predictions.compactMap(\.range).allSatisfy({
                    100 <= $0.lowerBound && $0.upperBound <= 115 && !$0.isEmpty
                })
            else {
                Issue.record("\(text) is read as \(parsed)")
                return
            }
        }
    }
}
