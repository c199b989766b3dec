// ScoreCard: counts of right and wrong mentions that add up over records, and the scores that follow from them.

import Federation

/// Right and wrong mentions under one measure.
public struct MatchCounts: Sendable, Equatable {
    /// Predictions matched with gold.
    public var truePositives: Int
    /// Predictions without gold.
    public var falsePositives: Int
    /// Gold without a prediction.
    public var falseNegatives: Int

    /// Makes counts.
    public init(truePositives: Int, falsePositives: Int, falseNegatives: Int) {
        self.truePositives = truePositives
        self.falsePositives = falsePositives
        self.falseNegatives = falseNegatives
    }

    /// TP / (TP + FP), 0 where nothing was predicted.
    public var precision: Double { Self.ratio(truePositives, truePositives + falsePositives) }
    /// TP / (TP + FN), 0 where there is no gold.
    public var recall: Double { Self.ratio(truePositives, truePositives + falseNegatives) }
    /// 2 TP / (2 TP + FP + FN), 0 where there is neither gold nor prediction.
    public var f1: Double { Self.ratio(2 * truePositives, 2 * truePositives + falsePositives + falseNegatives) }

    /// Counts and scores for a record.
    public var json: JSONValue {
        .object([
            "true_positives": .integer(Int64(truePositives)), "false_positives": .integer(Int64(falsePositives)),
            "false_negatives": .integer(Int64(falseNegatives)), "precision": .number(precision),
            "recall": .number(recall),
            "f1": .number(f1),
        ])
    }

    private static func ratio(_ part: Int, _ whole: Int) -> Double { whole == 0 ? 0 : Double(part) / Double(whole) }
}

/// When a prediction is right. A pair of head and modifier is right where both are right.
public enum MatchMeasure: String, Sendable, CaseIterable {
    /// Same type and same boundaries.
    case strict
    /// Same boundaries, any type.
    case exact
    /// Same type and a code point in common; one to one, by a maximum matching.
    case lenient
    /// A code point in common, any type; one to one, by a maximum matching.
    case overlap

    /// The measures that use types and are therefore counted by type.
    public static let typed: [MatchMeasure] = [.strict, .lenient]
}

/// The counts of one type.
public struct TypeTally: Sendable, Equatable {
    /// Gold mentions.
    public var gold = 0
    /// Predicted mentions.
    public var predicted = 0
    /// Predictions right by type and boundaries.
    public var strict = 0
    /// Predictions right by type and overlap.
    public var lenient = 0

    /// Nothing counted.
    public init() {}

    /// The tally as right and wrong mentions under one of the measures that use types.
    public func counts(_ measure: MatchMeasure) -> MatchCounts {
        precondition(MatchMeasure.typed.contains(measure), "\(measure) is not counted by type")
        let right = measure == .strict ? strict : lenient
        return MatchCounts(truePositives: right, falsePositives: predicted - right, falseNegatives: gold - right)
    }

    /// Adds another tally.
    public static func += (sum: inout TypeTally, other: TypeTally) {
        sum.gold += other.gold
        sum.predicted += other.predicted
        sum.strict += other.strict
        sum.lenient += other.lenient
    }
}

/// The scores of a cohort: per type, micro and macro, from counts that add up over records.
public struct ScoreCard: Sendable, Equatable {
    /// The types that the cohort annotates, in the template's order.
    public let types: [String]
    /// The task.
    public let task: ExtractionTask
    /// The tallies, one for each type, in the order of `types`.
    public private(set) var tallies: [TypeTally]
    /// Records scored.
    public private(set) var records = 0
    /// Predictions with the boundaries of a mention of any type.
    public private(set) var exact = 0
    /// Predictions that overlap a mention of any type.
    public private(set) var overlapping = 0
    /// Predictions of a class that is not a type of the task: false positives in the micro average, but of no type.
    public private(set) var foreign = 0
    /// Predictions of a type of the task that the cohort does not annotate: neither right nor wrong, left out of every score.
    public private(set) var notAnnotated = 0
    /// Predictions that were not found in the source: false positives of their type.
    public private(set) var nowhere = 0
    /// What was wrong with the generated marks.
    public private(set) var faults = MarkupFaults()

    /// An empty card for the types that a cohort annotates.
    public init(task: ExtractionTask, types: [String]) {
        self.task = task
        self.types = types
        tallies = Array(repeating: TypeTally(), count: types.count)
    }

    /// Scores one record.
    public mutating func add(_ prediction: RecordPrediction, for record: Record) {
        add(predictions: prediction.predictions, gold: record.gold, faults: prediction.faults)
    }

    /// Scores predictions against gold in the same document. Gold mentions with the same type and spans count once; repeated predictions
    /// count as often as they were made.
    public mutating func add(predictions: [Prediction], gold: [Entity], faults: MarkupFaults = MarkupFaults()) {
        add(
            made: predictions.map { Bond(type: $0.type, spans: $0.range.map { [$0] } ?? [], head: nil) },
            gold: gold.map { Bond(type: $0.type, spans: $0.spans, head: nil) }, records: 1, faults: faults)
    }

    /// Scores pairs of head and modifier against those of the same document; `records` is how many answers the pairs come from.
    public mutating func add(
        pairs made: [(head: Entity, modifier: Prediction)], gold: [(head: Entity, modifier: Entity)], records: Int,
        faults: MarkupFaults
    ) {
        add(
            made: made.map {
                Bond(type: $0.modifier.type, spans: $0.modifier.range.map { [$0] } ?? [], head: $0.head)
            },
            gold: gold.map { Bond(type: $0.modifier.type, spans: $0.modifier.spans, head: $0.head) },
            records: records, faults: faults)
    }

