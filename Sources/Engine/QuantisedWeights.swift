// QuantisedWeights: the maps of a model's layers in NF4 with double quantisation (QLoRA), made tensor by tensor, and the file that
// keeps them. docs/models.md gives the layout of its rows.

import CKernels
import Faults
import Federation
import ModelFiles

/// The maps of all layers in NF4, in memory or mapped from a file that `write` wrote.
///
/// Unchecked Sendable: only `init` writes the properties and the memory behind the pointers.
public final class QuantisedWeights: @unchecked Sendable {
    /// By tensor name; maps whose rows are not whole blocks of 64 are not included.
    private var matrices: [String: kernel_matrix] = [:]
    private let arena = Arena()
    private var entries: [Safetensors.Entry] = []

    /// How many weights of a row share an absmax.
    private static let block = 64

    /// Quantises a model in memory. Throws `engine.model-setting` where it is quantised already, and
    /// `engine.weight-not-finite`.
    init(quantising file: ModelFile) throws(Fault) {
        for (name, matrix) in try Self.sources(file) {
            let bytes = try Self.rows(of: matrix, name: name)
            let copy = try arena.bytes(bytes.count)
            bytes.withUnsafeBytes {
                copy.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(copy), byteCount: $0.count)
            }
            matrices[name] = Self.quantised(UnsafeRawPointer(copy), like: matrix)
        }
    }

    /// Maps a file that `write` wrote for this model. Throws `engine.quantised` where it holds other tensors, and the faults of
    /// `Safetensors.read`.
    public init(path: String, for file: ModelFile) throws(Fault) {
        entries = try Safetensors.read(path: path)
        let found = Dictionary(uniqueKeysWithValues: entries.map { ($0.name, $0) })
        let sources = try Self.sources(file)
        guard found.count == sources.count else { throw Self.fault(path) }
        for (name, matrix) in sources {
            let wanted = [matrix.rows, Self.rowBytes(matrix.columns)]
            guard let entry = found[name], entry.type == .u8, entry.shape == wanted, let data = entry.bytes.baseAddress
            else {
                throw Self.fault(path)
            }
            matrices[name] = Self.quantised(data, like: matrix)
        }
    }

    /// Quantises a model into a file, one tensor at a time. Throws `engine.model-setting` where it is quantised already,
    /// `engine.weight-not-finite`, and `file.write`.
    public static func write(_ file: ModelFile, to path: String) throws(Fault) {
        let sources = try sources(file)
        try Safetensors.write(
            sources.map { (name: $0.name, shape: [$0.matrix.rows, rowBytes($0.matrix.columns)], type: .u8) }, to: path
        ) { (index) throws(Fault) in try rows(of: sources[index].matrix, name: sources[index].name) }
    }

    private static func fault(_ path: String) -> Fault {
        Fault(
            .model, "engine.quantised", "the file is not of this model's weights", at: Place(file: path),
            mend: "Remove the file; it is made again.")
    }

    /// The map in NF4, or the stored matrix where the map has no NF4 form.
    func matrix(_ name: String, stored: kernel_matrix) -> kernel_matrix { matrices[name] ?? stored }

    /// The maps to quantise, sorted by name.
    private static func sources(_ file: ModelFile) throws(Fault) -> [(name: String, matrix: kernel_matrix)] {
        var sources: [(name: String, matrix: kernel_matrix)] = []
        for layer in 0..<file.shape.layerCount {
            for map in LinearMap.allCases {
                let name = "model.layers.\(layer).\(map.block).\(map.rawValue).weight"
                let stored = try LanguageModel.weight(
                    file, name, rows: file.shape.outputs(of: map), columns: file.shape.inputs(of: map))
                guard stored.type < StoredType.q4_0.rawValue else {
                    throw .modelSetting(
                        "weights", "nf4", expected: "stored: the model's weights are quantised already")
                }
                if stored.columns % block == 0 { sources.append((name, stored)) }
            }
        }
        return sources.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    private static func quantised(_ data: UnsafeRawPointer, like matrix: kernel_matrix) -> kernel_matrix {
        kernel_matrix(
            data: data, rows: matrix.rows, columns: matrix.columns, row_bytes: rowBytes(matrix.columns),
            type: Int32(KERNEL_NF4_DOUBLE.rawValue))
    }

    /// The most groups of 256 blocks that a row with this number of blocks can reach into.
    private static func groups(_ blocks: Int) -> Int {
        (blocks + SecondQuantisation.groupSize - 2) / SecondQuantisation.groupSize + 1
    }

    private static func rowBytes(_ columns: Int) -> Int { 8 + 4 * groups(columns / block) + 33 * (columns / block) }

    /// The quantised rows of a map; only one row at a time is in float32. Faults: engine.weight-not-finite, engine.memory.
    package static func rows(of matrix: kernel_matrix, name: String) throws(Fault) -> [UInt8] {
        let blocks = matrix.columns / block
        // The blocks, the rows made of them, and absmax with its codes.
        try MachineMemory.require(matrix.rows, 3 * 36 * blocks)
        // {absmax, codes} of every block first; absmax is then quantised over the whole tensor.
        var plain = [UInt8](repeating: 0, count: matrix.rows * blocks * 36)
        var absmax: [Float] = []
        absmax.reserveCapacity(matrix.rows * blocks)
        var finite = true
        plain.withUnsafeMutableBytes { plain in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: matrix.columns) { row in
                guard let values = row.baseAddress, let out = plain.baseAddress else { return }
                for index in 0..<matrix.rows {
                    withUnsafePointer(to: matrix) { kernel_matrix_row(values, $0, index) }
                    if kernel_all_finite(values, matrix.columns) == 0 { finite = false }
                    kernel_nf4_from_f32(
                        (out + index * blocks * 36).assumingMemoryBound(to: UInt8.self), values, blocks)
                }
            }
            for index in 0..<matrix.rows * blocks {
                absmax.append(plain.loadUnaligned(fromByteOffset: 36 * index, as: Float.self))
            }
        }
        guard finite else { throw .weightNotFinite(name) }
        let second = SecondQuantisation(absmax)
        let groups = groups(blocks)
        var out: [UInt8] = []
        out.reserveCapacity(matrix.rows * rowBytes(matrix.columns))
        func append(_ value: some BitwiseCopyable) { withUnsafeBytes(of: value) { out += $0 } }
        for row in 0..<matrix.rows {
            let (group, before) = (row * blocks).quotientAndRemainder(dividingBy: SecondQuantisation.groupSize)
            append(second.offset)
            append(UInt16(before))
            append(UInt16(groups))
            for index in group..<group + groups {
                append(second.scales.indices.contains(index) ? second.scales[index] : 0)
            }
            for index in row * blocks..<(row + 1) * blocks {
                out.append(second.codes[index])
                out += plain[36 * index + 4..<36 * index + 36]
            }
        }
        return out
    }
}
