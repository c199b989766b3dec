// HuggingFaceFolder: config.json, safetensors and tokenizer.json as a ModelFile.

import Faults
import Federation

/// Reads Llama, Mistral, Qwen2 and Qwen3 models in Hugging Face form.
package enum HuggingFaceFolder {
    /// Opens the folder. Throws faults of the family `model.`, each naming the file inside the folder.
    static func open(_ path: String) throws(Fault) -> ModelFile {
        let folder = path.hasSuffix("/") ? String(path.dropLast()) : path
        let configPath = "\(folder)/config.json"
        if !Storage.exists(configPath) { try nameOtherFolder(folder) }
        let config = try Storage(mapping: configPath)
        let settings = try json(config, configPath)
        var parts = [(name: "config.json", storage: config)]
        let weights = try weightFiles(folder, &parts)
        let shape = try Configuration(json: settings, path: configPath).shape()
        var tensors: [StoredTensor] = []
        for (name, storage) in weights {
            tensors += try self.tensors(weights: storage, shape: shape, path: "\(folder)/\(name)")
        }
        var vocabulary: StoredVocabulary?
        let tokenizerPath = "\(folder)/tokenizer.json"
        if Storage.exists(tokenizerPath) {
            let storage = try Storage(mapping: tokenizerPath)
            var found = try TokenizerJSON.vocabulary(
                try json(storage, tokenizerPath), bytes: Array(storage.bytes), config: settings, path: tokenizerPath)
            parts.append(("tokenizer.json", storage))
            try readChat(folder, into: &found, &parts)
            vocabulary = found
        }
        return try ModelFile(path: path, shape: shape, vocabulary: vocabulary, tensors: tensors, parts: parts)
    }

    /// The weights of one file. Throws faults of the family `model.`.
    package static func tensors(weights: Storage, shape: ModelShape, path: String) throws(Fault) -> [StoredTensor] {
        var tensors: [StoredTensor] = []
        for entry in try Safetensors.read(weights, path: path) {
            // A tied head is the embedding, even if a file stores a separate one; inverse frequencies are computed here.
            if shape.tiedHead && entry.name == "lm_head.weight" { continue }
            if entry.name.hasSuffix(".rotary_emb.inv_freq") { continue }
            tensors.append(try entry.stored(path))
        }
        return tensors
    }

    /// Throws where a folder without config.json is something else that is known.
    private static func nameOtherFolder(_ folder: String) throws(Fault) {
        let names = KnownFile.names(in: folder)
        if names.contains("adapter_config.json") {
            throw Fault.modelElsewhere(
                folder, "this is the folder of an adapter, not of a model",
                "Give it as the adapter, beside the model that it was trained for.")
        }
        if let file = names.first(where: { $0.hasSuffix(".gguf") }) {
            throw Fault.modelElsewhere(
                folder, "the folder holds \(Fault.shown(file)) and no config.json", "Give the .gguf file itself.")
        }
        if let checkpoint = KnownFile.checkpoint(in: folder, with: "config.json") {
            throw Fault.modelElsewhere(
                folder, "this is a trainer's folder; its newest model is in \(checkpoint)",
                "Give \(Fault.shown(folder))/\(checkpoint).")
        }
        if names.contains("snapshots") {
            throw Fault.modelElsewhere(
                folder, "this is a folder of the Hugging Face cache; the model is below its snapshots",
                "Give the folder below \(Fault.shown(folder))/snapshots that holds config.json.")
        }
    }

    /// The chat template and the tokens it names, from tokenizer_config.json and chat_template.jinja if they hold them.
    private static func readChat(
        _ folder: String, into vocabulary: inout StoredVocabulary, _ parts: inout [(name: String, storage: Storage)]
    ) throws(Fault) {
        let configPath = "\(folder)/tokenizer_config.json"
        if Storage.exists(configPath) {
            let storage = try Storage(mapping: configPath)
            let config = try json(storage, configPath)
            parts.append(("tokenizer_config.json", storage))
            vocabulary.beginningText = config["bos_token"]?.text ?? config["bos_token"]?["content"]?.text
            vocabulary.endText = config["eos_token"]?.text ?? config["eos_token"]?["content"]?.text
            // Several templates by name: the default one is for conversations without tools.
            let named = config["chat_template"]?.elements?.first { $0["name"] == "default" }
            vocabulary.chatTemplate = config["chat_template"]?.text ?? named?["template"]?.text
        }
        let generationPath = "\(folder)/generation_config.json"
        if Storage.exists(generationPath) {
            let storage = try Storage(mapping: generationPath)
            let ends = try json(storage, generationPath)["eos_token_id"]
            parts.append(("generation_config.json", storage))
            vocabulary.answerEndIDs = (ends?.elements ?? [ends].compactMap { $0 }).compactMap {
                $0.int.flatMap { Int32(exactly: $0) }
            }
        }
        let templatePath = "\(folder)/chat_template.jinja"
        if Storage.exists(templatePath) {
            let storage = try Storage(mapping: templatePath)
            parts.append(("chat_template.jinja", storage))
            guard let text = withExtendedLifetime(storage, { String(validating: storage.bytes, as: UTF8.self) }) else {
                throw Fault.modelMalformed(templatePath, "the file is not UTF-8")
            }
            vocabulary.chatTemplate = text
        }
    }

    /// The shape that the bytes of a config.json give. Throws faults of the family `model.`.
    package static func shape(config bytes: [UInt8], path: String) throws(Fault) -> ModelShape {
        try Configuration(json: try json(bytes, path), path: path).shape()
    }

    private static func json(_ storage: Storage, _ path: String) throws(Fault) -> JSONValue {
        try json(withExtendedLifetime(storage) { Array(storage.bytes) }, path)
    }

    private static func json(_ bytes: [UInt8], _ path: String) throws(Fault) -> JSONValue {
        let value: JSONValue
        do {
            // Python writes NaN into some of these files; it does no harm where we read no setting.
            value = try JSONValue(parsing: bytes, limits: JSONLimits(allowsNonFinite: true))
        } catch {
            throw Fault.modelMalformed(path, "the file is not JSON: \(error.what)")
        }
        guard value.members != nil else { throw Fault.modelMalformed(path, "the file is not a JSON object") }
        return value
    }

    /// model.safetensors, or the files that model.safetensors.index.json names.
    private static func weightFiles(
        _ folder: String, _ parts: inout [(name: String, storage: Storage)]
    ) throws(Fault) -> [(name: String, storage: Storage)] {
        let indexName = "model.safetensors.index.json"
        let indexPath = "\(folder)/\(indexName)"
        var names = ["model.safetensors"]
        if !Storage.exists("\(folder)/model.safetensors"), Storage.exists(indexPath) {
            let storage = try Storage(mapping: indexPath)
            guard let map = try json(storage, indexPath)["weight_map"]?.members else {
                throw Fault.modelMissingSetting(indexPath, "weight_map")
            }
            var unique: Set<String> = []
            for value in map.values {
                guard let name = value.text, !name.contains("/"), name.hasSuffix(".safetensors") else {
                    throw Fault.modelMalformed(
                        indexPath, "weight_map names a file outside the folder or of another format")
                }
                unique.insert(name)
            }
            names = unique.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            parts.append((indexName, storage))
        }
        var files: [(name: String, storage: Storage)] = []
        if names == ["model.safetensors"], !Storage.exists("\(folder)/model.safetensors") {
            let all = KnownFile.names(in: folder)
            if let file = KnownFile.torchFile(all, "pytorch_model") ?? KnownFile.torchFile(all, "model") {
                throw Fault.modelElsewhere(
                    folder, "the weights are in \(Fault.shown(file)), a file of PyTorch, which is not read",
                    "Load the model with transformers and save it again with save_pretrained, which writes model.safetensors."
                )
            }
            if all.contains("adapter_config.json") {
                throw Fault.modelElsewhere(
                    folder, "the folder holds an adapter and no model.safetensors",
                    "Give it as the adapter, beside the model that it was trained for.")
            }
        }
        for name in names { files.append((name, try Storage(mapping: "\(folder)/\(name)"))) }
        parts += files
        return files
    }
}

