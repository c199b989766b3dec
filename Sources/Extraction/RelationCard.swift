// RelationCard: the scores of relation extraction: pairs of head and modifier, and modifiers without regard to their heads.

import Federation

/// An answer about one head.
public struct HeadAnswer: Sendable {
    /// The head that was asked about: gold, or a predicted mention.
    public var head: Entity
    /// What the model marked as its modifiers.
    public var prediction: RecordPrediction

    /// Makes an answer.
    public init(head: Entity, prediction: RecordPrediction) {
        self.head = head
        self.prediction = prediction
    }
}

/// Counts over the documents of a cohort.
public struct RelationCard: Sendable, Equatable {
    /// Pairs: right where both the head and its modifier are right. A modifier of two heads is two pairs.
    public private(set) var pairs: ScoreCard
    /// Modifiers alone: each mention once in its document, whichever head it belongs to.
    public private(set) var modifiers: ScoreCard

    /// An empty card for the modifier types that a cohort annotates.
    public init(types: [String]) {
        pairs = ScoreCard(task: .re, types: types)
        modifiers = ScoreCard(task: .re, types: types)
    }

    /// Scores the answers about one document against its gold records, which cover the heads that had to be asked about.
    public mutating func add(document answers: [HeadAnswer], gold: [Record]) {
        var faults = MarkupFaults()
        for answer in answers { faults += answer.prediction.faults }
        pairs.add(
            pairs: answers.flatMap { answer in
                answer.prediction.predictions.map { (answer.head, $0) }
            },
            gold: gold.flatMap { record in record.gold.map { (record.head ?? $0, $0) } }, records: answers.count,
            faults: faults)
        var seen: Set<Prediction> = []
        let made = answers.flatMap(\.prediction.predictions).filter { $0.range == nil || seen.insert($0).inserted }
        modifiers.add(predictions: made, gold: gold.flatMap(\.gold))
    }

    /// Adds the card of other documents.
    public static func += (sum: inout RelationCard, other: RelationCard) {
        sum.pairs += other.pairs
        sum.modifiers += other.modifiers
    }
}
