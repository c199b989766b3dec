// LanguageModel: the frozen weights of a decoder of the llama kind, checked once and read where the file stores them.

import CKernels
import Faults
import Federation
import ModelFiles

/// A LLaMA-family model whose weights stay in their stored form, memory mapped.
///
/// Unchecked Sendable: only `init` writes the stored properties; the pointers point into the file's read-only mapping, which `file` keeps
/// alive, and into `norms`, which nobody writes after `init`.
public final class LanguageModel: @unchecked Sendable {
    /// The sizes of the model.
    public let shape: ModelShape
    /// How products are computed.
    public let numerics: Numerics

    let embedding: kernel_matrix  // [V, H]
    let head: kernel_matrix  // [V, H]
    let layers: [LayerWeights]
    let finalNorm: UnsafePointer<Float>  // [H]
    /// The weights in the layout that decoding reads.
    let grouped = GroupedWeightsOnce()
    private let file: ModelFile?  // kept for its mapping
    private let quantised: QuantisedWeights?  // kept for its memory
    private let norms: Arena

    /// The frozen weights of one decoder layer.
    struct LayerWeights {
        let maps: [kernel_matrix]  // [out, in] each, in LinearMap.allCases order
        let inputNorm: UnsafePointer<Float>  // [H]
        let postAttentionNorm: UnsafePointer<Float>  // [H]
        let options: FamilyOptions
    }

    /// Checks every tensor against the file's shape. Faults: engine.tensor-missing, engine.tensor-shape,
    /// engine.tensor-bytes, engine.model-setting, engine.memory.
    /// `quantised` holds the weights of `.nf4` if they exist already; otherwise they are made here.
    public init(
        _ file: ModelFile, numerics: Numerics = .exact, weights: WeightForm = .stored,
        quantised: QuantisedWeights? = nil
    ) throws(Fault) {
        let shape = file.shape
        try Self.check(shape)
        let norms = Arena()
        let H = shape.hiddenSize
        var quantised = weights == .nf4 ? quantised : nil
        if weights == .nf4, quantised == nil { quantised = try QuantisedWeights(quantising: file) }
        self.norms = norms
        self.quantised = quantised
        self.file = file
        self.shape = shape
        self.numerics = numerics
        embedding = try Self.weight(
            file, "model.embed_tokens.weight", rows: shape.vocabularySize, columns: H)
        head =
            shape.tiedHead
            ? embedding : try Self.weight(file, "lm_head.weight", rows: shape.vocabularySize, columns: H)
        finalNorm = try Self.norm(file, "model.norm.weight", H, norms)
        var layers: [LayerWeights] = []
        for layer in 0..<shape.layerCount {
            let name = "model.layers.\(layer)"
            var maps: [kernel_matrix] = []
            var options = FamilyOptions()
            for map in LinearMap.allCases {
                let tensor = "\(name).\(map.block).\(map.rawValue).weight"
                let stored = try Self.weight(
                    file, tensor, rows: shape.outputs(of: map), columns: shape.inputs(of: map))
                maps.append(quantised?.matrix(tensor, stored: stored) ?? stored)
                if shape.biases.contains(map) {
                    options.biases[map.place] = try Self.norm(
                        file, "\(name).\(map.block).\(map.rawValue).bias", shape.outputs(of: map), norms)
                }
            }
            if shape.headNorms {
                let D = shape.headDimension
                options.queryNorm = try Self.norm(file, "\(name).self_attn.q_norm.weight", D, norms)
                options.keyNorm = try Self.norm(file, "\(name).self_attn.k_norm.weight", D, norms)
            }
            layers.append(
                LayerWeights(
                    maps: maps, inputNorm: try Self.norm(file, "\(name).input_layernorm.weight", H, norms),
                    postAttentionNorm: try Self.norm(file, "\(name).post_attention_layernorm.weight", H, norms),
                    options: options))
        }
        self.layers = layers
    }

    /// A model of a shape with random weights of a quantised type. Faults: engine.model-setting, engine.memory.
    public init(random shape: ModelShape, type: StoredType, numerics: Numerics) throws(Fault) {
        try Self.check(shape)
        let arena = Arena()
        let H = shape.hiddenSize
        self.shape = shape
        self.numerics = numerics
        file = nil
        quantised = nil
        norms = arena
        embedding = try Self.randomMatrix(rows: shape.vocabularySize, columns: H, type: type, place: 0, in: arena)
        head =
            shape.tiedHead
            ? embedding
            : try Self.randomMatrix(rows: shape.vocabularySize, columns: H, type: type, place: 1, in: arena)
        finalNorm = try Self.ones(H, in: arena)
        layers = try (0..<shape.layerCount).map { (layer) throws(Fault) in
            LayerWeights(
                maps: try LinearMap.allCases.map { (map) throws(Fault) in
                    try Self.randomMatrix(
                        rows: shape.outputs(of: map), columns: shape.inputs(of: map), type: type,
                        place: 2 + layer * LinearMap.allCases.count + map.place, in: arena)
                },
                inputNorm: try Self.ones(H, in: arena), postAttentionNorm: try Self.ones(H, in: arena),
                options: FamilyOptions())
        }
    }

