// The GGUF reader on files built here: every type, and every way in which a file may be broken.

import Faults
import ModelFiles
import TestSupport
import Testing

/// The code of the fault that the call throws, or nil.
func code(_ body: () throws -> Void) -> String? {
    do {
        try body()
        return nil
    } catch {
        return (error as? Fault)?.code ?? "not a fault: \(error)"
    }
}

@Suite struct GGUFTests {
    private func open(_ builder: GGUFBuilder) throws -> ModelFile { try open(builder.bytes) }

    private func open(_ bytes: [UInt8]) throws -> ModelFile {
        try ModelFile.open(gguf: Storage(copying: bytes), path: "models/tiny.gguf")
    }

    private func codeOf(_ change: (inout GGUFBuilder) -> Void) -> String? {
        var builder = GGUFBuilder.tinyLlama()
        change(&builder)
        return code { _ = try open(builder) }
    }

    private func floats(_ tensor: StoredTensor?) throws -> [Float] {
        let tensor = try #require(tensor)
        return withExtendedLifetime(tensor) { Array(tensor.bytes.bindMemory(to: Float.self)) }
    }

    @Test(arguments: [2, 3] as [UInt32]) func readsShapeVocabularyAndTensors(version: UInt32) throws {
        var builder = GGUFBuilder.tinyLlama()
        builder.version = version
        let file = try open(builder)
        #expect(
            file.shape
                == ModelShape(
                    architecture: "llama", hiddenSize: 32, layerCount: 1, headCount: 4, keyValueHeadCount: 2,
                    headDimension: 8, feedForwardSize: 32, vocabularySize: 6, rmsEpsilon: 1e-5, ropeTheta: 10000,
                    ropeScaling: .none, contextLength: 128, tiedHead: true))
        #expect(file.tensorNames.count == 11)
        #expect(file.tensorNames.first == "model.embed_tokens.weight")
        #expect(file.tensor("model.layers.0.self_attn.k_proj.weight")?.shape == [16, 32])
        #expect(file.tensor("blk.0.attn_k.weight") == nil)
        let vocabulary = try #require(file.vocabulary)
        #expect(vocabulary.tokens == ["<|end|>", "a", "b", "ab", "Ġ", "c"])
        #expect(vocabulary.tokenTypes == [3, 1, 1, 1, 1, 1])
        #expect(vocabulary.merges == ["a b"])
        #expect(vocabulary.preTokenizer == "smollm")
        #expect(vocabulary.beginningID == 0 && vocabulary.endID == 0 && vocabulary.unknownID == nil)
        #expect(!vocabulary.addsBeginning)
        #expect(file.files.map(\.name) == ["tiny.gguf"])
        #expect(Array(try #require(file.files.first).bytes) == builder.bytes)
    }

    @Test func turnsQueryAndKeyRowsToHuggingFaceOrder() throws {
        let file = try open(.tinyLlama())
        for (name, rows) in [("q_proj", 32), ("k_proj", 16), ("v_proj", 16), ("o_proj", 32)] {
            let values = try floats(file.tensor("model.layers.0.self_attn.\(name).weight"))
            let expected: [Float] = (0..<rows).flatMap { GGUFBuilder.row($0) }
            #expect(values == expected, "\(name)")
        }
    }

    @Test(
        arguments: [
            (0, StoredType.f32, 128), (1, .f16, 64), (30, .bf16, 64), (2, .q4_0, 18), (3, .q4_1, 20), (8, .q8_0, 34),
            (6, .q5_0, 22), (7, .q5_1, 24),
        ] as [(UInt32, StoredType, Int)])
    func readsType(number: UInt32, type: StoredType, rowBytes: Int) throws {
        var builder = GGUFBuilder.tinyLlama()
        let index = try #require(builder.tensors.firstIndex { $0.name == "blk.0.attn_k.weight" })
        builder.tensors[index].type = number
        builder.tensors[index].bytes = (0..<16).flatMap { Array(repeating: UInt8($0), count: rowBytes) }
        let file = try open(builder)
        let tensor = try #require(file.tensor("model.layers.0.self_attn.k_proj.weight"))
        #expect(tensor.type == type)
        #expect(tensor.rowBytes == rowBytes)
        // Whole rows move: Hugging Face rows 0 to 7 of a head are the stored rows 0 2 4 6 1 3 5 7.
        let order = [0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15]
        #expect(Array(tensor.bytes) == order.flatMap { Array(repeating: UInt8($0), count: rowBytes) })
    }

    @Test func namesTheTypeThatIsNotSupported() throws {
        var builder = GGUFBuilder.tinyLlama()
        builder.tensors[0].type = 10
        let bytes = builder.bytes
        let fault = try #require(throws: Fault.self) { _ = try open(bytes) }
        #expect(fault.code == "model.unsupported-type")
        #expect(fault.what.contains("Q2_K") && fault.what.contains("Q8_0"))
        #expect(fault.place?.tensor == "token_embd.weight")
        #expect(fault.place?.file == "models/tiny.gguf")
        #expect(codeOf { $0.tensors[0].type = 4_000_000_000 } == "model.unsupported-type")
    }

    @Test func rejectsWhatIsNoLlama() {
        #expect(codeOf { $0.set("general.architecture", .text("gemma2")) } == "model.unsupported-architecture")
        #expect(codeOf { $0.settings.removeAll { $0.0 == "general.architecture" } } == "model.missing-setting")
        #expect(codeOf { $0.set("llama.expert_count", .u32(8)) } == "model.unsupported-feature")
        #expect(codeOf { $0.set("llama.rope.dimension_count", .u32(4)) } == "model.unsupported-feature")
        #expect(codeOf { $0.set("llama.rope.scaling.type", .text("yarn")) } == "model.unsupported-feature")
        #expect(codeOf { $0.tensors[3].name = "blk.0.ffn_gate.bias" } == "model.unknown-tensor")
        #expect(codeOf { $0.tensors[3].name = "blk.00.attn_k.weight" } == "model.unknown-tensor")
        #expect(codeOf { $0.tensors.removeLast() } == "model.missing-tensor")
        #expect(codeOf { $0.set("llama.block_count", .u32(2)) } == "model.missing-tensor")
        #expect(codeOf { $0.set("llama.block_count", .u32(4_000_000_000)) } == "model.setting-range")
        #expect(codeOf { $0.set("llama.block_count", .i32(-1)) } == "model.setting-range")
        #expect(codeOf { $0.set("llama.attention.head_count", .u32(0)) } == "model.setting-range")
        #expect(codeOf { $0.set("llama.attention.head_count_kv", .u32(0)) } == "model.setting-range")
        #expect(codeOf { $0.set("llama.attention.head_count_kv", .u32(3)) } == "model.setting-range")
        #expect(codeOf { $0.set("llama.attention.layer_norm_rms_epsilon", .f32(.nan)) } == "model.setting-range")
        #expect(codeOf { $0.set("llama.rope.freq_base", .f32(.infinity)) } == "model.setting-range")
        #expect(codeOf { $0.set("llama.embedding_length", .text("32")) } == "model.missing-setting")
        #expect(codeOf { $0.set("llama.feed_forward_length", .u32(64)) } == "model.tensor-shape")
        #expect(codeOf { $0.set("tokenizer.ggml.eos_token_id", .u32(6)) } == "model.setting-range")
        #expect(codeOf { $0.set("tokenizer.ggml.tokens", .i32s([1, 2])) } == "model.missing-setting")
        #expect(codeOf { $0.set("tokenizer.ggml.token_type", .i32s([1, 2])) } == "model.malformed")
    }

    @Test func saysWhichTensorDoesNotFitAndWhichFamiliesAre() throws {
        var builder = GGUFBuilder.tinyLlama()
        builder.set("llama.feed_forward_length", .u32(64))
        let misfit = builder.bytes
        let shape = try #require(throws: Fault.self) { _ = try open(misfit) }
        #expect(shape.place?.tensor == "model.layers.0.mlp.gate_proj.weight")
        #expect(shape.what.contains("[32, 32]") && shape.what.contains("[64, 32]"))
        builder.set("general.architecture", .text("gemma2"))
        let other = builder.bytes
        let family = try #require(throws: Fault.self) { _ = try open(other) }
        for word in ["gemma2", "llama", "mistral", "qwen2", "qwen3"] { #expect(family.what.contains(word)) }
        #expect(family.place?.file == "models/tiny.gguf")
    }

    @Test func readsRopeScaling() throws {
        var linear = GGUFBuilder.tinyLlama()
        linear.set("llama.rope.scaling.type", .text("linear"))
        linear.set("llama.rope.scaling.factor", .f32(4))
        #expect(try open(linear).shape.ropeScaling == .linear(factor: 4))

        // transformers' llama3 rule for base 10000, heads of 8, factor 32: wavelengths 2 pi 10^i against 8192 and 2048.
        // The first three stay unchanged; 6283 is between the limits: smooth = (8192 / 6283.185 - 1) / 3 = 0.101266.
        var llama3 = GGUFBuilder.tinyLlama()
        let ramp: Float = 1 / ((1 - 0.101266) / 32 + 0.101266)
        llama3.tensors.append(
            .init(
                name: "rope_freqs.weight", dimensions: [4], type: 0, bytes: GGUFBuilder.floats([1, 1, 1, ramp]),
                offset: nil))
        #expect(
            try open(llama3).shape.ropeScaling
                == .llama3(factor: 32, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192))
        llama3.tensors[llama3.tensors.count - 1].bytes = GGUFBuilder.floats([1, 1, 1, 2])
        #expect(code { _ = try open(llama3) } == "model.unsupported-feature")
    }

    @Test func rejectsBrokenHeaders() {
        #expect(codeOf { $0.version = 1 } == "model.unsupported-version")
        #expect(codeOf { $0.version = 0x0300_0000 } == "model.unsupported-version")
        #expect(codeOf { $0.settingCount = .max } == "model.malformed")
        #expect(codeOf { $0.tensorCount = .max } == "model.malformed")
        #expect(codeOf { $0.tensorCount = 12 } != nil)
        #expect(codeOf { $0.settings.append($0.settings[0]) } == "model.malformed")
        #expect(codeOf { $0.tensors.append($0.tensors[0]) } == "model.malformed")
        #expect(codeOf { $0.set("x", .bool(2)) } == "model.malformed")
        #expect(codeOf { $0.set("x", .raw(type: 13, [])) } == "model.malformed")
        let wholes: (UInt64) -> [UInt8] = { GGUFBuilder.little($0) }
        #expect(codeOf { $0.set("x", .raw(type: 8, wholes(2) + [0xc3, 0x28])) } == "model.malformed")
        #expect(codeOf { $0.set("x", .raw(type: 8, wholes(.max))) } == "model.truncated")
        let nested = GGUFBuilder.little(UInt32(9)) + wholes(1)
        #expect(codeOf { $0.set("x", .raw(type: 9, nested)) } == "model.malformed")
        let huge = GGUFBuilder.little(UInt32(12)) + wholes(1 << 61)
        #expect(codeOf { $0.set("x", .raw(type: 9, huge)) } == "model.malformed")
        let beyond = GGUFBuilder.little(UInt32(12)) + wholes(20_000)
        #expect(codeOf { $0.set("x", .raw(type: 9, beyond)) } == "model.truncated")
        for alignment in [0, 1, 4, 24, 1 << 20] as [UInt32] {
            #expect(codeOf { $0.set("general.alignment", .u32(alignment)) } == "model.setting-range")
        }
        #expect(
            codeOf {
                $0.set("general.alignment", .u32(64))
                $0.alignment = 64
            } == nil)
    }

    @Test func rejectsBrokenTensorEntries() {
        #expect(codeOf { $0.tensors[0].dimensions = [] } == "model.malformed")
        #expect(codeOf { $0.tensors[0].dimensions = [1, 1, 1, 1, 1] } == "model.malformed")
        #expect(codeOf { $0.tensors[0].dimensions = [32, 0] } == "model.malformed")
        #expect(codeOf { $0.tensors[0].dimensions = [.max, 1] } == "model.malformed")
        #expect(codeOf { $0.tensors[0].dimensions = [1 << 31, 1 << 31, 1 << 31] } == "model.malformed")
        #expect(codeOf { $0.tensors[0].dimensions = [1 << 32, 1 << 20] } == "model.truncated")
        #expect(
            codeOf {
                $0.tensors[0].type = 3
                $0.tensors[0].dimensions = [33, 6]
            } == "model.malformed")
        #expect(codeOf { $0.tensors[1].offset = 0 } == "model.malformed")
        #expect(codeOf { $0.tensors[1].offset = 33 } == "model.malformed")
        #expect(codeOf { $0.tensors[1].offset = 1 << 40 } == "model.truncated")
        #expect(codeOf { $0.tensors[1].offset = UInt64.max - 31 } == "model.truncated")
    }

    @Test func everyPrefixIsAFault() throws {
        let bytes = GGUFBuilder.tinyLlama().bytes
        #expect(throws: Never.self) { try open(bytes) }
        for count in 0..<bytes.count {
            let fault = code { _ = try open(Array(bytes[..<count])) }
            #expect(fault?.hasPrefix("model.") == true, "\(count) of \(bytes.count) bytes: \(fault ?? "no fault")")
        }
    }

    @Test func noMutationEndsInAnythingButAModelOrAFault() {
        let bytes = GGUFBuilder.tinyLlama().bytes
        // Most of a small file is data, which may be anything: three mutations of four change the header.
        let header = 2000
        var generator = SeededGenerator(state: 17)
        var faults = 0
        for _ in 0..<20_000 {
            var mutated = bytes
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let limit = Int.random(in: 0..<4, using: &generator) > 0 ? header : bytes.count
                let at = Int.random(in: 0..<limit, using: &generator)
                switch Int.random(in: 0..<5, using: &generator) {
                case 0: mutated[at] = UInt8.random(in: 0...255, using: &generator)
                case 1: mutated[at] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
                case 2: for index in at..<min(at + 8, bytes.count) { mutated[index] = 0xff }
                case 3: for index in at..<min(at + 8, bytes.count) { mutated[index] = 0 }
                default: mutated.swapAt(at, Int.random(in: 0..<header, using: &generator))
                }
            }
            if let found = code({ _ = try open(mutated) }) {
                faults += 1
                if !found.hasPrefix("model.") { Issue.record("\(found)") }
            }
        }
        // A mutator that never breaks anything, or a reader that accepts nothing, would prove nothing.
        #expect((5_000..<19_500).contains(faults), "\(faults) faults")
    }
}
