// Plans: written and read back without loss, refused when changed, and compared in words.

import Faults
import Federation
import Testing
import Workflows

@Suite struct PlanTests {
    private func digest(_ byte: UInt8) throws -> Digest {
        try #require(Digest(bytes: [UInt8](repeating: byte, count: 32)))
    }

    private func plan(_ declaration: FederationDeclaration, overrides: [String] = []) throws -> Plan {
        Plan(
            declaration: declaration, overrides: overrides,
            inputs: PlanInputs(
                engineVersion: "0.1.0",
                model: ModelSummary(
                    name: "smollm2", digest: try digest(1), parameters: 134_515_008, tensors: 272,
                    sizes: BackboneSizes(layers: 30, hidden: 576, queries: 576, keyValues: 192, feedForward: 1536)),
                tokenizerDigest: try digest(2), templateDigest: try digest(3), workflowDigest: try digest(4),
                datasets: try DatasetRole.allCases.map { role in
                    DatasetSummary(
                        role: role, owner: "general", path: "data/\(role)", documents: 3, records: 12, truncated: 1,
                        labels: ["drug": 4, "problem": 0], commitment: try digest(5))
                }))
    }

    /// One declaration for every case of every enumeration and both sides of every optional.
    private func declarations() throws -> [FederationDeclaration] {
        var texts: [(String, [String])] = [
            (Samples.example, []), (Samples.least, []),
            (Samples.least, ["seed=18446744073709551615", "summary='quoted \"text\", 12'", "data_root='5'"]),
            (Samples.least, ["steps.train.clip_norm=null"]), (Samples.least, ["steps.train.checkpoint_every=7"]),
            (Samples.least, ["steps.train.checkpoint_activations=true"]),
            (Samples.least, ["adapter.alpha=0.1"]),
            (Samples.least, ["sites.general.train=[{data: a, limit: 2}, {data: b, tasks: {re: [x, y]}}]"]),
            (Samples.least, ["rounds=0", "sites={}", "cohorts={c: {data: d}}", "steps=[evaluate: {cohorts: [c]}]"]),
            (Samples.least, ["signing=required", "approvals=required"]), (Samples.least, ["quorum=1"]),
            (Samples.least, ["quorum=1", "deadline=90m"]),
            (Samples.example, ["steps.aggregate.size=false", "steps.aggregate.temperature=0.1"]),
            (Samples.example, ["model.base='true'", "adapter.targets=[k_proj]"]),
            (
                Samples.example,
                [
                    "steps.train={epochs: 3, batch_size: 5, learning_rate: 0.125, warmup_ratio: 0.25, max_length: 9, "
                        + "weight_decay: 0.5, clip_norm: 0.75}",
                    "steps.evaluate.max_new_tokens=7", "steps.evaluate.batch_size=8", "data_root=x", "template=t",
                    "summary=s", "adapter={rank: 1, alpha: 2, dropout: 0}", "coordinator={validation: z, records: 9}",
                    "coordinator.tasks={re: all}", "seed=0", "rounds=5",
                ]
            ),
        ]
        // Numbers at the limits of what JSON and its parsers distinguish.
        for value in ["1e15", "1e16", "1e18", "9223372036854775807", "1e19", "1e300", "5e-324", "0.1", "1e-7"] {
            texts.append((Samples.least, ["adapter.alpha=\(value)"]))
        }
        for value in Numerics.allCases { texts.append((Samples.least, ["model.numerics=\(value)"])) }
        for value in WeightForm.allCases { texts.append((Samples.least, ["model.weights=\(value)"])) }
        for value in LinearMap.allCases { texts.append((Samples.least, ["adapter.targets=[\(value.rawValue)]"])) }
        for value in LearningRateSchedule.allCases { texts.append((Samples.least, ["steps.train.schedule=\(value)"])) }
        for value in LossScope.allCases { texts.append((Samples.least, ["steps.train.loss_on=\(value)"])) }
        for value in UploadPrecision.allCases { texts.append((Samples.least, ["steps.upload.precision=\(value)"])) }
        for value in ScoreMeasure.allCases {
            texts.append((Samples.example, ["steps.score.measure=\(value.rawValue)"]))
        }
        for value in EvaluationMoment.allCases {
            texts.append((Samples.example, ["steps.evaluate.when=\(value.rawValue)"]))
        }
        return try texts.map { try Samples.read($0.0, set: $0.1) }
    }

    @Test func readsBackWhatItWrote() throws {
        for declaration in try declarations() {
            let plan = try plan(declaration, overrides: ["adapter.rank=8", "a='b'"])
            #expect(try Plan(json: plan.json) == plan)
            // The bytes of plan.json lose nothing either.
            #expect(try Plan(json: JSONValue(parsing: plan.json.canonical)) == plan)
            #expect(plan.differences(from: plan).isEmpty)
        }
    }

