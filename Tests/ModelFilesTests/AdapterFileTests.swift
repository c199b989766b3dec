// Adapters to bytes and back: PEFT's bytes, bfloat16 rounding, and every adapter that does not fit the model.

import Faults
import Federation
import ModelFiles
import TestSupport
import Testing

@Suite struct AdapterFileTests {
    private let shape = ModelShape(
        architecture: "llama", hiddenSize: 8, layerCount: 2, headCount: 2, keyValueHeadCount: 1, headDimension: 4,
        feedForwardSize: 12, vocabularySize: 5, rmsEpsilon: 1e-6, ropeTheta: 10000, ropeScaling: .none,
        contextLength: 64, tiedHead: true)
    private let configuration = LoRAConfiguration(rank: 3, alpha: 6, dropout: 0.05, targets: LinearMap.allCases)

    private func adapter(_ value: (Int) -> Float = { Float($0) / 7 }) -> Adapter {
        var next = 0
        return Adapter(
            configuration: configuration,
            tensors: AdapterFile.expected(sizes: shape.sizes, configuration: configuration).map { name, shape in
                let count = shape.reduce(1, *)
                defer { next += count }
                return NamedTensor(name: name, shape: shape, values: (next..<next + count).map(value))
            })
    }

    private func codeOf(_ bytes: [UInt8], rank: Int = 3, shape: ModelShape? = nil) -> String? {
        var other = configuration
        other.rank = rank
        return code {
            _ = try AdapterFile.read(bytes, sizes: (shape ?? self.shape).sizes, configuration: other, path: "a")
        }
    }

