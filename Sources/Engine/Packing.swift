// Packing: how the records of a batch become rows. There is no padding, and a prefix that several records share is stored once.
//
//   group 1: [prefix][suffix of record a][suffix of record c]    group 2: [record b]
//
// A suffix attends to the whole prefix of its group and causally to itself. A prefix ends one token before the records differ, so that each
// suffix opens with its own copy of the last common token and every row predicts at most one token. A prefix row's label counts once for
// every record that has it as a label. The last token of a record predicts nothing and has no row.

/// A run of rows that attends to a shared prefix and causally to its own keys.
package struct Segment {
    /// The rows of the pass.
    var rows: Range<Int>
    /// Where the prefix's keys and values are, as rows of the key-value store.
    var prefix: Range<Int>
    /// The row of the store that holds the first of the segment's own keys.
    var ownRow: Int
    /// How many of the segment's own keys were there before this pass.
    var ownOffset: Int

    package init(rows: Range<Int>, prefix: Range<Int>, ownRow: Int, ownOffset: Int) {
        self.rows = rows
        self.prefix = prefix
        self.ownRow = ownRow
        self.ownOffset = ownOffset
    }

    /// The position of the first row.
    var position: Int { prefix.count + ownOffset }
}

/// A row that predicts a token.
package struct Label {
    let row: Int
    let token: Int32
    /// The records (indices in the batch) that have this label: one, or several in a shared prefix.
    package let records: [Int]

    package init(row: Int, token: Int32, records: [Int]) {
        self.row = row
        self.token = token
        self.records = records
    }
}

/// The rows, segments and labels of one batch.
package struct Packing {
    /// The shortest prefix worth sharing, in tokens.
    package static let shortestPrefix = 16
    /// The number of keys that the attention kernels take at a time. A prefix whose length is a multiple of it gives every query the same
    /// blocks of keys as without sharing, so that a forward pass gives the same bits either way (a test checks this number against the
    /// kernels).
    static let keyBlock = 96

    package private(set) var tokens: [Int32] = []
    private(set) var segments: [Segment] = []
    /// The segments of each group, the prefix first; groups have no rows in common.
    private(set) var groups: [Range<Int>] = []
    package private(set) var labels: [Label] = []

    /// How many labels the batch has; a shared label counts once for each record.
    var labelCount: Int { labels.reduce(0) { $0 + $1.records.count } }

    /// How records share prefixes.
    package enum Sharing {
        /// No sharing.
        case none
        /// Prefixes of whole blocks of keys, so that no record's result depends on the others: for scoring and decoding.
        case blocks
        /// Every prefix that saves rows: for training, where sums over rows have another order in any case.
        case all
    }

    /// Packs a batch.
    package init(_ batch: [TokenSequence], sharing: Sharing) {
        let groups =
            switch sharing {
            case .none: batch.indices.map { Group(records: [$0], prefix: 0) }
            case .blocks: Self.groups(batch, multiple: Self.keyBlock)
            case .all: Self.groups(batch, multiple: 1)
            }
        for group in groups {
            let firstSegment = segments.count
            let prefix = self.tokens.count..<self.tokens.count + group.prefix
            if group.prefix > 0 {
                appendSegment(batch, group.records, from: 0, to: group.prefix, after: 0..<0)
            }
            for record in group.records {
                appendSegment(batch, [record], from: group.prefix, to: batch[record].tokens.count - 1, after: prefix)
            }
            self.groups.append(firstSegment..<segments.count)
        }
    }

    private mutating func appendSegment(
        _ batch: [TokenSequence], _ records: [Int], from: Int, to: Int, after prefix: Range<Int>
    ) {
        let first = tokens.count
        let sequence = batch[records[0]].tokens
        tokens.append(contentsOf: sequence[from..<to])
        segments.append(Segment(rows: first..<tokens.count, prefix: prefix, ownRow: first, ownOffset: 0))
        var labelled: [Int] = []
        for place in from..<to {
            // The set of records that count only grows with the position, so an equal count means the same list, which is then shared.
            let count = records.reduce(0) { batch[$1].lossStart <= place + 1 ? $0 + 1 : $0 }
            if count != labelled.count { labelled = records.filter { batch[$0].lossStart <= place + 1 } }
            if !labelled.isEmpty {
                labels.append(Label(row: first + place - from, token: sequence[place + 1], records: labelled))
            }
        }
    }

    /// Records that share a prefix, in record order, and its length in tokens.
    package struct Group {
        package var records: [Int]
        package var prefix: Int

        package init(records: [Int], prefix: Int) {
            self.records = records
            self.prefix = prefix
        }
    }

    /// Sorts the sequences and splits the sorted list where that saves the most rows: a range either shares its common prefix (cut to a
    /// multiple) as a whole, or is split at the (first) pair of neighbours that have the least in common. Groups are in the order of their
    /// first records.
    package static func groups(_ batch: [TokenSequence], multiple: Int) -> [Group] {
        guard !batch.isEmpty else { return [] }
        let order = batch.indices.sorted {
            if batch[$0].tokens == batch[$1].tokens { return $0 < $1 }
            return batch[$0].tokens.lexicographicallyPrecedes(batch[$1].tokens)
        }
        let common = zip(order, order.dropFirst()).map { commonPrefix(batch[$0].tokens, batch[$1].tokens) }
        return SplitTree(common, lengths: order.map { batch[$0].tokens.count }, multiple: multiple).ranges()
            .map { Group(records: order[$0.range].sorted(), prefix: $0.prefix) }
            .sorted { $0.records[0] < $1.records[0] }
    }

    /// How many tokens two sequences have in common at their start.
    package static func commonPrefix(_ a: [Int32], _ b: [Int32]) -> Int {
        var count = 0
        while count < min(a.count, b.count) && a[count] == b[count] { count += 1 }
        return count
    }
}
