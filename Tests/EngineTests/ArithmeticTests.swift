// A second arithmetic: a step by OpenBLAS equals ours within rounding, over families and numerics; a wrong number is found.

import Engine
import Faults
import Federation
import Foundation
import ModelFiles
import Testing

@Suite struct ArithmeticTests {
    /// Records that share prefixes in two groups, trained in two epochs of two batches.
    private static func job(_ model: LanguageModel, dropout: Double) throws -> TrainingJob {
        var job = try TrainingTests.job(model, dropout: dropout)
        var numbers = TestNumbers(31)
        let common = numbers.tokens(18, below: model.shape.vocabularySize)
        job.sequences = (0..<5).map { index in
            let rest = numbers.tokens(3 + 4 * index, below: model.shape.vocabularySize)
            return TokenSequence(tokens: index == 4 ? rest : common + rest, lossStart: 1 + index)
        }
        return job
    }

    private static func meetsTheBounds(_ model: LanguageModel, dropout: Double) throws {
        let job = try job(model, dropout: dropout)
        let plain = try train(job)
        let outcome = try train(job, second: SecondArithmetic(.openblas))
        #expect(outcome.adapter == plain.adapter && outcome.losses == plain.losses)
        #expect(outcome.comparisons.map(\.step) == [0, 1, 2, 3])
        let bounds = ArithmeticBounds.of(model.numerics)
        for comparison in outcome.comparisons {
            #expect(comparison.isWithin(bounds), "\(comparison)")
            // The two do differ: OpenBLAS adds in another order.
            #expect(comparison.gradient > 0)
        }
    }

    @Test(arguments: MatrixTests.models, Numerics.allCases)
    func everyFamilyMeetsTheBounds(name: String, numerics: Numerics) throws {
        let folder = Golden.folder.appendingPathComponent("matrix/\(name)")
        try Self.meetsTheBounds(LanguageModel(ModelFile.open(path: folder.path), numerics: numerics), dropout: 0)
    }

    @Test(arguments: Numerics.allCases, [0, 0.2])
    func dropoutAndOddWidthsMeetTheBounds(numerics: Numerics, dropout: Double) throws {
        try Self.meetsTheBounds(TinyModel.make(tied: false, numerics: numerics), dropout: dropout)
        try Self.meetsTheBounds(
            TinyModel.make(numerics: numerics, family: "qwen3", heads: 5, keyValueHeads: 1, headDimension: 2),
            dropout: dropout)
    }

    @Test(arguments: Numerics.allCases)
    func quantisedWeightsMeetTheBounds(numerics: Numerics) throws {
        var shape = try TinyModel.make(tied: false).shape
        (shape.hiddenSize, shape.feedForwardSize) = (256, 512)
        for type in [StoredType.q4_1, .q6_k, .nf4] {
            try Self.meetsTheBounds(LanguageModel(random: shape, type: type, numerics: numerics), dropout: 0)
        }
    }

    @Test(arguments: Numerics.allCases)
    func ourOwnArithmeticTwiceIsTheSameBits(numerics: Numerics) throws {
        let job = try Self.job(TinyModel.make(numerics: numerics), dropout: 0.2)
        let outcome = try train(job, second: SecondArithmetic(.ours, steps: 1..<3))
        #expect(outcome.comparisons.map(\.step) == [1, 2])
        for comparison in outcome.comparisons {
            #expect(comparison.loss.0 == comparison.loss.1 && comparison.gradientNorm.0 == comparison.gradientNorm.1)
            #expect(comparison.gradient == 0 && comparison.update == 0)
        }
    }

    /// One number of the adapter, all of which are within 0.2, that the second computation changes.
    @Test(arguments: Numerics.allCases)
    func aWrongNumberIsFound(numerics: Numerics) throws {
        let job = try Self.job(TinyModel.make(numerics: numerics), dropout: 0)
        for element in [0, 77, 1234] {
            var second = SecondArithmetic(.openblas)
            second.disturbance = (element, numerics == .exact ? 0.02 : 4)
            let outcome = try train(job, second: second)
            for comparison in outcome.comparisons {
                #expect(!comparison.isWithin(ArithmeticBounds.of(numerics)), "element \(element): \(comparison)")
            }
        }
    }

    @Test func aNumberThatIsNoneIsFound() throws {
        let job = try Self.job(TinyModel.make(), dropout: 0)
        var second = SecondArithmetic(.openblas, steps: 0..<1)
        second.disturbance = (3, .nan)
        let comparison = try #require(try train(job, second: second).comparisons.first)
        #expect(!comparison.isWithin(ArithmeticBounds.of(.exact)))
    }
}
