// MentionBoundaries: boundaries of predicted mentions moved to whole words, with no final punctuation. A pure rule on text and offsets.

import Federation

/// Moves the boundaries of predictions by rule.
///
/// A model copies text and sets its marks between tokens, so a mark may cut a word or include the full stop after it. No guideline that we
/// know annotates half a word or ends a mention with a full stop, so the rule only corrects what is never right. It uses neither gold nor
/// types.
public enum MentionBoundaries {
    /// The name of the rule, recorded beside its results; a changed rule gets another name.
    public static let rule = BoundaryRule.wholeWords

    /// Whose boundaries are used.
    public enum Choice: Sendable {
        /// Those of the rule.
        case wholeWords
        /// The model's own.
        case asMarked
    }

    /// What the rule moved, so that it can be recorded beside the results.
    public struct Moved: Sendable {
        private var marked: [Prediction: Range<Int>] = [:]

        /// No moves yet.
        public init() {}

        /// Predictions with the boundaries of the choice; the moves of the rule are kept.
        public mutating func applied(_ choice: Choice, to predictions: [Prediction], in text: [Unicode.Scalar])
            -> [Prediction]
        {
            guard choice == .wholeWords else { return predictions }
            for prediction in predictions {
                guard let range = prediction.range else { continue }
                let moved = Prediction(type: prediction.type, range: MentionBoundaries.snapped(range, in: text))
                // If another answer had these same boundaries by itself, nothing was moved.
                if moved == prediction { marked[moved] = range } else if marked[moved] == nil { marked[moved] = range }
            }
            return MentionBoundaries.snapped(predictions, in: text)
        }

        /// By id, the range that the model marked, for each mention that was moved.
        public func ranges(of entities: [Entity]) -> [String: Range<Int>] {
            var ranges: [String: Range<Int>] = [:]
            for entity in entities {
                let range = marked[Prediction(type: entity.type, range: entity.hull)]
                if let range, range != entity.hull { ranges[entity.id] = range }
            }
            return ranges
        }
    }

    /// Predictions with their boundaries moved; those that become equal are merged. Predictions without a place are unchanged.
    public static func snapped(_ predictions: [Prediction], in text: [Unicode.Scalar]) -> [Prediction] {
        var seen: Set<Prediction> = []
        var out: [Prediction] = []
        for prediction in predictions {
            let moved = Prediction(type: prediction.type, range: prediction.range.map { snapped($0, in: text) })
            if moved == prediction || seen.insert(moved).inserted { out.append(moved) }
        }
        return out
    }

    /// Predictions of one answer with their boundaries moved within the sentence that was asked about.
    public static func snapped(_ prediction: RecordPrediction, of record: Record) -> RecordPrediction {
        let start = record.range.lowerBound
        func shifted(_ predictions: [Prediction], by offset: Int) -> [Prediction] {
            predictions.map { prediction in
                Prediction(
                    type: prediction.type,
                    range: prediction.range.map { $0.lowerBound + offset..<$0.upperBound + offset })
            }
        }
        let moved = snapped(shifted(prediction.predictions, by: -start), in: record.text)
        return RecordPrediction(predictions: shifted(moved, by: start), faults: prediction.faults)
    }

    /// A range moved to whole words and without white space or punctuation at its end; unchanged where nothing would be left.
    public static func snapped(_ range: Range<Int>, in text: [Unicode.Scalar]) -> Range<Int> {
        var (start, end) = (max(0, range.lowerBound), min(text.count, range.upperBound))
        guard start < end else { return range }
        while start < end - 1 && text[start].isSpace { start += 1 }
        while start > 0 && cuts(start, text) { start -= 1 }
        while end < text.count && cuts(end, text) { end += 1 }
        while end > start + 1, isDropped(end - 1, from: start, text) { end -= 1 }
        return start < end && text[start..<end].contains { !$0.isSpace } ? start..<end : range
    }

    /// Whether a boundary here would cut a word or a number.
    private static func cuts(_ place: Int, _ text: [Unicode.Scalar]) -> Bool {
        let (before, after) = (text[place - 1], text[place])
        if after.isAccent { return true }
        // Guidelines do set boundaries inside "5mg" and "T2N0": letters and digits are separate words.
        return (before.isLetter || before.isAccent) && after.isLetter || before.isDigit && after.isDigit
    }

    /// Whether the last code point does not belong to a mention.
    private static func isDropped(_ last: Int, from start: Int, _ text: [Unicode.Scalar]) -> Bool {
        switch text[last] {
        case ",", ";", ":", "!", "?": return true
        case ".":
            // The dot of an abbreviation with inner dots (p.r.n.) or of a single letter belongs to it.
            var head = last
            while head > start && !text[head - 1].isSpace { head -= 1 }
            let word = text[head..<last]
            return !word.contains(".") && word.count != 1
        default: return text[last].isSpace
        }
    }
}
