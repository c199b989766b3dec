// The llama-like families in GGUF: turns settings into a ModelShape, and ggml's tensor names and row order into those of Hugging Face.

import Faults
import Federation
import Glibc

extension GGUF {
    /// An integer setting, nil where absent. Throws `model.missing-setting` for another type.
    func integer(_ key: String) throws(Fault) -> Int? {
        guard let value = settings[key] else { return nil }
        guard case .integer(let number) = value else { throw Fault.modelMissingSetting(path, key) }
        return Int(number)
    }

    /// A number setting, nil where absent. Throws `model.missing-setting` for another type.
    func number(_ key: String) throws(Fault) -> Double? {
        guard let value = settings[key] else { return nil }
        switch value {
        case .number(let number): return number
        case .integer(let number): return Double(number)
        default: throw Fault.modelMissingSetting(path, key)
        }
    }

    /// A text setting, nil where absent. Throws `model.missing-setting` for another type.
    func text(_ key: String) throws(Fault) -> String? {
        guard let value = settings[key] else { return nil }
        guard case .text(let text) = value else { throw Fault.modelMissingSetting(path, key) }
        return text
    }

    /// A truth value, false where absent. Throws `model.missing-setting` for another type.
    func flag(_ key: String) throws(Fault) -> Bool {
        guard let value = settings[key] else { return false }
        guard case .bool(let flag) = value else { throw Fault.modelMissingSetting(path, key) }
        return flag
    }

    private func required<T>(_ value: T?, _ key: String) throws(Fault) -> T {
        guard let value else { throw Fault.modelMissingSetting(path, key) }
        return value
    }

    // MARK: Shape

    /// The shape that the settings give. Throws `model.unsupported-architecture`, `model.unsupported-feature`, `model.missing-setting`,
    /// `model.setting-range`.
    func llamaShape() throws(Fault) -> ModelShape {
        if try text("general.type") == "adapter" {
            throw Fault.modelElsewhere(
                path, "this is an adapter, not a model",
                "Give it as the adapter, beside the model that it was trained for.")
        }
        let architecture = try required(try text("general.architecture"), "general.architecture")
        guard architecture != "mistral", ModelShape.architectures.contains(architecture) else {
            throw Fault.modelUnsupportedArchitecture(path, architecture)
        }
        let hidden = try required(try integer("\(architecture).embedding_length"), "\(architecture).embedding_length")
        let heads = try required(
            try integer("\(architecture).attention.head_count"), "\(architecture).attention.head_count")
        guard heads > 0 else {
            throw Fault.modelSettingRange(path, "\(architecture).attention.head_count", "\(heads)", "at least 1")
        }
        let headDimension = try integer("\(architecture).attention.key_length") ?? hidden / heads
        for key in ["\(architecture).attention.value_length", "\(architecture).rope.dimension_count"] {
            if let other = try integer(key), other != headDimension {
                throw Fault.modelUnsupportedFeature(path, "\(key) is \(other) where a head is \(headDimension) wide")
            }
        }
        if let experts = try integer("\(architecture).expert_count"), experts > 0 {
            throw Fault.modelUnsupportedFeature(path, "a mixture of \(experts) experts is not supported")
        }
        guard let embedding = tensors.first(where: { $0.name == "token_embd.weight" }) else {
            throw Fault.modelMissingTensor(path, "token_embd.weight")
        }
        let epsilonKey = "\(architecture).attention.layer_norm_rms_epsilon"
        var shape = ModelShape(
            architecture: architecture, hiddenSize: hidden,
            layerCount: try required(try integer("\(architecture).block_count"), "\(architecture).block_count"),
            headCount: heads,
            keyValueHeadCount: try integer("\(architecture).attention.head_count_kv") ?? heads,
            headDimension: headDimension,
            feedForwardSize: try required(
                try integer("\(architecture).feed_forward_length"), "\(architecture).feed_forward_length"),
            vocabularySize: embedding.shape[0],
            rmsEpsilon: Float(try required(try number(epsilonKey), epsilonKey)),
            ropeTheta: try number("\(architecture).rope.freq_base") ?? 10000, ropeScaling: .none,
            contextLength: try required(
                try integer("\(architecture).context_length"), "\(architecture).context_length"),
            tiedHead: !tensors.contains { $0.name == "output.weight" }, biases: biases(),
            headNorms: architecture == "qwen3",
            slidingWindow: try integer("\(architecture).attention.sliding_window"))
        guard shape.keyValueHeadCount > 0 else {
            throw Fault.modelSettingRange(
                path, "\(architecture).attention.head_count_kv", "\(shape.keyValueHeadCount)", "at least 1")
        }
        shape.ropeScaling = try ropeScaling(architecture, theta: shape.ropeTheta, headDimension: headDimension)
        try shape.check(path)
        return shape
    }

    /// The maps that have a bias, found from the tensors of the first layer.
    private func biases() -> [LinearMap] {
        zip([LinearMap.q, .k, .v, .o], ["attn_q", "attn_k", "attn_v", "attn_output"]).compactMap { map, name in
            tensors.contains { $0.name == "blk.0.\(name).bias" } ? map : nil
        }
    }

    private func ropeScaling(_ architecture: String, theta: Double, headDimension: Int) throws(Fault) -> RopeScaling {
        if let factors = tensors.first(where: { $0.name == "rope_freqs.weight" }) {
            return try llama3Scaling(factors, theta: theta, headDimension: headDimension)
        }
        let legacy = try number("\(architecture).rope.scale_linear")
        let type = try text("\(architecture).rope.scaling.type") ?? (legacy == nil ? "none" : "linear")
        switch type {
        case "none": return .none
        case "linear":
            let factor = try number("\(architecture).rope.scaling.factor") ?? legacy
            return .linear(factor: try required(factor, "\(architecture).rope.scaling.factor"))
        default: throw Fault.modelUnsupportedFeature(path, "rope scaling \(Fault.shown(type)) is not supported")
        }
    }

