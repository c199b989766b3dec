// Hugging Face folders and other things at a path: whole, sharded, broken, missing.

import Faults
import Federation
import Glibc
import ModelFiles
import TestSupport
import Testing

@Suite struct FolderTests {
    /// The settings of a one-layer llama as transformers 4 writes them.
    static let config: JSONValue = [
        "model_type": "llama", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
        "num_key_value_heads": 1, "intermediate_size": 12, "vocab_size": 5, "max_position_embeddings": 64,
        "rms_norm_eps": .number(1e-6), "hidden_act": "silu", "rope_theta": .number(50000), "rope_scaling": .null,
        "tie_word_embeddings": true,
    ]

    private static let items: [Safetensors.Item] = {
        let layer = "model.layers.0."
        let shapes: [(String, [Int])] = [
            ("model.embed_tokens.weight", [5, 8]), ("model.norm.weight", [8]),
            (layer + "self_attn.q_proj.weight", [8, 8]),
            (layer + "self_attn.k_proj.weight", [4, 8]), (layer + "self_attn.v_proj.weight", [4, 8]),
            (layer + "self_attn.o_proj.weight", [8, 8]), (layer + "mlp.gate_proj.weight", [12, 8]),
            (layer + "mlp.up_proj.weight", [12, 8]), (layer + "mlp.down_proj.weight", [8, 12]),
            (layer + "input_layernorm.weight", [8]), (layer + "post_attention_layernorm.weight", [8]),
        ]
        return shapes.map { name, shape in
            let count = shape.reduce(1, *)
            return Safetensors.Item(
                name: name, shape: shape, type: .bf16, bytes: (0..<2 * count).map { UInt8(truncatingIfNeeded: $0) })
        }
    }()

    private func changed(_ change: (inout [String: JSONValue]) -> Void) -> JSONValue {
        var members = Self.config.members ?? [:]
        change(&members)
        return .object(members)
    }

    private func open(_ config: JSONValue, items: [Safetensors.Item] = items) throws -> ModelFile {
        let folder = try TemporaryFolder()
        _ = try folder.write(config.canonical, "config.json")
        _ = try folder.write(Safetensors.write(items), "model.safetensors")
        return try ModelFile.open(path: folder.path)
    }

    private func codeOf(_ change: (inout [String: JSONValue]) -> Void) -> String? {
        code { _ = try open(changed(change)) }
    }

