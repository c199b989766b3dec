// CorpusReport: what stands in a corpus, in figures, and which documents of two corpora share their wording. No text of a note is in it.

import Faults
import Federation

/// A corpus in figures.
public struct CorpusReport: Sendable {
    /// Documents read.
    public var documents = 0
    /// Documents that cannot be read, with the fault that each showed first.
    public var unreadable: [(document: String, fault: Fault)] = []
    /// Sentences.
    public var sentences = 0
    /// Sentences in which a mention begins.
    public var sentencesWithMentions = 0
    /// Words a sentence: the middle one and the most.
    public var words: (median: Int, most: Int) = (0, 0)
    /// Code points in all documents.
    public var codePoints = 0
    /// Mentions by type.
    public var labels: [String: Int] = [:]
    /// Relations by modifier type.
    public var relations: [String: Int] = [:]
    /// Mentions within another.
    public var nested = 0
    /// Mentions that cross another without holding it.
    public var crossing = 0
    /// Mentions of several fragments.
    public var discontinuous = 0
    /// Relations whose ends stand in different sentences.
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

    private mutating func countNesting(_ hulls: [Range<Int>]) {
        for (index, hull) in hulls.enumerated() {
            var isNested = false
            var crosses = false
            for (other, outer) in hulls.enumerated() where other != index && outer.overlaps(hull) && outer != hull {
                if outer.lowerBound <= hull.lowerBound && hull.upperBound <= outer.upperBound {
                    isNested = true
                } else if !(hull.lowerBound <= outer.lowerBound && outer.upperBound <= hull.upperBound) {
                    crosses = true
                }
            }
            if isNested { nested += 1 }
            if crosses { crossing += 1 }
        }
    }
}

/// Wording that documents of one corpus share with another.
public enum WordingOverlap {
    /// Words of a stretch that is compared.
    public static let length = 8

    /// The documents of which at least `share` of the stretches of eight words stand in the other corpus, with that share, most first. Words
    /// are compared without case; a document of fewer words is one stretch.
    public static func documents(of corpus: [Document], in other: [Document], share: Double) -> [(
        document: String, share: Double
    )] {
        var known: Set<UInt64> = []
        for document in other { known.formUnion(stretches(document)) }
        var found: [(document: String, share: Double)] = []
        for document in corpus {
            let own = stretches(document)
            guard !own.isEmpty else { continue }
            let common = Double(own.count { known.contains($0) }) / Double(own.count)
            if common > 0 && common >= share { found.append((document.id, common)) }
        }
        return found.sorted { ($1.share, $0.document) < ($0.share, $1.document) }
    }

    /// Hashes (FNV-1a) of the stretches; two of 2^64 being equal by chance would only list a document too much.
    private static func stretches(_ document: Document) -> [UInt64] {
        let words = document.text.split(whereSeparator: \.isSpace).map { word -> UInt64 in
            var hash: UInt64 = 0xcbf2_9ce4_8422_2325
            for scalar in word {
                let lower = (0x41...0x5a).contains(scalar.value) ? scalar.value + 0x20 : scalar.value
                hash = (hash ^ UInt64(lower)) &* 0x100_0000_01b3
            }
            return hash
        }
        guard !words.isEmpty else { return [] }
        let size = min(length, words.count)
        return (0...(words.count - size)).map { start in
            words[start..<start + size].reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ $1) &* 0x100_0000_01b3 }
        }
    }
}
