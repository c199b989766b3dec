// The settings that pass unchanged from the workflow reader to the engine and the record. Only the reader has defaults.

/// How results are computed: one contract of bits everywhere, or bfloat16 products.
public enum Numerics: String, Sendable, CaseIterable {
    /// float32 with the same bits on every processor, thread count and vector width.
    case exact
    /// bfloat16 products with float32 accumulation; reproducible within its own class.
    case fast
}

/// The form in which frozen weights are held.
public enum WeightForm: String, Sendable, CaseIterable {
    /// As the file stores them (quantised blocks stay quantised in memory).
    case stored
    /// The maps of the layers quantised to NF4 in blocks of 64, with absmax quantised again to 8 bits in groups of 256 (Dettmers et al.
    /// 2023); embedding, head and norms as stored.
    case nf4
}

/// Which model is adapted.
public struct ModelConfiguration: Hashable, Sendable {
    /// A catalogue name, a .gguf file or a Hugging Face folder, as written.
    public var base: String
    /// The form in which frozen weights are held.
    public var weights: WeightForm
    /// The reproducibility class.
    public var numerics: Numerics
    /// How text is cut before merging, for a file that does not say; nil where the file does.
    public var preTokenizer: TextCutting?

    /// Makes a configuration.
    public init(base: String, weights: WeightForm, numerics: Numerics) {
        self.base = base
        self.weights = weights
        self.numerics = numerics
    }
}

/// The names that GGUF files give to ways of cutting text into words.
public enum TextCutting: String, Sendable, CaseIterable, Hashable {
    case smollm
    case gpt2 = "gpt-2"
    case llamaBPE = "llama-bpe"
    case llama3
    case llamaV3 = "llama-v3"
    case qwen2
    case deepseekR1Qwen = "deepseek-r1-qwen"

    /// Whether tokenizers of the family bring text into normal form C first; GGUF has no setting for it.
    public var composes: Bool { self == .qwen2 || self == .deepseekR1Qwen }
    /// Whether tokenizers of the family take a word that is a token as it is.
    public var ignoresMerges: Bool { self == .llamaBPE || self == .llama3 || self == .llamaV3 }
}

/// The linear maps of a decoder layer that LoRA adapts, in the order used for seeds and files.
public enum LinearMap: String, Sendable, CaseIterable, Hashable {
    case q = "q_proj"
    case k = "k_proj"
    case v = "v_proj"
    case o = "o_proj"
    case gate = "gate_proj"
    case up = "up_proj"
    case down = "down_proj"

    /// The block of the layer that holds the map, as PEFT names it.
    public var block: String {
        switch self {
        case .q, .k, .v, .o: "self_attn"
        case .gate, .up, .down: "mlp"
        }
    }
}

/// Low-rank adaptation: W x + (alpha / rank) B A dropout(x), with A [rank, in] and B [out, rank] (Hu et al. 2021, eq. 3).
public struct LoRAConfiguration: Hashable, Sendable {
    /// The rank, 1 to 2048.
    public var rank: Int
    /// The numerator of the scale alpha / rank.
    public var alpha: Double
    /// The probability with which an element of the map's input is dropped in training, 0 up to but not including 1.
    public var dropout: Double
    /// The adapted maps, in `LinearMap.allCases` order; never empty.
    public var targets: [LinearMap]

    /// Makes a configuration.
    public init(rank: Int, alpha: Double, dropout: Double, targets: [LinearMap]) {
        self.rank = rank
        self.alpha = alpha
        self.dropout = dropout
        self.targets = targets
    }
    /// alpha / rank.
    public var scale: Double { alpha / Double(rank) }
}

/// Which tokens of a record the training loss covers.
public enum LossScope: String, Sendable, CaseIterable {
    /// Every token but the first: prompt and completion.
    case sequence
    /// The completion and the end marker only.
    case completion
}

/// How the learning rate runs after warm-up.
public enum LearningRateSchedule: String, Sendable, CaseIterable {
    case cosine, linear, constant
}

