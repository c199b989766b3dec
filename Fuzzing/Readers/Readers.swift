// The readers that are fuzzed. A new reader is one line here and a folder of its name in Fuzzing/Corpus.

import ChatTemplates
import Faults
import Federation
import ModelFiles
import Tokenization

extension Reader {
    /// All readers, in the order in which scripts/fuzz.sh takes them.
    public static let all: [Reader] = [
        Reader("chat-template", .template, codes: ["tokenizer.chat-template"], read: chatTemplate),
        Reader("json", .json, codes: ["data.json"], read: json),
        Reader("gguf", .gguf, codes: ["model."], read: gguf),
        Reader("safetensors", .safetensors, codes: ["model."], read: safetensors),
        Reader("model-weights", .safetensors, codes: ["model."], read: modelWeights),
        Reader("model-configuration", .json, codes: ["model."], read: modelConfiguration),
        Reader("tokenizer-json", .json, codes: ["model.", "tokenizer.", "data.json"], read: tokenizerJSON),
        Reader("adapter-configuration", .json, codes: ["adapter."], read: adapterConfiguration),
        Reader("adapter-safetensors", .safetensors, codes: ["adapter.", "model."], read: adapterSafetensors),
        Reader("adapter-gguf", .gguf, codes: ["adapter.", "model."], read: adapterGGUF),
        Reader("ledger-record", .record, codes: ["data.json", "ledger."], read: ledgerRecord),
        Reader("ledger-commit", .commit, codes: ["ledger."], read: ledgerCommit),
        Reader("ledger-tree", .tree, codes: ["ledger."], read: ledgerTree),
        Reader("allowed-signers", .signers, codes: ["keys."], read: allowedSigners),
        Reader("bundle", .bundle, codes: ["bundle."], read: bundle),
    ]

    // MARK: Texts

    private static let messages = ["system", "user", "assistant", "user"].map {
        ChatTemplate.Message(role: $0, content: " a b ")
    }

    @Sendable private static func chatTemplate(_ bytes: [UInt8]) throws {
        let template = try ChatTemplate(String(decoding: bytes, as: UTF8.self), beginning: "<s>", end: nil)
        _ = try template.text(of: messages, addsGenerationPrompt: true)
    }

    /// Reads strictly and with Python's words; what was read is written, and reading that again gives the same value.
    @Sendable private static func json(_ bytes: [UInt8]) throws {
        let lax = Result {
            try JSONValue(parsing: bytes, limits: JSONLimits(depth: 64, values: 10_000, allowsNonFinite: true))
        }
        let value = try JSONValue(parsing: bytes, limits: JSONLimits(depth: 64, values: 10_000))
        guard try lax.get() == value, try JSONValue(parsing: value.canonical) == value else {
            throw Different()
        }
    }

    private struct Different: Error {}

    @Sendable private static func modelConfiguration(_ bytes: [UInt8]) throws {
        _ = try HuggingFaceFolder.shape(config: bytes, path: "config.json")
    }

