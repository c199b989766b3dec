// JoinedPairs: which neighbouring characters a merge can ever join, so that BPE over a whole text may cut it where none can.

/// The pairs (last character of the left token, first of the right) of all merges.
///
/// A merge that crosses the border between two characters joins, at some point, a token that ends with the first to one that begins with
/// the second. Where no merge does, the text before the border and the text after it merge separately, and the text may be cut there
/// without changing an id.
struct JoinedPairs: Sendable {
    /// A set by hash: a pair with the same hash as another is taken as joined, which only loses a place to cut.
    private var bits = [UInt64](repeating: 0, count: 1 << 10)

    /// nil where a merge joins tokens of single bytes, which are not characters of the text.
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