/// config.json of a supported family, as transformers 4 and 5 write it.
private struct Configuration {
    let json: JSONValue
    let path: String

    func shape() throws(Fault) -> ModelShape {
        let architecture = try value("model_type") { $0.text }
        guard ModelShape.architectures.contains(architecture) else {
            throw Fault.modelUnsupportedArchitecture(path, architecture)
        }
        if let activation = try optional("hidden_act", { $0.text }), activation != "silu" {
            throw Fault.modelUnsupportedFeature(path, "hidden_act \(Fault.shown(activation)) is not supported; silu is")
        }
        if try optional("mlp_bias", { $0.bool }) == true {
            throw Fault.modelUnsupportedFeature(path, "mlp_bias is not supported")
        }
        if let quantization = json["quantization_config"], quantization != .null {
            throw Fault.modelUnsupportedFeature(path, "quantization_config is not supported")
        }
        let hidden = try value("hidden_size") { $0.int }
        let heads = try value("num_attention_heads") { $0.int }
        let keyValueHeads = try optional("num_key_value_heads") { $0.int } ?? heads
        guard heads > 0 else { throw Fault.modelSettingRange(path, "num_attention_heads", "\(heads)", "at least 1") }
        guard keyValueHeads > 0 else {
            throw Fault.modelSettingRange(path, "num_key_value_heads", "\(keyValueHeads)", "at least 1")
        }
        let rope = try ropeSettings()
        let layers = try value("num_hidden_layers") { $0.int }
        let window = try slidingWindow(architecture, layers: layers)
        let shape = ModelShape(
            architecture: architecture, hiddenSize: hidden, layerCount: layers,
            headCount: heads, keyValueHeadCount: keyValueHeads,
            headDimension: try optional("head_dim") { $0.int } ?? (architecture == "qwen3" ? 128 : hidden / heads),
            feedForwardSize: try value("intermediate_size") { $0.int },
            vocabularySize: try value("vocab_size") { $0.int },
            rmsEpsilon: Float(try value("rms_norm_eps") { $0.double }), ropeTheta: rope.theta,
            ropeScaling: rope.scaling, contextLength: try value("max_position_embeddings") { $0.int },
            tiedHead: try optional("tie_word_embeddings") { $0.bool } ?? false, biases: try biases(architecture),
            headNorms: architecture == "qwen3", slidingWindow: window?.size, firstWindowedLayer: window?.firstLayer ?? 0
        )
        try shape.check(path)
        return shape
    }

