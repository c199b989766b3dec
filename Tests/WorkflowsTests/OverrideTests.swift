// --set: what it can reach, what it creates, and where its faults are placed.

import Faults
import Federation
import Testing
import Workflows

@Suite struct OverrideTests {
    @Test func reachesEveryKindOfPath() throws {
        let declared = try Samples.read(
            Samples.example,
            set: [
                "adapter.rank=8", "steps.0.train.epochs=1", "steps.train.batch_size=2", "steps.upload.precision=f32",
                "sites.general.tasks={ner: [drug]}", "sites.discharge.tasks.ner.0=treatment", "summary='12'",
                "steps.4.evaluate.cohorts.0=general-test", "data_root=..", "rounds=3", "rounds=4",
            ])
        #expect(declared.adapter.rank == 8)
        guard case .train(let training) = declared.steps[0] else {
            Issue.record("no train step")
            return
        }
        #expect(training.epochs == 1)
        #expect(training.batchSize == 2)
        #expect(declared.steps[1] == .upload(.f32))
        #expect(declared.sites[1].sources[0].tasks == TaskSelection(ner: .some(["drug"])))
        #expect(declared.sites[0].sources[0].tasks == TaskSelection(ner: .some(["treatment", "drug"])))
        #expect(declared.summary == "12")
        #expect(declared.dataRoot == "..")
        #expect(declared.rounds == 4)
    }

    @Test func makesMissingMappings() throws {
        let declared = try Samples.read(
            Samples.least,
            set: ["adapter.rank=4", "steps.train.epochs=7", "steps.1.upload.precision=f32", "cohorts.c.data=x"])
        #expect(declared.adapter.rank == 4)
        #expect(declared.steps[1] == .upload(.f32))
        #expect(declared.cohorts.map(\.data.path) == ["x"])
        guard case .train(let training) = declared.steps[0] else {
            Issue.record("no train step")
            return
        }
        #expect(training.epochs == 7)
    }

    @Test func leavesOtherUsesOfAnAliasAlone() throws {
        let text = Samples.least(
            "  general: {train: data/a}", "  a: &s {train: x}\n  b: *s")
        let declared = try Samples.read(text, set: ["sites.b.train=y"])
        #expect(declared.sites.map(\.sources[0].path) == ["x", "y"])
    }

    @Test(arguments: [
        ("adapter.rank=99999", "out-of-range 1:14"),
        ("adapter.rnak=8", "unknown-key 1:9"),
        ("adapter.rank='8'", "wrong-type 1:14"),
        ("nonsense=1", "unknown-key 1:1"),
        ("rounds={a: [}", "syntax 1:13"),
        ("name.x=1", "override-path 1:6"),
        ("steps.9.train=1", "override-path 1:7"),
        ("steps.scor.measure=1", "override-path 1:7"),
        ("sites.general.limit=zehn", "wrong-type 1:21"),
        ("sites.general.limit=", ""),
        ("a b=1", "usage.set "),
        ("rounds", "usage.set "),
        ("=1", "usage.set "),
        (".rounds=1", "usage.set "),
        ("rounds=1\u{1}", "syntax 1:9"),
    ])
    func placesAFaultInTheArgument(argument: String, expected: String) {
        let found = Samples.faults(Samples.least, set: [argument])
        #expect(found == (expected.isEmpty ? [] : [expected]))
    }

    @Test func namesTheArgumentAsFile() throws {
        let report = #expect(throws: FaultReport.self) {
            _ = try Samples.read(Samples.least, set: ["adapter.rank=99999"])
        }
        let place = try #require(report?.faults.first?.place)
        #expect(place.description == "--set adapter.rank=99999:1:14")
        #expect(place.excerpt == "adapter.rank=99999")
    }

    @Test func refusesANameThatTwoStepsBear() {
        let text =
            Samples.least + "  - evaluate: {cohorts: [c]}\n  - evaluate: {cohorts: [c]}\ncohorts: {c: {data: d}}\n"
        #expect(Samples.faults(text) == [])
        #expect(Samples.faults(text, set: ["steps.evaluate.when=every_round"]) == ["override-path 1:7"])
        #expect(Samples.faults(text, set: ["steps.4.evaluate.when=every_round"]) == [])
    }
}
