// The declared keys of the steps. A new step is one name, one section here, and one case of Federation.Step.

import Faults
import Federation

extension Settings {
    static let train = Section(
        TrainingConfiguration(
            epochs: 0, batchSize: 0, learningRate: 0, warmupRatio: 0, schedule: .cosine, maxLength: 0,
            lossOn: .sequence, weightDecay: 0, clipNorm: nil),
        // Two epochs at batch 4 and 2e-4 over a cosine with 5% warm-up, as in the paper.
        [
            Setting("epochs", .wholeNumber(1...maximumCount), default: 2, \.epochs),
            Setting("batch_size", .wholeNumber(1...maximumCount), default: 4, \.batchSize),
            Setting("learning_rate", .number(.above(0, through: 1)), default: 2e-4, \.learningRate),
            Setting(
                "warmup_ratio", .number(.from(0, through: 1)), default: 0.05, \.warmupRatio, "share of the steps"),
            Setting("schedule", .choice(), default: .cosine, \.schedule),
            Setting("max_length", .wholeNumber(2...maximumCount), default: 800, \.maxLength, "tokens of a record"),
            Setting(
                "loss_on", .choice(), default: .sequence, \.lossOn, "`sequence` is prompt and completion"),
            Setting("weight_decay", .number(.from(0, through: 1)), default: 0, \.weightDecay),
            Setting("clip_norm", .optional(.number(.above(0)), null: "no clipping"), default: 1, \.clipNorm),
            Setting(
                "checkpoint_every", .optional(.wholeNumber(1...maximumCount), null: "never"), default: nil,
                \.checkpointEvery,
                "after each such number of steps the training state is kept in the work folder and its digest is recorded",
                omitted: { $0.checkpointEvery == nil }),
            Setting(
                "checkpoint_activations", .flag, default: false, \.checkpointActivations,
                "a layer keeps only its input and runs again in the backward pass: less memory, about a third more time, the same bits",
                omitted: { !$0.checkpointActivations }),
        ])

    struct UploadForm: Sendable { var precision = UploadPrecision.bf16 }
    static let upload = Section(UploadForm(), [Setting("precision", .choice(), default: .bf16, \.precision)])

    struct ScoreForm: Sendable { var measure = ScoreMeasure.validationLoss }
    static let score = Section(ScoreForm(), [Setting("measure", .choice(), default: .validationLoss, \.measure)])

    // MARK: Aggregate

    enum RuleName: String, CaseIterable, Sendable {
        case fedMedLoRA = "fed-medlora"
        case fedMedLoRAPlus = "fed-medlora-plus"
    }

    /// The meaning of `size`: whether weights use the site's size, or in which unit.
    enum SizeForm: Sendable, Equatable {
        case flag(Bool)
        case unit(SizeUnit)
        var unit: SizeUnit? { if case .unit(let unit) = self { unit } else { nil } }
    }

    struct AggregateForm: Sendable {
        var rule = RuleName.fedMedLoRA
        var temperature = 0.0
        var size = SizeForm.flag(true)

        var aggregation: AggregationRule {
            switch rule {
            case .fedMedLoRA: .fedMedLoRA
            case .fedMedLoRAPlus: .fedMedLoRAPlus(temperature: temperature, size: size != .flag(false))
            }
        }

        init() {}
        init(_ rule: AggregationRule, _ unit: SizeUnit) {
            if case .fedMedLoRAPlus(let temperature, let size) = rule {
                self.rule = .fedMedLoRAPlus
                self.temperature = temperature
                self.size = .flag(size)
            }
            if unit != .records { size = .unit(unit) }
        }
    }

    static let aggregate = Section(
        AggregateForm(),
        [
            // The paper's title writes the second rule with a plus sign.
            Setting(
                "rule", required: .choice(also: ["fed-medlora+": .fedMedLoRAPlus]), \.rule,
                "the rule `fed-medlora-plus`, also written `fed-medlora+`, needs score and the coordinator"),
            Setting(
                "temperature", .number(.above(0)), default: 1, \.temperature, "only with `fed-medlora-plus`",
                omitted: { $0.rule != .fedMedLoRAPlus }),
            Setting(
                "size", size, default: .flag(true), \.size,
                "`true` or `records`: weights are proportional to the site's number of records; `label_tokens`: to the number of tokens that its loss covers; `false`, only with `fed-medlora-plus`: to neither",
                omitted: { $0.rule != .fedMedLoRAPlus && ($0.size.unit ?? .records) == .records }),
        ])

    private static let size = ValueType<SizeForm>(
        words: "`true`, `false`, `records` or `label_tokens`",
        schema: ["enum": .array([true, false] + SizeUnit.allCases.map { .string($0.rawValue) })],
        read: { node, path, faults in
            switch node.scalar {
            case .bool(let value): return .flag(value)
            case .string(let text):
                if let unit = SizeUnit(rawValue: text) { return .unit(unit) }
                fallthrough
            default:
                faults.wrongType(path, node, "true, false, records or label_tokens")
                return nil
            }
        },
        write: { form in
            switch form {
            case .flag(let value): .bool(value)
            case .unit(.records): true
            case .unit(let unit): .string(unit.rawValue)
            }
        })

    // MARK: Evaluate

    struct EvaluationForm: Sendable {
        var cohorts: [PlacedName] = []
        var settings = EvaluationConfiguration(cohorts: [], when: .lastRound, maxNewTokens: 0, batchSize: 0)

        /// The step, with its cohorts as plain names.
        var configuration: EvaluationConfiguration {
            var configuration = settings
            configuration.cohorts = cohorts.compactMap { CohortID($0.name) }
            return configuration
        }
        init() {}
        init(_ configuration: EvaluationConfiguration) {
            settings = configuration
            cohorts = configuration.cohorts.map { PlacedName(name: $0.name, mark: .nowhere) }
        }
    }

    static let evaluate = Section(
        EvaluationForm(),
        [
            Setting("cohorts", required: .names(of: "cohorts"), \.cohorts),
            Setting("when", .choice(), default: .lastRound, \.settings.when),
            Setting(
                "max_new_tokens", .wholeNumber(1...maximumCount), default: 160, \.settings.maxNewTokens,
                "the most tokens of an answer"),
            Setting(
                "batch_size", .wholeNumber(1...maximumCount), default: 16, \.settings.batchSize,
                "records decoded together"),
            Setting(
                "compat", .choice(), default: .none, \.settings.compatibility,
                "`authors`: the record also holds the counts of the published evaluation, only to compare with its figures",
                omitted: { $0.settings.compatibility == .none }),
        ])
}
