// The page of errors: how mentions and predictions are paired, what the page shows, and that nothing of a note can be markup.

import Extraction
import Federation
import Testing

@Suite struct ErrorPageTests {
    private let text = scalars("Denies chest pain. Given <b>aspirin & heparin daily.")

    private func record(_ gold: [Entity]) -> Record {
        Record(
            document: "n<1>", task: .ner, types: AnnotationType.entities, range: 0..<text.count, text: text, prompt: "",
            completion: "", gold: gold, head: nil)
    }
    private func entity(_ id: String, _ type: String, _ spans: Range<Int>...) -> Entity {
        Entity(id: id, type: type, spans: spans)
    }

    @Test func mentionsAndPredictionsArePairedOneToOne() {
        let gold = [
            entity("T1", "problem", 7..<17), entity("T2", "drug", 28..<35), entity("T3", "drug", 38..<45),
            entity("T4", "treatment", 19..<24),
        ]
        let predictions = [
            Prediction(type: "problem", range: 13..<17), Prediction(type: "drug", range: 28..<35),
            Prediction(type: "drug", range: 28..<35), Prediction(type: "test", range: 38..<45),
            Prediction(type: "drug", range: 46..<51), Prediction(type: "drug", range: nil),
        ]
        let errors = MentionErrors(record(gold), predictions: predictions)
        #expect(
            errors.findings.map { "\($0.kind.rawValue) \($0.gold?.id ?? "-")" }
                == [
                    "boundaries T1", "missed T4", "invented -", "right T2", "type T3", "invented -", "invented -",
                ])
        #expect(errors.findings.count { $0.kind == .invented } == 3)
    }

    @Test func thePageIsWholeAndEscaped() {
        let errors = MentionErrors(
            record([entity("T1", "problem", 7..<17), entity("T2", "drug", 28..<35, 38..<45)]),
            predictions: [
                Prediction(type: "problem", range: 13..<17), Prediction(type: "<script>", range: 25..<35),
                Prediction(type: "drug", range: nil),
            ])
        let page = ErrorPage.html([errors], title: "Errors of <run>", note: "round 2 & cohort")
        #expect(page.contains("default-src 'none'") && page.contains("prefers-color-scheme: dark"))
        #expect(
            !page.contains("<script") && !page.contains("<b>aspirin") && !page.contains("http:")
                && !page.contains("https:"))
        #expect(page.contains("<h2>n&lt;1&gt;</h2>") && page.contains("Errors of &lt;run&gt;"))
        #expect(page.contains("annotated problem <q>chest pain</q>, found problem <q>pain</q>"))
        #expect(page.contains("drug with words that the sentence does not have"))
        #expect(page.contains("annotated drug <q>aspirin</q> + <q>heparin</q>, found another class"))
        // Every mark that is opened is closed, and nothing but marks and escapes was put into the text.
        let opened = page.ranges(of: "<mark ").count
        #expect(opened == page.ranges(of: "</mark>").count)
        #expect(page.contains("<tr><th>problem</th><td>0</td><td>1</td><td>0</td><td>0</td><td>0</td></tr>"))
    }

    @Test func sentencesWithoutErrorsAreNotShown() {
        let right = MentionErrors(
            record([entity("T1", "problem", 7..<17)]), predictions: [Prediction(type: "problem", range: 7..<17)])
        let page = ErrorPage.html([right], title: "t", note: "n")
        #expect(page.contains("No error was found in 1 answers.") && !page.contains("chest pain"))
    }

    @Test func wordingThatACorpusRepeatsIsFound() {
        let words = (0..<30).map { "w\($0)" }.joined(separator: " ")
        let corpus = [("a", words), ("b", "other words"), ("c", words.uppercased())].map {
            Document(id: $0.0, text: scalars($0.1))
        }
        #expect(WordingOverlap.repeats(in: .init(corpus), share: 0.5).map(\.document) == ["c"])
    }

    @Test func headsOfTheTableDoNotBreak() {
        let plain = AnnotationPage.html(
            [Document(id: "n", text: text, entities: [entity("T1", "problem", 7..<17)])], title: "t")
        #expect(!plain.contains("<th>modifiers</th>") && plain.contains("white-space: nowrap; overflow-wrap: normal"))
    }
}
