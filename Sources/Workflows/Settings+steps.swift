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
        ] + ties)

    /// What ties a training to the round's start.
    private static let ties: [Setting<TrainingConfiguration>] = [
        Setting(
            "matrices", .choice(), default: .both, \.matrices,
            "`b`: A stays as the seed made it; `alternate`: B in odd rounds, A in even ones; the upload holds the trained one alone ([aggregation.md](aggregation.md))",
            omitted: { $0.matrices == .both }),
        Setting(
            "proximal", .number(.from(0, through: 1e6)), default: 0, \.proximal,
            "mu of FedProx: the gradient takes mu times the distance from the round's start",
            omitted: { $0.proximal == 0 }),
    ]

    struct UploadForm: Sendable { var precision = UploadPrecision.bf16 }
    static let upload = Section(UploadForm(), [Setting("precision", .choice(), default: .bf16, \.precision)])

    static let score = Section(
        ScoreConfiguration(),
        [
            Setting(
                "measure", .choice(), default: .validationLoss, \.measure,
                "`validation_loss`: of each upload; `shapley`: of the merges of all subsets of at most 10 uploads too, which the rule `shapley` needs"
            ),
            Setting(
                "loss_on", .choice(), default: .completion, \.lossOn,
                "`sequence` is prompt and completion, as published: the instruction, alike in all records, dilutes the differences"
            ),
        ])

    // MARK: Aggregate

    enum RuleName: String, CaseIterable, Sendable {
        case fedMedLoRA = "fed-medlora"
        case fedMedLoRAPlus = "fed-medlora-plus"
        case shapley
    }

    struct RefinementForm: Sendable, Equatable { var ridge = 0.0 }
    static let refinement = Section(
        RefinementForm(),
        [
            Setting(
                "ridge", .number(.from(0, through: 1e12)), default: 0.01,
                shown: .words("0.01"), \RefinementForm.ridge,
                "how strongly B is held to its mean")
        ])

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
        var refinement: RefinementForm?
        /// All but the rule's own numbers and the ridge.
        var rest = Aggregation(.fedMedLoRA)

        var aggregation: Aggregation {
            var aggregation = rest
            aggregation.rule =
                switch rule {
                case .fedMedLoRA: .fedMedLoRA
                case .fedMedLoRAPlus: .fedMedLoRAPlus(temperature: temperature, size: size != .flag(false))
                case .shapley: .shapley
                }
            aggregation.ridge = refinement?.ridge
            return aggregation
        }

        init() {}
        init(_ aggregation: Aggregation, _ unit: SizeUnit) {
            rest = aggregation
            refinement = aggregation.ridge.map { RefinementForm(ridge: $0) }
            switch aggregation.rule {
            case .fedMedLoRA: break
            case .fedMedLoRAPlus(let temperature, let size):
                rule = .fedMedLoRAPlus
                self.temperature = temperature
                self.size = .flag(size)
            case .shapley: rule = .shapley
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
                "the rules `fed-medlora-plus`, also written `fed-medlora+`, and `shapley` need score and the coordinator"
            ),
            Setting(
                "temperature", .number(.above(0)), default: 1, \.temperature, "only with `fed-medlora-plus`",
                omitted: { $0.rule != .fedMedLoRAPlus }),
            Setting(
                "size", size, default: .flag(true), \.size,
                "`true` or `records`: weights are proportional to the site's number of records; `label_tokens`: to the number of tokens that its loss covers; `false`, only with `fed-medlora-plus`: to neither",
                omitted: { $0.rule != .fedMedLoRAPlus && ($0.size.unit ?? .records) == .records }),
        ] + sureness + combination)

    /// How sure a loss has to be before it counts.
    private static let sureness: [Setting<AggregateForm>] = [
        Setting(
            "temperature_in", .choice(), default: .nats, \.rest.temperatureUnit,
            "`standard_errors`: the temperature is multiplied with the standard error of the losses' differences; only with `fed-medlora-plus`",
            omitted: { $0.rest.temperatureUnit == .nats }),
        Setting(
            "shrink", .flag, default: false, \.rest.shrinks,
            "`true`: weights go back to size as far as the losses' differences are noise; only with `fed-medlora-plus`",
            omitted: { !$0.rest.shrinks }),
    ]

    /// How the adapter is made of the uploads.
    private static let combination: [Setting<AggregateForm>] = [
        Setting(
            "product", .choice(), default: .mean, \.rest.product,
            "`mean`: of A and of B, apart; `stacked`: side by side in the last round, exact; `svd`: the best product of the adapter's rank ([aggregation.md](aggregation.md))",
            omitted: { $0.rest.product == .mean }),
        Setting(
            "refactor", .choice(), default: .none, \.rest.refactor,
            "`svd`: the averaged product is published as B = U S, A = V^T",
            omitted: { $0.rest.refactor == .none }),
        Setting(
            "clip", .optional(.number(.above(0)), null: "no clipping"), default: nil, \.rest.clip,
            "the largest change of the product, as a norm over all maps, that one upload may make",
            omitted: { $0.rest.clip == nil }),
        Setting(
            "robust", .choice(), default: .none, \.rest.robust,
            "each coordinate's `median`, or its mean without the ends, in place of the weighted mean; three sites or more",
            omitted: { $0.rest.robust == .none }),
        Setting(
            "refine", .optional(refinement.type, null: "no fit"), default: nil, \.refinement,
            "B is fitted to the mean of the products, below", omitted: { $0.refinement == nil }),
        Setting(
            "rotate", .flag, default: false, \.rest.rotates,
            "`true`: each upload's factors are turned towards the round's start before the mean; its product stays",
            omitted: { !$0.rest.rotates }),
    ]

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
