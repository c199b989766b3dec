// MarkedText: a text as HTML with marks around its spans, nested where they nest.

import Faults
import Federation

enum MarkedText {
    /// The text with each span inside a mark that `opening` writes. Spans count from the text's beginning; those that cross another are
    /// left out, as in a model's answer.
    static func html(
        _ text: ArraySlice<Unicode.Scalar>, _ spans: [MarkedSpan], opening: (MarkedSpan) -> String
    ) -> String {
        let start = text.startIndex
        var out = ""
        var open: [Int] = []
        var cursor = 0
        func pass(to position: Int) {
            out += String(scalars: text[(start + cursor)..<(start + position)]).escapedForMarkup
            cursor = position
        }
        func close(through position: Int) {
            while let end = open.last, end <= position {
                pass(to: end)
                out += "</mark>"
                open.removeLast()
            }
        }
        for span in Markup.nested(spans).kept {
            close(through: span.range.lowerBound)
            pass(to: span.range.lowerBound)
            out += opening(span)
            open.append(span.range.upperBound)
        }
        close(through: text.count)
        pass(to: text.count)
        return out
    }
}
