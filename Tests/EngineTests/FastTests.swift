// Fast numerics on a tiny random model: near the exact ones, and reproducible whatever the number of threads.

import Engine
import Federation
import Testing

/// Inputs of every product carry 8 bits: a gradient differs by about 2^-8 of its size, a few products deep.
private let roundingOfHalves = 0.03

@Suite struct FastTests {
    @Test(arguments: [0, 0.2])
    func gradientIsNearTheExactOne(dropout: Double) throws {
        let exact = try TinyModel.make(tied: false)
        let fast = try TinyModel.make(tied: false, numerics: .fast)
        let adapter = try TinyModel.adapter(exact, dropout: dropout)
        let batch = TinyModel.records([25, 22, 31], prefix: 19)
        let seed: UInt64? = dropout > 0 ? 3 : nil
        let one = try lossAndGradient(exact, adapter: adapter, batch: batch, sharing: true, threads: 2, seed: seed)
        let two = try lossAndGradient(fast, adapter: adapter, batch: batch, sharing: true, threads: 2, seed: seed)
        #expect(one.loss != two.loss)
        #expect(abs(one.loss - two.loss) <= 0.01 * one.loss)
        for (a, b) in zip(one.gradient.tensors, two.gradient.tensors) {
            let distance = zip(a.values, b.values).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
            let size = a.values.reduce(0.0) { $0 + Double($1 * $1) }
            #expect(size > 0)
            #expect(distance.squareRoot() <= roundingOfHalves * size.squareRoot(), "\(a.name)")
        }
    }

    @Test func threadsDoNotChangeABit() throws {
        let model = try TinyModel.make(numerics: .fast)
        let outcomes = try [1, 2, 3].map { try train(TrainingTests.job(model, dropout: 0.1, threads: $0)) }
        #expect(outcomes[0].adapter == outcomes[1].adapter)
        #expect(outcomes[0].adapter == outcomes[2].adapter)
        #expect(outcomes[0].losses == outcomes[1].losses)
        let exact = try train(TrainingTests.job(TinyModel.make(), dropout: 0.1))
        #expect(exact.adapter != outcomes[0].adapter)
    }

    @Test func aRecordsScoreDoesNotDependOnTheOthers() throws {
        let model = try TinyModel.make(numerics: .fast)
        let adapter = try TinyModel.adapter(model)
        let records = TinyModel.records([130, 120, 140], prefix: 100)
        let together = try score(model, adapter: adapter, sequences: records, threads: 2)
        for (record, sum) in zip(records, together.sequences) {
            #expect(try score(model, adapter: adapter, sequences: [record], threads: 1).total == sum)
        }
    }
}
