// MergeTable: maps a pair of ids to its rank and merged id, and merges a word by it.

/// The merges of a vocabulary as an open-addressing table.
struct MergeTable: Sendable {
    /// left << 32 | right, or `empty`.
    private var keys: [UInt64]
    /// rank << 32 | merged id.
    private var values: [UInt64]
    private let shift: UInt64
    private static let empty = UInt64.max
    /// No merge: higher than every rank.
    static let none = UInt64.max

    /// Makes an empty table for that many merges.
    init(capacity: Int) {
        var bits: UInt64 = 4
        while (1 << bits) < 2 * capacity { bits += 1 }
        keys = Array(repeating: Self.empty, count: 1 << bits)
        values = Array(repeating: Self.none, count: 1 << bits)
        shift = 64 - bits
    }

    private func slot(_ key: UInt64) -> Int {
        var slot = Int((key &* 0x9e37_79b9_7f4a_7c15) >> shift)
        while keys[slot] != key && keys[slot] != Self.empty { slot = (slot + 1) & (keys.count - 1) }
        return slot
    }

    /// Adds a merge; if the pair exists already, its first rank is kept.
    mutating func insert(left: Int32, right: Int32, rank: Int, merged: Int32) {
        let key = UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
        let slot = slot(key)
        guard keys[slot] == Self.empty else { return }
        keys[slot] = key
        values[slot] = UInt64(rank) << 32 | UInt64(UInt32(bitPattern: merged))
    }

    /// rank << 32 | merged id of the pair, or `none`.
    func merge(_ left: Int32, _ right: Int32) -> UInt64 {
        values[slot(UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right)))]
    }
}

/// Merges words, and reuses its memory for the next word.
struct WordMerger {
    private let table: MergeTable
    /// The symbols of the word; `merge` leaves the result here.
    var ids: [Int32] = []
    private var merges: [UInt64] = []
    private var next: [Int] = []
    private var previous: [Int] = []
    private var heap: [UInt64] = []

    init(_ table: MergeTable) { self.table = table }

    /// Merges `ids` in place: always the pair of the lowest rank; of equal ranks, the leftmost pair.
    mutating func merge() {
        // A quadratic method is fast for words; longer input uses a heap, so that hostile text costs n log n.
        if ids.count <= 48 { mergeShort() } else { mergeLong() }
    }

    private mutating func mergeShort() {
        merges.removeAll(keepingCapacity: true)
        guard ids.count > 1 else { return }
        for index in 1..<ids.count { merges.append(table.merge(ids[index - 1], ids[index])) }
        while true {
            var best = MergeTable.none
            var at = 0
            for index in merges.indices where merges[index] < best {
                best = merges[index]
                at = index
            }
            if best == MergeTable.none { return }
            ids[at] = Int32(truncatingIfNeeded: best)
            ids.remove(at: at + 1)
            merges.remove(at: at)
            if at > 0 { merges[at - 1] = table.merge(ids[at - 1], ids[at]) }
            if at < merges.count { merges[at] = table.merge(ids[at], ids[at + 1]) }
        }
    }

    private mutating func mergeLong() {
        let count = ids.count
        next = Array(1...count)
        previous = Array(-1..<count - 1)
        merges = Array(repeating: MergeTable.none, count: count)
        heap.removeAll(keepingCapacity: true)
        for index in 0..<count - 1 { consider(index) }
        while let top = popHeap() {
            let at = Int(top & 0xffff_ffff)
            // Stale entries: the pair at this place was merged already or has changed.
            guard merges[at] != MergeTable.none, merges[at] >> 32 == top >> 32 else { continue }
            ids[at] = Int32(truncatingIfNeeded: merges[at])
            let gone = next[at]
            merges[gone] = MergeTable.none
            next[at] = next[gone]
            if next[at] < count { previous[next[at]] = at }
            consider(at)
            if previous[at] >= 0 { consider(previous[at]) }
        }
        var index = 0
        var kept = 0
        while index < count {
            ids[kept] = ids[index]
            kept += 1
            index = next[index]
        }
        ids.removeLast(count - kept)
    }

    /// Looks up the pair that starts at `index` and puts it on the heap.
    private mutating func consider(_ index: Int) {
        merges[index] = next[index] < ids.count ? table.merge(ids[index], ids[next[index]]) : MergeTable.none
        if merges[index] != MergeTable.none { pushHeap((merges[index] >> 32) << 32 | UInt64(index)) }
    }

    private mutating func pushHeap(_ value: UInt64) {
        heap.append(value)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            if heap[parent] <= value { break }
            heap[child] = heap[parent]
            child = parent
        }
        heap[child] = value
    }

    private mutating func popHeap() -> UInt64? {
        guard let top = heap.first, let last = heap.popLast() else { return nil }
        guard !heap.isEmpty else { return top }
        var parent = 0
        while true {
            var child = 2 * parent + 1
            if child >= heap.count { break }
            if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
            if last <= heap[child] { break }
            heap[parent] = heap[child]
            parent = child
        }
        heap[parent] = last
        return top
    }
}
