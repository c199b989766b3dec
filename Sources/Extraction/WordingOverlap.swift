// WordingOverlap: which documents of a corpus share wording with another corpus, or with other documents of the same corpus.

import Federation

/// Wording that documents share.
public enum WordingOverlap {
    /// How many words a compared stretch has.
    public static let length = 8

    /// A corpus as the hashes of its stretches of eight words, computed once.
    public struct Wording: Sendable {
        fileprivate var documents: [(document: String, stretches: [UInt64])]
        fileprivate var known: Set<UInt64>

        /// Words are compared without case; a document of fewer words is one stretch.
        public init(_ documents: [Document]) {
            self.documents = documents.map { ($0.id, WordingOverlap.stretches($0)) }
            known = Set(self.documents.lazy.flatMap(\.stretches))
        }
    }

    /// The documents whose stretches of eight words occur in the other corpus by at least `share`, with that share, the largest first.
    public static func documents(of corpus: [Document], in other: [Document], share: Double) -> [(
        document: String, share: Double
    )] {
        documents(of: Wording(corpus), in: Wording(other), share: share)
    }

    /// The same, for wordings that were computed before.
    public static func documents(of corpus: Wording, in other: Wording, share: Double) -> [(
        document: String, share: Double
    )] {
        sorted(
            corpus.documents.map { entry in
                (entry.document, entry.stretches.count { other.known.contains($0) }, entry.stretches.count)
            }, share)
    }

    /// The documents whose stretches occur in an earlier document of the same corpus by at least `share`.
    public static func repeats(in corpus: Wording, share: Double) -> [(document: String, share: Double)] {
        var seen: Set<UInt64> = []
        var parts: [(String, Int, Int)] = []
        for (document, stretches) in corpus.documents {
            parts.append((document, stretches.count { seen.contains($0) }, stretches.count))
            seen.formUnion(stretches)
        }
        return sorted(parts, share)
    }

    private static func sorted(_ parts: [(document: String, common: Int, all: Int)], _ share: Double) -> [(
        document: String, share: Double
    )] {
        parts.filter { $0.common > 0 && Double($0.common) >= share * Double($0.all) }
            .map { (document: $0.document, share: Double($0.common) / Double($0.all)) }
            .sorted { ($1.share, $0.document) < ($0.share, $1.document) }
    }

    /// Hashes (FNV-1a) of the stretches; if two of 2^64 are equal by chance, one document too many is listed.
    fileprivate static func stretches(_ document: Document) -> [UInt64] {
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
