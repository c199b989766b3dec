// CorpusReport: what a corpus holds, in figures. It holds no text of a note.

import Faults
import Federation

/// A corpus in figures.
public struct CorpusReport: Sendable {
    /// Documents read.
    public var documents = 0
    /// Documents that cannot be read, each with its first fault.
    public var unreadable: [(document: String, fault: Fault)] = []
    /// Sentences.
    public var sentences = 0
    /// Sentences in which a mention begins.
    public var sentencesWithMentions = 0
    /// Words in a sentence: the median and the maximum.
    public var words: (median: Int, most: Int) = (0, 0)
    /// Code points in all documents.
    public var codePoints = 0
    /// Mentions by type.
    public var labels: [String: Int] = [:]
    /// Relations by modifier type.
    public var relations: [String: Int] = [:]
    /// Mentions that are inside another mention.
    public var nested = 0
    /// Mentions that cross another one, where neither is inside the other.
    public var crossing = 0
    /// Mentions of several fragments.
    public var discontinuous = 0
    /// Relations whose ends are in different sentences.
    public var acrossSentences = 0

    /// Counts a corpus.
    public init(_ corpus: CorpusReader.Corpus) {
        documents = corpus.documents.count
        unreadable = corpus.skipped
        var lengths: [Int] = []
        for document in corpus.documents {
            codePoints += document.text.count
            let cut = SentenceSplitter.sentences(in: document.text)
            sentences += cut.count
            lengths += cut.map { document.text[$0].split(whereSeparator: \.isSpace).count }
            var places: [String: Int] = [:]
            var types: [String: String] = [:]
            for entity in document.entities {
                labels[entity.type, default: 0] += 1
                types[entity.id] = entity.type
                if entity.spans.count > 1 { discontinuous += 1 }
                if !cut.isEmpty {
                    places[entity.id] = RecordBuilder.sentence(of: entity.hull.lowerBound, in: cut)
                }
            }
            sentencesWithMentions += Set(places.values).count
            for relation in document.relations {
                relations[types[relation.modifier] ?? "", default: 0] += 1
                if places[relation.head] != places[relation.modifier] { acrossSentences += 1 }
            }
            countNesting(document.entities.map(\.hull))
        }
        lengths.sort()
        if let most = lengths.last { words = (lengths[lengths.count / 2], most) }
    }

    /// Compares mentions that overlap, in the order of their starts.
    private mutating func countNesting(_ hulls: [Range<Int>]) {
        let hulls = hulls.sorted { ($0.lowerBound, $1.upperBound) < ($1.lowerBound, $0.upperBound) }
        var isNested = [Bool](repeating: false, count: hulls.count)
        var crosses = isNested
        for (index, hull) in hulls.enumerated() {
            for other in index + 1..<max(index + 1, hulls.count) {
                let inner = hulls[other]
                guard inner.lowerBound < hull.upperBound else { break }
                if inner == hull { continue }
                if inner.upperBound <= hull.upperBound {
                    isNested[other] = true
                } else {
                    crosses[index] = true
                    crosses[other] = true
                }
            }
        }
        nested += isNested.count { $0 }
        crossing += crosses.count { $0 }
    }
}
