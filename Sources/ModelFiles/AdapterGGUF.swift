// AdapterGGUF: adapters in the GGUF form that llama.cpp loads, with A and B as lora_a and lora_b under ggml's tensor names.

import Faults
import Federation

/// Writes and reads adapters as GGUF files.
public enum AdapterGGUF {
    /// ggml's name of a map.
    private static let names: [LinearMap: String] = [
        .q: "attn_q", .k: "attn_k", .v: "attn_v", .o: "attn_output", .gate: "ffn_gate", .up: "ffn_up",
        .down: "ffn_down",
    ]

    /// The architecture's name in GGUF, and whether the rotary pairs of q and k are side by side there.
    private static func form(_ architecture: String) -> (name: String, turnsRows: Bool) {
        architecture == "llama" || architecture == "mistral" ? ("llama", true) : (architecture, false)
    }

    /// Writes the adapter of a model of that shape, in float32. Throws `file.write`.
    public static func write(_ adapter: Adapter, shape: ModelShape, to path: String) throws(Fault) {
        let (architecture, turns) = form(shape.architecture)
        let settings: [(String, GGUFSetting)] = [
            ("general.architecture", .text(architecture)), ("general.type", .text("adapter")),
            ("general.file_type", .u32(0)), ("adapter.type", .text("lora")),
            ("adapter.lora.alpha", .f32(Float(adapter.configuration.alpha))),
        ]
        var items: [GGUFItem] = []
        for (layer, map, matrix) in places(shape, adapter.configuration) {
            let name = Adapter.tensorName(layer: layer, map: map, matrix: matrix)
            guard let tensor = adapter.tensor(named: name), let ggml = names[map] else {
                throw Fault.adapterMissingTensor(path, name)
            }
            let part = matrix == .a ? "lora_a" : "lora_b"
            let heads = turns && matrix == .b ? headCount(map, shape) : nil
            items.append(
                GGUFItem(
                    name: "blk.\(layer).\(ggml).weight.\(part)", shape: tensor.shape, type: 0,
                    count: 4 * tensor.values.count,
                    bytes: { () throws(Fault) in
                        let values = heads.map { turned(tensor, heads: $0, toGGUF: true) } ?? tensor.values
                        return values.withUnsafeBytes { Array($0) }
                    }))
        }
        try GGUFWriter.write(
            pairs: settings.flatMap { GGUFWriter.pair($0.0, $0.1) }, pairCount: settings.count, items: items, to: path)
    }

    /// Reads an adapter for a model of that shape. Throws `adapter.configuration`, the faults of broken GGUF files and those
    /// of `AdapterFile.read`.
    public static func read(path: String, shape: ModelShape) throws(Fault) -> Adapter {
        try read(Storage(mapping: path), path: path, shape: shape)
    }

