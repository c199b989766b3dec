// How sure a weight is: intervals, shrinkage, units; Shapley and Banzhaf values.

import Federation
import Testing

@Suite struct InfluenceTests {
    private func standings(_ sums: [[Double]], labels: [Int], sizes: [Int]) throws -> [UploadStanding] {
        try sums.enumerated().map { index, sums in
            let losses = RecordLosses(labels: labels, sums: sums)
            var standing = UploadStanding(
                site: try #require(SiteID("site-\(index)")), records: sizes[index], loss: losses.mean)
            standing.losses = losses
            return standing
        }
    }

    private func plus(shrinks: Bool = false, unit: TemperatureUnit = .nats, temperature: Double = 1) -> Aggregation {
        var aggregation = Aggregation(.fedMedLoRAPlus(temperature: temperature, size: true))
        aggregation.shrinks = shrinks
        aggregation.temperatureUnit = unit
        return aggregation
    }

    /// Differences that change sign from record to record are noise: the weights are those of size.
    @Test func noiseShrinksToSize() throws {
        let found = try standings([[1, 3, 1, 3], [3.01, 1, 3, 1]], labels: [1, 1, 1, 1], sizes: [30, 10])
        #expect(plus().evidence(of: found)?.reliability == 0)
        #expect(try plus(shrinks: true).weights(of: found).map(\.weight) == [0.75, 0.25])
        #expect(try plus().weights(of: found)[0].weight != 0.75)
    }

    /// A difference alike in every record is no noise, however large the spread between records.
    @Test func pairedDifferencesAreSure() throws {
        let found = try standings([[1, 30, 5], [1.5, 30.5, 5.5]], labels: [1, 1, 1], sizes: [1, 1])
        let evidence = try #require(plus().evidence(of: found))
        #expect(evidence.reliability == 1)
        #expect((evidence.error ?? 1) < 1e-12)
        let intervals = try #require(plus().intervals(of: found, seed: 1, round: 1))
        let weights = try plus().weights(of: found)
        for (interval, weight) in zip(intervals, weights) {
            #expect(abs(interval.low - weight.weight) < 1e-9 && abs(interval.high - weight.weight) < 1e-9)
        }
    }

    /// The standard error by hand: two uploads, records of 1, 2 and 3 labels.
    @Test func errorIsThatOfTheRatio() throws {
        let (first, second, labels) = ([1.0, 2.5, 2.0], [1.2, 2.0, 4.0], [1, 2, 3])
        let found = try standings([first, second], labels: labels, sizes: [1, 1])
        let (l1, l2) = (5.5 / 6, 7.2 / 6)
        let mean = (l1 + l2) / 2
        var sum = 0.0
        for i in 0..<3 {
            let common = (first[i] + second[i]) / 2
            for (own, loss) in [(first[i], l1), (second[i], l2)] {
                let residual = (own - common) - (loss - mean) * Double(labels[i])
                sum += residual * residual
            }
        }
        let expected = (3.0 / 2 * sum / 36 / 2).squareRoot()
        #expect(abs((plus().evidence(of: found)?.error ?? 0) - expected) < 1e-14)
        // At a temperature of one error, two losses one error apart weigh as exp(-1) to 1.
        let weights = try plus(unit: .standardErrors).weights(of: found).map(\.weight)
        #expect(abs(weights[1] / weights[0] - PortableMath.exp((l1 - l2) / expected)) < 1e-12)
    }

    /// A record whose answer was cut away has no label. Resamples that hold such records alone have no mean, and are left out.
    @Test func recordsWithoutLabelsMakeNoInterval() throws {
        let half = try standings([[2, 1], [3, 1]], labels: [4, 0], sizes: [1, 1])
        for interval in try #require(plus().intervals(of: half, seed: 1, round: 1)) {
            #expect(interval.low.isFinite && interval.high.isFinite && interval.low <= interval.high)
        }
        #expect(
            plus().intervals(of: try standings([[2, 1], [3, 1]], labels: [0, 0], sizes: [1, 1]), seed: 1, round: 1)
                == nil)
    }

    @Test func intervalsHoldTheWeightAndFollowTheSeed() throws {
        var numbers = Numbers(31)
        let labels = [3, 8, 5, 2, 9]
        let sums = (0..<3).map { _ in labels.map { Double($0) * (1 + 0.3 * numbers.one()) } }
        let found = try standings(sums, labels: labels, sizes: [4, 5, 6])
        let rule = plus(temperature: 0.2)
        let intervals = try #require(rule.intervals(of: found, seed: 7, round: 2))
        for (interval, weight) in zip(intervals, try rule.weights(of: found)) {
            #expect(interval.low < weight.weight && weight.weight < interval.high)
        }
        #expect(intervals == rule.intervals(of: found, seed: 7, round: 2))
        #expect(intervals != rule.intervals(of: found, seed: 8, round: 2))
        #expect(Aggregation(.fedMedLoRA).intervals(of: found, seed: 7, round: 2) == nil)
    }

    @Test func oneRecordTellsNothing() throws {
        let found = try standings([[1], [2]], labels: [1], sizes: [1, 3])
        #expect(try plus(shrinks: true).weights(of: found).map(\.weight) == [0.25, 0.75])
        #expect(try plus(unit: .standardErrors).weights(of: found).map(\.weight) == [0.25, 0.75])
    }

    // MARK: Values

    private func table(_ count: Int, seed: UInt64) throws -> CoalitionValues {
        var numbers = Numbers(seed)
        return try #require(CoalitionValues((0..<(1 << count)).map { _ in numbers.one() }))
    }

    @Test func shapleyIsTheMeanOverPermutations() throws {
        let values = try table(4, seed: 41)
        func permutations(_ items: [Int]) -> [[Int]] {
            items.isEmpty
                ? [[]] : items.flatMap { item in permutations(items.filter { $0 != item }).map { [item] + $0 } }
        }
        var sums = [Double](repeating: 0, count: 4)
        for order in permutations([0, 1, 2, 3]) {
            var subset = 0
            for upload in order {
                sums[upload] += values.values[subset | 1 << upload] - values.values[subset]
                subset |= 1 << upload
            }
        }
        for (mine, sum) in zip(values.shapley, sums) { #expect(abs(mine - sum / 24) < 1e-14) }
    }

    @Test func axiomsHold() throws {
        for count in 1...10 {
            let values = try table(count, seed: UInt64(50 + count))
            // Efficiency.
            let sum = values.shapley.reduce(0, +)
            #expect(abs(sum - (values.values[(1 << count) - 1] - values.values[0])) < 1e-12)
        }
        // A null player has nothing, players that can be exchanged have the same.
        let null = try #require(CoalitionValues((0..<8).map { Double($0 & 3) }))
        #expect(null.shapley[2] == 0 && null.banzhaf[2] == 0)
        let worth = (0..<8).map { (subset: Int) -> Double in
            let pair = subset & 3
            return Double(pair.nonzeroBitCount) + 5 * Double(subset >> 2)
        }
        let alike = try #require(CoalitionValues(worth))
        #expect(abs(alike.shapley[0] - alike.shapley[1]) < 1e-14)
        #expect(alike.banzhaf[0] == alike.banzhaf[1])
        // Additive games: both are each player's own worth.
        let sums = (0..<8).map { Double($0) }  // 1, 2 and 4 by the bits
        let additive = try #require(CoalitionValues(sums))
        for (index, own) in [1.0, 2, 4].enumerated() {
            #expect(abs(additive.shapley[index] - own) < 1e-14 && additive.banzhaf[index] == own)
        }
        #expect(CoalitionValues([1, 2, 3]) == nil)
    }

    @Test func weightsFollowPositiveValues() throws {
        var found = try standings([[1], [1], [1]], labels: [1], sizes: [1, 1, 2])
        for (index, value) in [0.3, -0.2, 0.1].enumerated() { found[index].value = value }
        let weights = try Aggregation(.shapley).weights(of: found).map(\.weight)
        #expect(abs(weights[0] - 0.75) < 1e-15 && weights[1] == 0)
        for index in found.indices { found[index].value = -1 }
        #expect(try Aggregation(.shapley).weights(of: found).map(\.weight) == [0.25, 0.25, 0.5])
    }
}
