// SplitTree: which neighbours in a sorted list of sequences share a prefix. It is decided for lists of any length in one pass and without
// recursion, since a batch may have 100,000 records, each of which may be split off alone.

/// The ranges of a sorted list, each split at the first pair of neighbours that have the least in common, as a binary tree: node i is the
/// split between items i and i + 1 (a Cartesian tree of the common prefixes).
struct SplitTree {
    /// What is known of a range.
    private struct Part {
        /// Its items.
        var range: Range<Int>
        /// The fewest rows that one of its sequences has; the last token of a sequence has no row.
        var shortest: Int
        /// How many rows the best way to share saves, and the prefix that the whole range shares in it; 0 where the range is split.
        var saved = 0
        var prefix = 0
    }

    private let left: [Int?]
    private let right: [Int?]
    private let root: Int?
    private let parts: [Part]
    private let count: Int

    /// `common` is the common length of neighbours, `lengths` those of the sequences; prefixes are multiples of `multiple`.
    init(_ common: [Int], lengths: [Int], multiple: Int) {
        var left = [Int?](repeating: nil, count: common.count)
        var right = left
        // The right spine of the tree so far: a smaller node takes larger nodes as its left part; of equal nodes the first is above.
        var spine: [Int] = []
        for node in common.indices {
            var below: Int?
            while let last = spine.last, common[last] > common[node] {
                below = last
                spine.removeLast()
            }
            left[node] = below
            if let last = spine.last { right[last] = node }
            spine.append(node)
        }
        root = spine.first
        count = lengths.count
        var parts = common.map { _ in Part(range: 0..<0, shortest: 0) }
        for node in Self.childrenFirst(root, left, right) {
            let first = left[node].map { parts[$0] } ?? Part(range: node..<node + 1, shortest: lengths[node] - 1)
            let second =
                right[node].map { parts[$0] } ?? Part(range: node + 1..<node + 2, shortest: lengths[node + 1] - 1)
            var part = Part(
                range: first.range.lowerBound..<second.range.upperBound, shortest: min(first.shortest, second.shortest))
            // Where one record is the whole prefix, its suffix is its last row.
            let prefix = (min(common[node], part.shortest) - 1) / multiple * multiple
            let together = prefix >= Packing.shortestPrefix ? prefix * (part.range.count - 1) : 0
            part.saved = first.saved + second.saved
            if together >= part.saved, together > 0 {
                part.saved = together
                part.prefix = prefix
            }
            parts[node] = part
        }
        self.left = left
        self.right = right
        self.parts = parts
    }

    /// The ranges that share a prefix, and single items with prefix 0.
    func ranges() -> [(range: Range<Int>, prefix: Int)] {
        guard let root else { return (0..<count).map { ($0..<$0 + 1, 0) } }
        var ranges: [(range: Range<Int>, prefix: Int)] = []
        var open = [root]
        while let node = open.popLast() {
            if parts[node].prefix > 0 {
                ranges.append((parts[node].range, parts[node].prefix))
                continue
            }
            if let left = left[node] { open.append(left) } else { ranges.append((node..<node + 1, 0)) }
            if let right = right[node] { open.append(right) } else { ranges.append((node + 1..<node + 2, 0)) }
        }
        return ranges
    }

    /// Every node after its children.
    private static func childrenFirst(_ root: Int?, _ left: [Int?], _ right: [Int?]) -> ReversedCollection<[Int]> {
        var order: [Int] = []
        var open = root.map { [$0] } ?? []
        while let node = open.popLast() {
            order.append(node)
            if let left = left[node] { open.append(left) }
            if let right = right[node] { open.append(right) }
        }
        return order.reversed()
    }
}