    package static func read(_ storage: Storage, path: String, shape: ModelShape) throws(Fault) -> Adapter {
        let file = try GGUF(storage, path: path)
        let (architecture, turns) = form(shape.architecture)
        guard try file.text("general.type") == "adapter", try file.text("adapter.type") == "lora" else {
            if try file.text("adapter.type") == nil, try file.text("general.type") != "adapter" {
                throw Fault.adapterElsewhere(
                    path, "this GGUF file is a model, not an adapter",
                    "Name it as the model, and give a GGUF adapter or a PEFT folder as the adapter.")
            }
            throw Fault.adapterConfiguration(path, "the file is not a LoRA adapter")
        }
        let found = try file.text("general.architecture") ?? ""
        guard found == architecture else {
            throw Fault.adapterConfiguration(
                path, "the adapter is for architecture \(Fault.shown(found)), the model is \(architecture)")
        }
        guard let alpha = try file.number("adapter.lora.alpha"), alpha > 0, alpha.isFinite else {
            throw Fault.adapterConfiguration(path, "adapter.lora.alpha is missing or not positive")
        }
        var tensors: [NamedTensor] = []
        var targets: Set<LinearMap> = []
        var rank: Int?
        for tensor in file.tensors {
            guard let (layer, map, matrix) = place(tensor.name), tensor.shape.count == 2 else {
                throw Fault.adapterUnknownTensor(path, tensor.name)
            }
            let ours = matrix == .a ? tensor.shape[0] : tensor.shape[1]
            guard ours == rank ?? ours, (1...2048).contains(ours) else {
                throw Fault.adapterConfiguration(path, "its maps differ in rank: \(rank ?? 0) and \(ours)")
            }
            rank = ours
            targets.insert(map)
            let bytes = UnsafeRawBufferPointer(rebasing: storage.bytes[tensor.start..<tensor.start + tensor.count])
            guard let type = Safetensors.ElementType(stored: tensor.stored) else {
                throw Fault.modelUnsupportedType(path, "\(tensor.stored)", tensor: tensor.name)
            }
            let name = Adapter.tensorName(layer: layer, map: map, matrix: matrix)
            let entry = Safetensors.Entry(
                name: name, shape: tensor.shape, type: type, bytes: bytes, storage: storage)
            var named = NamedTensor(name: name, shape: tensor.shape, values: entry.floats ?? [])
            if turns, matrix == .b, let heads = headCount(map, shape) {
                guard tensor.shape[0] == heads * shape.headDimension else {
                    throw Fault.adapterShape(
                        path, name, found: tensor.shape, expected: [heads * shape.headDimension, ours])
                }
                named.values = turned(named, heads: heads, toGGUF: false)
            }
            tensors.append(named)
        }
        guard let rank else { throw Fault.adapterConfiguration(path, "the file holds no tensor") }
        let configuration = LoRAConfiguration(
            rank: rank, alpha: alpha, dropout: 0, targets: LinearMap.allCases.filter { targets.contains($0) })
        // Names, shapes and values are checked as for safetensors files.
        return try AdapterFile.adapter(tensors, sizes: shape.sizes, configuration: configuration, path: path)
    }

    private static func places(
        _ shape: ModelShape, _ configuration: LoRAConfiguration
    ) -> [(Int, LinearMap, Adapter.Matrix)] {
        (0..<shape.layerCount).flatMap { layer in
            configuration.targets.flatMap { map in Adapter.Matrix.allCases.map { (layer, map, $0) } }
        }
    }

    private static func place(_ name: String) -> (Int, LinearMap, Adapter.Matrix)? {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 5, parts[0] == "blk", parts[3] == "weight", let layer = Int(parts[1]), layer >= 0,
            let map = names.first(where: { $0.value == parts[2] })?.key
        else { return nil }
        switch parts[4] {
        case "lora_a": return (layer, map, .a)
        case "lora_b": return (layer, map, .b)
        default: return nil
        }
    }

    private static func headCount(_ map: LinearMap, _ shape: ModelShape) -> Int? {
        switch map {
        case .q: shape.headCount
        case .k: shape.keyValueHeadCount
        default: nil
        }
    }

    /// The rows of q's or k's B in the other order; see `StoredTensor.withHalfSplitRows`.
    private static func turned(_ tensor: NamedTensor, heads: Int, toGGUF: Bool) -> [Float] {
        let columns = tensor.shape[1]
        let dimension = tensor.shape[0] / heads
        let half = dimension / 2
        var out = tensor.values
        for row in 0..<tensor.shape[0] {
            let (head, inner) = row.quotientAndRemainder(dividingBy: dimension)
            let stored = head * dimension + 2 * (inner % half) + inner / half
            let (from, to) = toGGUF ? (row, stored) : (stored, row)
            for column in 0..<columns { out[to * columns + column] = tensor.values[from * columns + column] }
        }
        return out
    }
}

extension Safetensors.ElementType {
    /// The type of plain floats; nil for block types.
    init?(stored: StoredType) {
        switch stored {
        case .f32: self = .f32
        case .f16: self = .f16
        case .bf16: self = .bf16
        default: return nil
        }
    }
}
