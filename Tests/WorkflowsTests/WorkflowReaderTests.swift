// The meaning of a correct workflow: the example, the defaults, pooling, participants, and the forms that a file may have.

import Faults
import Federation
import Testing
import Workflows

@Suite struct WorkflowReaderTests {
    @Test func readsTheExample() throws {
        let declared = try Samples.read(Samples.example)
        let both = TaskSelection(ner: .all, re: .all)
        let discharge = try #require(SiteID("discharge"))
        let general = try #require(SiteID("general"))
        let test = try #require(CohortID("general-test"))
        let expected = FederationDeclaration(
            name: "fed-medlora-plus", summary: "Influence-aware federated LoRA over two hospitals", seed: 17,
            dataRoot: ".",
            model: ModelConfiguration(base: "smollm2-135m-instruct", weights: .stored, numerics: .exact),
            adapter: LoRAConfiguration(rank: 16, alpha: 64, dropout: 0.05, targets: LinearMap.allCases),
            template: "clinical-extraction",
            sites: [
                SiteDeclaration(
                    id: discharge,
                    sources: [
                        DataSource(
                            path: "data/discharge/train", tasks: TaskSelection(ner: .some(["problem", "drug"])),
                            limit: nil)
                    ]),
                SiteDeclaration(
                    id: general, sources: [DataSource(path: "data/general/train", tasks: both, limit: 200)]),
            ],
            coordinator: CoordinatorDeclaration(
                validation: DataSource(path: "data/validation", tasks: TaskSelection(ner: .all), limit: nil), records: 5
            ),
            cohorts: [
                CohortDeclaration(id: test, data: DataSource(path: "data/general/test", tasks: both, limit: nil))
            ],
            rounds: 2,
            steps: [
                .train(
                    TrainingConfiguration(
                        epochs: 2, batchSize: 4, learningRate: 2e-4, warmupRatio: 0.05, schedule: .cosine,
                        maxLength: 800,
                        lossOn: .sequence, weightDecay: 0, clipNorm: 1)),
                .upload(.bf16), .score(ScoreConfiguration()),
                .aggregate(Aggregation(.fedMedLoRAPlus(temperature: 1, size: true))),
                .evaluate(
                    EvaluationConfiguration(cohorts: [test], when: .lastRound, maxNewTokens: 160, batchSize: 16)),
            ])
        #expect(declared == expected)
    }

