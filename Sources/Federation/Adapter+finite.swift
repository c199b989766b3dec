// Whether an adapter can be used: its values must be finite, and its tensors those of the other adapters.

import Faults

extension Adapter {
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
    /// Two adapters that should be combined have different tensors.
    public static func adapterMismatch(_ name: String, _ shape: [Int], _ other: String, _ otherShape: [Int]) -> Fault {
        Fault(
            .data, "adapter.mismatch", "\(other) \(otherShape) does not fit \(name) \(shape)", at: Place(tensor: other),
            mend: "Average adapters of one model, rank and set of targets.")
    }
}
