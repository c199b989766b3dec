// explain and diff: the numbers are the ledger's own, what was not computed is said so, and other ranks can be compared.

import Foundation
import Testing

@Suite struct ExplainAndDiffTests {
    private func object(_ finished: Finished) throws -> [String: Any] {
        #expect(finished.code == 0, "\(finished.err)")
        return try #require(try JSONSerialization.jsonObject(with: Data(finished.out.utf8)) as? [String: Any])
    }

    @Test func explainsTheWeightsOfARound() throws {
        let federation = try TinyFederation()
        #expect(try federation.run().code == 0)
        let ledgerAlone = try object(federation.medrounds("explain", "tiny-1", "--round", "2", "--json"))
        #expect(ledgerAlone["validation_loss"] as? String == "not computed")
        let sites = try #require(ledgerAlone["sites"] as? [[String: Any]])
        let total = try #require(ledgerAlone["sum_of_shares"] as? Double)
        var weights = 0.0
        for site in sites {
            let weight = try #require(site["weight"] as? Double)
            let share = try #require(site["share"] as? Double)
            // The parser of this test may be off in the last place.
            #expect(abs(weight - share / total) < 1e-14 && weight == site["recorded"] as? Double)
            weights += weight
            // Of two sites the other one alone is left.
            let without = try #require(site["without"] as? [String: Any])
            #expect((without["weights"] as? [String: Double])?.values.map { $0 } == [1])
            #expect(try #require(without["norm_of_difference"] as? Double) > 0)
            #expect(without["validation_loss"] as? String == "not computed")
        }
        #expect(abs(weights - 1) < 1e-12)

        let withModel = try object(
            federation.medrounds("explain", "tiny-1", "--round", "2", "--site", "east", "--losses", "--json"))
        #expect(withModel["validation_loss"] is Double)
        #expect((withModel["sites"] as? [[String: Any]])?.count == 1)
        let text = try federation.medrounds("explain", "tiny-1", "--round", "1")
        #expect(text.out.contains("in numbers  w = ") && text.out.contains("not computed"), "\(text.out)")
        #expect(try federation.medrounds("explain", "tiny-1", "--round", "0").code == 2)
        #expect(try federation.medrounds("explain", "tiny-1", "--round", "9").code == 2)
        #expect(try federation.medrounds("explain", "tiny-1", "--round", "1", "--site", "north").code == 2)
    }

    @Test func aSingleSiteHasNoRoundWithoutIt() throws {
        let federation = try TinyFederation()
        #expect(
            try federation.run("--set", "participants=[west]", "--set", "steps.aggregate.rule=fed-medlora").code == 0)
        let text = try federation.medrounds("explain", "tiny-1", "--round", "1")
        #expect(text.code == 0 && text.out.contains("the round would have failed"), "\(text.out)\(text.err)")
    }

    @Test func putsTwoRoundsSideBySide() throws {
        let federation = try TinyFederation()
        #expect(try federation.run().code == 0)
        #expect(try federation.run("--set", "adapter.rank=3", "--set", "seed=6").code == 0)
        let same = try federation.medrounds("diff", "tiny-1@2", "tiny-1")
        #expect(same.code == 0 && same.out.contains("the same bits"), "\(same.out)")
        let rounds = try object(federation.medrounds("diff", "tiny-1@1", "tiny-1@2", "--json"))
        #expect((rounds["plan"] as? [Any])?.isEmpty == true)
        let runs = try federation.medrounds("diff", "tiny-1", "tiny-2")
        #expect(runs.code == 0)
        for expected in ["adapter.rank: 2 -> 3", "seed: 5 -> 6", "east weight", "final strict F1", "difference"] {
            #expect(runs.out.contains(expected), "\(expected) in \(runs.out)")
        }
        #expect(try federation.medrounds("diff", "tiny-1@7", "tiny-2").code == 2)
        #expect(try federation.medrounds("diff", "tiny-1@x", "tiny-2").code == 2)
        #expect(try federation.medrounds("diff", "tiny-1", "tiny-7").code == 2)
    }
}