    @Test func fillsInTheDocumentedDefaults() throws {
        let declared = try Samples.read(
            Samples.least + "  - evaluate: {cohorts: [c]}\ncohorts: {c: {data: d}}\ncoordinator: {validation: v}\n")
        #expect(declared.summary == "")
        #expect(declared.seed == 17)
        #expect(declared.dataRoot == ".")
        #expect(declared.model.weights == .stored)
        #expect(declared.model.numerics == .exact)
        #expect(declared.adapter == LoRAConfiguration(rank: 16, alpha: 64, dropout: 0.05, targets: LinearMap.allCases))
        #expect(declared.template == "clinical-extraction")
        #expect(declared.sites[0].sources == [DataSource(path: "data/a", tasks: TaskSelection(ner: .all), limit: nil)])
        #expect(declared.coordinator?.records == 5)
        #expect(declared.coordinator?.validation.tasks == TaskSelection(ner: .all))
        #expect(declared.cohorts[0].data.tasks == TaskSelection(ner: .all))
        #expect(
            declared.steps[0]
                == .train(
                    TrainingConfiguration(
                        epochs: 2, batchSize: 4, learningRate: 0.0002, warmupRatio: 0.05, schedule: .cosine,
                        maxLength: 800, lossOn: .sequence, weightDecay: 0, clipNorm: 1)))
        #expect(declared.steps[1] == .upload(.bf16))
        #expect(declared.steps[2] == .aggregate(Aggregation(.fedMedLoRA)))
        let cohort = try #require(CohortID("c"))
        #expect(
            declared.steps[3]
                == .evaluate(
                    EvaluationConfiguration(cohorts: [cohort], when: .lastRound, maxNewTokens: 160, batchSize: 16)))
    }

    @Test func readsTheThreeWaysToWriteAStepWithoutSettings() throws {
        for form in ["- upload\n", "- upload: {}\n", "- upload:\n"] {
            #expect(try Samples.read(Samples.least("- upload\n", form)).steps[1] == .upload(.bf16))
        }
    }

    @Test func poolsSeveralSourcesAtOneSite() throws {
        let text = Samples.least(
            "{train: data/a}", "{train: [{data: a, limit: 3}, {data: b, tasks: {re: [dosage]}}]}")
        let sources = try Samples.read(text).sites[0].sources
        #expect(
            sources == [
                DataSource(path: "a", tasks: TaskSelection(ner: .all), limit: 3),
                DataSource(path: "b", tasks: TaskSelection(re: .some(["dosage"])), limit: nil),
            ])
    }

    @Test func keepsOnlyTheParticipants() throws {
        let text = Samples.least("  general: {train: data/a}", "  b: {train: x}\n  a: {train: y}\n  c: {train: z}")
        #expect(try Samples.read(text).sites.map(\.id.name) == ["a", "b", "c"])
        #expect(try Samples.read(text + "participants: [c, b]\n").sites.map(\.id.name) == ["b", "c"])
    }

    @Test func readsTheZeroShotBaseline() throws {
        let text = """
            version: 1
            name: zero-shot
            model: {base: m}
            cohorts: {c: {data: d}}
            rounds: 0
            steps: [evaluate: {cohorts: [c]}]
            """
        let declared = try Samples.read(text)
        #expect(declared.rounds == 0)
        #expect(declared.sites.isEmpty)
        #expect(declared.steps.count == 1)
    }

    @Test func ordersTargetsAsTheEngineDoes() throws {
        let text = Samples.least + "adapter: {targets: [down_proj, v_proj, q_proj]}\n"
        #expect(try Samples.read(text).adapter.targets == [.q, .v, .down])
    }

    @Test func readsMinusZeroAsZero() throws {
        let declared = try Samples.read(Samples.least + "adapter: {dropout: -0.0}\n")
        #expect(declared.adapter.dropout.sign == .plus)
    }

    @Test func readsNullAsNoClippingAndNoLimit() throws {
        let text = Samples.least("- train\n", "- train: {clip_norm: null}\n")
        guard case .train(let training) = try Samples.read(text).steps[0] else {
            Issue.record("no train step")
            return
        }
        #expect(training.clipNorm == nil)
        #expect(try Samples.read(Samples.example, set: ["sites.general.limit=null"]).sites[1].sources[0].limit == nil)
    }

    @Test func readsEveryChoice() throws {
        let text = Samples.least("- train\n", "- train: {schedule: linear, loss_on: completion, weight_decay: 0.1}\n")
        let declared = try Samples.read(
            text, set: ["steps.upload.precision=f32", "model.numerics=fast", "seed=18446744073709551615"])
        guard case .train(let training) = declared.steps[0] else {
            Issue.record("no train step")
            return
        }
        #expect(training.schedule == .linear)
        #expect(training.lossOn == .completion)
        #expect(training.weightDecay == 0.1)
        #expect(declared.seed == UInt64.max)
        #expect(declared.model.numerics == .fast)
        #expect(declared.steps[1] == .upload(.f32))
        let plus = try Samples.read(
            Samples.example, set: ["steps.aggregate.size=false", "steps.aggregate.temperature=.5"])
        #expect(plus.steps[3] == .aggregate(Aggregation(.fedMedLoRAPlus(temperature: 0.5, size: false))))
    }

    @Test func readsLineEndingsAndByteOrderMarksAlike() throws {
        let expected = try Samples.read(Samples.example)
        let windows = Samples.example.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\r\n")
        #expect(try Samples.read(windows) == expected)
        #expect(try Samples.read([0xef, 0xbb, 0xbf] + Array(Samples.example.utf8)) == expected)
        #expect(try Samples.read("%YAML 1.2\n---\n" + Samples.example + "...\n") == expected)
        #expect(
            Samples.faults([0xef, 0xbb, 0xbf] + Array("\r\nversion: 1\r\nx: 1\r\n".utf8)).contains("unknown-key 3:1"))
        #expect(Samples.faults([0xef, 0xbb, 0xbf] + Array("version: 1\nx: 1\n".utf8)).contains("unknown-key 2:1"))
    }

    @Test func expandsAnchorsAndAliases() throws {
        let text = Samples.least(
            "  general: {train: data/a}",
            "  a: {train: x, tasks: &t {ner: [drug], re: all}}\n  b: {train: y, tasks: *t}")
        let declared = try Samples.read(text)
        #expect(declared.sites[0].sources[0].tasks == declared.sites[1].sources[0].tasks)
        #expect(declared.sites[1].sources[0].tasks == TaskSelection(ner: .some(["drug"]), re: .all))
    }
}
