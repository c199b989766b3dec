// The weighted average of adapters: A and B each on its own, as Fed-MedLoRA does.

import Faults

extension Adapter {
    /// The weighted average of adapters of one configuration, tensor by tensor, in the order given (site order).
    ///
    /// A and B are averaged apart, as in Fed-MedLoRA: mean(B) mean(A) is not mean(B A), so the result is not the average of
    /// the sites' weight changes. Sums run in Double in the order of the list and are rounded to float32 once.
    /// Throws `adapter.mismatch` where names or shapes differ.
    public static func average(_ parts: [(adapter: Adapter, weight: Double)]) throws(Fault) -> Adapter {
        guard let first = parts.first?.adapter else { throw .nobodyLeft() }
        for part in parts.dropFirst() {
            for (left, right) in zip(first.tensors, part.adapter.tensors)
            where left.name != right.name || left.shape != right.shape {
                throw .adapterMismatch(left.name, left.shape, right.name, right.shape)
            }
            guard part.adapter.tensors.count == first.tensors.count else {
                throw Fault(
                    .data, "adapter.mismatch",
                    "\(part.adapter.tensors.count) tensors do not fit \(first.tensors.count) tensors",
                    mend: "Average adapters of one model, rank and set of targets.")
            }
        }
        var tensors: [NamedTensor] = []
        tensors.reserveCapacity(first.tensors.count)
        for (index, like) in first.tensors.enumerated() {
            var sums = [Double](repeating: 0, count: like.values.count)
            for part in parts {
                part.adapter.tensors[index].values.withUnsafeBufferPointer { values in
                    sums.withUnsafeMutableBufferPointer { sums in
                        for element in 0..<sums.count { sums[element] += part.weight * Double(values[element]) }
                    }
                }
            }
            tensors.append(NamedTensor(name: like.name, shape: like.shape, values: sums.map { Float($0) }))
        }
        return Adapter(configuration: first.configuration, tensors: tensors)
    }

    /// The first tensor that holds a NaN or an infinity, or nil.
    public var firstNonFiniteTensor: String? {
        tensors.first { tensor in
            tensor.values.withUnsafeBufferPointer { values in
                for value in values where !value.isFinite { return true }
                return false
            }
        }?.name
    }
}

extension Fault {
    /// Two adapters that were to be combined have other tensors.
    public static func adapterMismatch(_ name: String, _ shape: [Int], _ other: String, _ otherShape: [Int]) -> Fault {
        Fault(
            .data, "adapter.mismatch", "\(other) \(otherShape) does not fit \(name) \(shape)", at: Place(tensor: other),
            mend: "Average adapters of one model, rank and set of targets.")
    }
}
