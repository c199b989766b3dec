// Mutated files for every reader: each ends in a value or in a Fault, never in a trap. A short run here; scripts/fuzz.sh runs
// as many inputs a reader as asked for, by MEDROUNDS_FUZZ.

import ChatTemplates
import Faults
import Federation
import Foundation
import ModelFiles
import Testing
import Tokenization

@Suite struct FuzzTests {
    /// Inputs a reader.
    static let count = ProcessInfo.processInfo.environment["MEDROUNDS_FUZZ"].flatMap { Int($0) } ?? 2_000
    /// Where the mutations start from, so that runs may go on from one another.
    static let seed = ProcessInfo.processInfo.environment["MEDROUNDS_FUZZ_SEED"].flatMap { UInt64($0) } ?? 1

    private static let tokenizer = #"""
        {"added_tokens":[{"id":3,"content":"<s>","special":true,"lstrip":false}],"normalizer":{"type":"NFC"},"pre_tokenizer":{"type":
        "Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\\p{N}{1,3}|\\s+"},"behavior":"Isolated","invert":false},
        {"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]},"post_processor":{"type":"TemplateProcessing","single":
        [{"SpecialToken":{"id":"<s>"}}]},"model":{"type":"BPE","byte_fallback":false,"unk_token":"a","vocab":{"a":0,"b":1,"ab":2,"ba":4},
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

    private static let chat = """
        {%- if messages[0]['role'] == 'system' %}{%- set loop_messages = messages[1:] %}{%- else %}{%- set loop_messages = messages %}{%- endif %}
        {%- set ns = namespace(n=0) %}{%- for m in loop_messages if m.role != 'tool' %}{%- set ns.n = ns.n + loop.index0 % 2 %}
        {{- '<|im_start|>' ~ m.role + "\\n" + (m.content | trim)[::-1].split('a')[-1] }}{%- endfor %}{% if add_generation_prompt and not x is defined %}
        {{ raise_exception('x') if ns.n > 3 else 'go' }}{% elif 'a' in messages[0].content %}{# c #}{% endif %}
        """

    /// Mutates, cuts, doubles and splices, mostly near the start, where headers stand. A long run also looks at the time that an
    /// input takes and at the memory of the process, of which no more may be asked for than a few megabytes.
    private func fuzz(_ seed: [UInt8], header: Int, _ read: ([UInt8]) throws -> Void) throws {
        var generator = SeededGenerator(state: Self.seed &* 0x9e37_79b9)
        let isLong = Self.count > 10_000
        let before = isLong ? try Memory.limit(more: 16 << 20) : 0
        let clock = ContinuousClock()
        let start = clock.now
        var slowest = Duration.zero
        var refused = 0
        var bytes: [UInt8] = []
        // What is refused unchanged would hide all that lies behind the refusal.
        #expect(throws: Never.self) { try read(seed) }
        for index in 0..<Self.count {
            bytes.removeAll(keepingCapacity: true)
            bytes += seed
            Self.mutate(&bytes, header: header, &generator)
            let begun = isLong ? clock.now : start
            do {
                try read(bytes)
            } catch let fault as Fault {
                refused += 1
                if !["model.", "adapter.", "tokenizer."].contains(where: fault.code.hasPrefix)
                    && fault.code != "data.json"
                {
                    Issue.record("input \(index): \(fault.code)")
                }
            } catch {
                Issue.record("input \(index): no Fault but \(error)")
            }
            if isLong { slowest = max(slowest, clock.now - begun) }
        }
        guard isLong else { return }
        let grown = try Memory.peak() - before
        let seconds = (clock.now - start) / .seconds(1)
        print(
            "\(Self.count) inputs of \(seed.count) bytes, seed \(Self.seed): \(refused) refused, "
                + "\(Int(Double(Self.count) / seconds)) a second, slowest \(slowest), peak memory +\(grown) kB")
        #expect(slowest < .seconds(2))
        #expect(grown < 8 << 10)
    }

    private static let spice = Array("0123456789[]{},:\"-e. \\untrf%|'()".utf8)

    private static func mutate(_ bytes: inout [UInt8], header: Int, _ generator: inout SeededGenerator) {
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
    }

    /// A llama of few bytes, so that many inputs are read in little time: hidden 8, two heads of 4 over one, feed-forward 4.
    private static func smallLlama() -> GGUFBuilder {
        var builder = GGUFBuilder.tinyLlama()
        for (key, value) in [
            ("embedding_length", 8), ("feed_forward_length", 4), ("attention.head_count", 2),
            ("attention.head_count_kv", 1),
            ("rope.dimension_count", 4),
        ] as [(String, UInt32)] { builder.set("llama.\(key)", .u32(value)) }
        builder.set("tokenizer.chat_template", .text("{{ messages }}"))
        let rows: [String: UInt64] = ["attn_k": 4, "attn_v": 4, "ffn_gate": 4, "ffn_up": 4, "token_embd": 6]
        for index in builder.tensors.indices {
            let part = String(builder.tensors[index].name.split(separator: ".").dropLast().last ?? "")
            var dimensions: [UInt64] = [part == "ffn_down" ? 4 : 8]
            if builder.tensors[index].dimensions.count == 2 { dimensions.append(rows[part] ?? 8) }
            builder.tensors[index].dimensions = dimensions
            builder.tensors[index].bytes = [UInt8](repeating: 0x3d, count: 4 * Int(dimensions.reduce(1, *)))
        }
        return builder
    }

    @Test func gguf() throws {
        try fuzz(Self.smallLlama().bytes, header: 1200) {
            _ = try ModelFile.open(gguf: Storage(copying: $0), path: "m.gguf")
        }
    }

    @Test func safetensors() throws {
        let items = ["a", "b.c"].map {
            Safetensors.Item(name: $0, shape: [2, 3], type: .f32, bytes: [UInt8](repeating: 7, count: 24))
        }
        try fuzz(Safetensors.write(items), header: 200) { _ = try Safetensors.read($0, path: "m.safetensors") }
    }

    /// The file, the tokenizer made of it, and a text through that.
    @Test func tokenizerJSON() throws {
        try fuzz(Array(Self.tokenizer.utf8), header: 800) { bytes in
            let json = try JSONValue(parsing: bytes)
            let stored = try TokenizerJSON.vocabulary(
                json, bytes: bytes, config: ["eos_token_id": 3], path: "tokenizer.json")
            let tokenizer = try Tokenizer(
                BPEVocabulary(
                    tokens: stored.tokens, tokenTypes: stored.tokenTypes, merges: stored.merges,
                    preTokenizer: try PreTokenizer(named: stored.preTokenizer), endID: stored.endID,
                    composes: stored.composes, ignoresMerges: stored.ignoresMerges,
                    byteFallback: stored.byteFallback.flatMap { BPEVocabulary.SpacePrefix(rawValue: $0) }))
            _ = tokenizer.decode(tokenizer.encode("ab a12<s>\u{e9}\u{301} b\n"))
        }
    }

    @Test func configJSON() throws {
        try fuzz(Array(Self.config.utf8), header: 700) { bytes in
            _ = try HuggingFaceFolder.shape(config: bytes, path: "config.json")
        }
    }

    @Test func chatTemplate() throws {
        let messages = ["system", "user", "assistant", "user"].map { ChatTemplate.Message(role: $0, content: " a b ") }
        try fuzz(Array(Self.chat.utf8), header: 600) { bytes in
            let template = try ChatTemplate(String(decoding: bytes, as: UTF8.self), beginning: "<s>", end: nil)
            _ = try template.text(of: messages, addsGenerationPrompt: true)
        }
    }

    @Test func adapterSettings() throws {
        try fuzz(Array(Self.adapter.utf8), header: 300) {
            _ = try AdapterFolder.configuration($0, path: "adapter_config.json")
        }
    }

    private static let shape = ModelShape(
        architecture: "llama", hiddenSize: 4, layerCount: 1, headCount: 2, keyValueHeadCount: 1, headDimension: 2,
        feedForwardSize: 4, vocabularySize: 8, rmsEpsilon: 1e-5, ropeTheta: 10000, ropeScaling: .none,
        contextLength: 16,
        tiedHead: true)
    private static let small = Adapter(
        configuration: LoRAConfiguration(rank: 2, alpha: 4, dropout: 0, targets: [.q]),
        tensors: [Adapter.Matrix.a, .b].map { matrix in
            NamedTensor(
                name: Adapter.tensorName(layer: 0, map: .q, matrix: matrix), shape: matrix == .a ? [2, 4] : [4, 2],
                values: [Float](repeating: 0.5, count: 8))
        })

    @Test func adapterSafetensors() throws {
        try fuzz(AdapterFile.bytes(of: Self.small, precision: .f32), header: 250) {
            _ = try AdapterFile.read(
                $0, sizes: Self.shape.sizes, configuration: Self.small.configuration, path: "adapter_model.safetensors")
        }
    }

    @Test func adapterGGUF() throws {
        let folder = try TemporaryFolder()
        try AdapterGGUF.write(Self.small, shape: Self.shape, to: "\(folder.path)/a.gguf")
        try fuzz(try contents("\(folder.path)/a.gguf"), header: 400) {
            _ = try AdapterGGUF.read(Storage(copying: $0), path: "a.gguf", shape: Self.shape)
        }
    }
}

/// The memory of this process, in kB.
private enum Memory {
    private static func status(_ key: String) throws -> Int {
        let text = String(decoding: try contents("/proc/self/status"), as: UTF8.self)
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix(key) })
        return try #require(line.split(separator: " ").dropFirst().first.flatMap { Int($0) })
    }

    static func peak() throws -> Int { try status("VmHWM") }

    /// Lets the process ask for that many bytes more than it has; what asks for more ends it. Gives the resident memory now,
    /// from which the peak counts anew.
    static func limit(more bytes: Int) throws -> Int {
        var limit = rlimit()
        try #require(getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0)
        limit.rlim_cur = rlim_t(try status("VmSize") << 10 + bytes)
        try #require(setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0)
        try Data("5".utf8).write(to: URL(fileURLWithPath: "/proc/self/clear_refs"))
        return try status("VmRSS")
    }
}
