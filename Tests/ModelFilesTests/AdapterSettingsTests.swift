// Adapters as people provide them: the tensors of the file decide; settings that would compute something else are refused by name; a file
// of another known kind is named as what it is.

import Faults
import Federation
import ModelFiles
import Testing

@Suite struct AdapterSettingsTests {
    private static let shape = ModelShape(
        architecture: "llama", hiddenSize: 8, layerCount: 2, headCount: 2, keyValueHeadCount: 1, headDimension: 6,
        feedForwardSize: 12, vocabularySize: 5, rmsEpsilon: 1e-6, ropeTheta: 10000, ropeScaling: .none,
        contextLength: 64, tiedHead: true)

    /// The settings that PEFT 0.21.2 writes for plain LoRA.
    private static let plain: [String: JSONValue] = [
        "alora_invocation_tokens": .null, "alpha_pattern": [:], "arrow_config": .null, "auto_mapping": .null,
        "base_model_name_or_path": "tiny", "bias": "none", "corda_config": .null, "ensure_weight_tying": false,
        "eva_config": .null, "exclude_modules": .null, "fan_in_fan_out": false, "inference_mode": true,
        "init_lora_weights": true, "kasa_config": .null, "layer_replication": .null, "layers_pattern": .null,
        "layers_to_transform": .null, "loftq_config": [:], "lora_alpha": 16, "lora_bias": false, "lora_dropout": 0,
        "lora_ga_config": .null, "megatron_config": .null, "megatron_core": "megatron.core", "modules_to_save": .null,
        "monteclora_config": .null, "peft_type": "LORA", "peft_version": "0.21.2", "qalora_group_size": 16, "r": 2,
        "rank_pattern": [:], "revision": .null, "target_modules": ["v_proj", "q_proj"], "target_parameters": .null,
        "task_type": "CAUSAL_LM", "trainable_token_indices": .null, "use_bdlora": .null, "use_dora": false,
        "use_qalora": false, "use_rslora": false, "velora_config": .null,
    ]

    private func items(_ maps: [LinearMap] = [.q, .v], layers: [Int] = [0, 1]) -> [Safetensors.Item] {
        layers.flatMap { layer in
            maps.flatMap { map in
                Adapter.Matrix.allCases.map { matrix in
                    let (out, into) = Self.shape.sizes.shape(of: map)
                    let shape = matrix == .a ? [2, into] : [out, 2]
                    let values = (0..<shape[0] * shape[1]).map { Float($0 % 7) - 3 }
                    return Safetensors.Item(
                        name: Adapter.tensorName(layer: layer, map: map, matrix: matrix), shape: shape, type: .f32,
                        bytes: values.withUnsafeBytes { Array($0) })
                }
            }
        }
    }

    private func read(_ changes: [String: JSONValue], _ items: [Safetensors.Item]) throws -> Adapter {
        let folder = try TemporaryFolder()
        _ = try folder.write(
            JSONValue.object(Self.plain.merging(changes) { $1 }).canonical, "adapter_config.json")
        _ = try folder.write(Safetensors.write(items), "adapter_model.safetensors")
        return try AdapterFolder.read(folder.path, sizes: Self.shape.sizes)
    }

    private func fault(_ changes: [String: JSONValue], _ items: [Safetensors.Item]) throws -> Fault {
        try #require(throws: Fault.self) { _ = try read(changes, items) }
    }

    // MARK: Targets

    @Test(
        arguments: [
            ["v_proj", "q_proj"], ["q_proj", "v_proj", "k_projection", "lm_head"],
            ["self_attn.q_proj", "self_attn.v_proj"],
            [
                "model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.v_proj", "model.layers.1.self_attn.q_proj",
                "model.layers.1.self_attn.v_proj",
            ], ["0.self_attn.q_proj", "layers.1.self_attn.q_proj", "v_proj"],
            "model\\.layers\\.\\d+\\.self_attn\\.(q|v)_proj", "(a+)+$", "", .null,
        ] as [JSONValue]) func readsEveryFormOfTargets(targets: JSONValue) throws
    {
        let adapter = try read(["target_modules": targets], items())
        #expect(adapter.configuration == LoRAConfiguration(rank: 2, alpha: 16, dropout: 0, targets: [.q, .v]))
        #expect(adapter.tensors.count == 8)
    }

