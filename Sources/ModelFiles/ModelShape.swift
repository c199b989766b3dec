// ModelShape: the sizes and constants of a llama-like model, and which tensors of which shapes they require.

import Faults
import Federation

/// How rotary frequencies are scaled for longer contexts.
public enum RopeScaling: Sendable, Equatable {
    /// Frequencies as trained.
    case none
    /// Every frequency divided by the factor.
    case linear(factor: Double)
    /// Llama 3: long wavelengths divided by the factor, short ones kept, a ramp between (transformers, `rope_type: llama3`).
    case llama3(factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalContext: Int)
}

/// The sizes and constants of a decoder of the families Llama, Mistral, Qwen2 and Qwen3.
public struct ModelShape: Sendable, Equatable {
    /// `llama`, `mistral`, `qwen2` or `qwen3`; a GGUF file calls Mistral `llama`.
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
    /// The maps that add a frozen bias to their product: q, k and v in Qwen2, those and o where `attention_bias` is set.
    public var biases: [LinearMap]
    /// Whether q and k pass through an RMSNorm over each head before they are rotated (Qwen3).
    public var headNorms: Bool
    /// How many positions a layer with a window sees, its own the last; nil where all layers see all earlier positions.
    public var slidingWindow: Int?
    /// The first layer with a window; the layers before it see all earlier positions (Qwen's `max_window_layers`).
    public var firstWindowedLayer: Int

    /// Makes a shape.
    public init(
        architecture: String, hiddenSize: Int, layerCount: Int, headCount: Int, keyValueHeadCount: Int,
        headDimension: Int, feedForwardSize: Int, vocabularySize: Int, rmsEpsilon: Float, ropeTheta: Double,
        ropeScaling: RopeScaling, contextLength: Int, tiedHead: Bool, biases: [LinearMap] = [], headNorms: Bool = false,
        slidingWindow: Int? = nil, firstWindowedLayer: Int = 0
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
        self.biases = biases
        self.headNorms = headNorms
        self.slidingWindow = slidingWindow
        self.firstWindowedLayer = firstWindowedLayer
    }
}

extension ModelShape {
    /// The families that are read, as config.json names them.
    static let architectures = ["llama", "mistral", "qwen2", "qwen3"]

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

    /// How many positions a layer sees, its own the last; 0 for all positions up to its own.
    public func window(ofLayer layer: Int) -> Int { layer < firstWindowedLayer ? 0 : slidingWindow ?? 0 }

    /// The sizes that decide the shapes of adapters.
    public var sizes: BackboneSizes {
        BackboneSizes(
            layers: layerCount, hidden: hiddenSize, queries: headCount * headDimension,
            keyValues: keyValueHeadCount * headDimension, feedForward: feedForwardSize)
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
        var tensors: [(name: String, shape: [Int])] = []
        for map in LinearMap.allCases {
            let shape = sizes.shape(of: map)
            tensors.append(("\(start)\(map.block).\(map.rawValue).weight", [shape.out, shape.in]))
            if biases.contains(map) { tensors.append(("\(start)\(map.block).\(map.rawValue).bias", [shape.out])) }
        }
        if headNorms {
            for name in ["q_norm", "k_norm"] { tensors.append(("\(start)self_attn.\(name).weight", [headDimension])) }
        }
        tensors.append((start + "input_layernorm.weight", [hiddenSize]))
        tensors.append((start + "post_attention_layernorm.weight", [hiddenSize]))
        return tensors
    }
}
