// ShapeBenchmark: real training steps on random four-bit weights of a known shape, and what the whole model would take.

import Engine
import Faults
import Federation
import ModelFiles
import RunRecords

/// Shapes that benchmarks know by name.
public enum BenchmarkShape: String, CaseIterable, Sendable {
    case smolLM2 = "smollm2-135m"
    case llama1B = "llama-3.2-1b"
    case llama8B = "llama-3.1-8b"

    /// The published sizes of the model.
    public var shape: ModelShape {
        func shape(
            _ hidden: Int, _ layers: Int, _ heads: Int, _ keyValueHeads: Int, _ feedForward: Int, _ vocabulary: Int,
            theta: Double, tied: Bool
        ) -> ModelShape {
            ModelShape(
                architecture: "llama", hiddenSize: hidden, layerCount: layers, headCount: heads,
                keyValueHeadCount: keyValueHeads, headDimension: self == .llama8B ? 128 : 64,
                feedForwardSize: feedForward, vocabularySize: vocabulary, rmsEpsilon: 1e-5, ropeTheta: theta,
                ropeScaling: .none, contextLength: 8192, tiedHead: tied)
        }
        switch self {
        case .smolLM2: return shape(576, 30, 9, 3, 1536, 49152, theta: 100_000, tied: true)
        case .llama1B: return shape(2048, 16, 32, 8, 8192, 128_256, theta: 500_000, tied: true)
        case .llama8B: return shape(4096, 32, 32, 8, 14336, 128_256, theta: 500_000, tied: false)
        }
    }
}

/// What a benchmark found.
public struct ShapeBenchmark: Sendable {
    /// Layers that ran.
    public var layers: Int
    /// Layers of the whole model.
    public var wholeLayers: Int
    /// Tokens of a step.
    public var tokens: Int
    /// The median of the steps that ran, in seconds.
    public var seconds: Double
    /// The parts of a step by layer.
    public var time: StepTime
    /// The memory expected for the layers that ran.
    public var memory: TrainingMemory
    /// The memory expected for the whole model.
    public var wholeMemory: TrainingMemory
    /// The largest resident set of the process, in bytes.
    public var peakMemory: Int

    /// Runs `steps` measured steps of `layers` layers, and of a quarter of them for the line. Faults: those of `train`.
    public init(
        _ name: BenchmarkShape, layers: Int, numerics: Numerics, batch: Int, length: Int, dropout: Double,
        checkpointing: Bool, steps: Int, threads: Int
    ) throws(Fault) {
        let whole = name.shape
        var shape = whole
        shape.layerCount = layers
        let model = try LanguageModel(random: shape, type: .q4_0, numerics: numerics)
        let lora = LoRAConfiguration(rank: 16, alpha: 64, dropout: dropout, targets: LinearMap.allCases)
        let configuration = TrainingConfiguration(
            epochs: steps + 1, batchSize: batch, learningRate: 2e-4, warmupRatio: 0.05, schedule: .cosine,
            maxLength: length, lossOn: .sequence, weightDecay: 0, clipNorm: 1, checkpointActivations: checkpointing)
        let sequences = (0..<batch).map { record in
            TokenSequence(
                tokens: (0..<length).map { Int32((record * 7919 + $0 * 104_729 + 17) % shape.vocabularySize) })
        }
        let job = { (model: LanguageModel) throws(Fault) in
            try TrainingJob(
                model: model, configuration: configuration, lora: lora, sequences: sequences,
                start: initialAdapter(shape: model.shape, configuration: lora, seed: 1), seed: 1, round: 1,
                site: "bench", threads: threads)
        }
        let all = try StepTime.steps(of: try job(model)).sorted()
        let few = max(1, layers / 4)
        let fewer = try StepTime.steps(of: try job(model.cut(to: few))).sorted()
        let (slow, fast) = (all[all.count / 2], fewer[fewer.count / 2])
        let layer = layers > few ? max(0, (slow - fast) / Double(layers - few)) : 0
        func memory(_ shape: ModelShape, weights: Int) throws(Fault) -> TrainingMemory {
            try TrainingMemory(
                shape: shape, weights: weights, lora: lora, numerics: numerics, checkpointing: checkpointing,
                rows: batch * (length - 1), longest: length, threads: threads)
        }
        let outer = model.outerBytes
        self.layers = layers
        wholeLayers = whole.layerCount
        tokens = batch * length
        seconds = slow
        time = StepTime(base: max(0, slow - Double(layers) * layer), layer: layer)
        self.memory = try memory(shape, weights: model.storedBytes)
        wholeMemory = try memory(
            whole, weights: outer + (model.storedBytes - outer) / layers * whole.layerCount)
        peakMemory = Machine.peakMemory
    }
}