    @Test func readsAllLinearMapsByOneWord() throws {
        let adapter = try read(["target_modules": "all-linear"], items(LinearMap.allCases))
        #expect(adapter.configuration.targets == LinearMap.allCases)
        #expect(try fault(["target_modules": "all-linear"], items()).code == "adapter.missing-tensor")
    }

    @Test func readsEmptyListsAsNothing() throws {
        let empty: [String: JSONValue] = [
            "exclude_modules": [], "layers_to_transform": [], "modules_to_save": [], "layers_pattern": [],
            "trainable_token_indices": [], "target_parameters": [], "loftq_config": .null, "rank_pattern": .null,
            "alpha_pattern": .null, "lora_dropout": .null, "use_rslora": .null, "bias": .null,
        ]
        #expect(try read(empty, items()) == read([:], items()))
    }

    @Test func refusesTensorsThatTheSettingsLeaveOutAndTheOtherWayRound() throws {
        for changes: [String: JSONValue] in [
            ["target_modules": ["q_proj"]], ["target_modules": []], ["target_modules": ["lm_head"]],
            ["exclude_modules": ["v_proj"]], ["exclude_modules": ["layers.0.self_attn.q_proj"]],
            ["layers_to_transform": [0]], ["layers_to_transform": 1], ["layers_to_transform": [-1]],
            ["layers_to_transform": [.integer(.max)]], ["exclude_modules": "all-linear"],
        ] {
            let fault = try fault(changes, items())
            #expect(fault.code == "adapter.configuration" && fault.what.contains("leave out"), "\(changes): \(fault)")
        }
        #expect(
            try fault(["target_modules": ["q_proj", "v_proj", "k_proj"]], items()).code == "adapter.missing-tensor")
        #expect(try fault([:], items(layers: [1])).code == "adapter.missing-tensor")
        #expect(try fault([:], Array(items().dropLast())).code == "adapter.missing-tensor")
        #expect(try fault([:], []).code == "adapter.configuration")
        for changes: [String: JSONValue] in [
            ["target_modules": [1]], ["target_modules": [:]], ["target_modules": 7], ["exclude_modules": [.null]],
            ["layers_to_transform": "all"], ["layers_to_transform": ["0"]], ["rank_pattern": []], ["use_rslora": 1],
            ["lora_dropout": "0"], ["r": "2"], ["r": .number(2.5)], ["lora_alpha": .number(1e300)],
            ["r": .integer(.max)],
        ] {
            #expect(try fault(changes, items()).code == "adapter.configuration", "\(changes)")
        }
    }

    /// An adapter of some layers gets zeros in the others, which compute nothing.
    @Test func fillsLayersThatAreNotAdapted() throws {
        for changes: [String: JSONValue] in [
            ["layers_to_transform": [1]], ["layers_to_transform": 1], ["target_modules": ".*layers\\.1.*"],
            ["target_modules": ["layers.1.self_attn.q_proj", "layers.1.self_attn.v_proj"]],
            ["exclude_modules": ["layers.0.self_attn.q_proj", "layers.0.self_attn.v_proj"]],
            ["layers_to_transform": [1], "layers_pattern": "blocks"],
        ] {
            let adapter = try read(changes, items(layers: [1]))
            #expect(adapter.configuration == LoRAConfiguration(rank: 2, alpha: 16, dropout: 0, targets: [.q, .v]))
            let whole = try read([:], items())
            for tensor in whole.tensors {
                let found = try #require(adapter.tensor(named: tensor.name))
                #expect(found.shape == tensor.shape)
                #expect(
                    tensor.name.contains("layers.1.") ? found == tensor : found.values.allSatisfy { $0 == 0 },
                    "\(changes)")
            }
        }
    }

    // MARK: What is beyond LoRA

    @Test(
        arguments: [
            ("init_lora_weights", "pissa", "PiSSA"), ("init_lora_weights", "pissa_niter_16", "PiSSA"),
            ("init_lora_weights", "olora", "OLoRA"), ("init_lora_weights", "OLoRA", "OLoRA"),
            ("init_lora_weights", "corda", "CorDA"), ("init_lora_weights", "loftq", "LoftQ"),
            ("init_lora_weights", "lora_ga", "LoRA-GA"), ("init_lora_weights", "mica", "mica"),
            ("init_lora_weights", "tomorrow", "tomorrow"), ("init_lora_weights", 1, "1"), ("use_dora", true, "DoRA"),
            ("lora_bias", true, "bias"), ("bias", "all", "biases"), ("bias", "lora_only", "biases"),
            ("bias", 1, "bias"),
            ("use_qalora", true, "QALoRA"), ("modules_to_save", ["lm_head"], "whole modules"),
            ("trainable_token_indices", [1, 2], "embedding"),
            ("trainable_token_indices", ["embed_tokens": [1]], "embedding"),
            ("target_parameters", ["experts.w"], "parameters"),
            ("layer_replication", [[0, 2], [1, 2]], "more than once"),
            ("alora_invocation_tokens", [1], "aLoRA"), ("arrow_config", ["top_k": 2], "mixed"),
            ("fan_in_fan_out", true, "transposed"),
            ("corda_config", ["corda_method": "kpm"], "corda_config"),
            ("loftq_config", ["loftq_bits": 4], "loftq_config"),
            ("megatron_config", ["a": 1], "megatron_config"), ("use_tomorrow", true, "use_tomorrow"),
            ("tomorrow_scale", .number(0.5), "0.5"), ("tomorrow", "on", "\"on\""), ("peft_type", "ADALORA", "ADALORA"),
            ("peft_type", "LOHA", "LOHA"), ("use_dora", "yes", "yes"),
        ] as [(String, JSONValue, String)]) func refusesByNameWhatIsNoPlainLoRA(
            key: String, value: JSONValue, reason: String
        ) throws
    {
        let fault = try fault([key: value], items())
        #expect(fault.code == "adapter.beyond-lora")
        #expect(fault.what.contains(key) && fault.what.contains(reason), "\(fault.what)")
    }

    @Test(arguments: [true, false, .null, "gaussian", "orthogonal", "eva"] as [JSONValue])
    func readsWaysToBeginThatLeaveTheModelAsItIs(beginning: JSONValue) throws {
        #expect(try read(["init_lora_weights": beginning], items()) == read([:], items()))
    }

    @Test func namesEverySettingAtOnceAndShowsNoControlCharacter() throws {
        var changes: [String: JSONValue] = [
            "use_dora": true, "init_lora_weights": "pissa", "a\u{1b}[2J": "\u{7}\u{9b}",
        ]
        let fault = try fault(changes, items())
        for name in ["use_dora", "init_lora_weights", "a?[2J"] { #expect(fault.what.contains(name), "\(fault.what)") }
        #expect(fault.description.unicodeScalars.allSatisfy { $0 == "\n" || $0.properties.generalCategory != .control })
        for number in 0..<1000 { changes["x\(number)"] = .string(String(repeating: "a", count: 1000)) }
        #expect(try self.fault(changes, items()).what.utf8.count < 1500)
    }

    /// Python writes NaN for a missing number; NaN is not a rank, and does no harm where it is not used.
    @Test func refusesNaNWhereANumberIsUsed() throws {
        let folder = try TemporaryFolder()
        _ = try folder.write(Safetensors.write(items()), "adapter_model.safetensors")
        for (text, fits) in [
            ("\"lora_alpha\": 16, \"base_model_name_or_path\": NaN", true), ("\"lora_alpha\": NaN", false),
            ("\"lora_alpha\": Infinity", false), ("\"lora_alpha\": 16, \"lora_dropout\": NaN", false),
            ("\"lora_alpha\": 16, \"tomorrow\": NaN", false),
        ] {
            _ = try folder.write(
                "{\"peft_type\": \"LORA\", \"r\": 2, \"target_modules\": [\"q_proj\", \"v_proj\"], \(text)}",
                "adapter_config.json")
            let found = code { _ = try AdapterFolder.read(folder.path, sizes: Self.shape.sizes) }
            #expect((found == nil) == fits, "\(text): \(found ?? "read")")
        }
    }
}
