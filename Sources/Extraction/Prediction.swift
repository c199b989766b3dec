// Prediction: a generated mention at its place in the document, and how the place is found from generated text.

/// A mention that the model marked.
public struct Prediction: Sendable, Hashable {
    /// The class as the model wrote it.
    public var type: String
    /// Code points of the document, end exclusive; nil where the mention is not found in the source: always a false positive.
    public var range: Range<Int>?

    /// Makes a prediction.
    public init(type: String, range: Range<Int>?) {
        self.type = type
        self.range = range
    }
}

/// What a model's answer to one record says.
public struct RecordPrediction: Sendable, Equatable {
    /// The mentions, in the order the model marked them.
    public var predictions: [Prediction]
    /// What was wrong with the marks.
    public var faults: MarkupFaults

    /// Makes an answer from values that are already known.
    public init(predictions: [Prediction], faults: MarkupFaults) {
        self.predictions = predictions
        self.faults = faults
    }

    /// Reads generated text: parses its marks and maps each span to offsets of the record's document.
    ///
    /// A span gets the range of the source from the first to the last of its code points that the alignment found. It has no place where
    /// less than half of its own code points were found, or where they are less than half of that range (without white space on both
    /// sides).
    public init(generated: String, for record: Record) {
        let parsed = MarkupParser.parse(generated: generated)
        let alignment = Alignment(of: parsed.text, to: record.text)
        faults = parsed.faults
        predictions = parsed.spans.map { span in
            let inked = span.range.filter { !parsed.text[$0].isSpace }
            let found = inked.count { alignment.source[$0] >= 0 }
            let places = alignment.source[span.range].filter { $0 >= 0 }
            guard var first = places.first, var last = places.last, 2 * found >= inked.count,
                2 * found >= record.text[first...last].count(where: { !$0.isSpace }), !inked.isEmpty
            else { return Prediction(type: span.type, range: nil) }
            // White space at an edge is kept only where the model marked it.
            if span.range.first == inked.first { while record.text[first].isSpace { first += 1 } }
            if span.range.last == inked.last { while record.text[last].isSpace { last -= 1 } }
            let start = record.range.lowerBound
            return Prediction(type: span.type, range: start + first..<start + last + 1)
        }
    }
}
