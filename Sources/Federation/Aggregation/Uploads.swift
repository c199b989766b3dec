// UploadSource: the uploads of a round as an aggregation reads them: one tensor of one upload at a time, so that memory is that of the
// uploads as they came and of one map in Double for each site.

import Faults

/// The uploads of a round in site order.
public protocol UploadSource {
    /// What is known of each upload, in site order.
    var standings: [UploadStanding] { get }
    /// The configuration of the plan: an upload has its targets and alpha, and a rank of its own.
    var configuration: LoRAConfiguration { get }
    /// Names and shapes of an adapter's tensors at the configuration's rank, sorted by the bytes of the names.
    var tensors: [(name: String, shape: [Int])] { get }
    /// The rank of an upload.
    func rank(of upload: Int) -> Int
    /// The factor that no site trained this round: uploads do not hold it, and what is published takes it from the start.
    var frozen: Adapter.Matrix? { get }
    /// The values of one tensor of one upload, row-major float32. Throws what is wrong with the upload.
    func values(of tensor: Int, in upload: Int) throws(Fault) -> [Float]
    /// The values of a tensor of the adapter that the round started from; nil where there is none, which counts as zero.
    func start(of tensor: Int) throws(Fault) -> [Float]?
}

extension UploadSource {
    /// That of the configuration.
    public func rank(of upload: Int) -> Int { configuration.rank }
    /// None.
    public var frozen: Adapter.Matrix? { nil }
    /// None.
    public func start(of tensor: Int) throws(Fault) -> [Float]? { nil }
    /// s_k = alpha / r_k.
    func scale(of upload: Int) -> Double { configuration.alpha / Double(rank(of: upload)) }
}

/// How a rule came to an adapter.
public struct CombinationEvidence: Sendable, Equatable {
    /// The weight of each upload, in site order.
    public var weights: [InfluenceWeight]
    /// What the published adapter lost of the weighted mean of the products.
    public var lost = CombinationLoss()
    /// The cosine between each upload's change of the product and the weighted mean of these changes, in site order; nil where ranks differ.
    public var cosines: [Double]?
    /// The share t of its change that each upload kept, in site order; nil where nothing is clipped.
    public var kept: [Double]?
}

/// Adapters in memory as uploads; for tests and for adapters that come from files.
package struct HeldUploads: UploadSource {
    package let standings: [UploadStanding]
    private let adapters: [Adapter]
    /// The plan's configuration.
    package var configuration: LoRAConfiguration
    /// The round's start.
    package var start: Adapter?
    package var frozen: Adapter.Matrix?

    /// Takes uploads in site order. Throws `adapter.mismatch` where names or shapes differ by more than ranks do.
    package init(
        _ uploads: [(standing: UploadStanding, adapter: Adapter)], start: Adapter? = nil
    ) throws(Fault) {
        let ordered = uploads.sorted { $0.standing.site < $1.standing.site }
        standings = ordered.map(\.standing)
        adapters = ordered.map(\.adapter)
        guard let first = adapters.first else { throw .nobodyLeft() }
        self.start = start
        configuration = start?.configuration ?? first.configuration
        for adapter in adapters.dropFirst() {
            for (left, right) in zip(first.tensors, adapter.tensors)
            where left.name != right.name
                || (left.shape != right.shape && first.configuration.rank == adapter.configuration.rank)
            {
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

    package var tensors: [(name: String, shape: [Int])] {
        (start ?? adapters[0]).tensors.map { ($0.name, $0.shape) }
    }
    package func rank(of upload: Int) -> Int { adapters[upload].configuration.rank }
    package func values(of tensor: Int, in upload: Int) throws(Fault) -> [Float] {
        adapters[upload].tensors[tensor].values
    }
    package func start(of tensor: Int) throws(Fault) -> [Float]? { start?.tensors[tensor].values }
}
