// WorkflowDefaults: every default of the workflow format, in the one place where defaults live. docs/workflow-format.md prints it.

import Federation

/// The value of each setting that a workflow may leave out.
public enum WorkflowDefaults {
    /// `summary`: empty.
    public static let summary = ""
    /// `seed`.
    public static let seed: UInt64 = 17
    /// `data_root`: the workflow's own folder.
    public static let dataRoot = "."
    /// `model.weights`.
    public static let weights = WeightForm.stored
    /// `model.numerics`.
    public static let numerics = Numerics.exact
    /// `adapter.rank` of the paper.
    public static let rank = 16
    /// `adapter.alpha` of the paper.
    public static let alpha = 64.0
    /// `adapter.dropout` of the paper.
    public static let dropout = 0.05
    /// `adapter.targets`: `all-linear`.
    public static let targets = LinearMap.allCases
    /// `template`.
    public static let template = "templates/clinical-extraction.yaml"
    /// `tasks` wherever data is named.
    public static let tasks = TaskSelection(ner: .all, re: nil)
    /// `limit` wherever data is named: all records.
    public static let limit: Int? = nil
    /// `labels` wherever data is named: every label stands for itself.
    public static let labels = LabelMap()
    /// `allow_overlap`.
    public static let allowOverlap = false
    /// `on_bad_document`.
    public static let badDocuments = BadDocuments.fail
    /// `evaluate.compat`.
    public static let compatibility = ScoreCompatibility.none
    /// `heads` of a cohort.
    public static let heads = HeadSource.gold
    /// `coordinator.records` of the paper.
    public static let records = 5
    /// `train`: two epochs at batch 4 and 2e-4 over a cosine with 5% warm-up, as the paper; gradients clipped at norm 1;
    /// no checkpoints of the state or of activations.
    public static let training = TrainingConfiguration(
        epochs: 2, batchSize: 4, learningRate: 2e-4, warmupRatio: 0.05, schedule: .cosine, maxLength: 800,
        lossOn: .sequence, weightDecay: 0, clipNorm: 1, checkpointEvery: nil, checkpointActivations: false)
    /// `signing`: a run without keys is an experiment, and says so.
    public static let signing = Requirement.optional
    /// `approvals`.
    public static let approvals = Requirement.optional
    /// `upload.precision`.
    public static let precision = UploadPrecision.bf16
    /// `score.measure`.
    public static let measure = ScoreMeasure.validationLoss
    /// `aggregate.temperature` of `fed-medlora-plus`.
    public static let temperature = 1.0
    /// `aggregate.size` of `fed-medlora-plus`; the unit of a size is `records` under every rule.
    public static let size = true
    /// `evaluate.when`.
    public static let when = EvaluationMoment.lastRound
    /// `evaluate.max_new_tokens`.
    public static let maxNewTokens = 160
    /// `evaluate.batch_size`.
    public static let evaluationBatchSize = 16
}
