// LoRAParameters: an adapter as one flat float32 vector, so that optimiser and gradient norm are plain loops over it.

import CKernels
import Faults
import Federation
import ModelFiles

/// The order of an adapter's matrices in the flat vector: layer by layer, map by map, A [rank, in] before B transposed [rank, out]. (PEFT
/// has B as [out, rank]; transposed, both gradients are products over wide rows.)
struct LoRALayout {
    let configuration: LoRAConfiguration
    /// Per layer and map: the first elements of A and of B transposed, with their widths.
    let entries: [Entry]
    let count: Int

    struct Entry {
        let layer: Int
        let map: LinearMap
        let a: Int
        let b: Int
        let inputs: Int
        let outputs: Int
    }

    init(_ configuration: LoRAConfiguration, shape: ModelShape) throws(Fault) {
        guard (1...2048).contains(configuration.rank) else {
            throw .setting("rank", "\(configuration.rank)", range: "1...2048")
        }
        guard configuration.dropout >= 0, configuration.dropout < 1 else {
            throw .setting("dropout", "\(configuration.dropout)", range: "0..<1")
        }
        guard configuration.alpha.isFinite else {
            throw .setting("alpha", "\(configuration.alpha)", range: "the finite numbers")
        }
        guard !configuration.targets.isEmpty else { throw .setting("targets", "empty", range: "one map or more") }
        // Widths are within 2^24, every layer has tensors in a file, ranks are within 2^11: no sum below overflows.
        try LanguageModel.check(shape)
        var entries: [Entry] = []
        var next = 0
        for layer in 0..<shape.layerCount {
            for map in LinearMap.allCases where configuration.targets.contains(map) {
                let inputs = shape.inputs(of: map)
                let outputs = shape.outputs(of: map)
                let a = next
                let b = a + configuration.rank * inputs
                entries.append(Entry(layer: layer, map: map, a: a, b: b, inputs: inputs, outputs: outputs))
                next = b + configuration.rank * outputs
            }
        }
        self.configuration = configuration
        self.entries = entries
        count = next
    }

    /// The vector of an adapter. Faults: engine.adapter-count, engine.adapter-tensor-missing, engine.adapter-shape,
    /// engine.adapter-not-finite.
    func read(_ adapter: Adapter, into values: UnsafeMutablePointer<Float>) throws(Fault) {
        guard adapter.tensors.count == 2 * entries.count else {
            throw .adapterTensorCount(found: adapter.tensors.count, expected: 2 * entries.count)
        }
        let rank = configuration.rank
        for entry in entries {
            let a = try tensor(of: adapter, entry, .a, shape: [rank, entry.inputs])
            let b = try tensor(of: adapter, entry, .b, shape: [entry.outputs, rank])
            for i in 0..<a.count { values[entry.a + i] = a[i] }
            for o in 0..<entry.outputs {
                for r in 0..<rank { values[entry.b + r * entry.outputs + o] = b[o * rank + r] }
            }
        }
    }

    private func tensor(
        of adapter: Adapter, _ entry: Entry, _ matrix: Adapter.Matrix, shape: [Int]
    ) throws(Fault) -> [Float] {
        let name = Adapter.tensorName(layer: entry.layer, map: entry.map, matrix: matrix)
        guard let tensor = adapter.tensor(named: name) else { throw .adapterTensorMissing(name) }
        guard tensor.shape == shape else { throw .adapterTensorShape(name, found: tensor.shape, expected: shape) }
        guard kernel_all_finite(tensor.values, tensor.values.count) == 1 else { throw .adapterNotFinite(name) }
        return tensor.values
    }

    /// Refuses an adapter whose vectors, gradients, moments and tensors do not fit into memory beside what is there. Faults: engine.memory.
    func requireMemory() throws(Fault) {
        try MachineMemory.require(count, Self.copies, MemoryLayout<Float>.stride)
    }

    /// The vector, its gradient, two moments, and the adapter twice: once when it is read, once when it is returned.
    static let copies = 6

    /// The adapter of a vector.
    func adapter(_ values: UnsafePointer<Float>) -> Adapter {
        let rank = configuration.rank
        var tensors: [NamedTensor] = []
        for entry in entries {
            let a = Array(UnsafeBufferPointer(start: values + entry.a, count: rank * entry.inputs))
            var b = [Float](repeating: 0, count: entry.outputs * rank)
            for o in 0..<entry.outputs {
                for r in 0..<rank { b[o * rank + r] = values[entry.b + r * entry.outputs + o] }
            }
            tensors.append(
                NamedTensor(
                    name: Adapter.tensorName(layer: entry.layer, map: entry.map, matrix: .a),
                    shape: [rank, entry.inputs], values: a))
            tensors.append(
                NamedTensor(
                    name: Adapter.tensorName(layer: entry.layer, map: entry.map, matrix: .b),
                    shape: [entry.outputs, rank], values: b))
        }
        return Adapter(configuration: configuration, tensors: tensors)
    }
}

/// PEFT's initial adapter: A uniform in ±1/sqrt(in) (Kaiming with a = sqrt 5), B zero; `Seeds` documents the random numbers.
///
/// Faults: engine.setting, engine.model-setting, engine.memory.
public func initialAdapter(
    shape: ModelShape, configuration: LoRAConfiguration, seed: UInt64
) throws(Fault) -> Adapter {
    let layout = try LoRALayout(configuration, shape: shape)
    try layout.requireMemory()
    let arena = Arena()
    let values = try arena.floats(layout.count)
    return withExtendedLifetime(arena) {
        for entry in layout.entries {
            let bound = Float(1 / Double(entry.inputs).squareRoot())
            let random = Seeds.random(
                seed: seed, purpose: .initialAdapter, stream: (entry.layer, entry.map.place))
            kernel_random_uniform(values + entry.a, random, 0, configuration.rank * entry.inputs, -bound, bound)
        }
        return layout.adapter(values)
    }
}

extension LinearMap {
    /// The index in `allCases`.
    var place: Int {
        switch self {
        case .q: 0
        case .k: 1
        case .v: 2
        case .o: 3
        case .gate: 4
        case .up: 5
        case .down: 6
        }
    }
}
