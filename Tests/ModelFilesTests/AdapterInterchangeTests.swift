// Adapters of other programs: patterns of ranks and alphas, rank-stabilised scales, and conversion to GGUF and back.

import Faults
import Federation
import Foundation
import ModelFiles
import TestSupport
import Testing

@Suite struct AdapterInterchangeTests {
    private func shape(_ architecture: String) -> ModelShape {
        ModelShape(
            architecture: architecture, hiddenSize: 8, layerCount: 2, headCount: 2, keyValueHeadCount: 1,
            headDimension: 6, feedForwardSize: 12, vocabularySize: 5, rmsEpsilon: 1e-6, ropeTheta: 10000,
            ropeScaling: .none, contextLength: 64, tiedHead: true)
    }

    private func adapter(_ shape: ModelShape, targets: [LinearMap] = LinearMap.allCases) -> Adapter {
        let configuration = LoRAConfiguration(rank: 3, alpha: 6, dropout: 0, targets: targets)
        var next: Float = 0
        return Adapter(
            configuration: configuration,
            tensors: AdapterFile.expected(sizes: shape.sizes, configuration: configuration).map { name, shape in
                NamedTensor(
                    name: name, shape: shape,
                    values: (0..<shape.reduce(1, *)).map { _ in
                        next += 1
                        return next
                    })
            })
    }

    @Test(arguments: ["llama", "mistral", "qwen2", "qwen3"]) func ggufGivesTheAdapterBack(architecture: String) throws {
        let folder = try TemporaryFolder()
        for targets in [LinearMap.allCases, [.q, .v]] {
            let adapter = adapter(shape(architecture), targets: targets)
            let path = folder.path + "/adapter.gguf"
            try AdapterGGUF.write(adapter, shape: shape(architecture), to: path)
            #expect(try AdapterGGUF.read(path: path, shape: shape(architecture)) == adapter)
            let first = try contents(path)
            try AdapterGGUF.write(adapter, shape: shape(architecture), to: path)
            #expect(try contents(path) == first)
            // Rotary pairs are side by side in B of q and k of the llama architecture, and nowhere else.
            let isLlama = architecture == "llama" || architecture == "mistral"
            let other = shape(isLlama ? "qwen3" : "llama")
            #expect(code { _ = try AdapterGGUF.read(path: path, shape: other) } == "adapter.configuration")
        }
    }

