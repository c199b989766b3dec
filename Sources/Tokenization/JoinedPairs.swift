// JoinedPairs: which neighbouring characters a merge may ever join, so that BPE over whole texts may cut them where none does.

/// The pairs (last character of the left token, first of the right) of all merges.
///
/// A merge that reaches across two characters joins, at some point, a token that ends with the first to one that begins with the
/// second. Where no merge does, what stands before and behind merges alone, and a text may be cut there without changing an id.
struct JoinedPairs: Sendable {
    /// A set by hash: a pair that shares its place with another is taken for joined, which costs a cut and nothing else.
    private var bits = [UInt64](repeating: 0, count: 1 << 10)

    /// nil where a merge joins tokens of single bytes, which are no characters of the text.
    init?(_ merges: [String]) {
        for merge in merges {
            let scalars = merge.unicodeScalars
            guard let space = scalars.firstIndex(of: " "), let last = scalars[..<space].last,
                let first = scalars[scalars.index(after: space)...].first
            else { continue }
            if CharacterIDs.byte(of: String(scalars[..<space])) != nil { return nil }
            if CharacterIDs.byte(of: String(scalars[scalars.index(after: space)...])) != nil { return nil }
            let place = Self.place(last.value, first.value)
            bits[place >> 6] |= 1 << UInt64(place & 63)
        }
    }

    private static func place(_ first: UInt32, _ second: UInt32) -> Int {
        Int((((first &* 0x9e37_79b1) ^ second) &* 0x85eb_ca6b) >> 16)
    }

    /// Whether a merge may join the two.
    func contains(_ first: UInt32, _ second: UInt32) -> Bool {
        let place = Self.place(first, second)
        return bits[place >> 6] >> UInt64(place & 63) & 1 == 1
    }
}