    @Test func writesEveryDefault() throws {
        let json = try plan(try Samples.read(Samples.least)).json
        let expected: JSONValue = [
            "version": 1, "name": "least", "summary": "", "seed": 17, "data_root": ".",
            "model": ["base": "m", "weights": "stored", "numerics": "exact"],
            "adapter": [
                "rank": 16, "alpha": 64, "dropout": .number(0.05),
                "targets": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
            ],
            "template": "clinical-extraction",
            "sites": ["general": ["train": [["data": "data/a", "tasks": ["ner": "all"], "limit": .null]]]],
            "cohorts": [:], "rounds": 1,
            "steps": [
                [
                    "train": [
                        "epochs": 2, "batch_size": 4, "learning_rate": .number(0.0002), "warmup_ratio": .number(0.05),
                        "schedule": "cosine", "max_length": 800, "loss_on": "sequence", "weight_decay": 0,
                        "clip_norm": 1,
                    ]
                ],
                ["upload": ["precision": "bf16"]],
                ["aggregate": ["rule": "fed-medlora"]],
            ],
        ]
        #expect(json["workflow"] == expected)
    }

    @Test func refusesAPlanThatWasTouched() throws {
        let json = try plan(try Samples.read(Samples.example)).json
        let touched: [([String], JSONValue?)] = [
            (["plan_version"], 1), (["plan_version"], 3), (["plan_version"], 5), (["plan_version"], nil),
            (["extra"], 1), (["overrides"], [1]),
            (["overrides"], nil),
            (["workflow"], nil), (["workflow", "seed"], nil), (["workflow", "seed"], -1), (["workflow", "seed"], "17"),
            (["workflow", "adapter", "rank"], 0), (["workflow", "adapter", "rank"], nil),
            (["workflow", "adapter", "rank"], "16"), (["workflow", "adapter", "rnak"], 16),
            (["workflow", "model", "numerics"], "exat"), (["workflow", "steps"], []), (["workflow", "name"], "A B"),
            (["workflow", "participants"], ["general"]), (["inputs"], nil), (["inputs", "extra"], 1),
            (["inputs", "datasets"], .null), (["inputs", "model", "parameters"], -1),
            (["inputs", "model", "digest"], "ab"), (["inputs", "engine_version"], 1),
            (["inputs", "datasets"], [["role": "train"]]),
        ]
        for (path, value) in touched {
            let fault = #expect(throws: Fault.self, "\(path)") {
                _ = try Plan(json: json.setting(path[...], to: value))
            }
            #expect(fault?.code == "plan.unreadable", "\(path)")
        }
        #expect(throws: Fault.self) { _ = try Plan(json: .null) }
    }

    @Test func wordsWhatChanged() throws {
        let old = try plan(try Samples.read(Samples.example))
        var new = try plan(
            try Samples.read(
                Samples.example,
                set: [
                    "adapter.rank=8", "steps.train.epochs=1", "sites.general.limit=null", "cohorts.b.data=x",
                    "summary=none",
                ]), overrides: ["adapter.rank=8"])
        new.inputs.datasets[0].labels["drug"] = 5
        #expect(
            new.differences(from: old) == [
                "adapter.rank: 16 -> 8",
                "cohorts.b.data: (absent) -> x",
                "cohorts.b.limit: (absent) -> none",
                "cohorts.b.tasks.ner: (absent) -> all",
                "sites.general.train.0.limit: 200 -> none",
                "steps.train.epochs: 2 -> 1",
                "summary: Influence-aware federated LoRA over two hospitals -> \"none\"",
                "inputs.datasets.0.labels.drug: 4 -> 5",
                "overrides: [] -> [adapter.rank=8]",
            ])
        #expect(old.differences(from: new).count == 9)
        #expect(old.differences(from: new).contains("cohorts.b.data: x -> (absent)"))
    }

    @Test func listsEverySettingOnce() throws {
        let rows = try plan(try Samples.read(Samples.example)).rows
        #expect(Set(rows.map(\.key)).count == rows.count)
        #expect(rows.contains { $0.key == "steps.train.learning_rate" && $0.value == "0.0002" })
        #expect(rows.contains { $0.key == "inputs.model.parameters" && $0.value == "134515008" })
    }
}

extension JSONValue {
    /// This value with the member at the path replaced, or removed where the value is nil.
    fileprivate func setting(_ path: ArraySlice<String>, to value: JSONValue?) -> JSONValue {
        guard let key = path.first, var members else { return value ?? .null }
        if path.count == 1 {
            members[key] = value
        } else {
            members[key] = members[key]?.setting(path.dropFirst(), to: value)
        }
        return .object(members)
    }
}
