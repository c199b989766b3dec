// ModelShape: the sizes and constants of a llama model, and which tensors of which shapes they promise.

import Faults

/// How rotary frequencies are scaled for longer contexts.
public enum RopeScaling: Sendable, Equatable {
    /// Frequencies as trained.
    case none
    /// Every frequency divided by the factor.
    case linear(factor: Double)
    /// Llama 3: long wavelengths divided by the factor, short ones kept, a ramp between (transformers, `rope_type: llama3`).
    case llama3(factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalContext: Int)
}

/// The sizes and constants of a llama model.
public struct ModelShape: Sendable, Equatable {
    /// `llama`.
    public var architecture: String
    /// H, the width of the residual stream.
    public var hiddenSize: Int
    /// Decoder layers.
    public var layerCount: Int
    /// Query heads.
    public var headCount: Int
    /// Key and value heads; divides `headCount`.
    public var keyValueHeadCount: Int
    /// D, the width of a head; even.
    public var headDimension: Int
    /// F, the width of the feed-forward block.
    public var feedForwardSize: Int
    /// V, the rows of the embedding.
    public var vocabularySize: Int
    /// The epsilon of RMSNorm.
    public var rmsEpsilon: Float
    /// The base of the rotary frequencies.
    public var ropeTheta: Double
    /// How the rotary frequencies are scaled.
    public var ropeScaling: RopeScaling
    /// Positions the model was trained for.
    public var contextLength: Int
    /// Whether the head is the embedding; otherwise it is `lm_head.weight`.
    public var tiedHead: Bool

    /// Makes a shape.
    public init(
        architecture: String, hiddenSize: Int, layerCount: Int, headCount: Int, keyValueHeadCount: Int,
        headDimension: Int, feedForwardSize: Int, vocabularySize: Int, rmsEpsilon: Float, ropeTheta: Double,
        ropeScaling: RopeScaling, contextLength: Int, tiedHead: Bool
    ) {
        self.architecture = architecture
        self.hiddenSize = hiddenSize
        self.layerCount = layerCount
        self.headCount = headCount
        self.keyValueHeadCount = keyValueHeadCount
        self.headDimension = headDimension
        self.feedForwardSize = feedForwardSize
        self.vocabularySize = vocabularySize
        self.rmsEpsilon = rmsEpsilon
        self.ropeTheta = ropeTheta
        self.ropeScaling = ropeScaling
        self.contextLength = contextLength
        self.tiedHead = tiedHead
    }
}

extension ModelShape {
    /// Checks that the sizes fit each other and that no product of two of them can overflow. Throws `model.setting-range`.
    func check(_ path: String) throws(Fault) {
        let sizes = [
            ("hidden size", hiddenSize), ("layer count", layerCount), ("head count", headCount),
            ("key-value head count", keyValueHeadCount), ("head dimension", headDimension),
            ("feed-forward size", feedForwardSize), ("vocabulary size", vocabularySize),
            ("context length", contextLength),
        ]
        for (name, size) in sizes where !(1...0x7fff_ffff).contains(size) {
            throw Fault.modelSettingRange(path, name, "\(size)", "between 1 and 2147483647")
        }
        guard headCount % keyValueHeadCount == 0 else {
            throw Fault.modelSettingRange(
                path, "key-value head count", "\(keyValueHeadCount)", "a divisor of the head count \(headCount)")
        }
        guard headDimension % 2 == 0 else {
            throw Fault.modelSettingRange(path, "head dimension", "\(headDimension)", "even")
        }
        guard rmsEpsilon > 0, rmsEpsilon < 1 else {
            throw Fault.modelSettingRange(path, "RMSNorm epsilon", "\(rmsEpsilon)", "between 0 and 1")
        }
        guard ropeTheta >= 1, ropeTheta.isFinite else {
            throw Fault.modelSettingRange(path, "rope theta", "\(ropeTheta)", "at least 1 and finite")
        }
        switch ropeScaling {
        case .none: break
        case .linear(let factor):
            guard factor > 0, factor.isFinite else {
                throw Fault.modelSettingRange(path, "rope factor", "\(factor)", "positive and finite")
            }
        case .llama3(let factor, let low, let high, let original):
            guard factor > 0, factor.isFinite, low > 0, high > low, high.isFinite, original > 0 else {
                throw Fault.modelSettingRange(
                    path, "rope scaling", "\(ropeScaling)", "positive, with the high factor above the low one")
            }
        }
    }

    /// The shape [out, in] of the weight of a linear map of a layer.
    public func shape(of map: String) -> [Int]? {
        let queries = headCount * headDimension
        let keys = keyValueHeadCount * headDimension
        return switch map {
        case "q_proj": [queries, hiddenSize]
        case "k_proj", "v_proj": [keys, hiddenSize]
        case "o_proj": [hiddenSize, queries]
        case "gate_proj", "up_proj": [feedForwardSize, hiddenSize]
        case "down_proj": [hiddenSize, feedForwardSize]
        default: nil
        }
    }

    /// The tensors outside the layers and their shapes, by Hugging Face name.
    var outerTensors: [(name: String, shape: [Int])] {
        var tensors = [
            ("model.embed_tokens.weight", [vocabularySize, hiddenSize]), ("model.norm.weight", [hiddenSize]),
        ]
        if !tiedHead { tensors.append(("lm_head.weight", [vocabularySize, hiddenSize])) }
        return tensors
    }

    /// The tensors of a layer and their shapes, by Hugging Face name.
    func tensors(ofLayer layer: Int) -> [(name: String, shape: [Int])] {
        let start = "model.layers.\(layer)."
        let maps =
            ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"]
            + ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]
        var tensors: [(name: String, shape: [Int])] = []
        for map in maps {
            let short = String(map[map.index(after: map.firstIndex(of: ".") ?? map.startIndex)...])
            tensors.append((start + map + ".weight", shape(of: short) ?? []))
        }
        tensors.append((start + "input_layernorm.weight", [hiddenSize]))
        tensors.append((start + "post_attention_layernorm.weight", [hiddenSize]))
        return tensors
    }
}