    @Test func everyDamageToAGGUFAdapterIsAFault() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/adapter.gguf"
        try AdapterGGUF.write(adapter(shape("llama")), shape: shape("llama"), to: path)
        let bytes = try contents(path)
        var generator = SeededGenerator(state: 3)
        for _ in 0..<300 {
            let cut = Int.random(in: 0..<bytes.count, using: &generator)
            let damaged = try folder.write(Array(bytes[..<cut]), "cut.gguf")
            let found = code { _ = try AdapterGGUF.read(path: damaged, shape: self.shape("llama")) }
            #expect(found?.hasPrefix("model.") == true)
            var changed = bytes
            changed[Int.random(in: 0..<2000, using: &generator)] ^= UInt8.random(in: 1...255, using: &generator)
            let other = try folder.write(changed, "changed.gguf")
            if let found = code({ _ = try AdapterGGUF.read(path: other, shape: self.shape("llama")) }) {
                #expect(found.hasPrefix("model.") || found.hasPrefix("adapter."))
            }
        }
    }

    private func read(_ settings: String, _ tensors: [Safetensors.Item]) throws -> Adapter {
        let folder = try TemporaryFolder()
        _ = try folder.write(settings, "adapter_config.json")
        _ = try folder.write(Safetensors.write(tensors), "adapter_model.safetensors")
        return try AdapterFolder.read(folder.path, sizes: shape("llama").sizes)
    }

    private func items(_ ranks: (LinearMap, Int) -> Int, targets: [LinearMap]) -> [Safetensors.Item] {
        var items: [Safetensors.Item] = []
        for layer in 0..<2 {
            for map in targets {
                let (out, into) = shape("llama").sizes.shape(of: map)
                let rank = ranks(map, layer)
                for (matrix, dimensions) in [(Adapter.Matrix.a, [rank, into]), (.b, [out, rank])] {
                    let values = (0..<dimensions[0] * dimensions[1]).map { Float($0 + 1) / 8 }
                    items.append(
                        Safetensors.Item(
                            name: Adapter.tensorName(layer: layer, map: map, matrix: matrix), shape: dimensions,
                            type: .f32, bytes: values.withUnsafeBytes { Array($0) }))
                }
            }
        }
        return items
    }

    /// scale B A of a map.
    private func product(_ adapter: Adapter, _ layer: Int, _ map: LinearMap) throws -> [Double] {
        let a = try #require(adapter.tensor(named: Adapter.tensorName(layer: layer, map: map, matrix: .a)))
        let b = try #require(adapter.tensor(named: Adapter.tensorName(layer: layer, map: map, matrix: .b)))
        return (0..<b.shape[0]).flatMap { row in
            (0..<a.shape[1]).map { column in
                (0..<a.shape[0]).reduce(0.0) {
                    $0 + Double(b.values[row * a.shape[0] + $1]) * Double(a.values[$1 * a.shape[1] + column])
                } * adapter.configuration.scale
            }
        }
    }

    @Test func patternsBecomeOneRankAndScaleThatComputeTheSame() throws {
        let targets: [LinearMap] = [.q, .v]
        let settings = """
            {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj", "v_proj"],
             "rank_pattern": {"model.layers.1.self_attn.q_proj": 4}, "alpha_pattern": {"v_proj": 16}}
            """
        let tensors = items({ map, layer in map == .q && layer == 1 ? 4 : 2 }, targets: targets)
        let found = try read(settings, tensors)
        #expect(found.configuration.rank == 4)
        for layer in 0..<2 {
            for map in targets {
                let rank = map == .q && layer == 1 ? 4 : 2
                let scale = (map == .v ? 16.0 : 4.0) / Double(rank)
                let (out, into) = shape("llama").sizes.shape(of: map)
                let values = { (index: Int) in Double(index + 1) / 8 }
                let expected = (0..<out).flatMap { row in
                    (0..<into).map { column in
                        (0..<rank).reduce(0.0) { $0 + values(row * rank + $1) * values($1 * into + column) } * scale
                    }
                }
                let product = try product(found, layer, map)
                for (found, wanted) in zip(product, expected) { #expect(abs(found - wanted) <= 1e-6 * abs(wanted)) }
            }
        }
        // After writing and reading it is the same adapter.
        let folder = try TemporaryFolder()
        try AdapterFolder.write(found, to: folder.path + "/out", baseModel: "/a/b/base")
        #expect(try AdapterFolder.read(folder.path + "/out", sizes: shape("llama").sizes).tensors == found.tensors)
        let json = String(decoding: try contents(folder.path + "/out/adapter_config.json"), as: UTF8.self)
        #expect(json.contains("\"base\"") && !json.contains("/a/b"))
    }

    @Test func rankStabilisedScalesAreAlphaByTheRootOfTheRank() throws {
        let settings = """
            {"peft_type": "LORA", "r": 4, "lora_alpha": 6, "use_rslora": true, "target_modules": ["q_proj"]}
            """
        let found = try read(settings, items({ _, _ in 4 }, targets: [.q]))
        #expect(found.configuration.scale == 3)
    }

    @Test(arguments: [
        #""rank_pattern": {"^model\\.layers": 2}"#, #""rank_pattern": {"q_proj": 0}"#,
        #""alpha_pattern": {"q_proj": -1}"#,
        #""rank_pattern": {"q_proj": 2, "self_attn.q_proj": 4}"#, #""rank_pattern": {"q_proj": 3}"#,
        #""use_dora": true"#,
        #""bias": "all""#,
    ])
    func refusesOtherAdapters(setting: String) throws {
        let settings = """
            {"peft_type": "LORA", "r": 4, "lora_alpha": 6, \(setting), "target_modules": ["q_proj"]}
            """
        let tensors = items({ _, _ in 4 }, targets: [.q])
        let found = code { _ = try self.read(settings, tensors) }
        #expect(found == "adapter.configuration" || found == "adapter.beyond-lora", "\(found ?? "read")")
    }
}
