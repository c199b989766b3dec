// How uploads become the adapter that the round publishes, one map at a time.

import Faults

/// The published factors of one map, and what they lost.
struct CombinedMap {
    var factors: MapFactors
    var squares: LostSquares
    /// The inner products of the uploads' changes; nil where ranks differ.
    var changes: RowMatrix?
}

extension Aggregation {
    /// Makes the adapter that the round publishes, in float32 before it is rounded to the published precision.
    ///
    /// Sums run in Double in site order and are rounded to float32 once. Throws `aggregate.nobody-left`, `aggregate.no-score`,
    /// `aggregate.too-few`, `aggregate.singular`, and the faults of the source.
    public func combine(
        _ uploads: some UploadSource, isLast: Bool, precision: UploadPrecision
    ) throws(Fault) -> (adapter: Adapter, evidence: CombinationEvidence) {
        let weights = try weights(of: uploads.standings)
        guard weights.count >= fewestUploads else {
            throw .tooFewUploads(weights.count, of: fewestUploads, for: robust.rawValue)
        }
        let shares = weights.map(\.weight)
        let tensors = uploads.tensors
        let layout = AggregationLayout(tensors)
        var evidence = CombinationEvidence(weights: weights, lost: CombinationLoss(layout.kinds))
        if let clip { evidence.kept = try kept(of: uploads, layout, clip: clip) }
        var published: [NamedTensor?] = Array(repeating: nil, count: tensors.count)
        for place in layout.dense {
            published[place] = NamedTensor(
                name: tensors[place].name, shape: tensors[place].shape,
                values: try mean(of: uploads, shares, place, count: tensors[place].shape.reduce(1, *)))
        }
        let hasOneRank = shares.indices.allSatisfy { uploads.rank(of: $0) == uploads.configuration.rank }
        var changes = RowMatrix(rows: shares.count, columns: shares.count)
        var rank = uploads.configuration.rank
        for map in layout.maps {
            let combined = try combine(
                map, of: uploads, shares, kept: evidence.kept, isLast: isLast, hasOneRank: hasOneRank)
            rank = combined.factors.rank
            var squares = combined.squares
            let rounded = MapFactors(
                a: combined.factors.a.rounded(to: precision), b: combined.factors.b.rounded(to: precision))
            let scale = uploads.configuration.scale
            squares.rounding = scale * scale * MapFactors.squaredDistance(combined.factors, rounded)
            evidence.lost.add(squares, map.kind)
            if let more = combined.changes { changes.add(1, more) }
            published[map.a] = NamedTensor(
                name: tensors[map.a].name, shape: [rank, map.inputs], values: combined.factors.a.floats)
            published[map.b] = NamedTensor(
                name: tensors[map.b].name, shape: [map.outputs, rank], values: combined.factors.bFloats)
        }
        if hasOneRank { evidence.cosines = Self.cosines(changes, shares) }
        var configuration = uploads.configuration
        // The scale alpha / rank is the plan's whatever the rank.
        configuration.alpha = configuration.scale * Double(rank)
        if rank == configuration.rank { configuration.alpha = uploads.configuration.alpha }
        configuration.rank = rank
        return (Adapter(configuration: configuration, tensors: published.compactMap { $0 }), evidence)
    }

    /// The weighted mean of one tensor. Each sum runs in site order and is rounded to float32 once.
    private func mean(
        of uploads: some UploadSource, _ weights: [Double], _ tensor: Int, count: Int
    ) throws(Fault) -> [Float] {
        var sums = RowMatrix(rows: 1, columns: count)
        for (upload, weight) in weights.enumerated() {
            let values = try uploads.values(of: tensor, in: upload)
            guard values.count == count else {
                let (name, shape) = uploads.tensors[tensor]
                throw .adapterMismatch(name, shape, name, [values.count])
            }
            sums.add(weight, RowMatrix(rows: 1, columns: count, floats: values))
        }
        return sums.floats
    }

