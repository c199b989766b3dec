// The HTML page: every mention is marked, and no text of a note is read as markup.

import Extraction
import Testing

@Suite struct AnnotationPageTests {
    private let document = Document(
        id: "a<b", text: scalars("BP <120> & \"pain\" in arm, \u{1}é"),
        entities: [
            Entity(id: "T1", type: "problem", spans: [11..<24]), Entity(id: "T2", type: "bodyloc", spans: [21..<24]),
            Entity(id: "T3", type: "test", spans: [0..<2, 4..<7]), Entity(id: "T4", type: "drug", spans: [22..<27]),
        ], relations: [Relation(head: "T1", modifier: "T2")])

    @Test func textIsEscapedAndMentionsNest() {
        let page = AnnotationPage.html([document], title: "t & u")
        #expect(page.contains("<title>t &amp; u</title>") && page.contains("<h2>a&lt;b</h2>"))
        #expect(page.contains("&lt;<mark class=\"test\" title=\"T3 test\">120</mark>&gt; &amp; "))
        #expect(
            page.contains(
                "<mark class=\"problem\" title=\"T1 problem\">&quot;pain&quot; in "
                    + "<mark class=\"bodyloc\" title=\"T2 bodyloc of T1\">arm</mark></mark>"))
        #expect(page.contains("\u{fffd}é") && !page.contains("\u{1}"))
        // The crossing mention is in the table nevertheless.
        #expect(page.contains("<td class=\"id\">T4</td>"))
        #expect(page.components("<mark") == page.components("</mark>"))
    }

    @Test func thePageNeedsNothingElse() {
        let page = AnnotationPage.html([document, Document(id: "empty", text: scalars("no"))], title: "t")
        for word in ["http://", "https://", "<script", "src=", "@import", "url("] {
            #expect(!page.contains(word), "\(word)")
        }
        #expect(page.contains("2 notes") && page.contains("No mention was found."))
    }

    @Test func rowsNameTheHeadsOfModifiers() {
        #expect(AnnotationWriter.rows(document).map(\.heads) == [[], ["T1"], [], []])
    }
}

extension String {
    fileprivate func components(_ text: String) -> Int {
        split(separator: text, omittingEmptySubsequences: false).count
    }
}
