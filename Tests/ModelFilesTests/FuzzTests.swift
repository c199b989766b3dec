// Mutated files for every reader: each ends in a value or in a Fault, never in a trap. A short run here; scripts/fuzz.sh runs
// as many inputs a reader as asked for, by MEDROUNDS_FUZZ.

import Faults
import Federation
import Foundation
import ModelFiles
import Testing

@Suite struct FuzzTests {
    /// Inputs a reader.
    static let count = ProcessInfo.processInfo.environment["MEDROUNDS_FUZZ"].flatMap { Int($0) } ?? 2_000
    /// Where the mutations start from, so that runs may go on from one another.
    static let seed = ProcessInfo.processInfo.environment["MEDROUNDS_FUZZ_SEED"].flatMap { UInt64($0) } ?? 1

    private static let tokenizer = #"""
        {"added_tokens":[{"id":3,"content":"<s>","special":true,"lstrip":false}],"normalizer":{"type":"NFC"},"pre_tokenizer":{"type":
        "Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\\p{N}{1,3}|\\s+"},"behavior":"Isolated","invert":false},
        {"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]},"post_processor":{"type":"TemplateProcessing","single":
        [{"SpecialToken":{"id":"<s>"}}]},"model":{"type":"BPE","byte_fallback":false,"unk_token":"a","vocab":{"a":0,"b":1,"ab":2},
        "merges":[["a","b"],"b a"]}}
        """#
    private static let config = #"""
        {"model_type":"qwen2","hidden_size":64,"num_hidden_layers":4,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":16,
        "intermediate_size":128,"vocab_size":100,"max_position_embeddings":256,"rms_norm_eps":1e-6,"hidden_act":"silu",
        "rope_parameters":{"rope_type":"llama3","rope_theta":5e5,"factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,
        "original_max_position_embeddings":64},"use_sliding_window":true,"sliding_window":9,"max_window_layers":2,"layer_types":
        ["full_attention","full_attention","sliding_attention","sliding_attention"],"tie_word_embeddings":false,"attention_bias":true}
        """#
    private static let adapter = #"""
        {"peft_type":"LORA","r":4,"lora_alpha":6,"lora_dropout":0.1,"use_rslora":true,"bias":"none","target_modules":["q_proj","v_proj"],
        "rank_pattern":{"v_proj":2},"alpha_pattern":{"layers.0.self_attn.q_proj":8.5}}
        """#

    /// Mutates, cuts, doubles and splices, mostly near the start, where headers stand.
    private func fuzz(_ seed: [UInt8], header: Int, _ read: ([UInt8]) throws -> Void) {
        var generator = SeededGenerator(state: Self.seed &* 0x9e37_79b9)
        let spice = Array("0123456789[]{},:\"-e. \\untrf".utf8)
        var refused = 0
        var bytes: [UInt8] = []
        defer { if Self.count > 10_000 { print("\(Self.count) inputs, \(refused) refused, seed \(Self.seed)") } }
        for index in 0..<Self.count {
            bytes.removeAll(keepingCapacity: true)
            bytes += seed
            for _ in 0..<Int.random(in: 1...4, using: &generator) where !bytes.isEmpty {
                let limit = Bool.random(using: &generator) ? min(header, bytes.count) : bytes.count
                let at = Int.random(in: 0..<limit, using: &generator)
                switch Int.random(in: 0..<8, using: &generator) {
                case 0, 1: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
                case 2: bytes[at] = spice.randomElement(using: &generator) ?? 0
                case 3: bytes[at] = [0, 1, 0x7f, 0x80, 0xff].randomElement(using: &generator) ?? 0
                case 4: bytes.removeSubrange(at..<min(bytes.count, at + Int.random(in: 1...16, using: &generator)))
                case 5:
                    let end = min(bytes.count, at + Int.random(in: 1...24, using: &generator))
                    bytes.insert(contentsOf: bytes[at..<end], at: Int.random(in: 0...bytes.count, using: &generator))
                case 6: bytes.removeLast(Int.random(in: 0...min(64, bytes.count), using: &generator))
                default:
                    for place in at..<min(bytes.count, at + 8) {
                        bytes[place] = UInt8.random(in: 0...255, using: &generator)
                    }
                }
            }
            do {
                try read(bytes)
            } catch let fault as Fault {
                refused += 1
                if !fault.code.hasPrefix("model.") && !fault.code.hasPrefix("adapter.")
                    && fault.code != "json.malformed"
                {
                    Issue.record("input \(index): \(fault.code)")
                }
            } catch {
                Issue.record("input \(index): no Fault but \(error)")
            }
        }
    }

    @Test func gguf() {
        let bytes = GGUFBuilder.tinyLlama().bytes
        fuzz(bytes, header: 1200) { _ = try ModelFile.open(gguf: Storage(copying: $0), path: "m.gguf") }
    }

    @Test func safetensors() {
        let items = ["a", "b.c"].map {
            Safetensors.Item(name: $0, shape: [2, 3], type: .f32, bytes: [UInt8](repeating: 7, count: 24))
        }
        fuzz(Safetensors.write(items), header: 200) { _ = try Safetensors.read($0, path: "m.safetensors") }
    }

    @Test func tokenizerJSON() {
        fuzz(Array(Self.tokenizer.utf8), header: 800) { bytes in
            guard let json = try? JSONValue(parsing: bytes) else { return }
            _ = try TokenizerJSON.vocabulary(json, bytes: bytes, config: ["eos_token_id": 3], path: "tokenizer.json")
        }
    }

    @Test func configJSON() {
        fuzz(Array(Self.config.utf8), header: 700) { bytes in
            _ = try HuggingFaceFolder.shape(config: bytes, path: "config.json")
        }
    }

    @Test func adapterSettings() {
        fuzz(Array(Self.adapter.utf8), header: 300) {
            _ = try AdapterFolder.configuration($0, path: "adapter_config.json")
        }
    }
}
