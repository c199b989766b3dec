// AdapterFile: adapters as safetensors bytes under PEFT's names, in float32 or bfloat16, and read back with every check.

import Faults
import Federation

/// Reads and writes adapters.
public enum AdapterFile {
    /// The adapter as the bytes of a safetensors file; the same adapter always gives the same bytes.
    ///
    /// bfloat16 is rounded to nearest even. Values are not checked: see `checkFinite`.
    public static func bytes(of adapter: Adapter, precision: UploadPrecision) -> [UInt8] {
        Safetensors.write(
            adapter.tensors.map { tensor in
                switch precision {
                case .f32:
                    Safetensors.Item(
                        name: tensor.name, shape: tensor.shape, type: .f32,
                        bytes: tensor.values.withUnsafeBytes { Array($0) })
                case .bf16:
                    Safetensors.Item(
                        name: tensor.name, shape: tensor.shape, type: .bf16, bytes: bfloat16Bytes(tensor.values))
                }
            })
    }

    private static func bfloat16Bytes(_ values: [Float]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 2 * values.count) { buffer, count in
            for (index, value) in values.enumerated() {
                let rounded = HalfPrecision.bfloat16(from: value)
                buffer[2 * index] = UInt8(truncatingIfNeeded: rounded)
                buffer[2 * index + 1] = UInt8(rounded >> 8)
            }
            count = 2 * values.count
        }
    }

    /// Reads an adapter for a model of those sizes and that configuration; the path is for faults. Of an upload in a round that leaves one
    /// factor as it is, the file holds the other alone.
    ///
    /// Values become float32. Throws `adapter.missing-tensor`, `adapter.unknown-tensor`, `adapter.shape`,
    /// `adapter.not-finite`, and the `model.` faults of a broken safetensors file.
    public static func read(
        _ bytes: [UInt8], sizes: BackboneSizes, configuration: LoRAConfiguration, without frozen: Adapter.Matrix? = nil,
        path: String
    ) throws(Fault) -> Adapter {
        let entries = try Safetensors.read(bytes, path: path)
        return try adapter(entries, sizes: sizes, configuration: configuration, without: frozen, path: path)
    }

    /// The rank of an adapter in a file, from the shape of its first A; nil where the file is none that can be read or has no A. Values are not
    /// looked at.
    public static func rank(of bytes: [UInt8], path: String) -> Int? {
        guard let entries = try? Safetensors.read(bytes, path: path) else { return nil }
        let suffix = ".\(Adapter.Matrix.a.rawValue).weight"
        guard let shape = entries.first(where: { $0.name.hasSuffix(suffix) })?.shape, shape.count == 2,
            (1...2048).contains(shape[0])
        else { return nil }
        return shape[0]
    }

    /// Throws `adapter.not-finite` naming the first tensor that holds a NaN or an infinity; the path is for the fault.
    public static func checkFinite(_ adapter: Adapter, path: String) throws(Fault) {
        for tensor in adapter.tensors { try checkFinite(tensor.values, tensor.name, path) }
    }

    static func adapter(
        _ entries: [Safetensors.Entry], sizes: BackboneSizes, configuration: LoRAConfiguration,
        without frozen: Adapter.Matrix? = nil, path: String
    ) throws(Fault) -> Adapter {
        var tensors: [NamedTensor] = []
        tensors.reserveCapacity(entries.count)
        for entry in entries {
            guard let values = entry.floats else {
                throw Fault.modelUnsupportedType(path, entry.type.rawValue, tensor: entry.name)
            }
            tensors.append(NamedTensor(name: entry.name, shape: entry.shape, values: values))
        }
        return try adapter(tensors, sizes: sizes, configuration: configuration, without: frozen, path: path)
    }

    static func adapter(
        _ found: [NamedTensor], sizes: BackboneSizes, configuration: LoRAConfiguration,
        without frozen: Adapter.Matrix? = nil, path: String
    ) throws(Fault) -> Adapter {
        var wanted: [String: [Int]] = [:]
        for (name, dimensions) in expected(
            sizes: sizes, configuration: configuration, without: frozen)
        { wanted[name] = dimensions }
        var tensors: [NamedTensor] = []
        tensors.reserveCapacity(wanted.count)
        for entry in found {
            guard let dimensions = wanted.removeValue(forKey: entry.name) else {
                throw Fault.adapterUnknownTensor(path, entry.name)
            }
            guard entry.shape == dimensions else {
                throw Fault.adapterShape(path, entry.name, found: entry.shape, expected: dimensions)
            }
            try checkFinite(entry.values, entry.name, path)
            tensors.append(entry)
        }
        if let missing = wanted.keys.min(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
            throw Fault.adapterMissingTensor(path, missing)
        }
        return Adapter(configuration: configuration, tensors: tensors)
    }

    /// The tensors that an adapter of a model of those sizes has, with their shapes: A [rank, in], B [out, rank]; without the frozen factor
    /// where one is named.
    public static func expected(
        sizes: BackboneSizes, configuration: LoRAConfiguration, without frozen: Adapter.Matrix? = nil
    ) -> [(name: String, shape: [Int])] {
        var tensors: [(name: String, shape: [Int])] = []
        for layer in 0..<sizes.layers {
            for map in configuration.targets {
                let weight = sizes.shape(of: map)
                if frozen != .a {
                    tensors.append(
                        (Adapter.tensorName(layer: layer, map: map, matrix: .a), [configuration.rank, weight.in]))
                }
                if frozen != .b {
                    tensors.append(
                        (Adapter.tensorName(layer: layer, map: map, matrix: .b), [weight.out, configuration.rank]))
                }
            }
        }
        return tensors
    }

    static func checkFinite(_ values: [Float], _ name: String, _ path: String) throws(Fault) {
        // Exponent bits that are all set mean NaN or infinity.
        var worst: UInt32 = 0
        for value in values { worst = max(worst, value.bitPattern & 0x7f80_0000) }
        guard worst == 0x7f80_0000 else { return }
        let index = values.firstIndex { !$0.isFinite } ?? 0
        throw Fault.adapterNotFinite(path, name, index: index, value: values[index])
    }
}
