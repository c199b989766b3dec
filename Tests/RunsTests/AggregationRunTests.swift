// Each rule in a whole run: it verifies, replays to the same bits, sends the bytes that it says, and a changed figure is found.

import Foundation
import Testing

@Suite struct AggregationRunTests {
    private func record(_ federation: TinyFederation, _ path: String) throws -> [String: Any] {
        let text = try federation.git("show", "refs/heads/runs/tiny-1:\(path)")
        return try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    private func run(_ set: [String]) throws -> TinyFederation {
        let federation = try TinyFederation()
        let arguments = set.flatMap { ["--set", $0] }
        let finished = try TinyFederation.run(
            TinyFederation.program, ["run", "tiny.yaml"] + arguments, in: federation.folder)
        #expect(finished.code == 0, "\(finished.err)")
        let verified = try federation.medrounds("verify", "tiny-1")
        #expect(verified.code == 0, "\(verified.out)\(verified.err)")
        return federation
    }

    @Test(arguments: [
        ["steps.train.matrices=b"], ["steps.train.matrices=alternate"],
        ["steps.train.matrices=b", "steps.aggregate.refactor=svd"], ["steps.aggregate.product=svd"],
        ["steps.aggregate.product=svd", "sites.east.rank=1"], ["steps.aggregate.product=stacked"],
        ["steps.aggregate.refine={ridge: 0.1}", "steps.aggregate.rotate=true"],
        ["steps.aggregate.clip=0.001", "steps.train.proximal=0.1"], ["steps.aggregate.shrink=true"],
        ["steps.aggregate.temperature_in=standard_errors"],
        ["steps.score.measure=shapley", "steps.aggregate.rule=shapley"],
    ]) func everyRuleVerifiesAndReplays(set: [String]) throws {
        let federation = try run(set)
        let replayed = try federation.medrounds("replay", "tiny-1", "--level", "full")
        #expect(replayed.code == 0, "\(replayed.out)\(replayed.err)")
        let explained = try federation.medrounds("explain", "tiny-1", "--round", "2", "--losses")
        #expect(explained.code == 0 && explained.out.contains("lost of the mean of the products"), "\(explained.err)")
        #expect(try federation.medrounds("show", "tiny-1").out.contains("of the mean of the products"))
        #expect(try federation.medrounds("report", "tiny-1", "--output", "report.html").code == 0)
    }

    @Test func halfAnUploadIsHalfTheNumbers() throws {
        let federation = try run(["steps.train.matrices=alternate"])
        let whole = try record(try run([]), "rounds/0001/upload/east/record.json")
        let first = try record(federation, "rounds/0001/upload/east/record.json")
        let second = try record(federation, "rounds/0002/upload/east/record.json")
        let numbers = [first, second, whole].compactMap { $0["parameters"] as? Int }
        #expect(numbers.count == 3 && numbers[0] + numbers[1] == numbers[2])
        let trains = try ["0001", "0002"].map { try record(federation, "rounds/\($0)/train/east/record.json") }
        #expect(trains.map { $0["frozen"] as? String } == ["lora_A", "lora_B"])
        for round in ["0001", "0002"] {
            let lost = try record(federation, "rounds/\(round)/aggregate/record.json")["lost"] as? [String: Any]
            #expect((lost?["all"] as? [String: Double])?["share"] == 0)
        }
    }

    @Test func theMeanSaysWhatItLost() throws {
        let aggregate = try record(try run([]), "rounds/0002/aggregate/record.json")
        let lost = try #require(aggregate["lost"] as? [String: Any])
        let all = try #require(lost["all"] as? [String: Double])
        #expect((all["share"] ?? 0) > 0 && (all["rounding"] ?? 0) > 0)
        #expect((lost["maps"] as? [String: Any])?.count == 7)
        let rows = try #require(aggregate["weights"] as? [[String: Any]])
        for row in rows {
            let ends = try #require(row["interval"] as? [Double])
            let weight = try #require(row["weight"] as? Double)
            #expect(ends[0] <= weight && weight <= ends[1])
            #expect(row["cosine"] is Double)
        }
    }

    @Test func stackedAdaptersAreExportedAndEvaluated() throws {
        let federation = try run(["steps.aggregate.product=stacked"])
        let exported = try federation.medrounds("adapter", "export", "tiny-1", "--to", "out")
        #expect(exported.code == 0, "\(exported.err)")
        let settings = try String(contentsOfFile: "\(federation.folder)/out/adapter_config.json", encoding: .utf8)
        #expect(settings.contains("\"r\": 4"), "\(settings)")
    }

    @Test func aRobustRuleNeedsThreeSites() throws {
        let federation = try TinyFederation()
        let refused = try federation.run("--set", "steps.aggregate.robust=median")
        #expect(refused.code == 3 && refused.err.contains("needs three"), "\(refused.err)")
        try federation.replace(
            "coordinator:", with: "  north: {train: test, tasks: {ner: all}}\ncoordinator:")
        try federation.replace("  final: {data: test", with: "  final: {data: validation")
        try federation.replace("version: 1", with: "version: 1\nallow_overlap: true")
        let finished = try federation.run("--set", "steps.aggregate.robust=median")
        #expect(finished.code == 0, "\(finished.err)")
        #expect(try federation.medrounds("verify", "tiny-1").code == 0)
    }
}
