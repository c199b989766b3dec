// TinyGGUF: a random llama model with a byte vocabulary, written as a GGUF file, so that whole federations run in seconds.

import Foundation

/// Writes a model of two layers: 4 heads over 2, 260 tokens; hidden 32 and feed-forward 48 where nothing else is said.
enum TinyGGUF {
    static let context = 2048

    static func write(
        to path: String, seed: UInt64 = 11, hidden: Int = 32, feedForward: Int = 48, chatTemplate: String? = nil,
        preTokenizer: String? = "smollm"
    ) throws {
        var header = Bytes()
        var data = Bytes()
        var tensors: [(name: String, shape: [UInt64], offset: UInt64)] = []
        var state = seed
        func random() -> Float {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Float(state >> 40) / Float(1 << 23) - 1
        }
        func add(_ name: String, _ out: Int, _ input: Int, scale: Float) {
            tensors.append((name, out == 1 ? [UInt64(input)] : [UInt64(input), UInt64(out)], UInt64(data.bytes.count)))
            for _ in 0..<(out * input) { data.put(out == 1 ? 1 + 0.1 * random() : scale * random()) }
            while data.bytes.count % 32 != 0 { data.bytes.append(0) }
        }
        let vocabulary = tokens()
        add("token_embd.weight", vocabulary.count, hidden, scale: 0.5)
        add("output_norm.weight", 1, hidden, scale: 1)
        for layer in 0..<2 {
            let name = "blk.\(layer)."
            add(name + "attn_norm.weight", 1, hidden, scale: 1)
            add(name + "ffn_norm.weight", 1, hidden, scale: 1)
            add(name + "attn_q.weight", hidden, hidden, scale: 0.3)
            add(name + "attn_k.weight", hidden / 2, hidden, scale: 0.3)
            add(name + "attn_v.weight", hidden / 2, hidden, scale: 0.3)
            add(name + "attn_output.weight", hidden, hidden, scale: 0.3)
            add(name + "ffn_gate.weight", feedForward, hidden, scale: 0.3)
            add(name + "ffn_up.weight", feedForward, hidden, scale: 0.3)
            add(name + "ffn_down.weight", hidden, feedForward, scale: 0.3)
        }
        let numbers: [(String, UInt32)] = [
            ("llama.block_count", 2), ("llama.context_length", UInt32(context)),
            ("llama.embedding_length", UInt32(hidden)),
            ("llama.feed_forward_length", UInt32(feedForward)), ("llama.attention.head_count", 4),
            ("llama.attention.head_count_kv", 2),
            ("llama.vocab_size", UInt32(vocabulary.count)), ("llama.rope.dimension_count", UInt32(hidden / 4)),
            ("tokenizer.ggml.bos_token_id", 1), ("tokenizer.ggml.eos_token_id", 2),
        ]
        header.bytes += Array("GGUF".utf8)
        header.put(UInt32(3))
        header.put(UInt64(tensors.count))
        let texts =
            [
                ("general.architecture", "llama"), ("tokenizer.ggml.model", "gpt2"),
            ] + (preTokenizer.map { [("tokenizer.ggml.pre", $0)] } ?? [])
            + (chatTemplate.map { [("tokenizer.chat_template", $0)] } ?? [])
        header.put(UInt64(numbers.count + texts.count + 4))
        for (key, value) in texts {
            header.put(key)
            header.put(UInt32(8))
            header.put(value)
        }
        for (key, value) in numbers {
            header.put(key)
            header.put(UInt32(4))
            header.put(value)
        }
        header.put("llama.attention.layer_norm_rms_epsilon")
        header.put(UInt32(6))
        header.put(Float(1e-5))
        for (key, list) in [("tokenizer.ggml.tokens", vocabulary), ("tokenizer.ggml.merges", [])] {
            header.put(key)
            header.put(UInt32(9))
            header.put(UInt32(8))
            header.put(UInt64(list.count))
            for text in list { header.put(text) }
        }
        header.put("tokenizer.ggml.token_type")
        header.put(UInt32(9))
        header.put(UInt32(5))
        header.put(UInt64(vocabulary.count))
        for index in vocabulary.indices { header.put(UInt32(index < 4 ? 3 : 1)) }
        for tensor in tensors {
            header.put(tensor.name)
            header.put(UInt32(tensor.shape.count))
            for size in tensor.shape { header.put(size) }
            header.put(UInt32(0))
            header.put(tensor.offset)
        }
        while header.bytes.count % 32 != 0 { header.bytes.append(0) }
        try Data(header.bytes + data.bytes).write(to: URL(fileURLWithPath: path))
    }

    /// Four special tokens, then the 256 bytes in the alphabet of GPT-2.
    private static func tokens() -> [String] {
        var next: UInt32 = 0x100
        let bytes = (UInt32(0)..<256).map { byte -> String in
            if (33...126).contains(byte) || (161...172).contains(byte) || (174...255).contains(byte) {
                return String(Character(Unicode.Scalar(UInt8(byte))))
            }
            defer { next += 1 }
            return Unicode.Scalar(next).map { String(Character($0)) } ?? "?"
        }
        return ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"] + bytes
    }

    private struct Bytes {
        var bytes: [UInt8] = []
        mutating func put(_ value: UInt32) { withUnsafeBytes(of: value.littleEndian) { bytes += $0 } }
        mutating func put(_ value: UInt64) { withUnsafeBytes(of: value.littleEndian) { bytes += $0 } }
        mutating func put(_ value: Float) { put(value.bitPattern) }
        mutating func put(_ value: String) {
            put(UInt64(value.utf8.count))
            bytes += Array(value.utf8)
        }
    }
}
