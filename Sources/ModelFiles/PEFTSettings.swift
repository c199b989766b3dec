// PEFTSettings: which settings of adapter_config.json are read, which cannot change what the tensors compute, and which must be neutral. A
// setting that is not listed must be neutral, so that a new setting of PEFT is refused by name and never ignored.

import Faults
import Federation

/// The settings of PEFT's LoRA (0.21).
enum PEFTSettings {
    /// Read by `AdapterSettings` and `AdapterTargets`.
    private static let read: Set<String> = [
        "peft_type", "r", "lora_alpha", "lora_dropout", "use_rslora", "rank_pattern", "alpha_pattern", "target_modules",
        "exclude_modules", "layers_to_transform", "layers_pattern", "init_lora_weights", "bias",
    ]
    /// Settings that say where the adapter comes from and how to load or train it, not what it computes.
    private static let silent: Set<String> = [
        "base_model_name_or_path", "revision", "task_type", "inference_mode", "peft_version", "auto_mapping",
        "megatron_core", "runtime_config", "qalora_group_size",
    ]
    /// Ways to initialise A and B that do not change the base model, so that they do not matter once the tensors are read.
    private static let plainBeginnings: [JSONValue] = [
        .null, true, false, "gaussian", "orthogonal", "eva",
    ]

    /// Why a setting or a way to initialise cannot be ignored.
    private static let reasons: [String: String] = [
        "use_dora": "DoRA scales the columns of the whole weight",
        "lora_bias": "B has a bias that no tensor of plain LoRA holds",
        "use_qalora": "QALoRA adds up groups of the input first",
        "modules_to_save": "whole modules of the model were trained beside the adapter",
        "trainable_token_indices": "rows of the embedding were trained beside the adapter",
        "target_parameters": "parameters that are not linear maps are adapted",
        "layer_replication": "layers of the model are used more than once",
        "alora_invocation_tokens": "the adapter works only after certain tokens (aLoRA)",
        "fan_in_fan_out": "the weights are transposed",
        "arrow_config": "several adapters are mixed for every token",
        "pissa": "PiSSA changes the base model's weights",
        "olora": "OLoRA changes the base model's weights",
        "corda": "CorDA changes the base model's weights",
        "loftq": "LoftQ changes the base model's weights",
        "lora_ga": "LoRA-GA changes the base model's weights",
    ]

    /// Whether a value has no effect: what PEFT writes where a setting is not used.
    private static func isNeutral(_ value: JSONValue) -> Bool {
        switch value {
        case .null, false, "", .array([]): true
        case .object(let members): members.isEmpty
        default: false
        }
    }

    /// A value in a few characters.
    private static func shown(_ value: JSONValue) -> String {
        switch value {
        case .string(let text): "\"\(Fault.shown(text))\""
        case .array(let elements): "a list of \(elements.count)"
        case .object(let members): "an object of \(members.count)"
        case .null: "null"
        case .bool(let truth): "\(truth)"
        case .integer(let number): "\(number)"
        case .number(let number): "\(number)"
        }
    }

    /// Refuses every setting that would compute something other than plain LoRA, all at once. Throws `adapter.configuration`.
    static func check(_ members: [String: JSONValue], _ path: String) throws(Fault) {
        var found: [String] = []
        for key in members.keys.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
            guard let value = members[key], !read.contains(key), !silent.contains(key), !isNeutral(value) else {
                continue
            }
            let reason = reasons[key].map { ": \($0)" } ?? ""
            found.append("\(Fault.shown(key)) is \(shown(value))\(reason)")
        }
        let bias = members["bias"] ?? .null
        if bias != .null, bias != "none" { found.append("bias is \(shown(bias)): biases of the model were trained") }
        let beginning = members["init_lora_weights"] ?? .null
        if !plainBeginnings.contains(beginning) {
            let name = beginning.text?.lowercased() ?? ""
            // `pissa_niter_16` and similar.
            let known = ["pissa", "olora", "corda", "loftq", "lora_ga"].first { name.hasPrefix($0) }
            let reason =
                known.flatMap { reasons[$0] }.map { ": \($0), and the file holds only what is added to them" } ?? ""
            found.append("init_lora_weights is \(shown(beginning))\(reason)")
        }
        guard !found.isEmpty else { return }
        let shown = found.prefix(8).joined(separator: "; ")
        let more = found.count > 8 ? "; \(found.count - 8) more" : ""
        throw Fault.adapterBeyondLoRA(path, "\(shown)\(more)")
    }
}
