// The numbers that Seeds documents, against a separate Python implementation of the same text.

import CKernels
import Engine
import Federation
import Testing

@Suite struct SeedsTests {
    @Test func recordOrderIsAsDocumented() {
        #expect(
            Seeds.order(count: 10, seed: 17, round: 1, site: "general", epoch: 0) == [6, 5, 8, 2, 7, 4, 3, 0, 9, 1])
        #expect(
            Seeds.order(count: 10, seed: 17, round: 2, site: "general", epoch: 1) == [4, 7, 8, 9, 3, 0, 2, 6, 1, 5])
        #expect(Seeds.order(count: 1, seed: 17, round: 1, site: "general", epoch: 0) == [0])
    }

    @Test func dropoutWordsAreAsDocumented() {
        let random = Seeds.random(seed: 17, purpose: .dropout, round: 1, site: "general", stream: (2, 7 * 1 + 3))
        var words = [UInt32](repeating: 0, count: 3)
        kernel_random_words(&words, random, 0, 3)
        #expect(words == [3_615_903_892, 201_593_905, 3_861_463_123])
    }

    @Test func initialAdapterIsAsDocumented() throws {
        let model = try TinyModel.make()
        let adapter = try initialAdapter(
            shape: model.shape, configuration: LoRAConfiguration(rank: 2, alpha: 4, dropout: 0, targets: [.q]), seed: 9)
        let a = try #require(adapter.tensor(named: Adapter.tensorName(layer: 1, map: .q, matrix: .a)))
        let bound = 1 / 20.0.squareRoot()
        let uniform = [
            0.954020082950592, 0.2128797173500061, 0.15223348140716553, 0.38433510065078735, 0.5871850848197937,
            0.49073904752731323,
        ]
        for (found, u) in zip(a.values, uniform) {
            // One rounding of the bound and one of the product.
            #expect(abs(Double(found) - (2 * u - 1) * bound) <= 1e-7 * bound * 2, "\(found) \(u)")
        }
    }

    /// The words of the kernels equal those that are computed here without the engine.
    @Test(arguments: [0, 1, 3, 4, 5, 33, 1000])
    func streamsOfBothSidesAreTheSame(count: Int) {
        for (seed, stream) in [(UInt64(0), (0, 0)), (17, (2, 10)), (.max, (1 << 20, 6))] {
            let numbers = RandomStream(seed: seed, purpose: .resamples, round: 3, owner: "général", stream: stream)
            var words = [UInt32](repeating: 0, count: count)
            kernel_random_words(&words, kernel_random(key: numbers.key, stream: numbers.stream), 0, count)
            #expect(numbers.words(count) == words)
        }
    }
}
