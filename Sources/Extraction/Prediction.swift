// Prediction: a generated mention at its place in the document, and the way there from generated text.

/// A mention that the model marked.
public struct Prediction: Sendable, Hashable {
    /// The class as the model wrote it.
    public var type: String
    /// Code points of the document, end exclusive; nil where the mention stands nowhere in the source: always a false positive.
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

    /// Reads generated text: parses its marks and maps each span to offsets of the record's document.
    ///
    /// A span keeps the stretch from the first to the last of its code points that the alignment found in the source. Where less than half of
    /// its code points (white space aside) were found, it stands nowhere.
    public init(generated: String, for record: Record) {
        let parsed = MarkupParser.parse(generated: generated)
        let alignment = Alignment(of: parsed.text, to: record.text)
        faults = parsed.faults
        predictions = parsed.spans.map { span in
            var found = 0
            var marks = 0
            var first: Int?
            var last = 0
            for index in span.range where !parsed.text[index].isSpace {
                marks += 1
                guard alignment.source[index] >= 0 else { continue }
                found += 1
            }
            for index in span.range where alignment.source[index] >= 0 {
                if first == nil { first = alignment.source[index] }
                last = alignment.source[index]
            }
            guard marks > 0, 2 * found >= marks, let first else { return Prediction(type: span.type, range: nil) }
            return Prediction(
                type: span.type, range: record.range.lowerBound + first..<record.range.lowerBound + last + 1)
        }
    }
}
