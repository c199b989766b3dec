// Markup: the nested <span class="..."> form in which mentions are shown to the model and written by it; the writer and its escape rule.

/// A mention within a piece of text: code points counted from the start of that piece.
public struct MarkedSpan: Sendable, Hashable {
    /// The class: a type's name.
    public var type: String
    /// The code points, end exclusive.
    public var range: Range<Int>

    /// Makes a span.
    public init(type: String, range: Range<Int>) {
        self.type = type
        self.range = range
    }
}

/// Writes text with marked mentions.
///
/// Text is written unchanged, with one exception: where it holds `<`, any number of backslashes and then `span class="` or `/span>`, one
/// more backslash is put after the `<`. The parser removes it again, so that what was written is read back exactly.
public enum Markup {
    static let openingHead = Array("span class=\"".unicodeScalars)
    static let openingTail = Array("\">".unicodeScalars)
    static let closing = Array("/span>".unicodeScalars)

    /// The text without marks, escaped where necessary.
    public static func plain(_ text: some Sequence<Unicode.Scalar>) -> String { marked(Array(text), spans: []) }

    /// The text with its spans marked; where two spans share a boundary, the longer is outside, and of two equal spans the first.
    ///
    /// Spans must be within the text, not empty, and must not cross: see `nested`.
    public static func marked(_ text: [Unicode.Scalar], spans: [MarkedSpan]) -> String {
        var out = String.UnicodeScalarView()
        var open: [Int] = []
        var cursor = 0
        func pass(to position: Int) {
            escape(text[cursor..<position], into: &out)
            cursor = position
        }
        func closeSpans(through position: Int) {
            while let end = open.last, end <= position {
                pass(to: end)
                out.append("<")
                out.append(contentsOf: closing)
                open.removeLast()
            }
        }
        for span in outerFirst(spans) {
            closeSpans(through: span.range.lowerBound)
            precondition(
                !span.range.isEmpty && span.range.upperBound <= open.last ?? text.count, "spans cross or leave the text"
            )
            pass(to: span.range.lowerBound)
            out.append("<")
            out.append(contentsOf: openingHead)
            out.append(contentsOf: span.type.unicodeScalars)
            out.append(contentsOf: openingTail)
            open.append(span.range.upperBound)
        }
        closeSpans(through: text.count)
        pass(to: text.count)
        return String(out)
    }

    /// The spans that nested marks can express, in writing order: equal spans are kept once, and of two that cross the longer (then the
    /// earlier) is kept.
    public static func nested(_ spans: [MarkedSpan]) -> (kept: [MarkedSpan], crossing: Int) {
        var kept: [MarkedSpan] = []
        var crossing = 0
        let longestFirst = spans.enumerated().sorted { left, right in
            let (a, b) = (left.element.range, right.element.range)
            return (b.count, a.lowerBound, left.offset) < (a.count, b.lowerBound, right.offset)
        }
        var seen: Set<MarkedSpan> = []
        for (_, span) in longestFirst where seen.insert(span).inserted {
            if kept.contains(where: { cross($0.range, span.range) }) { crossing += 1 } else { kept.append(span) }
        }
        return (outerFirst(kept), crossing)
    }

    private static func cross(_ a: Range<Int>, _ b: Range<Int>) -> Bool {
        (a.lowerBound < b.lowerBound && b.lowerBound < a.upperBound && a.upperBound < b.upperBound)
            || (b.lowerBound < a.lowerBound && a.lowerBound < b.upperBound && b.upperBound < a.upperBound)
    }

    private static func outerFirst(_ spans: [MarkedSpan]) -> [MarkedSpan] {
        spans.enumerated().sorted { left, right in
            let (a, b) = (left.element.range, right.element.range)
            return (a.lowerBound, b.upperBound, left.offset) < (b.lowerBound, a.upperBound, right.offset)
        }.map(\.element)
    }

    private static func escape(_ text: ArraySlice<Unicode.Scalar>, into out: inout String.UnicodeScalarView) {
        var index = text.startIndex
        while index < text.endIndex {
            let scalar = text[index]
            out.append(scalar)
            index += 1
            guard scalar == "<" else { continue }
            var word = index
            while word < text.endIndex && text[word] == "\\" { word += 1 }
            if text[word...].starts(with: openingHead) || text[word...].starts(with: closing) { out.append("\\") }
        }
    }
}
