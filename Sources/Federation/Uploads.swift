// UploadSource: the uploads of a round as an aggregation rule reads them: one tensor of one upload at a time, and again if necessary, so
// that the memory of a rule does not grow with the number of sites unless the rule needs it.

import Faults

/// The uploads of a round in site order; all have the same tensors.
public protocol UploadSource {
    /// What is known of each upload, in site order.
    var standings: [UploadStanding] { get }
    /// The configuration that all uploads share.
    var configuration: LoRAConfiguration { get }
    /// Names and shapes of the tensors, sorted by the bytes of the names.
    var tensors: [(name: String, shape: [Int])] { get }
    /// The values of one tensor of one upload, row-major float32. Throws what is wrong with the upload.
    func values(of tensor: Int, in upload: Int) throws(Fault) -> [Float]
}

/// How a rule computed an adapter.
public struct CombinationEvidence: Sendable, Equatable {
    /// The weight of each upload, in site order.
    public var weights: [InfluenceWeight]
}

extension AggregationRule {
    /// Computes the adapter that the round publishes, in float32, before it is rounded to the published precision.
    ///
    /// Throws `aggregate.nobody-left`, `aggregate.no-score`, and the faults of the source.
    public func combine(
        _ uploads: some UploadSource
    ) throws(Fault) -> (adapter: Adapter, evidence: CombinationEvidence) {
        let weights = try weights(of: uploads.standings)
        switch self {
        case .fedMedLoRA, .fedMedLoRAPlus:
            return (try mean(of: uploads, weights.map(\.weight)), CombinationEvidence(weights: weights))
        }
    }

    /// The weighted mean of A and the weighted mean of B, computed separately, as Fed-MedLoRA does: mean(B) mean(A) is not mean(B A).
    ///
    /// Uploads are read one after the other and added to sums in Double, so that memory holds one upload and the sums. Each sum is computed
    /// in site order and is rounded to float32 once.
    private func mean(of uploads: some UploadSource, _ weights: [Double]) throws(Fault) -> Adapter {
        let tensors = uploads.tensors
        var sums = tensors.map { [Double](repeating: 0, count: $0.shape.reduce(1, *)) }
        for (upload, weight) in weights.enumerated() {
            for tensor in tensors.indices {
                let values = try uploads.values(of: tensor, in: upload)
                guard values.count == sums[tensor].count else {
                    throw .adapterMismatch(
                        tensors[tensor].name, tensors[tensor].shape, tensors[tensor].name, [values.count])
                }
                values.withUnsafeBufferPointer { values in
                    sums[tensor].withUnsafeMutableBufferPointer { sums in
                        for element in 0..<sums.count { sums[element] += weight * Double(values[element]) }
                    }
                }
            }
        }
        return Adapter(
            configuration: uploads.configuration,
            tensors: zip(tensors, sums).map { tensor, sums in
                NamedTensor(name: tensor.name, shape: tensor.shape, values: sums.map { Float($0) })
            })
    }
}

/// Adapters in memory as uploads; for tests and for adapters that come from files.
package struct HeldUploads: UploadSource {
    package let standings: [UploadStanding]
    private let adapters: [Adapter]

    /// Takes uploads of one configuration in site order. Throws `adapter.mismatch` where names or shapes differ.
    package init(_ uploads: [(standing: UploadStanding, adapter: Adapter)]) throws(Fault) {
        let ordered = uploads.sorted { $0.standing.site < $1.standing.site }
        standings = ordered.map(\.standing)
        adapters = ordered.map(\.adapter)
        guard let first = adapters.first else { throw .nobodyLeft() }
        for adapter in adapters.dropFirst() {
            for (left, right) in zip(first.tensors, adapter.tensors)
            where left.name != right.name || left.shape != right.shape {
                throw .adapterMismatch(left.name, left.shape, right.name, right.shape)
            }
            guard adapter.tensors.count == first.tensors.count else {
                throw Fault(
                    .data, "adapter.mismatch",
                    "\(adapter.tensors.count) tensors do not fit \(first.tensors.count) tensors",
                    mend: "Average adapters of one model, rank and set of targets.")
            }
        }
    }

    package var configuration: LoRAConfiguration { adapters[0].configuration }
    package var tensors: [(name: String, shape: [Int])] { adapters[0].tensors.map { ($0.name, $0.shape) } }
    package func values(of tensor: Int, in upload: Int) throws(Fault) -> [Float] {
        adapters[upload].tensors[tensor].values
    }
}