    /// Reads the file, makes a tokenizer from it, and encodes a text with it.
    @Sendable private static func tokenizerJSON(_ bytes: [UInt8]) throws {
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

    @Sendable private static func adapterConfiguration(_ bytes: [UInt8]) throws {
        try AdapterFolder.check(configuration: bytes, path: "adapter_config.json")
    }

    // MARK: Files of tensors

    @Sendable private static func gguf(_ bytes: [UInt8]) throws {
        _ = try ModelFile.open(gguf: Storage(copying: bytes), path: "m.gguf")
    }

    @Sendable private static func safetensors(_ bytes: [UInt8]) throws {
        for entry in try Safetensors.read(bytes, path: "m.safetensors") { _ = entry.floats }
    }

    /// Reads the input as the weights of a model's folder.
    @Sendable private static func modelWeights(_ bytes: [UInt8]) throws {
        _ = try HuggingFaceFolder.tensors(weights: Storage(copying: bytes), shape: shape, path: "model.safetensors")
    }

    private static let shape = ModelShape(
        architecture: "llama", hiddenSize: 4, layerCount: 1, headCount: 2, keyValueHeadCount: 1, headDimension: 2,
        feedForwardSize: 4, vocabularySize: 8, rmsEpsilon: 1e-5, ropeTheta: 10000, ropeScaling: .none,
        contextLength: 16, tiedHead: true)
    private static let configuration = LoRAConfiguration(rank: 2, alpha: 4, dropout: 0, targets: [.q])

    @Sendable private static func adapterSafetensors(_ bytes: [UInt8]) throws {
        _ = try AdapterFile.read(
            bytes, sizes: shape.sizes, configuration: configuration, path: "adapter_model.safetensors")
    }

    @Sendable private static func adapterGGUF(_ bytes: [UInt8]) throws {
        _ = try AdapterGGUF.read(Storage(copying: bytes), path: "a.gguf", shape: shape)
    }
}

extension Grammar {
    static let template = Grammar(
        words: [
            "{{ ", " }}", "{% ", " %}", "{%- ", " -%}", "{# ", " #}", "+", "-", "*", "//", "%", "~", "==", "!=", "<",
            ">=",
            " in ", " not in ", " not ", " and ", " or ", " is ", " if ", " else ", "|", ".", ",", ":", "[::-1]", "'a'",
            "n.a",
            "messages", "content", "loop.index0", "range(", "namespace(a=1)", "raise_exception('x')",
            "{% for a in [1] %}",
            "{% endfor %}", "{% if a %}", "{% elif b %}", "{% else %}", "{% endif %}", "{% set n = namespace(a=1) %}",
            "{% set n.a = [n.a, n.a] %}", "{% set a = a + a %}", "{% generation %}", "{% endgeneration %}", "trim",
            "length", "join",
            "selectattr('a', 'eq', 'b')", "split('a')", "replace('a', 'bb')", "strip()", "items()", "default",
            "defined", "\\u00e9", "\u{e9}",
        ],
        brackets: [
            ("(", ")"), ("[", "]"), ("{{", "}}"), ("{% if 1 %}", "{% endif %}"),
            ("{% for a in range(2) %}", "{% endfor %}"),
            ("{% generation %}", "{% endgeneration %}"), ("not ", ""), ("-", ""), ("a[", "]"), ("'a'.f(", ")"),
            ("1 if ", " else 2"),
        ])
    static let json = Grammar(
        words: [
            "{", "}", "[", "]", ":", ",", "\"", "\"a\":", "null", "true", "false", "\\u0000", "\\ud83d\\ude00",
            "\\ud800", "\\", "\u{e9}",
            "e\u{301}", "\"r\"", "\"peft_type\":\"LORA\"", "\"lora_alpha\"", "\"target_modules\"", "\"q_proj\"",
            "\"rank_pattern\"",
            "\"use_rslora\":true", "\"vocab\"", "\"merges\"", "\"pattern\"", "\"Regex\"", "\"ByteLevel\"",
            "\"hidden_size\"",
            "\"rope_scaling\"", "\"layer_types\"", "\"model_type\":\"qwen3\"", "\\\\p{L}", "+", "(?!", "{1,3}",
            "[^\\\\s]",
        ],
        brackets: [("[", "]"), ("{\"a\":", "}"), ("[[],", "]"), ("(?:", ")"), ("\"", "\"")])
    static let safetensors = Grammar(
        words: [
            "{", "}", "[", "]", ":", ",", "\"", "\"dtype\":\"F32\"", "\"BF16\"", "\"F64\"", "\"BOOL\"", "\"shape\":[",
            "\"data_offsets\":[",
            "\"__metadata__\":{", "\"a\":", " ", "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight",
        ],
        brackets: [("[", "]"), ("{\"a\":", "}")], isBinary: true)
    static let gguf = Grammar(
        words: [
            "GGUF", "general.architecture", "llama", "qwen3", "general.alignment", "llama.attention.head_count",
            "split.count",
            "tokenizer.ggml.tokens", "blk.0.attn_q.weight", "token_embd.weight", "rope_freqs.weight",
            "adapter.lora.alpha", ".lora_a",
        ],
        brackets: [], isBinary: true)
}