    @Test func roundTripsInFloat32() throws {
        let adapter = adapter()
        #expect(adapter.tensors.count == 28)
        #expect(adapter.tensor(named: "base_model.model.model.layers.1.mlp.down_proj.lora_A.weight")?.shape == [3, 12])
        #expect(
            adapter.tensor(named: "base_model.model.model.layers.0.self_attn.k_proj.lora_B.weight")?.shape == [4, 3])
        let bytes = AdapterFile.bytes(of: adapter, precision: .f32)
        #expect(try AdapterFile.read(bytes, sizes: shape.sizes, configuration: configuration, path: "a") == adapter)
    }

    @Test func roundsToNearestEvenInBFloat16() throws {
        // 1 + k/512 is halfway between bfloat16 neighbours 1/128 apart where k is 2 mod 4.
        let cases: [(Float, Float)] = [
            (1, 1), (1 + 1.0 / 512, 1), (1 + 2.0 / 512, 1), (1 + 3.0 / 512, 1 + 1.0 / 128),
            (1 + 5.0 / 512, 1 + 1.0 / 128),
            (1 + 6.0 / 512, 1 + 1.0 / 64), (-1 - 2.0 / 512, -1), (-1 - 6.0 / 512, -1 - 1.0 / 64), (0, 0), (-0.0, -0.0),
            (0x1p-149, 0), (0x1.fep-127, 0x1.fcp-127 + 0x1p-133),
        ]
        let adapter = adapter { cases[$0 % cases.count].0 }
        let bytes = AdapterFile.bytes(of: adapter, precision: .bf16)
        let back = try AdapterFile.read(bytes, sizes: shape.sizes, configuration: configuration, path: "a")
        let expected = self.adapter { cases[$0 % cases.count].1 }
        for (found, wanted) in zip(back.tensors, expected.tensors) {
            #expect(found.values.map(\.bitPattern) == wanted.values.map(\.bitPattern))
        }
        // A value that was rounded once does not change again.
        #expect(AdapterFile.bytes(of: back, precision: .bf16) == bytes)
        #expect(bytes.count < AdapterFile.bytes(of: adapter, precision: .f32).count)
    }

    @Test func refusesAnAdapterOfAnotherModelOrRank() throws {
        let bytes = AdapterFile.bytes(of: adapter(), precision: .f32)
        let fault = try #require(throws: Fault.self) {
            var other = configuration
            other.rank = 4
            _ = try AdapterFile.read(bytes, sizes: shape.sizes, configuration: other, path: "site.safetensors")
        }
        #expect(fault.code == "adapter.shape")
        #expect(fault.what.contains("[3, 12]") && fault.what.contains("[4, 12]"))
        #expect(fault.place?.tensor == "base_model.model.model.layers.0.mlp.down_proj.lora_A.weight")
        #expect(fault.place?.file == "site.safetensors")
        var wider = shape
        wider.hiddenSize = 16
        #expect(codeOf(bytes, shape: wider) == "adapter.shape")
        var deeper = shape
        deeper.layerCount = 3
        #expect(codeOf(bytes, shape: deeper) == "adapter.missing-tensor")
        var shallower = shape
        shallower.layerCount = 1
        #expect(codeOf(bytes, shape: shallower) == "adapter.unknown-tensor")
        #expect(codeOf(Array(bytes.dropLast())) == "model.truncated")
        #expect(codeOf([]) == "model.empty")
    }

    @Test(arguments: [Float.nan, -.nan, .infinity, -.infinity, .signalingNaN], UploadPrecision.allCases)
    func reportsWhatIsNotFinite(value: Float, precision: UploadPrecision) throws {
        let adapter = adapter { $0 == 100 ? value : 1 }
        let tensor = try #require(adapter.tensors.first { !$0.values.allSatisfy(\.isFinite) })
        let bytes = AdapterFile.bytes(of: adapter, precision: precision)
        let fault = try #require(throws: Fault.self) {
            _ = try AdapterFile.read(bytes, sizes: shape.sizes, configuration: configuration, path: "a")
        }
        #expect(fault.code == "adapter.not-finite" && fault.place?.tensor == tensor.name)
        #expect(code { try AdapterFile.checkFinite(adapter, path: "a") } == "adapter.not-finite")
        #expect(code { try AdapterFile.checkFinite(self.adapter(), path: "a") } == nil)
    }

    @Test func roundTripsAsAPEFTFolder() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/adapter"
        try AdapterFolder.write(adapter(), to: path, baseModel: "/some/where/tiny.gguf")
        #expect(try AdapterFolder.read(path, sizes: shape.sizes) == adapter())
        try AdapterFolder.write(adapter(), to: path, baseModel: "tiny")
        let json = try JSONValue(parsing: try contents(path + "/adapter_config.json"))
        #expect(json["r"] == 3 && json["lora_alpha"] == 6 && json["lora_dropout"] == .number(0.05))
        #expect(json["task_type"] == "CAUSAL_LM" && json["base_model_name_or_path"] == "tiny")
        #expect(
            json["target_modules"]
                == ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"])
        #expect(
            code { try AdapterFolder.write(adapter(), to: folder.path + "/no/where", baseModel: "tiny") }
                == "file.write")
        #expect(code { _ = try AdapterFolder.read(folder.path, sizes: shape.sizes) } == "adapter.not-found")
    }

    @Test(arguments: [
        "{}", "[", "{\"peft_type\":\"IA3\"}", "{\"peft_type\":\"LORA\"}",
        "{\"peft_type\":\"LORA\",\"r\":0,\"lora_alpha\":1,\"target_modules\":[\"q_proj\"]}",
        "{\"peft_type\":\"LORA\",\"r\":2049,\"lora_alpha\":1,\"target_modules\":[\"q_proj\"]}",
        "{\"peft_type\":\"LORA\",\"r\":1,\"lora_alpha\":0,\"target_modules\":[\"q_proj\"]}",
        "{\"peft_type\":\"LORA\",\"r\":1,\"lora_alpha\":1,\"target_modules\":[]}",
        "{\"peft_type\":\"LORA\",\"r\":1,\"lora_alpha\":1,\"target_modules\":[\"lm_head\"]}",
        "{\"peft_type\":\"LORA\",\"r\":1,\"lora_alpha\":1,\"lora_dropout\":1,\"target_modules\":[\"q_proj\"]}",
        "{\"peft_type\":\"LORA\",\"r\":1,\"lora_alpha\":1,\"use_dora\":true,\"target_modules\":[\"q_proj\"]}",
        "{\"peft_type\":\"LORA\",\"r\":1,\"lora_alpha\":1,\"bias\":\"all\",\"target_modules\":[\"q_proj\"]}",
        "{\"peft_type\":\"LORA\",\"r\":1,\"lora_alpha\":1,\"rank_pattern\":{\"q.*\":2},\"target_modules\":[\"q_proj\"]}",
        "{\"peft_type\":\"LORA\",\"r\":1,\"lora_alpha\":1,\"layers_to_transform\":[0],\"target_modules\":[\"q_proj\"]}",
    ]) func refusesWhatIsNoPlainLoRA(text: String) throws {
        let folder = try TemporaryFolder()
        let configuration = LoRAConfiguration(rank: 1, alpha: 1, dropout: 0, targets: [.q])
        _ = try folder.write(text, "adapter_config.json")
        let tensors = AdapterFile.expected(sizes: shape.sizes, configuration: configuration).map {
            Safetensors.Item(
                name: $0, shape: $1, type: .f32, bytes: [UInt8](repeating: 0x3d, count: 4 * $1[0] * $1[1]))
        }
        _ = try folder.write(Safetensors.write(tensors), "adapter_model.safetensors")
        let found = code { _ = try AdapterFolder.read(folder.path, sizes: shape.sizes) }
        #expect(found == "adapter.configuration" || found == "adapter.beyond-lora", "\(found ?? "read")")
    }

    @Test func writesTheBytesOfPEFT() throws {
        let goldens = Fixtures.engineGoldens
        let model = try ModelFile.open(path: goldens + "/tiny-llama3")
        let folder = goldens + "/lora-tiny-llama3/init"
        let adapter = try AdapterFolder.read(folder, sizes: model.shape.sizes)
        #expect(
            adapter.configuration == LoRAConfiguration(rank: 8, alpha: 16, dropout: 0, targets: LinearMap.allCases))
        #expect(
            AdapterFile.bytes(of: adapter, precision: .f32) == (try contents(folder + "/adapter_model.safetensors")))
    }
}
