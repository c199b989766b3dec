// Adapters of other ranks: the first directions of a larger one, and the mean of several.

import CSums

extension Adapter {
    /// The first rows of A and columns of B, B times the ratio of the scales, so that what is left of the product has the same size: a
    /// published adapter is ordered by singular value, so these are its largest directions.
    public func cut(to smaller: LoRAConfiguration) -> Adapter {
        let (from, to) = (configuration.rank, smaller.rank)
        guard from != to else { return self }
        let ratio = configuration.scale / smaller.scale
        return Adapter(
            configuration: smaller,
            tensors: tensors.map { tensor in
                guard tensor.shape.count == 2 else { return tensor }
                if tensor.name.hasSuffix(".\(Matrix.a.rawValue).weight"), tensor.shape[0] == from {
                    return NamedTensor(
                        name: tensor.name, shape: [to, tensor.shape[1]],
                        values: Array(tensor.values.prefix(to * tensor.shape[1])))
                }
                guard tensor.name.hasSuffix(".\(Matrix.b.rawValue).weight"), tensor.shape[1] == from else {
                    return tensor
                }
                var values: [Float] = []
                values.reserveCapacity(tensor.shape[0] * to)
                for row in 0..<tensor.shape[0] {
                    for column in 0..<to {
                        values.append(Float(ratio * Double(tensor.values[row * from + column])))
                    }
                }
                return NamedTensor(name: tensor.name, shape: [tensor.shape[0], to], values: values)
            })
    }

    /// The tensors without one of the factors, as an upload holds them where a round left that factor as it was.
    public func without(_ frozen: Matrix?) -> Adapter {
        guard let frozen else { return self }
        return Adapter(
            configuration: configuration,
            tensors: tensors.filter { !$0.name.hasSuffix(".\(frozen.rawValue).weight") })
    }

    /// The mean of A and of B, apart, of adapters of one configuration, by whole sizes; sums in Double in the given order, rounded to float32
    /// once.
    public static func mean(of adapters: [Adapter], sizes: [Int]) -> Adapter {
        let total = Double(sizes.reduce(0, +))
        let first = adapters[0]
        return Adapter(
            configuration: first.configuration,
            tensors: first.tensors.indices.map { index in
                let count = first.tensors[index].values.count
                var sums = [Double](repeating: 0, count: count)
                for (adapter, size) in zip(adapters, sizes) {
                    sums_add_floats(&sums, Double(size) / total, adapter.tensors[index].values, count)
                }
                return NamedTensor(
                    name: first.tensors[index].name, shape: first.tensors[index].shape, values: sums.map { Float($0) })
            })
    }
}
