// The keys of aggregation: each reads, is written back, and is refused where it means nothing.

import Faults
import Federation
import Testing
import Workflows

@Suite struct AggregationSettingsTests {
    private let three = Samples.least.replacing(
        "  general: {train: data/a}\n",
        with: "  general: {train: data/a}\n  north: {train: data/b}\n  south: {train: data/c}\n")

    @Test func readsEveryKey() throws {
        let plus = try Samples.read(
            Samples.example,
            set: [
                "steps.aggregate.shrink=true", "steps.aggregate.temperature_in=standard_errors",
                "steps.train.matrices=alternate", "steps.train.proximal=0.5", "steps.score.loss_on=sequence",
            ])
        #expect(plus.aggregation?.shrinks == true && plus.aggregation?.temperatureUnit == .standardErrors)
        #expect(plus.training?.matrices == .alternate && plus.training?.proximal == 0.5)
        #expect(plus.scoring?.lossOn == .sequence)
        #expect(try Samples.read(Samples.example).scoring?.lossOn == .completion)
        let robust = try Samples.read(
            three,
            set: [
                "steps.aggregate.robust=median", "steps.aggregate.clip=3", "steps.aggregate.refine={ridge: 2}",
                "steps.aggregate.rotate=true", "steps.aggregate.refactor=svd",
            ])
        #expect(robust.aggregation?.robust == .median && robust.aggregation?.clip == 3)
        #expect(robust.aggregation?.ridge == 2 && robust.aggregation?.rotates == true)
        #expect(robust.aggregation?.refactor == .svd)
        let ranks = try Samples.read(three, set: ["steps.aggregate.product=svd", "sites.north.rank=4"])
        #expect(ranks.sites.map(\.rank) == [nil, 4, nil])
        #expect(ranks.adapter(of: ranks.sites[1].id).scale == 16)
        let shapley = try Samples.read(
            Samples.example, set: ["steps.aggregate.rule=shapley", "steps.score.measure=shapley"])
        #expect(shapley.aggregation?.rule == .shapley)
        for declaration in [plus, robust, ranks, shapley] {
            let again = try Samples.read(declaration.json.canonical)
            #expect(again.aggregation == declaration.aggregation && again.training == declaration.training)
            #expect(again.sites == declaration.sites && again.scoring == declaration.scoring)
        }
    }

    /// Plans without the keys are written as before.
    @Test func leavesOutWhatIsNotAsked() throws {
        let steps = try Samples.read(Samples.least).json["steps"]?.elements
        #expect(steps?.last?["aggregate"] == ["rule": "fed-medlora"])
        #expect(steps?.first?["train"]?["matrices"] == nil)
    }

    @Test(arguments: [
        ["steps.aggregate.robust=median"],  // one site
        ["steps.aggregate.shrink=true"],  // a rule without losses
        ["steps.aggregate.temperature_in=nats"],
        ["steps.aggregate.product=svd", "steps.aggregate.clip=1"],
        ["steps.aggregate.product=stacked", "steps.aggregate.rotate=true"],
        ["sites.general.rank=4"],  // no product: svd
        ["steps.aggregate.product=svd", "sites.general.rank=17"],  // above adapter.rank
        ["steps.aggregate.product=svd", "sites.general.rank=4", "steps.train.matrices=b"],
        ["steps.aggregate.rotate=true", "steps.train.matrices=alternate"],
    ]) func refusesWhatMeansNothing(set: [String]) {
        let report = #expect(throws: FaultReport.self) { _ = try Samples.read(Samples.least, set: set) }
        #expect(report?.faults.contains { $0.code == "workflow.misplaced-key" } == true, "\(report?.description ?? "")")
    }

    @Test func refusesARuleThatTheScoresCannotFeed() {
        for set in [["steps.aggregate.rule=shapley"], ["steps.aggregate.shrink=true", "coordinator.records=1"]] {
            let report = #expect(throws: FaultReport.self) { _ = try Samples.read(Samples.example, set: set) }
            #expect(report?.faults.first?.code == "workflow.misplaced-key", "\(report?.description ?? "")")
        }
    }
}
