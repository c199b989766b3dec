// Adapter: the trained low-rank matrices under PEFT's names. ModelFiles reads and writes the files.

/// A float32 tensor under a name.
public struct NamedTensor: Sendable, Equatable {
    /// PEFT's name, such as `base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight`.
    public let name: String
    /// Rows, then columns: [rank, in] for A, [out, rank] for B.
    public let shape: [Int]
    /// The values, row-major.
    public var values: [Float]

    /// Makes a tensor; the count of values must be the product of the shape.
    public init(name: String, shape: [Int], values: [Float]) {
        precondition(values.count == shape.reduce(1, *), "\(name): \(values.count) values for shape \(shape)")
        self.name = name
        self.shape = shape
        self.values = values
    }
}

/// A LoRA adapter: its configuration and its tensors, sorted by the bytes of their names.
public struct Adapter: Sendable, Equatable {
    /// Rank, alpha, dropout and targets.
    public var configuration: LoRAConfiguration
    /// The tensors, sorted by name.
    public private(set) var tensors: [NamedTensor]

    /// Sorts the tensors by name.
    public init(configuration: LoRAConfiguration, tensors: [NamedTensor]) {
        self.configuration = configuration
        self.tensors = tensors.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    /// PEFT's name for A (`lora_A`) or B (`lora_B`) of a map of a layer.
    public static func tensorName(layer: Int, map: LinearMap, matrix: Matrix) -> String {
        "base_model.model.model.layers.\(layer).\(map.block).\(map.rawValue).\(matrix.rawValue).weight"
    }

    /// One of the two matrices of an adapted map.
    public enum Matrix: String, Sendable, CaseIterable {
        case a = "lora_A"
        case b = "lora_B"
    }

    /// The tensor of that name, or nil.
    public func tensor(named name: String) -> NamedTensor? {
        var low = 0
        var high = tensors.count
        while low < high {
            let middle = (low + high) / 2
            if tensors[middle].name == name { return tensors[middle] }
            if tensors[middle].name.utf8.lexicographicallyPrecedes(name.utf8) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return nil
    }

    /// How many numbers the adapter holds.
    public var parameterCount: Int { tensors.reduce(0) { $0 + $1.values.count } }
}