    /// The same model with its first layers only, for measuring.
    private init(_ model: LanguageModel, layers count: Int) {
        var shape = model.shape
        shape.layerCount = count
        self.shape = shape
        numerics = model.numerics
        file = model.file
        quantised = model.quantised
        norms = model.norms
        embedding = model.embedding
        head = model.head
        finalNorm = model.finalNorm
        layers = Array(model.layers.prefix(count))
    }

    /// The same model with only its first `count` layers, or with all of them where it has fewer: for measuring.
    public func cut(to count: Int) -> LanguageModel {
        LanguageModel(self, layers: max(1, min(count, shape.layerCount)))
    }

    static func check(_ shape: ModelShape) throws(Fault) {
        let sizes = [
            ("hiddenSize", shape.hiddenSize), ("layerCount", shape.layerCount), ("headCount", shape.headCount),
            ("keyValueHeadCount", shape.keyValueHeadCount), ("headDimension", shape.headDimension),
            ("feedForwardSize", shape.feedForwardSize), ("vocabularySize", shape.vocabularySize),
            ("contextLength", shape.contextLength),
        ]
        // So no product of two sizes and a few small numbers overflows, and every size fits in 32 bits.
        for (name, value) in sizes where value < 1 || value > 1 << 24 {
            throw .modelSetting(name, "\(value)", expected: "1 to \(1 << 24)")
        }
        if shape.layerCount > 1 << 16 {
            throw .modelSetting("layerCount", "\(shape.layerCount)", expected: "1 to \(1 << 16)")
        }
        let queries = shape.headCount * shape.headDimension
        if queries > 1 << 24 {
            throw .modelSetting("headCount times headDimension", "\(queries)", expected: "1 to \(1 << 24)")
        }
        if shape.headDimension % 2 != 0 {
            throw .modelSetting("headDimension", "\(shape.headDimension)", expected: "an even number")
        }
        if shape.headCount % shape.keyValueHeadCount != 0 {
            throw .modelSetting(
                "headCount", "\(shape.headCount)", expected: "a multiple of \(shape.keyValueHeadCount) key-value heads")
        }
        guard shape.ropeTheta.isFinite, shape.ropeTheta > 0 else {
            throw .modelSetting("ropeTheta", "\(shape.ropeTheta)", expected: "a positive number")
        }
    }

    static func weight(
        _ file: ModelFile, _ name: String, rows: Int, columns: Int
    ) throws(Fault) -> kernel_matrix {
        guard let tensor = file.tensor(name) else { throw .modelTensorMissing(name) }
        guard tensor.shape == [rows, columns] else {
            throw .modelTensorShape(name, found: tensor.shape, expected: [rows, columns])
        }
        return try stored(tensor, rows: rows, columns: columns)
    }

    /// A norm's weight or a bias [H], copied as float32.
    private static func norm(
        _ file: ModelFile, _ name: String, _ H: Int, _ arena: Arena
    ) throws(Fault) -> UnsafePointer<Float> {
        guard let tensor = file.tensor(name) else { throw .modelTensorMissing(name) }
        guard tensor.shape == [H] else { throw .modelTensorShape(name, found: tensor.shape, expected: [H]) }
        let matrix = try stored(tensor, rows: 1, columns: H)
        let values = try arena.floats(H)
        withUnsafePointer(to: matrix) { kernel_matrix_row(values, $0, 0) }
        return UnsafePointer(values)
    }

    private static func stored(_ tensor: StoredTensor, rows: Int, columns: Int) throws(Fault) -> kernel_matrix {
        let elements = tensor.type.blockElements
        let rowBytes = (columns + elements - 1) / elements * tensor.type.blockBytes
        guard let data = tensor.bytes.baseAddress, tensor.bytes.count == rows * rowBytes else {
            throw .modelTensorBytes(tensor.name, found: tensor.bytes.count, expected: rows * rowBytes)
        }
        return kernel_matrix(
            data: data, rows: rows, columns: columns, row_bytes: rowBytes, type: tensor.type.rawValue)
    }
}

extension ModelShape {
    /// Columns of a map's weight.
    func inputs(of map: LinearMap) -> Int {
        switch map {
        case .q, .k, .v, .gate, .up: hiddenSize
        case .o: headCount * headDimension
        case .down: feedForwardSize
        }
    }

    /// Rows of a map's weight.
    func outputs(of map: LinearMap) -> Int {
        switch map {
        case .q: headCount * headDimension
        case .k, .v: keyValueHeadCount * headDimension
        case .o, .down: hiddenSize
        case .gate, .up: feedForwardSize
        }
    }

    /// The widest row of activations.
    var widestRow: Int { max(hiddenSize, headCount * headDimension, feedForwardSize) }
}