    /// GGUF stores Llama 3's scaling as one factor for each frequency; the released models use one of these two settings.
    private func llama3Scaling(_ factors: GGUFTensor, theta: Double, headDimension: Int) throws(Fault) -> RopeScaling {
        guard factors.stored == .f32, factors.shape == [headDimension / 2] else {
            throw Fault.modelTensorShape(path, "rope_freqs.weight", factors.shape, [headDimension / 2])
        }
        let half: Int = headDimension / 2
        for factor in [8.0, 32.0] {
            var fits = true
            for index in 0..<half {
                let expected = Self.llama3Factor(index, half: half, theta: theta, factor: factor)
                fits = fits && abs(Self.float32(factors, index) - expected) <= 1e-3 * expected
            }
            if fits {
                return .llama3(factor: factor, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192)
            }
        }
        throw Fault.modelUnsupportedFeature(
            path, "the rope factors of rope_freqs.weight are not those of Llama 3.1 or 3.2")
    }

    private static func llama3Factor(_ index: Int, half: Int, theta: Double, factor: Double) -> Double {
        let frequency: Double = pow(theta, -Double(index) / Double(half))
        let turns: Double = 8192 * frequency / (2 * Double.pi)
        let smooth: Double = min(1, max(0, (turns - 1) / 3))
        return 1 / ((1 - smooth) / factor + smooth)
    }

    private static func float32(_ tensor: GGUFTensor, _ index: Int) -> Double {
        withExtendedLifetime(tensor.storage) {
            let bits = tensor.bytes.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)
            return Double(Float(bitPattern: UInt32(littleEndian: bits)))
        }
    }

    // MARK: Tensors

    /// The tensors under Hugging Face names, q and k rows in Hugging Face order.
    /// Throws `model.unknown-tensor`, `model.tensor-shape`.
    func llamaTensors(_ shape: ModelShape) throws(Fault) -> [StoredTensor] {
        var stored: [StoredTensor] = []
        stored.reserveCapacity(tensors.count)
        for tensor in tensors where tensor.name != "rope_freqs.weight" {
            guard let name = Self.huggingFaceName(tensor.name) else {
                throw Fault.modelUnknownTensor(path, tensor.name)
            }
            let plain = StoredTensor(
                name: name, shape: tensor.shape, type: tensor.stored, bytes: tensor.bytes, storage: tensor.storage)
            let heads = headsOfTurnedRows(tensor.name, shape)
            guard let heads else {
                stored.append(plain)
                continue
            }
            guard (1...2).contains(plain.shape.count), plain.shape[0] == heads * shape.headDimension else {
                throw Fault.modelTensorShape(
                    path, name, plain.shape, [heads * shape.headDimension, shape.hiddenSize])
            }
            stored.append(plain.withHalfSplitRows(heads: heads))
        }
        return stored
    }

    /// The heads of a tensor whose rows are in the other order; nil for all others. Only the llama architecture has rotary pairs side by
    /// side; those of Qwen are half a head apart, as in Hugging Face.
    func headsOfTurnedRows(_ name: String, _ shape: ModelShape) -> Int? {
        let parts = name.split(separator: ".")
        guard parts.count == 4, shape.architecture == "llama" else { return nil }
        switch parts[2] {
        case "attn_q": return shape.headCount
        case "attn_k": return shape.keyValueHeadCount
        default: return nil
        }
    }

    static func huggingFaceName(_ name: String) -> String? {
        switch name {
        case "token_embd.weight": return "model.embed_tokens.weight"
        case "output_norm.weight": return "model.norm.weight"
        case "output.weight": return "lm_head.weight"
        default: break
        }
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4, parts[0] == "blk", parts[3] == "weight" || parts[3] == "bias",
            let layer = Int(parts[1]), layer >= 0,
            String(layer) == parts[1]
        else { return nil }
        let names: [Substring: String] = [
            "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
            "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
            "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm", "ffn_down": "mlp.down_proj",
            "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
        ]
        let isBias = parts[3] == "bias"
        guard !isBias || ["attn_q", "attn_k", "attn_v", "attn_output"].contains(parts[2]) else { return nil }
        return names[parts[2]].map { "model.layers.\(layer).\($0).\(parts[3])" }
    }
}

extension StoredTensor {
    /// The rows of q or k in Hugging Face order, as a copy.
    ///
    /// Within a head of D rows, GGUF's row 2 j + s is Hugging Face's row s D/2 + j: rotary pairs are side by side in the former and half a
    /// head apart in the latter. Whole rows move, so that quantised blocks do not change.
    func withHalfSplitRows(heads: Int) -> StoredTensor {
        let rows = shape[0]
        let dimension = rows / heads
        let half = dimension / 2
        let row = bytes.count / rows  // for a bias: one element
        let source = bytes
        let copy = Storage(count: bytes.count) { target in
            for index in 0..<rows {
                let (head, inner) = index.quotientAndRemainder(dividingBy: dimension)
                let from = (head * dimension + 2 * (inner % half) + inner / half) * row
                let rowBytes = UnsafeRawBufferPointer(rebasing: source[from..<from + row])
                UnsafeMutableRawBufferPointer(rebasing: target[index * row..<(index + 1) * row]).copyMemory(
                    from: rowBytes)
            }
        }
        return withExtendedLifetime(storage) {
            StoredTensor(name: name, shape: shape, type: type, bytes: copy.bytes, storage: copy)
        }
    }
}