    @Test func readsAFolderOfTransformers4() throws {
        let file = try open(Self.config)
        #expect(
            file.shape
                == ModelShape(
                    architecture: "llama", hiddenSize: 8, layerCount: 1, headCount: 2, keyValueHeadCount: 1,
                    headDimension: 4, feedForwardSize: 12, vocabularySize: 5, rmsEpsilon: 1e-6, ropeTheta: 50000,
                    ropeScaling: .none, contextLength: 64, tiedHead: true))
        #expect(file.files.map(\.name) == ["config.json", "model.safetensors"])
        #expect(file.vocabulary == nil)
        for item in Self.items {
            let tensor = try #require(file.tensor(item.name))
            #expect(tensor.type == .bf16 && tensor.shape == item.shape && Array(tensor.bytes) == item.bytes)
        }
    }

    @Test func readsRopeSettingsOldAndNew() throws {
        let llama3: [String: JSONValue] = [
            "rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4,
            "original_max_position_embeddings": 8192,
        ]
        let expected = RopeScaling.llama3(
            factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192)
        #expect(try open(changed { $0["rope_scaling"] = .object(llama3) }).shape.ropeScaling == expected)
        let new = try open(
            changed {
                $0["rope_scaling"] = nil
                $0["rope_theta"] = nil
                $0["rope_parameters"] = .object(llama3.merging(["rope_theta": 500000]) { $1 })
            })
        #expect(new.shape.ropeScaling == expected && new.shape.ropeTheta == 500000)
        let linear = try open(changed { $0["rope_scaling"] = ["type": "linear", "factor": 2] })
        #expect(linear.shape.ropeScaling == .linear(factor: 2) && linear.shape.ropeTheta == 50000)
        #expect(codeOf { $0["rope_scaling"] = ["rope_type": "yarn", "factor": 2] } == "model.unsupported-feature")
        #expect(codeOf { $0["rope_scaling"] = ["rope_type": "llama3", "factor": 2] } == "model.missing-setting")
        #expect(codeOf { $0["rope_scaling"] = ["rope_type": "linear", "factor": -2] } == "model.setting-range")
    }

    @Test func rejectsSettingsThatDoNotFit() {
        #expect(codeOf { $0["model_type"] = "gemma2" } == "model.unsupported-architecture")
        #expect(codeOf { $0["model_type"] = nil } == "model.missing-setting")
        #expect(codeOf { $0["hidden_size"] = "8" } == "model.missing-setting")
        #expect(codeOf { $0["hidden_act"] = "gelu" } == "model.unsupported-feature")
        #expect(codeOf { $0["attention_bias"] = true } == "model.missing-tensor")
        #expect(codeOf { $0["quantization_config"] = [:] } == "model.unsupported-feature")
        #expect(codeOf { $0["num_attention_heads"] = 0 } == "model.setting-range")
        // How NaN is read where a number is needed.
        #expect(codeOf { $0["rms_norm_eps"] = "NaN" } == "model.missing-setting")
        #expect(codeOf { $0["rope_theta"] = "NaN" } == "model.missing-setting")
        #expect(codeOf { $0["num_key_value_heads"] = -1 } == "model.setting-range")
        #expect(codeOf { $0["head_dim"] = 3 } == "model.setting-range")
        #expect(codeOf { $0["num_hidden_layers"] = .integer(.max) } == "model.setting-range")
        #expect(codeOf { $0["num_hidden_layers"] = 2 } == "model.missing-tensor")
        #expect(codeOf { $0["tie_word_embeddings"] = nil } == "model.missing-tensor")
        #expect(codeOf { $0["vocab_size"] = 6 } == "model.tensor-shape")
        let bias = Safetensors.Item(
            name: "model.layers.0.self_attn.q_proj.bias", shape: [8], type: .bf16, bytes: Array(repeating: 0, count: 16)
        )
        #expect(code { _ = try open(Self.config, items: Self.items + [bias]) } == "model.unknown-tensor")
    }

    @Test func saysWhichTensorDoesNotFitAndWhichFamiliesAre() throws {
        let shape = try #require(throws: Fault.self) { _ = try open(changed { $0["vocab_size"] = 6 }) }
        #expect(shape.place?.tensor == "model.embed_tokens.weight")
        #expect(shape.what.contains("[5, 8]") && shape.what.contains("[6, 8]"))
        let family = try #require(throws: Fault.self) { _ = try open(changed { $0["model_type"] = "gemma2" }) }
        for word in ["gemma2", "llama", "mistral", "qwen2", "qwen3"] { #expect(family.what.contains(word)) }
        #expect(family.place?.file?.hasSuffix("config.json") == true)
    }

    @Test func readsAChatTemplateAndTheTokensItNames() throws {
        let folder = try TemporaryFolder()
        _ = try folder.write(Self.config.canonical, "config.json")
        _ = try folder.write(Safetensors.write(Self.items), "model.safetensors")
        _ = try folder.write(Self.tokenizer, "tokenizer.json")
        func vocabulary() throws -> StoredVocabulary? { try ModelFile.open(path: folder.path).vocabulary }
        #expect(try vocabulary()?.chatTemplate == nil)
        #expect(try vocabulary()?.answerEndIDs == [])
        _ = try folder.write("{\"eos_token_id\": 3, \"temperature\": 0.6}", "generation_config.json")
        #expect(try vocabulary()?.answerEndIDs == [3])
        _ = try folder.write("{\"eos_token_id\": [3, 4, 99999999999]}", "generation_config.json")
        #expect(try vocabulary()?.answerEndIDs == [3, 4])
        // Written by Python: one value that is not JSON and that we do not read.
        _ = try folder.write(
            "{\"eos_token_id\": [3, 4], \"temperature\": NaN, \"top_p\": -Infinity}", "generation_config.json")
        #expect(try vocabulary()?.answerEndIDs == [3, 4])
        _ = try folder.write("{\"eos_token_id\": [3, NaN, 4]}", "generation_config.json")
        #expect(try vocabulary()?.answerEndIDs == [3, 4])
        _ = try folder.write(
            "{\"bos_token\":{\"content\":\"<s>\"},\"eos_token\":\"b\",\"chat_template\":[{\"name\":\"tools\",\"template\":\"t\"},"
                + "{\"name\":\"default\",\"template\":\"d\"}]}", "tokenizer_config.json")
        #expect(try vocabulary()?.chatTemplate == "d")
        #expect(try vocabulary()?.beginningText == "<s>" && vocabulary()?.endText == "b")
        _ = try folder.write("file", "chat_template.jinja")
        #expect(try vocabulary()?.chatTemplate == "file")
        // Both files decide what the model is asked, so the model's digest covers them.
        let names = try ModelFile.open(path: folder.path).files.map(\.name)
        #expect(names.contains("tokenizer_config.json") && names.contains("chat_template.jinja"))
        _ = try folder.write([0xff], "chat_template.jinja")
        #expect(code { _ = try vocabulary() } == "model.malformed")
    }

    @Test func readsShards() throws {
        let folder = try TemporaryFolder()
        _ = try folder.write(Self.config.canonical, "config.json")
        _ = try folder.write(Safetensors.write(Array(Self.items[..<4])), "model-00001-of-00002.safetensors")
        _ = try folder.write(Safetensors.write(Array(Self.items[4...])), "model-00002-of-00002.safetensors")
        var map: [String: JSONValue] = [:]
        for (index, item) in Self.items.enumerated() {
            map[item.name] = .string("model-0000\(index < 4 ? 1 : 2)-of-00002.safetensors")
        }
        let indexPath = try folder.write(
            JSONValue.object(["weight_map": .object(map)]).canonical, "model.safetensors.index.json")
        let file = try ModelFile.open(path: folder.path)
        #expect(file.tensorNames.count == 11)
        #expect(file.files.count == 4)
        map["x"] = "../../etc/x.safetensors"
        _ = try folder.write(JSONValue.object(["weight_map": .object(map)]).canonical, "model.safetensors.index.json")
        let fault = try #require(throws: Fault.self) { _ = try ModelFile.open(path: folder.path) }
        #expect(fault.code == "model.malformed" && fault.place?.file == indexPath)
    }

    @Test func namesThePathThatCannotBeRead() throws {
        let folder = try TemporaryFolder()
        func faultOf(_ path: String) throws -> Fault {
            try #require(throws: Fault.self) { _ = try ModelFile.open(path: path) }
        }
        let missing = try faultOf(folder.path + "/no.gguf")
        #expect(missing.code == "model.not-found" && missing.place?.file == folder.path + "/no.gguf")
        #expect(missing.exitCode == 4)
        #expect(try faultOf("").code == "model.not-found")
        #expect(try faultOf(folder.path).place?.file == folder.path + "/config.json")
        #expect(try faultOf(try folder.write("", "empty.gguf")).code == "model.empty")
        #expect(try faultOf(try folder.write("GGU", "short.gguf")).code == "model.unknown-format")
        #expect(try faultOf(try folder.write("GGUF", "magic.gguf")).code == "model.truncated")
        #expect(try faultOf("/dev/null").code == "model.not-a-file")
        _ = try folder.write(Self.config.canonical, "config.json")
        #expect(try faultOf(folder.path).place?.file == folder.path + "/model.safetensors")
        _ = try folder.write("{", "config.json")
        #expect(try faultOf(folder.path).code == "model.malformed")
    }

    @Test(.enabled(if: geteuid() != 0, "needs another user than root, who may read every file"))
    func namesAFileWithoutPermission() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("GGUF", "secret.gguf")
        #expect(chmod(path, 0) == 0)
        #expect(code { _ = try ModelFile.open(path: path) } == "model.no-permission")
    }

    @Test func readsTinyLlama3() throws {
        let folder = try TemporaryFolder()
        for name in ["config.json", "model.safetensors"] {
            _ = try folder.write(try contents("\(Fixtures.engineGoldens)/tiny-llama3/\(name)"), name)
        }
        _ = try folder.write(try contents(Fixtures.tokenizer), "tokenizer.json")
        let file = try ModelFile.open(path: folder.path)
        #expect(!file.shape.tiedHead && file.shape.vocabularySize == 1000 && file.shape.ropeTheta == 500000)
        #expect(
            file.shape.ropeScaling
                == .llama3(factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 64))
        #expect(file.tensor("lm_head.weight")?.shape == [1000, 64])
        let vocabulary = try #require(file.vocabulary)
        #expect(vocabulary.tokens.count == 1000 && vocabulary.preTokenizer == "smollm")
        #expect(vocabulary.tokens.prefix(3) == ["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
        #expect(vocabulary.tokenTypes.prefix(4) == [3, 3, 3, 1])
        #expect(vocabulary.beginningID == 1 && vocabulary.endID == 2 && vocabulary.paddingID == 0)
        #expect(vocabulary.json == (try contents(Fixtures.tokenizer)))
    }

    private static let tokenizer =
        "{\"added_tokens\":[{\"id\":3,\"content\":\"<s>\",\"special\":true}],\"pre_tokenizer\":{\"type\":\"ByteLevel\"},"
        + "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[[\"a\",\"b\"],\"b a\"]}}"

    private func vocabulary(_ json: String) throws -> StoredVocabulary? {
        let folder = try TemporaryFolder()
        _ = try folder.write(Self.config.canonical, "config.json")
        _ = try folder.write(Safetensors.write(Self.items), "model.safetensors")
        _ = try folder.write(json, "tokenizer.json")
        return try ModelFile.open(path: folder.path).vocabulary
    }

    @Test func readsTokenizerJSON() throws {
        let vocabulary = try #require(try vocabulary(Self.tokenizer))
        #expect(vocabulary.tokens == ["a", "b", "ab", "<s>"])
        #expect(vocabulary.tokenTypes == [1, 1, 1, 3])
        #expect(vocabulary.merges == ["a b", "b a"])
        #expect(vocabulary.preTokenizer == "gpt-2" && vocabulary.json == Array(Self.tokenizer.utf8))
        func codeOf(_ old: String, _ new: String) -> String? {
            #expect(Self.tokenizer.contains(old))
            return code { _ = try self.vocabulary(Self.tokenizer.replacing(old, with: new)) }
        }
        #expect(codeOf("BPE", "Unigram") == "model.unsupported-feature")
        #expect(codeOf("\"b\":1", "\"b\":0") == "model.malformed")
        #expect(codeOf("\"b\":1", "\"b\":-1") == "model.malformed")
        #expect(codeOf("\"b\":1", "\"b\":1000000000000") == "model.malformed")
        #expect(codeOf("\"id\":3", "\"id\":2") == "model.malformed")
        #expect(codeOf("\"b\":1", "\"b\":\"1\"") == "model.malformed")
        #expect(codeOf("[\"a\",\"b\"]", "[\"a\"]") == "model.malformed")
        #expect(codeOf("merges", "merge") == "model.malformed")
    }

    @Test func noMutationOfTheJSONFilesEndsInAnythingButAModelOrAFault() throws {
        let folder = try TemporaryFolder()
        _ = try folder.write(Safetensors.write(Self.items), "model.safetensors")
        let config = Self.config.canonical
        let tokenizer = Array(Self.tokenizer.utf8)
        var generator = SeededGenerator(state: 29)
        let spice = Array("0123456789[]{},:\"-e. ".utf8)
        var faults = 0
        for round in 0..<2_000 {
            var files = [config, tokenizer]
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                let at = Int.random(in: 0..<files[round % 2].count, using: &generator)
                files[round % 2][at] = spice.randomElement(using: &generator) ?? 0
            }
            _ = try folder.write(files[0], "config.json")
            _ = try folder.write(files[1], "tokenizer.json")
            if let found = code({ _ = try ModelFile.open(path: folder.path) }) {
                faults += 1
                if !found.hasPrefix("model.") { Issue.record("\(found)") }
            }
        }
        #expect((1_000..<1_990).contains(faults), "\(faults) faults")
    }
}
