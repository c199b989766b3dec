// Weights of uploads and averages of adapters, against the equations.

import Faults
import Federation
import Foundation
import Testing

@Suite struct InfluenceWeightTests {
    private func standing(_ name: String, _ records: Int, _ loss: Double?) throws -> UploadStanding {
        UploadStanding(site: try #require(SiteID(name)), records: records, loss: loss)
    }

    @Test func sizeWeightsAreSharesOfRecords() throws {
        let weights = try Aggregation(.fedMedLoRA).weights(of: [standing("b", 30, nil), standing("a", 10, nil)])
        #expect(weights.map(\.standing.site.name) == ["a", "b"])
        #expect(weights.map(\.weight) == [0.25, 0.75])
    }

    @Test func influenceFollowsTheEquation() throws {
        let rule = Aggregation(.fedMedLoRAPlus(temperature: 0.5, size: true))
        let weights = try rule.weights(of: [standing("a", 10, 1.25), standing("b", 30, 2.0), standing("c", 7, 0.3)])
        let shares = [10 * exp(-1.25 / 0.5), 30 * exp(-2.0 / 0.5), 7 * exp(-0.3 / 0.5)]
        for (weight, share) in zip(weights, shares) {
            #expect(abs(weight.weight - share / shares.reduce(0, +)) < 1e-15)
        }
        #expect(abs(weights.map(\.weight).reduce(0, +) - 1) < 1e-15)
    }

    @Test func withoutSizeTheAuthorsFormulaFollows() throws {
        let rule = Aggregation(.fedMedLoRAPlus(temperature: 1, size: false))
        let weights = try rule.weights(of: [standing("a", 10, 1.25), standing("b", 3000, 2.0)])
        let shares = [exp(1 - 1.25), exp(1 - 2.0)]
        for (weight, share) in zip(weights, shares) {
            #expect(abs(weight.weight - share / shares.reduce(0, +)) < 1e-15)
        }
    }

    @Test func farApartLossesDoNotOverflow() throws {
        let rule = Aggregation(.fedMedLoRAPlus(temperature: 0.001, size: true))
        let weights = try rule.weights(of: [standing("a", 1, 5), standing("b", 1, 5000)])
        #expect(weights.map(\.weight) == [1, 0])
    }

    @Test func missingOrNonFiniteScoreIsAFault() throws {
        let rule = Aggregation(.fedMedLoRAPlus(temperature: 1, size: true))
        for loss in [nil, Double.nan, .infinity] {
            let fault = #expect(throws: Fault.self) { try rule.weights(of: [standing("a", 1, loss)]) }
            #expect(fault?.code == "aggregate.no-score")
        }
        let fault = #expect(throws: Fault.self) { try rule.weights(of: []) }
        #expect(fault?.code == "aggregate.nobody-left")
    }

    @Test func portableExpStandsWithinTwoUlps() {
        var x = 0.0
        while x > -700 {
            let value = PortableMath.exp(x)
            #expect(abs(value - exp(x)) <= 2 * exp(x).ulp, "\(x)")
            x -= 0.3712345
        }
        #expect(PortableMath.exp(0) == 1)
    }
}

@Suite struct AdapterAverageTests {
    private let configuration = LoRAConfiguration(rank: 1, alpha: 1, dropout: 0, targets: [.q])

    private func adapter(_ values: [Float], name: String = "t", shape: [Int] = [2]) -> Adapter {
        Adapter(configuration: configuration, tensors: [NamedTensor(name: name, shape: shape, values: values)])
    }

    private func uploads(_ uploads: [(site: String, records: Int, adapter: Adapter)]) throws -> HeldUploads {
        try HeldUploads(
            uploads.map { upload in
                (
                    UploadStanding(site: try #require(SiteID(upload.site)), records: upload.records, loss: nil),
                    upload.adapter
                )
            })
    }

    /// Summed in site order whatever the given order, weighted by size, rounded once.
    @Test func combinesByWeightInDouble() throws {
        let uploads = try uploads([("west", 3, adapter([3, -2])), ("east", 1, adapter([1, 2]))])
        let (mean, evidence) = try Aggregation(.fedMedLoRA).combine(uploads, isLast: false, precision: .f32)
        #expect(mean.tensors[0].values == [2.5, -1])
        #expect(evidence.weights.map(\.weight) == [0.25, 0.75])
        #expect(evidence.weights.map(\.standing.site.name) == ["east", "west"])
        #expect(mean.configuration == configuration)
    }

    /// A sum whose terms cancel keeps the digits that float32 would lose.
    @Test func sumsInDoubleAndRoundsOnce() throws {
        let uploads = try uploads([
            ("a", 1, adapter([1e8, 0])), ("b", 1, adapter([1, 0])), ("c", 1, adapter([-1e8, 0])),
            ("d", 1, adapter([0, 0])),
        ])
        #expect(
            try Aggregation(.fedMedLoRA).combine(uploads, isLast: false, precision: .f32).adapter.tensors[0].values[0]
                == 0.25)
    }

    @Test func refusesOtherShapes() {
        let fault = #expect(throws: Fault.self) {
            try uploads([("a", 1, adapter([1, 2])), ("b", 1, adapter([1, 2], shape: [1, 2]))])
        }
        #expect(fault?.code == "adapter.mismatch")
        #expect(throws: Fault.self) { try uploads([]) }
    }

    @Test func namesTheFirstDifferenceInValueAndUlps() throws {
        let left = adapter([1, 2])
        #expect(left.firstDifference(from: left) == nil)
        let difference = try #require(left.firstDifference(from: adapter([1, Float(2).nextUp.nextUp])))
        #expect(difference.tensor == "t")
        #expect(difference.element == 1)
        #expect(difference.ulps == 2)
        #expect(left.firstDifference(from: adapter([1, .nan]))?.largest == .infinity)
        #expect(left.firstDifference(from: adapter([1, 2], name: "u"))?.largest == .infinity)
        #expect(adapter([0, 1]).firstDifference(from: adapter([-0.0, 1]))?.largest == 0)
    }

    @Test func findsNonFiniteValues() {
        #expect(adapter([1, 2]).firstNonFiniteTensor == nil)
        #expect(adapter([1, .infinity]).firstNonFiniteTensor == "t")
    }
}