    /// A mention with the head that it belongs to, if any; without spans where it was not found in the source.
    private struct Bond {
        var type: String
        var spans: [Range<Int>]
        var head: Entity?

        func isHeadEqual(_ other: Bond) -> Bool { head?.type == other.head?.type && head?.spans == other.head?.spans }

        /// Whether the heads overlap, and have the same type where that matters.
        func isHeadNear(_ other: Bond, typed: Bool) -> Bool {
            guard let a = head, let b = other.head else { return head == nil && other.head == nil }
            return (!typed || a.type == b.type) && Bond.overlap(a.spans, b.spans)
        }

        static func overlap(_ a: [Range<Int>], _ b: [Range<Int>]) -> Bool {
            a.contains { one in b.contains { $0.overlaps(one) } }
        }
    }

    private mutating func add(made: [Bond], gold: [Bond], records: Int, faults: MarkupFaults) {
        self.records += records
        self.faults += faults
        let vocabulary = task == .ner ? AnnotationType.entities : AnnotationType.modifiers
        var counted: [Bond] = []
        for bond in made {
            if types.contains(bond.type) {
                counted.append(bond)
                if bond.spans.isEmpty { nowhere += 1 }
            } else if vocabulary.contains(bond.type) {
                notAnnotated += 1
            } else {
                foreign += 1
                counted.append(bond)
            }
        }
        var allWanted: [Bond] = []
        for (index, type) in types.enumerated() {
            var wanted: [Bond] = []
            for bond in gold where bond.type == type {
                if !wanted.contains(where: { $0.spans == bond.spans && $0.isHeadEqual(bond) }) { wanted.append(bond) }
            }
            let made = counted.filter { $0.type == type }
            let found = made.filter { !$0.spans.isEmpty }
            tallies[index].gold += wanted.count
            tallies[index].predicted += made.count
            tallies[index].strict += wanted.count { bond in
                bond.spans.count == 1 && found.contains { $0.spans == bond.spans && $0.isHeadEqual(bond) }
            }
            tallies[index].lenient += Matching.largest(found.count, wanted.count) { made, gold in
                Bond.overlap(found[made].spans, wanted[gold].spans)
                    && found[made].isHeadNear(wanted[gold], typed: true)
            }
            allWanted += wanted
        }
        let found = counted.filter { !$0.spans.isEmpty }
        exact += Matching.largest(found.count, allWanted.count) { made, gold in
            found[made].spans == allWanted[gold].spans && found[made].head?.spans == allWanted[gold].head?.spans
        }
        overlapping += Matching.largest(found.count, allWanted.count) { made, gold in
            Bond.overlap(found[made].spans, allWanted[gold].spans)
                && found[made].isHeadNear(allWanted[gold], typed: false)
        }
    }

    /// Adds the card of other records of the same task and types.
    public static func += (sum: inout ScoreCard, other: ScoreCard) {
        precondition(
            sum.task == other.task && sum.types == other.types, "cards of different tasks or types do not add up")
        for index in sum.tallies.indices { sum.tallies[index] += other.tallies[index] }
        sum.records += other.records
        sum.exact += other.exact
        sum.overlapping += other.overlapping
        sum.foreign += other.foreign
        sum.notAnnotated += other.notAnnotated
        sum.nowhere += other.nowhere
        sum.faults += other.faults
    }

    /// The counts over all types; predictions of foreign classes are false positives here.
    public func micro(_ measure: MatchMeasure) -> MatchCounts {
        var sum = TypeTally()
        for tally in tallies { sum += tally }
        sum.predicted += foreign
        switch measure {
        case .strict, .lenient: return sum.counts(measure)
        case .exact: sum.strict = exact
        case .overlap: sum.strict = overlapping
        }
        return sum.counts(.strict)
    }

    /// The counts that the micro averages are computed from, as a row for resampling.
    public var row: DocumentCounts {
        let strict = micro(.strict)
        return DocumentCounts(
            gold: strict.truePositives + strict.falseNegatives,
            predicted: strict.truePositives + strict.falsePositives,
            strict: strict.truePositives, lenient: micro(.lenient).truePositives)
    }

    /// The mean F1 of the types that occur in gold or predictions, 0 where none does; for a measure that uses types.
    public func macroF1(_ measure: MatchMeasure) -> Double {
        let present = tallies.filter { $0.gold + $0.predicted > 0 }
        return present.isEmpty ? 0 : present.reduce(0) { $0 + $1.counts(measure).f1 } / Double(present.count)
    }

    /// Counts and scores for a record of the ledger; no text and no class name that a model invented.
    public var json: JSONValue {
        func both(_ value: (MatchMeasure) -> JSONValue) -> JSONValue {
            .object(["strict": value(.strict), "lenient": value(.lenient)])
        }
        var micro: [String: JSONValue] = [:]
        for measure in MatchMeasure.allCases { micro[measure.rawValue] = self.micro(measure).json }
        var byType: [String: JSONValue] = [:]
        for (type, tally) in zip(types, tallies) { byType[type] = both { tally.counts($0).json } }
        return .object([
            "task": .string(task.rawValue), "records": .integer(Int64(records)), "types": .object(byType),
            "micro": .object(micro), "macro_f1": both { .number(macroF1($0)) },
            "foreign_class": .integer(Int64(foreign)), "not_annotated": .integer(Int64(notAnnotated)),
            "nowhere": .integer(Int64(nowhere)), "markup_faults": faults.json,
        ])
    }
}
