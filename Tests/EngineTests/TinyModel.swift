// A random model with odd sizes, written as a Hugging Face folder, so that tests need no download.

import Engine
import Federation
import Foundation
import ModelFiles

/// Numbers that are random enough for weights and the same every time.
struct TestNumbers {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state >> 33
    }
    /// Uniform in -scale ..< scale.
    mutating func floats(_ count: Int, scale: Float) -> [Float] {
        (0..<count).map { _ in (Float(next() % (1 << 20)) / Float(1 << 19) - 1) * scale }
    }
    mutating func tokens(_ count: Int, below: Int) -> [Int32] {
        (0..<count).map { _ in Int32(next() % UInt64(below)) }
    }
}

enum TinyModel {
    static let vocabulary = 101
    static let layers = 2

    /// Hidden size 20 or as given, 6 heads over 3 key-value heads of 6 or as given, feed-forward 27; two layers; head tied or not.
    static func make(
        tied: Bool = true, context: Int = 256, numerics: Numerics = .exact, hidden: Int = 20,
        weights: WeightForm = .stored, family: String = "llama", layers: Int = layers, heads: Int = 6,
        keyValueHeads: Int = 3, headDimension: Int = 6
    ) throws -> LanguageModel {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "medrounds-tiny-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let name = ["llama": "LlamaForCausalLM", "qwen3": "Qwen3ForCausalLM"][family] ?? family
        let configuration = """
            {"architectures": ["\(name)"], "model_type": "\(family)", "hidden_size": \(hidden), "intermediate_size": 27,
             "num_hidden_layers": \(layers), "num_attention_heads": \(heads), "num_key_value_heads": \(keyValueHeads),
             "head_dim": \(headDimension), "vocab_size": \(vocabulary), "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
             "hidden_act": "silu", "max_position_embeddings": \(context), "tie_word_embeddings": \(tied)}
            """
        try Data(configuration.utf8).write(to: folder.appendingPathComponent("config.json"))
        var numbers = TestNumbers(7)
        var items: [Safetensors.Item] = []
        func add(_ name: String, _ shape: [Int], around centre: Float = 0, scale: Float) {
            let values = numbers.floats(shape.reduce(1, *), scale: scale).map { $0 + centre }
            items.append(
                Safetensors.Item(
                    name: name, shape: shape, type: .f32, bytes: values.withUnsafeBytes { Array($0) }))
        }
        let queries = heads * headDimension
        let keyValues = keyValueHeads * headDimension
        add("model.embed_tokens.weight", [vocabulary, hidden], scale: 1)
        if !tied { add("lm_head.weight", [vocabulary, hidden], scale: 0.5) }
        add("model.norm.weight", [hidden], around: 1, scale: 0.3)
        for layer in 0..<layers {
            let name = "model.layers.\(layer)."
            add(name + "input_layernorm.weight", [hidden], around: 1, scale: 0.3)
            add(name + "post_attention_layernorm.weight", [hidden], around: 1, scale: 0.3)
            add(name + "self_attn.q_proj.weight", [queries, hidden], scale: 0.4)
            add(name + "self_attn.k_proj.weight", [keyValues, hidden], scale: 0.4)
            add(name + "self_attn.v_proj.weight", [keyValues, hidden], scale: 0.4)
            add(name + "self_attn.o_proj.weight", [hidden, queries], scale: 0.4)
            if family == "qwen3" {
                add(name + "self_attn.q_norm.weight", [headDimension], around: 1, scale: 0.3)
                add(name + "self_attn.k_norm.weight", [headDimension], around: 1, scale: 0.3)
            }
            add(name + "mlp.gate_proj.weight", [27, hidden], scale: 0.4)
            add(name + "mlp.up_proj.weight", [27, hidden], scale: 0.4)
            add(name + "mlp.down_proj.weight", [hidden, 27], scale: 0.4)
        }
        try Data(Safetensors.write(items)).write(to: folder.appendingPathComponent("model.safetensors"))
        return try LanguageModel(ModelFile.open(path: folder.path), numerics: numerics, weights: weights)
    }

    /// An adapter whose A and B are both random.
    static func adapter(
        _ model: LanguageModel, rank: Int = 3, dropout: Double = 0, targets: [LinearMap] = LinearMap.allCases
    ) throws -> Adapter {
        let configuration = LoRAConfiguration(rank: rank, alpha: 6, dropout: dropout, targets: targets)
        var numbers = TestNumbers(23)
        let start = try initialAdapter(shape: model.shape, configuration: configuration, seed: 1)
        return Adapter(
            configuration: configuration,
            tensors: start.tensors.map {
                NamedTensor(name: $0.name, shape: $0.shape, values: numbers.floats($0.values.count, scale: 0.2))
            })
    }

    /// Records that share their first `prefix` tokens.
    static func records(_ lengths: [Int], prefix: Int, lossStart: Int = 1) -> [TokenSequence] {
        var numbers = TestNumbers(UInt64(prefix + 5))
        let common = numbers.tokens(prefix, below: vocabulary)
        return lengths.enumerated().map { index, length in
            // The first token after the prefix differs from record to record.
            TokenSequence(
                tokens: common + [Int32(index)] + numbers.tokens(length - prefix - 1, below: vocabulary),
                lossStart: lossStart)
        }
    }
}
