// TrainingMemory: how much memory a training call takes, counted by the same allocations that the call makes.

import CKernels
import Faults
import Federation
import ModelFiles

/// The memory of a training call, in bytes.
public struct TrainingMemory: Sendable, Equatable {
    /// What the layers keep for their backward pass; with checkpointing, the inputs of all layers and the other values of one layer.
    public var activations: Int
    /// Scratch, gradients between layers, logits and the threads' workspaces.
    public var scratch: Int
    /// The adapter, its gradient and the two moments of the optimiser.
    public var adapter: Int
    /// The frozen weights as they are stored; the head counts once where it is tied to the embedding.
    public var weights: Int

    /// The sum of all parts.
    public var total: Int { activations + scratch + adapter + weights }

    /// For batches of at most `rows` packed rows.
    public init(
        shape: ModelShape, weights: Int, lora: LoRAConfiguration, numerics: Numerics, checkpointing: Bool, rows: Int,
        longest: Int, threads: Int
    ) throws(Fault) {
        let layout = try LoRALayout(lora, shape: shape)
        let kept = Arena(counting: true)
        let keptLayers = checkpointing ? 1 : shape.layerCount
        for _ in 0..<keptLayers {
            _ = try LayerActivations(shape, rank: lora.rank, rows: rows, arena: kept)
        }
        if lora.dropout > 0 {
            for _ in 0..<keptLayers {
                for map in LinearMap.allCases {
                    _ = try AdaptedMap.Dropout.mask(rows: rows, inputs: shape.inputs(of: map), arena: kept)
                }
            }
        }
        if checkpointing {
            for _ in 0...shape.layerCount { _ = try kept.floats(rows, shape.hiddenSize) }
        }
        let used = Arena(counting: true)
        for _ in 0..<2 { _ = try used.floats(rows, shape.hiddenSize) }
        let halves =
            numerics == .exact ? nil : try Halves(shape, rank: lora.rank, rows: rows, trains: true, arena: used)
        _ = try LayerScratch(shape, rows: rows, halves: halves, arena: used)
        _ = try GradientScratch(shape, rank: lora.rank, rows: rows, numerics: numerics, arena: used)
        _ = try HeadScratch(
            HeadWeights(
                weight: kernel_matrix(
                    data: nil, rows: shape.vocabularySize, columns: shape.hiddenSize, row_bytes: 0,
                    type: Int32(KERNEL_Q4_0.rawValue)),
                norm: UnsafePointer(try used.floats(0)), epsilon: shape.rmsEpsilon, numerics: numerics),
            limit: rows, arena: used)
        let perThread =
            kernel_gemm_workspace_bytes() + kernel_attention_scratch_bytes(shape.headDimension)
            + Workers.mostRows(width: shape.widestRow) * shape.widestRow * 6
        activations = kept.byteCount
        scratch = used.byteCount + threads * perThread + 4 * longest * shape.headDimension
        adapter = LoRALayout.copies * MemoryLayout<Float>.stride * layout.count
        self.weights = weights
    }
}

extension LanguageModel {
    /// The bytes of the stored weights; the embedding counts once where the head is tied to it.
    public var storedBytes: Int {
        func bytes(_ matrix: kernel_matrix) -> Int { matrix.rows * matrix.row_bytes }
        return outerBytes + layers.reduce(0) { $0 + $1.maps.reduce(0) { $0 + bytes($1) } }
    }

    /// The bytes of the weights outside the layers.
    public var outerBytes: Int {
        embedding.rows * embedding.row_bytes + (shape.tiedHead ? 0 : head.rows * head.row_bytes)
    }
}
