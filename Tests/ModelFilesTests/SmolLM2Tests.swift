// The real base model against values recorded with other software.

import Faults
import Federation
import Glibc
import ModelFiles
import TestSupport
import Testing

@Suite(.needsBaseModel)
struct SmolLM2Tests {
    static let shared: ModelFile? = baseModelPath.flatMap { try? ModelFile.open(path: $0) }

    @Test func hasTheShapeOfSmolLM2() throws {
        let file = try #require(Self.shared)
        #expect(
            file.shape
                == ModelShape(
                    architecture: "llama", hiddenSize: 576, layerCount: 30, headCount: 9, keyValueHeadCount: 3,
                    headDimension: 64, feedForwardSize: 1536, vocabularySize: 49152, rmsEpsilon: 1e-5,
                    ropeTheta: 100000, ropeScaling: .none, contextLength: 8192, tiedHead: true))
        let vocabulary = try #require(file.vocabulary)
        #expect(vocabulary.tokens.count == 49152 && vocabulary.tokens.last == "ectable")
        #expect(vocabulary.merges.count == 48900 && vocabulary.merges.last == "ect able")
        #expect(vocabulary.tokenTypes.filter { $0 == 3 }.count == 17)
        #expect(vocabulary.preTokenizer == "smollm")
        #expect(vocabulary.beginningID == 1 && vocabulary.endID == 2)
        #expect(vocabulary.unknownID == 0 && vocabulary.paddingID == 2)
        #expect(vocabulary.chatTemplate?.contains("<|im_start|>") == true)
    }

    @Test func hasEveryRecordedTensor() throws {
        let file = try #require(Self.shared)
        let path = Fixtures.ownGoldens + "/gguf_tensors.json"
        let recorded = try #require(try JSONValue(parsing: try contents(path))["tensors"]?.members)
        let parts = [
            "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
            "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
            "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
        ]
        let types: [String: StoredType] = ["F32": .f32, "Q4_1": .q4_1, "Q8_0": .q8_0]
        for (ggml, value) in recorded {
            let pieces = ggml.split(separator: ".").map(String.init)
            let name: String
            switch ggml {
            case "token_embd.weight": name = "model.embed_tokens.weight"
            case "output_norm.weight": name = "model.norm.weight"
            default: name = "model.layers.\(pieces[1]).\(try #require(parts[pieces[2]])).weight"
            }
            let tensor = try #require(file.tensor(name))
            let pair = try #require(value.elements)
            #expect(tensor.type == types[pair[0].text ?? ""])
            #expect(tensor.shape == pair[1].elements?.compactMap(\.int).reversed())
        }
        #expect(file.tensorNames.count == recorded.count)
    }

    /// Values read from the file with Python's struct module (d and m as IEEE half, 4-bit codes), in Hugging Face's row
    /// order: q row 1 is the stored row 2, row 32 the stored row 1, row 97 the stored row 67.
    @Test(
        arguments: [
            (
                "model.layers.0.mlp.down_proj.weight", 0, [0, 1, 15, 16, 31, 32, 1535],
                [
                    -0.330810546875, 0.3460693359375, 0.4814453125, -0.6015625, -0.06005859375, 0.0416259765625,
                    0.0640869140625,
                ]
            ),
            (
                "model.layers.0.self_attn.q_proj.weight", 1, [0, 16, 575],
                [-0.1591796875, -0.1591796875, -0.19146728515625]
            ),
            (
                "model.layers.0.self_attn.q_proj.weight", 32, [0, 16, 575],
                [-0.1173095703125, -0.49481201171875, 0.47869873046875]
            ),
            (
                "model.layers.0.self_attn.q_proj.weight", 97, [0, 16, 575],
                [-0.0048828125, 0.20556640625, -0.119720458984375]
            ),
            (
                "model.layers.0.self_attn.k_proj.weight", 33, [0, 16, 575],
                [-0.09912109375, -0.16485595703125, -0.246368408203125]
            ),
            (
                "model.embed_tokens.weight", 49151, [0, 1, 575],
                [0.011505126953125, 0.0057525634765625, -0.0417022705078125]
            ),
        ] as [(String, Int, [Int], [Float])])
    func blocksHoldTheRecordedValues(name: String, row: Int, columns: [Int], values: [Float]) throws {
        let tensor = try #require(Self.shared?.tensor(name))
        let bytes = Array(tensor.bytes[row * tensor.rowBytes..<(row + 1) * tensor.rowBytes])
        func half(_ at: Int) -> Float { Float(Float16(bitPattern: UInt16(bytes[at]) | UInt16(bytes[at + 1]) << 8)) }
        for (column, value) in zip(columns, values) {
            let start = column / 32 * tensor.type.blockBytes
            let inner = column % 32
            switch tensor.type {
            case .q4_1:
                let byte = bytes[start + 4 + inner % 16]
                #expect(half(start) * Float(inner < 16 ? byte & 15 : byte >> 4) + half(start + 2) == value)
            case .q8_0: #expect(half(start) * Float(Int8(bitPattern: bytes[start + 2 + inner])) == value)
            default: Issue.record("\(name) is \(tensor.type)")
            }
        }
    }

    @Test func opensInUnderATenthOfASecond() throws {
        let path = try #require(baseModelPath)
        // Processor time of this thread: other work on the machine must not affect the result.
        func now() -> Double {
            var time = timespec()
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
            return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
        }
        var best = Double.infinity
        for _ in 0..<5 {
            let start = now()
            _ = try ModelFile.open(path: path)
            best = min(best, now() - start)
        }
        #expect(best < 0.1)
    }
}
