// How a batch is split into groups that share prefixes: against the plain recursion, and for batches where a recursion would overflow.

import Engine
import Testing

@Suite struct SplitTreeTests {
    /// The rule as documented: a range shares its common prefix as a whole, or is split at its first pair of neighbours with the least in
    /// common.
    private static func plain(_ batch: [TokenSequence], multiple: Int) -> [Packing.Group] {
        let order = batch.indices.sorted {
            if batch[$0].tokens == batch[$1].tokens { return $0 < $1 }
            return batch[$0].tokens.lexicographicallyPrecedes(batch[$1].tokens)
        }
        let common = zip(order, order.dropFirst()).map { Packing.commonPrefix(batch[$0].tokens, batch[$1].tokens) }
        func best(_ range: Range<Int>) -> (saved: Int, groups: [Packing.Group]) {
            guard range.count > 1 else { return (0, [Packing.Group(records: Array(order[range]), prefix: 0)]) }
            let splits = range.dropLast()
            let least = splits.min { common[$0] < common[$1] } ?? range.lowerBound
            let shortest = range.map { batch[order[$0]].tokens.count - 1 }.min() ?? 0
            let prefix = (min(common[least], shortest) - 1) / multiple * multiple
            let together = prefix >= Packing.shortestPrefix ? prefix * (range.count - 1) : 0
            let left = best(range.lowerBound..<least + 1)
            let right = best(least + 1..<range.upperBound)
            if together >= left.saved + right.saved, together > 0 {
                return (together, [Packing.Group(records: order[range].sorted(), prefix: prefix)])
            }
            return (left.saved + right.saved, left.groups + right.groups)
        }
        return best(0..<order.count).groups.sorted { $0.records[0] < $1.records[0] }
    }

    @Test(arguments: [1, 7, 96])
    func meetsThePlainRule(multiple: Int) {
        var numbers = TestNumbers(UInt64(multiple))
        var shared = 0
        for _ in 0..<400 {
            // Records that continue earlier ones, from any of their tokens, or begin anew.
            var batch: [TokenSequence] = []
            for _ in 0..<Int(1 + numbers.next() % 9) {
                let from = batch.isEmpty ? [] : batch[Int(numbers.next() % UInt64(batch.count))].tokens
                let kept = from.prefix(Int(numbers.next() % UInt64(from.count + 40)))
                batch.append(TokenSequence(tokens: kept + numbers.tokens(1 + Int(numbers.next() % 60), below: 3)))
            }
            let found = Packing.groups(batch, multiple: multiple)
            let expected = Self.plain(batch, multiple: multiple)
            #expect(found.map(\.records) == expected.map(\.records))
            #expect(found.map(\.prefix) == expected.map(\.prefix))
            shared += found.filter { $0.prefix > 0 }.count
        }
        #expect(shared > 20)
    }

    /// Each record is split off alone, so a recursion would be as deep as there are records.
    @Test func hundredThousandRecordsTakeNoStack() {
        let common = Array(repeating: Int32(1), count: 10)
        let batch = (0..<100_000).map { TokenSequence(tokens: common + [Int32($0), 2]) }
        let groups = Packing.groups(batch, multiple: 1)
        #expect(groups.count == batch.count)
        #expect(groups.allSatisfy { $0.prefix == 0 })
        let long = batch.map { TokenSequence(tokens: common + $0.tokens) }
        let together = Packing.groups(long, multiple: 1)
        #expect(together.count == 1 && together[0].records.count == long.count && together[0].prefix == 19)
        let labels = Packing(long, sharing: .all).labels
        #expect(labels.reduce(0) { $0 + $1.records.count } == long.count * 21)
    }
}
