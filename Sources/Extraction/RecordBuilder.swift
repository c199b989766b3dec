// RecordBuilder: makes records and counts from documents; deterministic, without random numbers of its own. Records of heads are in
// +relations.

import Faults
import Federation

/// Builds records from documents.
public enum RecordBuilder {
    /// The records of every task that the selection has: those of named entity recognition first, then those of relation extraction.
    ///
    /// Named entity recognition has one record for each sentence, in the order of the documents and of their text; sentences without
    /// mentions give records too. Relation extraction has one for each head. The counts cover both. Throws `template.no-task` and
    /// `template.no-type`.
    public static func records(
        from documents: [Document], tasks: TaskSelection, template: PromptTemplate, purpose: RecordPurpose
    ) throws(Fault) -> (records: [Record], counts: RecordCounts) {
        var records: [Record] = []
        var counts = RecordCounts()
        counts.documents = documents.count
        if let selection = tasks.ner {
            let types = try template.types(of: .ner, in: selection)
            records += mentionRecords(
                from: documents, types: types, template: template, purpose: purpose, counts: &counts)
        }
        if let selection = tasks.re {
            let types = try template.types(of: .re, in: selection)
            records += relationRecords(
                from: documents, types: types, template: template, purpose: purpose, counts: &counts)
        }
        counts.records = records.count
        return (records, counts)
    }

    private static func mentionRecords(
        from documents: [Document], types: [String], template: PromptTemplate, purpose: RecordPurpose,
        counts: inout RecordCounts
    ) -> [Record] {
        var records: [Record] = []
        for document in documents {
            var sentences = SentenceSplitter.sentences(in: document.text)
            if purpose == .training { sentences = join(sentences, across: document.entities, counts: &counts) }
            let entities = document.entities.filter { types.contains($0.type) }
            counts.mentions += entities.count
            var gold = [[Entity]](repeating: [], count: sentences.count)
            for entity in entities {
                // A mention begins in a sentence, unless its offsets are in white space: then it counts for the sentence before.
                if !gold.isEmpty { gold[sentence(of: entity.hull.lowerBound, in: sentences)].append(entity) }
            }
            for (index, (range, gold)) in zip(sentences, gold).enumerated() {
                let next = index + 1 < sentences.count ? sentences[index + 1].lowerBound : document.text.count
                if gold.isEmpty { counts.withoutMentions += 1 }
                records.append(
                    record(
                        document: document.id, text: Array(document.text[range]), range: range, next: next,
                        types: types,
                        gold: gold, template: template, counts: &counts))
            }
        }
        return records
    }

    /// The records that the first `limit` numbers of a permutation choose, in record order; all records where `limit` is nil or at least
    /// their number.
    public static func draw(_ records: [Record], limit: Int?, by permutation: [Int]) -> [Record] {
        guard let limit, limit < records.count else { return records }
        precondition(permutation.count == records.count, "the permutation has as many numbers as there are records")
        return permutation.prefix(limit).sorted().map { records[$0] }
    }

    /// The record with its text cut to at most `count` code points, at the end of a word. Gold is not cut.
    ///
    /// A record of a head is cut on both sides, so that the head stays in it.
    public static func cut(_ record: Record, to count: Int, template: PromptTemplate) -> Record {
        guard count < record.text.count else { return record }
        if let head = record.head { return cut(record, around: head, to: count, template: template) }
        var end = max(1, count)
        while end > 1 && !record.text[end].isSpace { end -= 1 }
        if end == 1 { end = max(1, count) }
        let kept = SentenceSplitter.trimmed(0..<end, of: record.text) ?? 0..<end
        var counts = RecordCounts()
        let range = record.range.lowerBound + kept.lowerBound..<record.range.lowerBound + kept.upperBound
        return self.record(
            document: record.document, text: Array(record.text[kept]), range: range, next: range.upperBound,
            types: record.types, gold: record.gold, template: template, counts: &counts)
    }

    private static func record(
        document: String, text: [Unicode.Scalar], range: Range<Int>, next: Int, types: [String], gold: [Entity],
        template: PromptTemplate, counts: inout RecordCounts
    ) -> Record {
        let spans = marks(for: gold, in: range, next: next, counts: &counts)
        return Record(
            document: document, task: .ner, types: types, range: range, text: text,
            prompt: template.prompt(task: .ner, types: types, input: Markup.plain(text)),
            completion: template.completion(text, spans: spans), gold: gold, head: nil)
    }

    /// The marks of a sentence, relative to it: the part of the gold that nested marks can express.
    ///
    /// Between the sentence and `next`, where the next sentence begins, there is only white space: the mark leaves it out. A discontinuous
    /// mention is marked as one span over all its fragments: a mark for each fragment would teach mentions that do not exist.
    static func marks(for gold: [Entity], in range: Range<Int>, next: Int, counts: inout RecordCounts) -> [MarkedSpan] {
        var spans: [MarkedSpan] = []
        var exact: Set<MarkedSpan> = []
        for entity in gold {
            let hull = entity.hull
            let inside = hull.clamped(to: range)
            let clips = inside != hull
            guard !inside.isEmpty, hull.upperBound <= next else {
                counts.beyond += 1
                continue
            }
            let span = MarkedSpan(
                type: entity.type,
                range: inside.lowerBound - range.lowerBound..<inside.upperBound - range.lowerBound)
            if spans.contains(span) {
                counts.repeated += 1
                continue
            }
            spans.append(span)
            if clips {
                counts.clipped += 1
            } else if entity.spans.count > 1 {
                counts.covered += 1
            } else {
                exact.insert(span)
            }
        }
        let nested = Markup.nested(spans)
        counts.crossing += nested.crossing
        counts.expressed += nested.kept.count { exact.contains($0) }
        return nested.kept
    }

    /// Joins neighbouring sentences that a fragment of a mention crosses, whatever its type.
    static func join(_ sentences: [Range<Int>], across entities: [Entity], counts: inout RecordCounts) -> [Range<Int>] {
        guard !sentences.isEmpty else { return [] }
        var joins = [Bool](repeating: false, count: sentences.count)
        for span in entities.flatMap(\.spans) {
            let first = sentence(of: span.lowerBound, in: sentences)
            let last = sentence(of: span.upperBound - 1, in: sentences)
            if first < last { for index in first + 1...last { joins[index] = true } }
        }
        var joined: [Range<Int>] = []
        for (index, sentence) in sentences.enumerated() {
            if joins[index], let before = joined.popLast() {
                joined.append(before.lowerBound..<sentence.upperBound)
                counts.joined += 1
            } else {
                joined.append(sentence)
            }
        }
        return joined
    }

    /// The last sentence that begins at or before the offset, otherwise the first.
    static func sentence(of offset: Int, in sentences: [Range<Int>]) -> Int {
        var low = 0
        var high = sentences.count
        while low < high {
            let middle = (low + high) / 2
            if sentences[middle].lowerBound <= offset { low = middle + 1 } else { high = middle }
        }
        return max(0, low - 1)
    }
}
