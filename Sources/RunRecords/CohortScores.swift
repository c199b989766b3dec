// CohortScores: the scores of one evaluation as a record holds them, with intervals, and the check that they follow from their counts.

import Extraction
import Faults
import Federation

/// Scores by document, summed over the cohort.
package struct CohortScores {
    let seed: UInt64
    let cohort: CohortID
    private var mentions: (card: ScoreCard, rows: [DocumentCounts])?
    /// The same answers with boundaries moved by `MentionBoundaries`.
    private var wholeWords: (card: ScoreCard, rows: [DocumentCounts])?
    private var relations: (card: RelationCard, rows: [DocumentCounts], source: HeadSource)?

    package init(seed: UInt64, cohort: CohortID) {
        self.seed = seed
        self.cohort = cohort
    }

    /// Scores the answers to the sentences.
    package mutating func add(mentions sentences: [Record], _ found: [RecordPrediction]) {
        mentions = Self.scored(sentences, found)
        wholeWords = Self.scored(
            sentences, zip(sentences, found).map { MentionBoundaries.snapped($1, of: $0) })
    }

    private static func scored(
        _ sentences: [Record], _ found: [RecordPrediction]
    ) -> (card: ScoreCard, rows: [DocumentCounts]) {
        let types = sentences.first?.types ?? []
        var cards: [ScoreCard] = []
        var places: [String: Int] = [:]
        for (record, prediction) in zip(sentences, found) {
            let place = places[record.document, default: cards.count]
            if place == cards.count {
                places[record.document] = place
                cards.append(ScoreCard(task: .ner, types: types))
            }
            cards[place].add(prediction, for: record)
        }
        var total = ScoreCard(task: .ner, types: types)
        for card in cards { total += card }
        return (total, cards.map(\.row))
    }

    /// Scores the answers about heads against the gold records.
    package mutating func add(heads asked: [Record], _ answered: [RecordPrediction], gold: [Record], source: HeadSource)
    {
        let types = (gold.first ?? asked.first)?.types ?? []
        var documents: [String] = []
        var answers: [String: [HeadAnswer]] = [:]
        var wanted: [String: [Record]] = [:]
        func note(_ document: String) {
            if answers[document] == nil && wanted[document] == nil { documents.append(document) }
        }
        for record in gold {
            note(record.document)
            wanted[record.document, default: []].append(record)
        }
        for (record, prediction) in zip(asked, answered) {
            guard let head = record.head else { continue }
            note(record.document)
            answers[record.document, default: []].append(HeadAnswer(head: head, prediction: prediction))
        }
        var total = RelationCard(types: types)
        var rows: [DocumentCounts] = []
        for document in documents.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
            var card = RelationCard(types: types)
            card.add(document: answers[document] ?? [], gold: wanted[document] ?? [])
            total += card
            rows.append(card.pairs.row)
        }
        relations = (total, rows, source)
    }

    /// `scores` of named entity recognition, `whole_words` and `relation_scores`, as far as the cohort asks for them.
    package var members: [String: JSONValue] {
        var members: [String: JSONValue] = [:]
        if let mentions { members["scores"] = json(mentions.card, mentions.rows) }
        if let wholeWords {
            members["whole_words"] = [
                "rule": .string(MentionBoundaries.rule), "scores": json(wholeWords.card, wholeWords.rows),
            ]
        }
        if let relations {
            members["relation_scores"] = [
                "heads": .string(relations.source.rawValue),
                "pairs": json(relations.card.pairs, relations.rows),
                "modifiers_alone": relations.card.modifiers.json,
            ]
        }
        return members
    }

    private func json(_ card: ScoreCard, _ rows: [DocumentCounts]) -> JSONValue {
        guard case .object(var members) = card.json else { return card.json }
        members["by_document"] = .array(rows.map { .string($0.text) })
        members["intervals"] = Self.intervals(rows, seed: seed, cohort: cohort.name)
        return .object(members)
    }

    private static func intervals(_ rows: [DocumentCounts], seed: UInt64, cohort: String) -> JSONValue {
        var members: [String: JSONValue] = [
            "level": .number(0.95), "resamples": .integer(Int64(Bootstrap.resamples)), "unit": "document",
        ]
        for measure in MatchMeasure.typed {
            members[measure.rawValue] =
                Bootstrap.interval(rows, measure) { resample, count in
                    resamplingWords(count: count, seed: seed, cohort: cohort, resample: resample)
                }.json
        }
        return .object(members)
    }

    // MARK: What a committed record says, computed again

    /// Recomputes precision, recall, F1, averages and intervals of a committed record from its counts; what is wrong, or nil.
    package static func recheck(_ record: RecordReader, seed: UInt64, cohort: String) throws(Fault) -> String? {
        var checked = false
        if record["scores"] != nil {
            checked = true
            let card = try record.object("scores")
            if let fault = try recheck(card: card) { return fault }
            if let fault = try recheckRows(card, seed: seed, cohort: cohort) { return fault }
        }
        if let fault = try recheckWholeWords(record, seed: seed, cohort: cohort) { return fault }
        if record["relation_scores"] != nil {
            checked = true
            let relations = try record.object("relation_scores")
            let pairs = try relations.object("pairs")
            if let fault = try recheck(card: pairs) { return "pairs: \(fault)" }
            if let fault = try recheckRows(pairs, seed: seed, cohort: cohort) { return "pairs: \(fault)" }
            if let fault = try recheck(card: relations.object("modifiers_alone")) { return "modifiers alone: \(fault)" }
        }
        for task in ExtractionTask.allCases {
            guard let counting = record["published_counting"]?[task.rawValue] else { continue }
            for measure in MatchMeasure.typed {
                let committed = try RecordReader(counting, path: record.path, commit: record.commit)
                    .object(measure.rawValue)
                guard try counts(of: committed).json == committed.value else {
                    return "the published counting of \(task.rawValue) does not follow from its counts"
                }
            }
        }
        return checked ? nil : "the record holds no scores"
    }

    /// The card of the moved mentions follows from its own counts, and is of the same gold mentions by document, records and types as the card of the
    /// mentions as marked; the rule moves boundaries and joins what becomes equal, so that nothing is predicted that was not.
    private static func recheckWholeWords(_ record: RecordReader, seed: UInt64, cohort: String) throws(Fault) -> String?
    {
        guard record["scores"] != nil else {
            return record["whole_words"] == nil ? nil : "whole_words: there are no scores that it belongs to"
        }
        let whole = try record.object("whole_words")
        guard try whole.text("rule") == MentionBoundaries.rule else { return "whole_words: the rule is not known" }
        let moved = try whole.object("scores")
        if let fault = try recheck(card: moved) { return "whole_words: \(fault)" }
        if let fault = try recheckRows(moved, seed: seed, cohort: cohort) { return "whole_words: \(fault)" }
        let marked = try record.object("scores")
        func rows(_ card: RecordReader) -> [DocumentCounts] {
            (card["by_document"]?.elements ?? []).compactMap { $0.text.flatMap(DocumentCounts.init(text:)) }
        }
        func types(_ card: RecordReader) -> [String] { (card["types"]?.members ?? [:]).keys.sorted() }
        let same = ["task", "records", "nowhere", "markup_faults"].allSatisfy { moved[$0] == marked[$0] }
        guard same, types(moved) == types(marked), rows(moved).map(\.gold) == rows(marked).map(\.gold),
            zip(rows(moved), rows(marked)).allSatisfy({ $0.predicted <= $1.predicted })
        else { return "whole_words: its counts are not of the same mentions as those of scores" }
        return nil
    }

    private static func recheck(card scores: RecordReader) throws(Fault) -> String? {
        let types = try scores.object("types")
        let micro = try scores.object("micro")
        for measure in MatchMeasure.typed {
            var sum = MatchCounts(truePositives: 0, falsePositives: try scores.int("foreign_class"), falseNegatives: 0)
            var f1: [Double] = []
            for type in (types.value.members ?? [:]).keys.sorted() {
                let committed = try types.object(type).object(measure.rawValue)
                let counts = try counts(of: committed)
                guard counts.json == committed.value else {
                    return "\(measure.rawValue) scores of \(type) do not follow from their counts"
                }
                sum.truePositives += counts.truePositives
                sum.falsePositives += counts.falsePositives
                sum.falseNegatives += counts.falseNegatives
                if counts.truePositives + counts.falsePositives + counts.falseNegatives > 0 { f1.append(counts.f1) }
            }
            guard try sum.json == micro.object(measure.rawValue).value else {
                return "the \(measure.rawValue) micro average is not the sum of the types"
            }
            // The mean may be summed in another order than the template's: equal within rounding.
            let macro = f1.isEmpty ? 0 : f1.reduce(0, +) / Double(f1.count)
            guard try abs(macro - scores.object("macro_f1").double(measure.rawValue)) < 1e-12 else {
                return "the \(measure.rawValue) macro average is not the mean of the types"
            }
        }
        // Boundaries alone are not counted by type; their gold and predictions are those of the strict measure.
        let strict = try counts(of: micro.object("strict"))
        let lenient = try counts(of: micro.object("lenient"))
        let exact = try counts(of: micro.object("exact"))
        let overlap = try counts(of: micro.object("overlap"))
        for (name, counts) in [("exact", exact), ("overlap", overlap)] {
            guard try counts.json == micro.object(name).value,
                counts.truePositives + counts.falsePositives == strict.truePositives + strict.falsePositives,
                counts.truePositives + counts.falseNegatives == strict.truePositives + strict.falseNegatives
            else { return "the \(name) scores do not follow from their counts" }
        }
        guard strict.truePositives <= exact.truePositives, exact.truePositives <= overlap.truePositives,
            strict.truePositives <= lenient.truePositives, lenient.truePositives <= overlap.truePositives
        else { return "a stricter measure finds more than a looser one" }
        return nil
    }

    private static func recheckRows(_ scores: RecordReader, seed: UInt64, cohort: String) throws(Fault) -> String? {
        let texts = (scores["by_document"]?.elements ?? []).map(\.text)
        let rows = texts.compactMap { $0.flatMap(DocumentCounts.init(text:)) }
        guard rows.count == texts.count, !rows.isEmpty else { return "the counts by document cannot be read" }
        let micro = try scores.object("micro")
        let strict = try counts(of: micro.object("strict"))
        let sums = rows.reduce(into: [0, 0, 0, 0]) { sums, row in
            for (index, value) in [row.gold, row.predicted, row.strict, row.lenient].enumerated() {
                sums[index] += value
            }
        }
        let expected = [
            strict.truePositives + strict.falseNegatives, strict.truePositives + strict.falsePositives,
            strict.truePositives, try micro.object("lenient").int("true_positives"),
        ]
        guard sums == expected else { return "the counts by document do not add up to the micro average" }
        guard scores["intervals"] == intervals(rows, seed: seed, cohort: cohort) else {
            return "the intervals do not follow from the counts by document"
        }
        return nil
    }

    private static func counts(of record: RecordReader) throws(Fault) -> MatchCounts {
        MatchCounts(
            truePositives: try record.int("true_positives"), falsePositives: try record.int("false_positives"),
            falseNegatives: try record.int("false_negatives"))
    }
}