/// Local training of one site in one round.
public struct TrainingConfiguration: Hashable, Sendable {
    /// Passes over the site's records.
    public var epochs: Int
    /// Records in a step.
    public var batchSize: Int
    /// The highest learning rate of the schedule.
    public var learningRate: Double
    /// The share of all steps over which the learning rate rises from zero.
    public var warmupRatio: Double
    /// What follows the warm-up.
    public var schedule: LearningRateSchedule
    /// The most tokens of a record; the input text of a longer record is cut.
    public var maxLength: Int
    /// Which tokens the loss covers.
    public var lossOn: LossScope
    /// Decoupled weight decay of AdamW (Loshchilov and Hutter 2019).
    public var weightDecay: Double
    /// The global norm to which gradients are clipped; nil for no clipping.
    public var clipNorm: Double?
    /// Every how many steps the training state is kept and its digest recorded; nil: never.
    public var checkpointEvery: Int?
    /// Whether layers keep only their inputs and run again in the backward pass: less memory, more time, the same bits.
    public var checkpointActivations: Bool
    /// Which factors are trained.
    public var matrices = TrainedMatrices.both
    /// mu of the proximal term mu / 2 |theta - theta_start|^2 (FedProx, arXiv 1812.06127); 0 for none.
    public var proximal = 0.0

    /// Makes a configuration.
    public init(
        epochs: Int, batchSize: Int, learningRate: Double, warmupRatio: Double, schedule: LearningRateSchedule,
        maxLength: Int, lossOn: LossScope, weightDecay: Double, clipNorm: Double?, checkpointEvery: Int? = nil,
        checkpointActivations: Bool = false
    ) {
        self.epochs = epochs
        self.batchSize = batchSize
        self.learningRate = learningRate
        self.warmupRatio = warmupRatio
        self.schedule = schedule
        self.maxLength = maxLength
        self.lossOn = lossOn
        self.weightDecay = weightDecay
        self.clipNorm = clipNorm
        self.checkpointEvery = checkpointEvery
        self.checkpointActivations = checkpointActivations
    }
}

/// Whether a run requires something that is optional.
public enum Requirement: String, Sendable, CaseIterable {
    case optional, required
}

/// The number format in which an adapter leaves its site.
public enum UploadPrecision: String, Sendable, CaseIterable {
    case f32, bf16
}

/// How the coordinator rates an upload.
public enum ScoreMeasure: String, Sendable, CaseIterable {
    /// Mean cross-entropy of base + adapter over the coordinator's validation records.
    case validationLoss = "validation_loss"
    /// Besides, the Shapley value of every upload, from the losses of the merges of all subsets of uploads.
    case shapley
}

/// One score step.
public struct ScoreConfiguration: Hashable, Sendable {
    /// How uploads are rated.
    public var measure = ScoreMeasure.validationLoss
    /// Which tokens of a validation record the loss covers.
    public var lossOn = LossScope.completion

    /// Makes a configuration.
    public init() {}
}

/// Which factors a round trains.
public enum TrainedMatrices: String, Sendable, CaseIterable {
    case both
    /// B alone; A stays as the seed made it (FFA-LoRA, arXiv 2403.12313).
    case b
    /// B in odd rounds, A in even ones (RoLoRA, arXiv 2502.01755); B first, since with B zero A has no gradient.
    case alternate

    /// The factor that a round leaves as it is.
    public func frozen(in round: Int) -> Adapter.Matrix? {
        switch self {
        case .both: nil
        case .b: .a
        case .alternate: round % 2 == 1 ? .a : .b
        }
    }
}

/// When an evaluate step runs.
public enum EvaluationMoment: String, Sendable, CaseIterable {
    case lastRound = "last_round"
    case everyRound = "every_round"
}

/// One evaluate step.
public struct EvaluationConfiguration: Hashable, Sendable {
    /// The cohorts, in the order in which they are evaluated.
    public var cohorts: [CohortID]
    /// When the step runs.
    public var when: EvaluationMoment
    /// The most new tokens of a record.
    public var maxNewTokens: Int
    /// Records decoded together; does not change results in exact numerics.
    public var batchSize: Int
    /// Scores by another way of counting, besides ours.
    public var compatibility: ScoreCompatibility

    /// Makes a configuration.
    public init(
        cohorts: [CohortID], when: EvaluationMoment, maxNewTokens: Int, batchSize: Int,
        compatibility: ScoreCompatibility = .none
    ) {
        self.compatibility = compatibility
        self.cohorts = cohorts
        self.when = when
        self.maxNewTokens = maxNewTokens
        self.batchSize = batchSize
    }
}