    private func combine(
        _ map: AggregatedMap, of uploads: some UploadSource, _ weights: [Double], kept: [Double]?, isLast: Bool,
        hasOneRank: Bool
    ) throws(Fault) -> CombinedMap {
        let start = try uploads.startFactors(of: map)
        var factors: [MapFactors] = []
        for upload in weights.indices {
            var found = try uploads.factors(of: map, in: upload)
            if let share = kept?[upload], share < 1 {
                let change = found.minus(start)
                found = start
                found.add(share, change)
            }
            factors.append(found)
        }
        let scale = uploads.configuration.scale
        let scales = weights.indices.map { uploads.scale(of: $0) }
        switch product {
        case .stacked where isLast: return Self.stacked(factors, weights, scales, scale: scale, start, hasOneRank)
        case .svd:
            return Self.cut(
                factors, weights, scales, scale: scale, rank: uploads.configuration.rank, start, hasOneRank)
        case .mean, .stacked: break
        }
        if rotates { factors = Self.turned(factors, towards: start) }
        var mean = Self.mean(of: factors, weights)
        if let frozen = uploads.frozen {
            // Not summed: what nobody trained stays as it is, bit for bit.
            if frozen == .a { mean.a = start.a } else { mean.b = start.b }
        }
        let grams = MapGrams(factors, mean: mean, start: start)
        let squares = grams.squares(weights)
        var combined = CombinedMap(
            factors: mean,
            squares: LostSquares(lost: scale * scale * squares.residual, ideal: scale * scale * squares.ideal),
            changes: grams.changes())
        var differs = false
        if robust != .none {
            combined.factors = robust.combined(factors)
            if uploads.frozen == .a { combined.factors.a = start.a }
            if uploads.frozen == .b { combined.factors.b = start.b }
            differs = true
        }
        if let ridge {
            combined.factors.b.add(1, try Self.refinement(factors, weights, mean: mean, ridge: ridge, map))
            differs = true
        }
        if differs {
            combined.squares.lost =
                scale * scale
                * MapGrams.squaredDistance(factors, weights, mean: mean, published: combined.factors)
        }
        if refactor == .svd {
            let svd = ProductSVD(left: combined.factors.b, right: combined.factors.a, rank: combined.factors.rank)
            combined.factors = MapFactors(a: svd.a, b: svd.b)
        }
        return combined
    }

    static func mean(of factors: [MapFactors], _ weights: [Double]) -> MapFactors {
        var mean = MapFactors.zero(like: factors[0])
        for (upload, weight) in zip(factors, weights) { mean.add(weight, upload) }
        return mean
    }

    /// cos(U_k, sum_l w_l U_l) from the inner products; 0 where a change is zero.
    static func cosines(_ changes: RowMatrix, _ weights: [Double]) -> [Double] {
        let withMean = (0..<changes.rows).map { k in
            weights.indices.reduce(0.0) { $0 + weights[$1] * changes[k, $1] }
        }
        let mean = zip(weights, withMean).reduce(0.0) { $0 + $1.0 * $1.1 }
        return withMean.indices.map { k in
            let norms = max(0, changes[k, k]).squareRoot() * max(0, mean).squareRoot()
            return norms > 0 ? max(-1, min(1, withMean[k] / norms)) : 0
        }
    }
}

extension UploadSource {
    /// One map of one upload, the frozen factor taken from the start.
    func factors(of map: AggregatedMap, in upload: Int) throws(Fault) -> MapFactors {
        let rank = rank(of: upload)
        let a = frozen == .a ? try needed(start(of: map.a), map.a) : try values(of: map.a, in: upload)
        let b = frozen == .b ? try needed(start(of: map.b), map.b) : try values(of: map.b, in: upload)
        guard a.count == rank * map.inputs, b.count == rank * map.outputs else {
            let wrong = a.count == rank * map.inputs ? map.b : map.a
            throw .adapterMismatch(
                tensors[wrong].name, tensors[wrong].shape, tensors[wrong].name, [wrong == map.a ? a.count : b.count])
        }
        return MapFactors(a: a, b: b, rank: rank)
    }

    /// The round's start at the configuration's rank; zero where there is none.
    func startFactors(of map: AggregatedMap) throws(Fault) -> MapFactors {
        let rank = configuration.rank
        guard let a = try start(of: map.a), let b = try start(of: map.b) else {
            return MapFactors(
                a: RowMatrix(rows: rank, columns: map.inputs), b: RowMatrix(rows: rank, columns: map.outputs))
        }
        return MapFactors(a: a, b: b, rank: rank)
    }

    private func needed(_ values: [Float]?, _ tensor: Int) throws(Fault) -> [Float] {
        guard let values else {
            throw .adapterMismatch(tensors[tensor].name, tensors[tensor].shape, tensors[tensor].name, [])
        }
        return values
    }
}

extension RowMatrix {
    /// As they come back from a file: in float32, rounded to the precision.
    func rounded(to precision: UploadPrecision) -> RowMatrix {
        RowMatrix(rows: rows, columns: columns, values.map { Double(precision.rounded(Float($0))) })
    }
}

extension Fault {
    /// A robust rule needs more uploads.
    static func tooFewUploads(_ found: Int, of needed: Int, for rule: String) -> Fault {
        Fault(
            .failed, "aggregate.too-few", "\(found) usable uploads where \(rule) needs \(needed)",
            mend: "Look at the sites' train and upload records for why each was left out.")
    }
}
