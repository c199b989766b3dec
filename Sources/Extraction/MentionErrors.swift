// MentionErrors: which mentions of a sentence a model missed, invented or got half right, pair by pair.

import Federation

/// What a model got right and wrong in one record.
public struct MentionErrors: Sendable {
    /// The relation between a mention and a prediction.
    public enum Kind: String, Sendable, CaseIterable {
        /// Same type, same boundaries.
        case right
        /// Same type, other boundaries.
        case boundaries
        /// Another type at the same place, or one that overlaps it.
        case type
        /// Annotated, but the model found nothing there.
        case missed
        /// Found by the model, but nothing is annotated there.
        case invented
    }

    /// One mention, one prediction, or a pair of both.
    public struct Finding: Sendable {
        /// The relation between the two.
        public var kind: Kind
        /// The annotated mention; nil where the model invented one.
        public var gold: Entity?
        /// The predicted mention; nil where the model missed it.
        public var predicted: Prediction?
    }

    /// The document's id.
    public var document: String
    /// The sentence, in code points of the document.
    public var range: Range<Int>
    /// The sentence's text.
    public var text: [Unicode.Scalar]
    /// The head that was asked about, where the task is relation extraction.
    public var head: Entity?
    /// The findings, in the order of the text.
    public var findings: [Finding]

    /// Pairs mentions with predictions one to one: first those that are right, then those of the same type, then any that overlap; among
    /// several, the one with more code points in common.
    public init(_ record: Record, predictions: [Prediction]) {
        document = record.document
        range = record.range
        text = record.text
        head = record.head
        let gold = record.gold
        var freeGold = Set(gold.indices)
        var freePredictions = Set(predictions.indices)
        var pairs: [Finding] = []
        func take(_ kind: Kind, _ isCandidate: (Entity, Prediction) -> Bool) {
            var candidates: [(common: Int, gold: Int, predicted: Int)] = []
            for left in gold.indices where freeGold.contains(left) {
                for right in predictions.indices where freePredictions.contains(right) {
                    let common = Self.common(gold[left], predictions[right])
                    if common > 0, isCandidate(gold[left], predictions[right]) {
                        candidates.append((common, left, right))
                    }
                }
            }
            candidates.sort { ($1.common, $0.gold, $0.predicted) < ($0.common, $1.gold, $1.predicted) }
            for (_, left, right) in candidates where freeGold.contains(left) && freePredictions.contains(right) {
                freeGold.remove(left)
                freePredictions.remove(right)
                pairs.append(Finding(kind: kind, gold: gold[left], predicted: predictions[right]))
            }
        }
        take(.right) { $0.type == $1.type && $0.spans.count == 1 && $0.hull == $1.range }
        take(.boundaries) { $0.type == $1.type }
        take(.type) { _, _ in true }
        pairs += freeGold.map { Finding(kind: .missed, gold: gold[$0], predicted: nil) }
        pairs += freePredictions.map { Finding(kind: .invented, gold: nil, predicted: predictions[$0]) }
        findings = pairs.sorted { left, right in
            (Self.start(left), left.kind.rawValue, left.predicted?.type ?? "", left.predicted?.range?.upperBound ?? 0)
                < (
                    Self.start(right), right.kind.rawValue, right.predicted?.type ?? "",
                    right.predicted?.range?.upperBound ?? 0
                )
        }
    }

    /// Where a finding begins; findings without a place come last.
    private static func start(_ finding: Finding) -> Int {
        finding.gold?.hull.lowerBound ?? finding.predicted?.range?.lowerBound ?? Int.max
    }

    private static func common(_ entity: Entity, _ prediction: Prediction) -> Int {
        guard let range = prediction.range else { return 0 }
        return entity.spans.reduce(0) { $0 + $1.clamped(to: range).count }
    }
}