    /// Qwen2 has biases on q, k and v by definition; the others have them where `attention_bias` says so, also on o.
    private func biases(_ architecture: String) throws(Fault) -> [LinearMap] {
        if architecture == "qwen2" { return [.q, .k, .v] }
        guard architecture != "mistral", try optional("attention_bias", { $0.bool }) == true else { return [] }
        return [.q, .k, .v, .o]
    }

    /// Mistral's window is used where it is given; Qwen's only where `use_sliding_window` is set too, and then from layer
    /// `max_window_layers` on. `layer_types` of transformers 5 must agree with this.
    private func slidingWindow(
        _ architecture: String, layers: Int
    ) throws(Fault) -> (size: Int, firstLayer: Int)? {
        var window: (size: Int, firstLayer: Int)?
        if architecture != "llama", let size = try optional("sliding_window", { $0.int }) {
            guard size > 0 else { throw Fault.modelSettingRange(path, "sliding_window", "\(size)", "at least 1") }
            if architecture == "mistral" {
                window = (size, 0)
            } else if try optional("use_sliding_window", { $0.bool }) == true {
                let first = try optional("max_window_layers") { $0.int } ?? 28
                guard first >= 0 else {
                    throw Fault.modelSettingRange(path, "max_window_layers", "\(first)", "at least 0")
                }
                if first < layers { window = (size, first) }
            }
        }
        if let types = try optional("layer_types", { $0.elements }) {
            let first = window?.firstLayer ?? layers
            guard types.count == layers,
                types.indices.allSatisfy({ types[$0] == ($0 < first ? "full_attention" : "sliding_attention") })
            else {
                throw Fault.modelUnsupportedFeature(
                    path, "layer_types other than full attention and then sliding windows is not supported")
            }
        }
        return window
    }

    /// `rope_parameters` of transformers 5, or `rope_theta` and `rope_scaling` of transformers 4.
    private func ropeSettings() throws(Fault) -> (theta: Double, scaling: RopeScaling) {
        let parameters = try optional("rope_parameters") { $0.members == nil ? nil : $0 }
        let older = try optional("rope_scaling") { $0.members == nil ? nil : $0 }
        let olderTheta = try optional("rope_theta") { $0.double }
        let theta = parameters?["rope_theta"]?.double ?? olderTheta ?? 10000
        guard let scaling = parameters ?? older else { return (theta, .none) }
        func number(_ key: String) throws(Fault) -> Double {
            guard let number = scaling[key]?.double else {
                throw Fault.modelMissingSetting(path, "\(key) of the rope settings")
            }
            return number
        }
        let type = scaling["rope_type"]?.text ?? scaling["type"]?.text ?? "default"
        switch type {
        case "default": return (theta, .none)
        case "linear": return (theta, .linear(factor: try number("factor")))
        case "llama3":
            guard let original = scaling["original_max_position_embeddings"]?.int else {
                throw Fault.modelMissingSetting(path, "original_max_position_embeddings of the rope settings")
            }
            return (
                theta,
                .llama3(
                    factor: try number("factor"), lowFrequencyFactor: try number("low_freq_factor"),
                    highFrequencyFactor: try number("high_freq_factor"), originalContext: original)
            )
        default: throw Fault.modelUnsupportedFeature(path, "rope scaling \(Fault.shown(type)) is not supported")
        }
    }

    private func optional<T>(_ key: String, _ read: (JSONValue) -> T?) throws(Fault) -> T? {
        guard let value = json[key], value != .null else { return nil }
        guard let result = read(value) else { throw Fault.modelMissingSetting(path, key) }
        return result
    }

    private func value<T>(_ key: String, _ read: (JSONValue) -> T?) throws(Fault) -> T {
        guard let result = try optional(key, read) else { throw Fault.modelMissingSetting(path, key) }
        return result
    }
}
