// Records of relation extraction: one for each head; the head is marked in the input by offset, its modifiers in the completion.

extension RecordBuilder {
    /// A head with the modifiers that relations give it.
    struct BoundHead {
        var head: Entity
        var modifiers: [Entity]
    }

    /// One record for each head, in the order of the documents and of the heads' first offsets; heads without modifiers give records too.
    ///
    /// A head is a mention of an entity type to which, by the template, at least one of `types` may belong.
    static func relationRecords(
        from documents: [Document], types: [String], template: PromptTemplate, purpose: RecordPurpose,
        counts: inout RecordCounts
    ) -> [Record] {
        var records: [Record] = []
        for document in documents {
            var sentences = SentenceSplitter.sentences(in: document.text)
            var joins = RecordCounts()
            if purpose == .training { sentences = join(sentences, across: document.entities, counts: &joins) }
            guard !sentences.isEmpty else { continue }
            for bound in heads(of: document, types: types, template: template, counts: &counts) {
                counts.mentions += bound.modifiers.count
                let index = sentence(of: bound.head.hull.lowerBound, in: sentences)
                let next = index + 1 < sentences.count ? sentences[index + 1].lowerBound : document.text.count
                if bound.modifiers.isEmpty { counts.withoutMentions += 1 }
                records.append(
                    relationRecord(
                        document: document.id, text: Array(document.text[sentences[index]]), range: sentences[index],
                        next: next, head: bound.head, types: types, gold: bound.modifiers, template: template,
                        counts: &counts))
            }
        }
        return records
    }

    /// The record that asks for the modifiers of a head in the sentence of another record, without gold; nil where none of the types may
    /// belong to the head, or the head is not in the sentence.
    public static func relationRecord(
        in sentence: Record, head: Entity, types: [String], template: PromptTemplate
    ) -> Record? {
        let applicable = template.modifiers(of: head.type)
        guard types.contains(where: applicable.contains), !head.hull.clamped(to: sentence.range).isEmpty else {
            return nil
        }
        var counts = RecordCounts()
        return relationRecord(
            document: sentence.document, text: sentence.text, range: sentence.range, next: sentence.range.upperBound,
            head: head, types: types, gold: [], template: template, counts: &counts)
    }

    /// The heads of a document; equal mentions are one head with the modifiers of both.
    private static func heads(
        of document: Document, types: [String], template: PromptTemplate, counts: inout RecordCounts
    ) -> [BoundHead] {
        var bound: [BoundHead] = []
        var places: [String: Int] = [:]
        var mentions: [String: Entity] = [:]
        for entity in document.entities { mentions[entity.id] = entity }
        for entity in document.entities where AnnotationType.entities.contains(entity.type) {
            let applicable = template.modifiers(of: entity.type)
            guard types.contains(where: applicable.contains) else { continue }
            if let same = bound.firstIndex(where: { $0.head.type == entity.type && $0.head.spans == entity.spans }) {
                places[entity.id] = same
            } else {
                places[entity.id] = bound.count
                bound.append(BoundHead(head: entity, modifiers: []))
            }
        }
        for relation in document.relations {
            guard let modifier = mentions[relation.modifier], types.contains(modifier.type),
                let head = mentions[relation.head]
            else { continue }
            guard let place = places[head.id], template.modifiers(of: head.type).contains(modifier.type) else {
                counts.notApplicable += 1
                continue
            }
            if bound[place].modifiers.contains(where: { $0.type == modifier.type && $0.spans == modifier.spans }) {
                continue
            }
            bound[place].modifiers.append(modifier)
        }
        return bound.enumerated().sorted { left, right in
            (left.element.head.hull.lowerBound, left.offset) < (right.element.head.hull.lowerBound, right.offset)
        }.map(\.element)
    }

    private static func relationRecord(
        document: String, text: [Unicode.Scalar], range: Range<Int>, next: Int, head: Entity, types: [String],
        gold: [Entity], template: PromptTemplate, counts: inout RecordCounts
    ) -> Record {
        let hull = head.hull.clamped(to: range)
        let mark =
            hull.isEmpty
            ? []
            : [
                MarkedSpan(
                    type: head.type, range: hull.lowerBound - range.lowerBound..<hull.upperBound - range.lowerBound)
            ]
        let spans = marks(for: gold, in: range, next: next, counts: &counts)
        return Record(
            document: document, task: .re, types: types, range: range, text: text,
            prompt: template.prompt(task: .re, types: types, input: Markup.marked(text, spans: mark)),
            completion: template.completion(text, spans: spans), gold: gold, head: head)
    }

    /// The record with its text cut to about `count` code points around its head, at words; the head is never cut away.
    static func cut(_ record: Record, around head: Entity, to count: Int, template: PromptTemplate) -> Record {
        let kept = head.hull.clamped(to: record.range)
        let mention = kept.lowerBound - record.range.lowerBound..<kept.upperBound - record.range.lowerBound
        let spare = max(0, count - mention.count)
        // What one side does not need is given to the other.
        let after = min(record.text.count - mention.upperBound, max(spare / 2, spare - mention.lowerBound))
        var start = max(0, mention.lowerBound - (spare - after))
        var end = min(record.text.count, mention.upperBound + after)
        if start > 0 { while start < mention.lowerBound && !record.text[start - 1].isSpace { start += 1 } }
        if end < record.text.count { while end > mention.upperBound && !record.text[end].isSpace { end -= 1 } }
        let window = SentenceSplitter.trimmed(start..<end, of: record.text) ?? start..<end
        var counts = RecordCounts()
        let range = record.range.lowerBound + window.lowerBound..<record.range.lowerBound + window.upperBound
        return relationRecord(
            document: record.document, text: Array(record.text[window]), range: range, next: range.upperBound,
            head: head, types: record.types, gold: record.gold, template: template, counts: &counts)
    }
}
