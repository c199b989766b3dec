// Builds small GGUF files for tests, whole ones and broken ones.

struct GGUFBuilder {
    enum Value {
        case u32(UInt32)
        case i32(Int32)
        case f32(Float)
        case bool(UInt8)
        case text(String)
        case raw(type: UInt32, [UInt8])
        case strings([String])
        case i32s([Int32])
    }

    struct Tensor {
        var name: String
        /// As GGUF writes them: columns first.
        var dimensions: [UInt64]
        var type: UInt32
        var bytes: [UInt8]
        /// If nil, the next free aligned offset.
        var offset: UInt64?
    }

    var version: UInt32 = 3
    var settings: [(String, Value)] = []
    var tensors: [Tensor] = []
    var alignment = 32
    var settingCount: UInt64?
    var tensorCount: UInt64?

    mutating func set(_ key: String, _ value: Value) {
        settings.removeAll { $0.0 == key }
        settings.append((key, value))
    }

    static func little<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
        (0..<T.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }

    static func string(_ text: String) -> [UInt8] { little(UInt64(text.utf8.count)) + Array(text.utf8) }

    static func floats(_ values: [Float]) -> [UInt8] { values.flatMap { little($0.bitPattern) } }

    var bytes: [UInt8] {
        var out = Array("GGUF".utf8) + Self.little(version)
        out += Self.little(tensorCount ?? UInt64(tensors.count)) + Self.little(settingCount ?? UInt64(settings.count))
        for (key, value) in settings {
            out += Self.string(key)
            switch value {
            case .u32(let value): out += Self.little(UInt32(4)) + Self.little(value)
            case .i32(let value): out += Self.little(UInt32(5)) + Self.little(value)
            case .f32(let value): out += Self.little(UInt32(6)) + Self.little(value.bitPattern)
            case .bool(let value): out += Self.little(UInt32(7)) + [value]
            case .text(let value): out += Self.little(UInt32(8)) + Self.string(value)
            case .raw(let type, let bytes): out += Self.little(type) + bytes
            case .strings(let values):
                out += Self.little(UInt32(9)) + Self.little(UInt32(8)) + Self.little(UInt64(values.count))
                out += values.flatMap { Self.string($0) }
            case .i32s(let values):
                out += Self.little(UInt32(9)) + Self.little(UInt32(5)) + Self.little(UInt64(values.count))
                out += values.flatMap { Self.little($0) }
            }
        }
        var data: [UInt8] = []
        for tensor in tensors {
            while data.count % alignment != 0 { data.append(0) }
            out += Self.string(tensor.name) + Self.little(UInt32(tensor.dimensions.count))
            out += tensor.dimensions.flatMap { Self.little($0) } + Self.little(tensor.type)
            out += Self.little(tensor.offset ?? UInt64(data.count))
            data += tensor.bytes
        }
        while out.count % alignment != 0 { out.append(0) }
        return out + data
    }

    /// Row `row` of a weight of the tiny llama.
    static func row(_ row: Int) -> [Float] {
        (0..<32).map { (element: Int) -> Float in Float(row) + Float(element) / 1000 }
    }

    /// A llama of one layer: hidden 32, 4 query heads and 2 key-value heads of 8, feed-forward 32, 6 tokens.
    /// Element e of row r of a weight is r + e / 1000 as Hugging Face orders rows; q and k rows are stored interleaved.
    static func tinyLlama() -> GGUFBuilder {
        var builder = GGUFBuilder()
        builder.settings = [
            ("general.architecture", .text("llama")), ("llama.block_count", .u32(1)),
            ("llama.context_length", .u32(128)),
            ("llama.embedding_length", .u32(32)), ("llama.feed_forward_length", .u32(32)),
            ("llama.attention.head_count", .u32(4)), ("llama.attention.head_count_kv", .u32(2)),
            ("llama.rope.freq_base", .f32(10000)), ("llama.attention.layer_norm_rms_epsilon", .f32(1e-5)),
            ("llama.rope.dimension_count", .u32(8)), ("tokenizer.ggml.model", .text("gpt2")),
            ("tokenizer.ggml.pre", .text("smollm")),
            ("tokenizer.ggml.tokens", .strings(["<|end|>", "a", "b", "ab", "Ġ", "c"])),
            ("tokenizer.ggml.token_type", .i32s([3, 1, 1, 1, 1, 1])), ("tokenizer.ggml.merges", .strings(["a b"])),
            ("tokenizer.ggml.bos_token_id", .u32(0)), ("tokenizer.ggml.eos_token_id", .u32(0)),
        ]
        func weight(_ name: String, rows: Int, order: (Int) -> Int = { $0 }) {
            let values: [Float] = (0..<rows).flatMap { row(order($0)) }
            builder.tensors.append(
                Tensor(name: name, dimensions: [32, UInt64(rows)], type: 0, bytes: floats(values), offset: nil))
        }
        func norm(_ name: String) {
            builder.tensors.append(
                Tensor(
                    name: name, dimensions: [32], type: 0, bytes: floats(Array(repeating: 1, count: 32)), offset: nil))
        }
        weight("token_embd.weight", rows: 6)
        norm("output_norm.weight")
        // llama.cpp's converter: reshape(heads, 2, D / 2, in), swap axes 1 and 2, reshape back.
        func interleaved(_ row: Int) -> Int {
            let (head, inner) = (row / 8, row % 8)
            let (pair, side) = (inner / 2, inner % 2)
            return head * 8 + side * 4 + pair
        }
        weight("blk.0.attn_q.weight", rows: 32, order: interleaved)
        weight("blk.0.attn_k.weight", rows: 16, order: interleaved)
        weight("blk.0.attn_v.weight", rows: 16)
        weight("blk.0.attn_output.weight", rows: 32)
        weight("blk.0.ffn_gate.weight", rows: 32)
        weight("blk.0.ffn_up.weight", rows: 32)
        weight("blk.0.ffn_down.weight", rows: 32)
        norm("blk.0.attn_norm.weight")
        norm("blk.0.ffn_norm.weight")
        return builder
    }
}
