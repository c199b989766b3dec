// ExtremeModel: a tiny model of extreme sizes, drawn for a case: with random weights in memory, or as a folder that is read like any other.

import Engine
import Faults
import Federation
import Foundation
import ModelFiles

enum ExtremeModel {
    /// Sizes that leave lanes, strips, panels and blocks incomplete, and sizes that fill them.
    private static let widths = [1, 2, 3, 7, 15, 16, 17, 31, 33, 48, 49, 64, 97, 128]

    static func draw(_ numbers: inout CaseNumbers) throws(Fault) -> LanguageModel {
        let keyValueHeads = numbers.one(of: [1, 1, 2, 3, 5])
        // Sometimes there are more query heads than fit a buffer whose size is computed from the head dimension alone.
        let heads = keyValueHeads * numbers.one(of: [1, 1, 2, 3, 8, 9, 1500])
        let D = heads > 100 ? 2 : numbers.one(of: [2, 2, 4, 6, 16, 18, 34, 64, 130])
        let window = numbers.one(of: [nil, nil, 1, 2, 5, 96, 97])
        let shape = ModelShape(
            architecture: window == nil ? "qwen3" : "mistral", hiddenSize: numbers.one(of: widths),
            layerCount: 1 + numbers.below(2), headCount: heads, keyValueHeadCount: keyValueHeads, headDimension: D,
            feedForwardSize: numbers.one(of: widths),
            vocabularySize: numbers.one(of: [1, 2, 5, 16, 17, 100, 769, 1600]),
            rmsEpsilon: 1e-5, ropeTheta: 1e4, ropeScaling: .none, contextLength: numbers.one(of: [2, 16, 100, 260]),
            tiedHead: numbers.below(2) == 0, headNorms: window == nil, slidingWindow: window)
        let numerics = numbers.one(of: Numerics.allCases)
        if numbers.below(3) == 0 {
            let types = StoredType.allCases.filter { $0.rawValue >= StoredType.q4_0.rawValue }
            return try LanguageModel(random: shape, type: numbers.one(of: types), numerics: numerics)
        }
        return try read(shape, numerics, &numbers)
    }

    private static func read(
        _ shape: ModelShape, _ numerics: Numerics, _ numbers: inout CaseNumbers
    ) throws(Fault) -> LanguageModel {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("sanitized-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let window = shape.slidingWindow.map(String.init) ?? "null"
        let name = shape.headNorms ? "Qwen3ForCausalLM" : "MistralForCausalLM"
        let configuration = """
            {"architectures": ["\(name)"], "model_type": "\(shape.architecture)", "hidden_size": \(shape.hiddenSize),
             "intermediate_size": \(shape.feedForwardSize), "num_hidden_layers": \(shape.layerCount),
             "num_attention_heads": \(shape.headCount), "num_key_value_heads": \(shape.keyValueHeadCount),
             "head_dim": \(shape.headDimension), "vocab_size": \(shape.vocabularySize), "rms_norm_eps": 1e-5,
             "rope_theta": 10000.0, "hidden_act": "silu", "max_position_embeddings": \(shape.contextLength),
             "sliding_window": \(window), "tie_word_embeddings": \(shape.tiedHead)}
            """
        var items: [Safetensors.Item] = []
        func add(_ name: String, _ sizes: [Int], around centre: Float = 0, scale: Float) {
            let values = numbers.floats(sizes.reduce(1, *), scale: scale).map { $0 + centre }
            items.append(
                Safetensors.Item(name: name, shape: sizes, type: .f32, bytes: values.withUnsafeBytes { Array($0) }))
        }
        let H = shape.hiddenSize
        add("model.embed_tokens.weight", [shape.vocabularySize, H], scale: 1)
        if !shape.tiedHead { add("lm_head.weight", [shape.vocabularySize, H], scale: 0.5) }
        add("model.norm.weight", [H], around: 1, scale: 0.3)
        for layer in 0..<shape.layerCount {
            let prefix = "model.layers.\(layer)."
            add(prefix + "input_layernorm.weight", [H], around: 1, scale: 0.3)
            add(prefix + "post_attention_layernorm.weight", [H], around: 1, scale: 0.3)
            for map in LinearMap.allCases {
                let sizes = shape.sizes.shape(of: map)
                add("\(prefix)\(map.block).\(map.rawValue).weight", [sizes.out, sizes.in], scale: 0.3)
            }
            if shape.headNorms {
                add(prefix + "self_attn.q_norm.weight", [shape.headDimension], around: 1, scale: 0.3)
                add(prefix + "self_attn.k_norm.weight", [shape.headDimension], around: 1, scale: 0.3)
            }
        }
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try Data(configuration.utf8).write(to: folder.appendingPathComponent("config.json"))
            try Data(Safetensors.write(items)).write(to: folder.appendingPathComponent("model.safetensors"))
        } catch {
            throw Fault(.failed, "sanitized.folder", "the model's folder cannot be written", mend: "Free some space.")
        }
        return try LanguageModel(
            ModelFile.open(path: folder.path), numerics: numerics, weights: numbers.one(of: [.stored, .stored, .nf4]))
    }
}
