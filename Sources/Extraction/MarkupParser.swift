// MarkupParser: reads what a model generated. It never fails: whatever is wrong with the marks is counted, and the text is read as well as
// possible.

import Federation

/// What was wrong with generated marks, by kind; counts can be added over records.
public struct MarkupFaults: Sendable, Equatable {
    /// Spans left open: read as if they reached to the end of the text.
    public var unclosed = 0
    /// Closing tags without an open span: ignored.
    public var strayClose = 0
    /// Spans of a class that is not a type at all: kept, and false positives.
    public var unknownType = 0
    /// Tags that begin as `<span class="` but continue differently: read as text.
    public var malformedTag = 0
    /// Texts that end within a tag, for example where generation was cut: the piece of the tag is read as text.
    public var truncatedTag = 0
    /// Spans around nothing or only white space: kept, and false positives without a place.
    public var empty = 0

    /// No faults.
    public init() {}

    /// The sum of all counts.
    public var total: Int { unclosed + strayClose + unknownType + malformedTag + truncatedTag + empty }

    /// Adds the counts of another record.
    public static func += (sum: inout MarkupFaults, other: MarkupFaults) {
        sum.unclosed += other.unclosed
        sum.strayClose += other.strayClose
        sum.unknownType += other.unknownType
        sum.malformedTag += other.malformedTag
        sum.truncatedTag += other.truncatedTag
        sum.empty += other.empty
    }

    /// The counts for a record.
    public var json: JSONValue {
        .object([
            "unclosed": .integer(Int64(unclosed)), "stray_close": .integer(Int64(strayClose)),
            "unknown_type": .integer(Int64(unknownType)), "malformed_tag": .integer(Int64(malformedTag)),
            "truncated_tag": .integer(Int64(truncatedTag)), "empty": .integer(Int64(empty)),
        ])
    }
}

/// Generated text without its marks.
public struct ParsedMarkup: Sendable, Equatable {
    /// The text without marks and without surrounding white space.
    public var text: [Unicode.Scalar]
    /// The spans in the order of their opening tags; ranges within `text`, possibly empty.
    public var spans: [MarkedSpan]
    /// What was wrong.
    public var faults: MarkupFaults
}

/// Reads marked text.
public enum MarkupParser {
    /// Reads any text; only exact `<span class="NAME">` (NAME of 1 to 32 letters, digits, `_`, `-`) and `</span>` are marks.
    ///
    /// `known` are the classes that are types; spans of another class are kept under the name that the model wrote and counted as
    /// `unknownType`.
    public static func parse(generated: String, known: [String] = AnnotationType.all) -> ParsedMarkup {
        let input = Array(generated.unicodeScalars)
        var text: [Unicode.Scalar] = []
        text.reserveCapacity(input.count)
        var spans: [MarkedSpan] = []
        var open: [Int] = []
        var faults = MarkupFaults()
        var index = 0
        while index < input.count {
            let scalar = input[index]
            guard scalar == "<" else {
                text.append(scalar)
                index += 1
                continue
            }
            if input[(index + 1)...].starts(with: Markup.closing) {
                index += 1 + Markup.closing.count
                if let span = open.popLast() {
                    spans[span].range = spans[span].range.lowerBound..<text.count
                } else {
                    faults.strayClose += 1
                }
            } else if input[(index + 1)...].starts(with: Markup.openingHead) {
                let start = index + 1 + Markup.openingHead.count
                if let end = nameEnd(input, from: start), end > start, input[end...].starts(with: Markup.openingTail) {
                    let type = String(scalars: input[start..<end])
                    if !known.contains(type) { faults.unknownType += 1 }
                    open.append(spans.count)
                    spans.append(MarkedSpan(type: type, range: text.count..<text.count))
                    index = end + Markup.openingTail.count
                } else {
                    if endsWithin(input, from: index) { faults.truncatedTag += 1 } else { faults.malformedTag += 1 }
                    text.append(scalar)
                    index += 1
                }
            } else {
                if endsWithin(input, from: index) { faults.truncatedTag += 1 }
                text.append(scalar)
                index += 1
                if isEscape(input, from: index) { index += 1 }
            }
        }
        faults.unclosed = open.count
        for span in open { spans[span].range = spans[span].range.lowerBound..<text.count }
        return trimmed(ParsedMarkup(text: text, spans: spans, faults: faults))
    }

    private static func nameEnd(_ input: [Unicode.Scalar], from start: Int) -> Int? {
        var end = start
        while end < input.count, end - start <= 32,
            input[end].isDigit || (input[end].isASCII && input[end].isLetter)
                || input[end] == "_" || input[end] == "-"
        {
            end += 1
        }
        return end - start <= 32 ? end : nil
    }

    /// Whether the text ends inside a tag that begins here; a single `<` is text.
    private static func endsWithin(_ input: [Unicode.Scalar], from start: Int) -> Bool {
        let rest = input[(start + 1)...]
        guard !rest.isEmpty else { return false }
        if rest.count < Markup.closing.count && Markup.closing.starts(with: rest) { return true }
        if rest.count <= Markup.openingHead.count { return Markup.openingHead.starts(with: rest) }
        guard rest.starts(with: Markup.openingHead),
            let end = nameEnd(input, from: start + 1 + Markup.openingHead.count)
        else { return false }
        return end == input.count || (end == input.count - 1 && input[end] == "\"")
    }

    /// Whether the backslashes here were added by the writer to escape a mark.
    private static func isEscape(_ input: [Unicode.Scalar], from start: Int) -> Bool {
        var word = start
        while word < input.count && input[word] == "\\" { word += 1 }
        return word > start
            && (input[word...].starts(with: Markup.openingHead) || input[word...].starts(with: Markup.closing))
    }

    private static func trimmed(_ parsed: ParsedMarkup) -> ParsedMarkup {
        let kept = SentenceSplitter.trimmed(0..<parsed.text.count, of: parsed.text) ?? 0..<0
        var result = ParsedMarkup(text: Array(parsed.text[kept]), spans: [], faults: parsed.faults)
        for span in parsed.spans {
            let range = span.range.clamped(to: kept)
            let moved = range.lowerBound - kept.lowerBound..<range.upperBound - kept.lowerBound
            if result.text[moved].allSatisfy(\.isSpace) { result.faults.empty += 1 }
            result.spans.append(MarkedSpan(type: span.type, range: moved))
        }
        return result
    }
}
