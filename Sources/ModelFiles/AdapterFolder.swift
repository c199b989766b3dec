// AdapterFolder: an adapter in PEFT's own form, adapter_model.safetensors beside adapter_config.json.

import Faults
import Federation

/// Reads and writes adapters as PEFT folders.
public enum AdapterFolder {
    /// Writes the two files; makes the folder if its parent exists. `baseModel` is a name; only the last part of a path is written, so that
    /// no file names a path of this machine. Throws `file.write`.
    public static func write(
        _ adapter: Adapter, to folder: String, baseModel: String, precision: UploadPrecision = .f32
    ) throws(Fault) {
        try FileWriting.makeFolder(folder)
        try FileWriting.put(
            AdapterFile.bytes(of: adapter, precision: precision), at: "\(folder)/adapter_model.safetensors")
        try FileWriting.put(
            configurationBytes(adapter.configuration, baseModel: baseModel), at: "\(folder)/adapter_config.json")
    }

    /// Reads a PEFT folder for a model of those sizes. Throws `adapter.not-found` and similar where something else is at the path,
    /// `adapter.configuration`, `adapter.beyond-lora`, the faults of `AdapterFile.read` and those of unreadable files.
    public static func read(_ folder: String, sizes: BackboneSizes) throws(Fault) -> Adapter {
        try checkPlace(folder)
        let configuration = "\(folder)/\(configurationName)"
        let storage = try Storage(mapping: configuration)
        let settings = try AdapterSettings(
            withExtendedLifetime(storage) { Array(storage.bytes) }, path: configuration)
        let path = "\(folder)/\(weightsName)"
        return try settings.adapter(try Safetensors.read(path: path), sizes: sizes, path: path)
    }

    private static let configurationName = "adapter_config.json"
    private static let weightsName = "adapter_model.safetensors"

    /// Throws where the path is not a folder with both files, and names what is there instead.
    private static func checkPlace(_ folder: String) throws(Fault) {
        guard Storage.exists(folder) else { throw Fault.adapterNotFound(folder, "no such file or folder") }
        guard try Storage.isFolder(folder) else { throw try notAFolder(folder) }
        let names = KnownFile.names(in: folder)
        guard names.contains(configurationName) else {
            if let checkpoint = KnownFile.checkpoint(in: folder, with: configurationName) {
                throw Fault.adapterElsewhere(
                    folder, "this is a trainer's folder; its newest adapter is in \(checkpoint)",
                    "Give \(Fault.shown(folder))/\(checkpoint).")
            }
            if names.contains("config.json") {
                throw Fault.adapterElsewhere(
                    folder, "this is the folder of a base model, not of an adapter",
                    "Name it as the model, and give a folder with \(configurationName) as the adapter.")
            }
            if let file = names.first(where: { $0.hasSuffix(".gguf") }) {
                throw Fault.adapterElsewhere(
                    folder, "the folder holds \(Fault.shown(file)) and no \(configurationName)",
                    "Give the .gguf file itself.")
            }
            throw Fault.adapterNotFound(folder, "the folder holds no \(configurationName)")
        }
        guard !names.contains(weightsName) else { return }
        if let file = KnownFile.torchFile(names, "adapter_model") {
            throw Fault.adapterElsewhere(
                folder, "the adapter's weights are in \(Fault.shown(file)), a file of PyTorch, which is not read",
                "Load it with PEFT and save it again with save_pretrained, which writes \(weightsName).")
        }
        throw Fault.adapterNotFound(folder, "the folder holds no \(weightsName)")
    }

    /// The fault of a file in place of a folder.
    private static func notAFolder(_ path: String) throws(Fault) -> Fault {
        let storage = try Storage(mapping: path)
        return withExtendedLifetime(storage) {
            if storage.bytes.starts(with: Array("GGUF".utf8)) {
                return Fault.adapterElsewhere(
                    path, "this is a GGUF file under another ending", "Let the file's name end in .gguf.")
            }
            let name = KnownFile.name(of: storage.bytes)?.what ?? "this is a file"
            return Fault.adapterElsewhere(
                path, "\(name), not an adapter's folder",
                "Give the folder that holds \(configurationName) and \(weightsName).")
        }
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

    /// Checks the bytes of adapter_config.json; the path is for faults. Throws `adapter.configuration`, `adapter.beyond-lora`.
    package static func check(configuration bytes: [UInt8], path: String) throws(Fault) {
        _ = try AdapterSettings(bytes, path: path)
    }
}
