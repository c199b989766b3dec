// AdapterMerger: the weights W + (alpha / rank) B A of a model with an adapter merged in, one map at a time.

import CKernels
import Faults
import Federation
import ModelFiles

/// Computes merged weights in float32, by the exact products of training.
public struct AdapterMerger {
    private let file: ModelFile
    private let adapter: Adapter
    private let maps: [String: (layer: Int, map: LinearMap)]

    /// Checks that the adapter fits the model. Faults: engine.adapter-*, engine.tensor-*, engine.model-setting, engine.memory.
    public init(_ file: ModelFile, adapter: Adapter) throws(Fault) {
        let layout = try LoRALayout(adapter.configuration, shape: file.shape)
        for entry in layout.entries {
            _ = try LanguageModel.weight(
                file, Self.name(entry.layer, entry.map), rows: entry.outputs, columns: entry.inputs)
        }
        let arena = Arena()
        try layout.read(adapter, into: arena.floats(layout.count))
        self.file = file
        self.adapter = adapter
        maps = Dictionary(
            uniqueKeysWithValues: layout.entries.map {
                (Self.name($0.layer, $0.map), ($0.layer, $0.map))
            })
    }

    private static func name(_ layer: Int, _ map: LinearMap) -> String {
        "model.layers.\(layer).\(map.block).\(map.rawValue).weight"
    }

    /// The Hugging Face names of the weights that change.
    public var names: Set<String> { Set(maps.keys) }

    /// The merged weight of that name, [out, in] row-major; nil where the adapter does not change it. Faults: engine.memory.
    public func weight(_ name: String) throws(Fault) -> [Float]? {
        guard let (layer, map) = maps[name], let tensor = file.tensor(name),
            let a = adapter.tensor(named: Adapter.tensorName(layer: layer, map: map, matrix: .a)),
            let b = adapter.tensor(named: Adapter.tensorName(layer: layer, map: map, matrix: .b))
        else { return nil }
        let (rows, columns, rank) = (tensor.shape[0], tensor.shape[1], a.shape[0])
        try MachineMemory.require(rows, columns, 2 * MemoryLayout<Float>.stride)
        var scaled = a.values
        kernel_scale(&scaled, Float(adapter.configuration.scale), scaled.count)
        let arena = Arena()
        let workspace = try arena.bytes(kernel_gemm_workspace_bytes())
        return withExtendedLifetime(arena) {
            [Float](unsafeUninitializedCapacity: rows * columns) { out, count in
                guard let base = out.baseAddress else { return }
                var stored = kernel_matrix(
                    data: tensor.bytes.baseAddress, rows: rows, columns: columns, row_bytes: tensor.rowBytes,
                    type: tensor.type.rawValue)
                for row in 0..<rows { kernel_matrix_row(base + row * columns, &stored, row) }
                scaled.withUnsafeBufferPointer { scaled in
                    var right = kernel_matrix(
                        data: scaled.baseAddress, rows: rank, columns: columns, row_bytes: 4 * columns,
                        type: Int32(KERNEL_F32.rawValue))
                    var target = kernel_target(
                        base, row: columns, accumulate: true, M: rows, columns: 0..<columns)
                    kernel_gemm(&target, b.values, rank, 1, &right, 0, rank, workspace)
                }
                count = rows * columns
            }
        }
    }
}
