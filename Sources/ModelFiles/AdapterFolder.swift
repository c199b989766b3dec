// AdapterFolder: an adapter in PEFT's own form, adapter_model.safetensors beside adapter_config.json.

import Faults
import Federation

/// Reads and writes adapters as PEFT folders.
public enum AdapterFolder {
    /// Writes the two files, making the folder where its parent is there. `baseModel` is a name; of a path only its last
    /// part is written, so that no file tells of this machine. Throws `file.write`.
    public static func write(
        _ adapter: Adapter, to folder: String, baseModel: String, precision: UploadPrecision = .f32
    ) throws(Fault) {
        try FileWriting.makeFolder(folder)
        try FileWriting.put(
            AdapterFile.bytes(of: adapter, precision: precision), at: "\(folder)/adapter_model.safetensors")
        try FileWriting.put(
            configurationBytes(adapter.configuration, baseModel: baseModel), at: "\(folder)/adapter_config.json")
    }

    /// Reads a PEFT folder for a model of those sizes. Throws `adapter.configuration`, the faults of `AdapterFile.read` and those of
    /// missing or unreadable files.
    public static func read(_ folder: String, sizes: BackboneSizes) throws(Fault) -> Adapter {
        let settings = try readSettings(folder)
        let configuration = settings.configuration
        let path = "\(folder)/adapter_model.safetensors"
        if settings.hasPatterns {
            return try settings.unified(try Safetensors.read(path: path), sizes: sizes, path: path)
        }
        return try AdapterFile.adapter(
            try Safetensors.read(path: path), sizes: sizes, configuration: configuration, path: path)
    }

    private static func readSettings(_ folder: String) throws(Fault) -> AdapterSettings {
        let path = "\(folder)/adapter_config.json"
        let storage = try Storage(mapping: path)
        let bytes = withExtendedLifetime(storage) { Array(storage.bytes) }
        return try settings(bytes, path: path)
    }

    /// The bytes of adapter_config.json: canonical JSON with the settings that PEFT needs to load the adapter.
    public static func configurationBytes(_ configuration: LoRAConfiguration, baseModel: String) -> [UInt8] {
        let name = baseModel.split(separator: "/").last.map(String.init) ?? baseModel
        let alpha = configuration.alpha
        let targets = configuration.targets.map(\.rawValue).sorted()
        let json: JSONValue = [
            "base_model_name_or_path": .string(name), "bias": "none", "fan_in_fan_out": false, "inference_mode": true,
            "lora_alpha": Int64(exactly: alpha).map { .integer($0) } ?? .number(alpha),
            "lora_dropout": .number(configuration.dropout), "peft_type": "LORA",
            "r": .integer(Int64(configuration.rank)),
            "target_modules": .array(targets.map { .string($0) }), "task_type": "CAUSAL_LM", "use_dora": false,
            "use_rslora": false,
        ]
        return json.canonical
    }

    /// Reads the bytes of adapter_config.json; the path is for faults. Throws `adapter.configuration`.
    public static func configuration(_ bytes: [UInt8], path: String) throws(Fault) -> LoRAConfiguration {
        try settings(bytes, path: path).configuration
    }

    static func settings(_ bytes: [UInt8], path: String) throws(Fault) -> AdapterSettings {
        let json: JSONValue
        do {
            json = try JSONValue(parsing: bytes)
        } catch {
            throw Fault.adapterConfiguration(path, "the file is not JSON")
        }
        guard json["peft_type"] == "LORA" else { throw Fault.adapterConfiguration(path, "peft_type is not LORA") }
        for key in ["use_dora", "fan_in_fan_out", "lora_bias", "use_qalora"] where json[key] == true {
            throw Fault.adapterConfiguration(path, "\(key) is not supported")
        }
        for key in ["layers_to_transform", "modules_to_save", "exclude_modules", "layer_replication"] {
            if let value = json[key], value != .null {
                throw Fault.adapterConfiguration(path, "\(key) is not supported")
            }
        }
        if let bias = json["bias"]?.text, bias != "none" {
            throw Fault.adapterConfiguration(path, "bias \(Fault.shown(bias)) is not supported; none is")
        }
        guard let rank = json["r"]?.int, (1...2048).contains(rank) else {
            throw Fault.adapterConfiguration(path, "r is missing or not between 1 and 2048")
        }
        guard let alpha = json["lora_alpha"]?.double, alpha > 0, alpha.isFinite else {
            throw Fault.adapterConfiguration(path, "lora_alpha is missing or not positive")
        }
        let dropout = json["lora_dropout"]?.double ?? 0
        guard dropout >= 0, dropout < 1 else {
            throw Fault.adapterConfiguration(path, "lora_dropout \(dropout) is not at least 0 and below 1")
        }
        let isRankStabilised = json["use_rslora"] == true
        let plain = isRankStabilised ? alpha * Double(rank).squareRoot() : alpha
        var settings = AdapterSettings(
            configuration: LoRAConfiguration(
                rank: rank, alpha: plain, dropout: dropout, targets: try targets(json["target_modules"], path)),
            isRankStabilised: isRankStabilised, alpha: alpha)
        try settings.readPatterns(json, path)
        return settings
    }

    private static func targets(_ json: JSONValue?, _ path: String) throws(Fault) -> [LinearMap] {
        if json == "all-linear" { return LinearMap.allCases }
        guard let elements = json?.elements, !elements.isEmpty else {
            throw Fault.adapterConfiguration(path, "target_modules is not a list of map names")
        }
        var found: Set<LinearMap> = []
        for element in elements {
            guard let name = element.text, let map = LinearMap(rawValue: name) else {
                let shown = element.text.map(Fault.shown) ?? "an entry that is no text"
                throw Fault.adapterConfiguration(
                    path, "target_modules names \(shown), which is no map of a decoder layer")
            }
            found.insert(map)
        }
        return LinearMap.allCases.filter { found.contains($0) }
    }
}
