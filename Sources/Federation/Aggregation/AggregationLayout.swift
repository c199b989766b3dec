// AggregationLayout: how the tensors of an adapter pair up into maps, A with B, and what is no pair.

/// A map of a layer as aggregation sees it: the places of its two tensors.
struct AggregatedMap: Sendable, Equatable {
    /// The kind of the map, `q_proj` and the like.
    var kind: String
    /// The place of A [rank, in] and of B [out, rank] among the tensors.
    var a: Int
    var b: Int
    var inputs: Int
    var outputs: Int
}

struct AggregationLayout: Sendable {
    /// In the order of their A.
    var maps: [AggregatedMap] = []
    /// Tensors of no pair: averaged by weight under every rule.
    var dense: [Int] = []

    init(_ tensors: [(name: String, shape: [Int])]) {
        let places = Dictionary(tensors.enumerated().map { ($1.name, $0) }) { first, _ in first }
        let (a, b) = (".\(Adapter.Matrix.a.rawValue).weight", ".\(Adapter.Matrix.b.rawValue).weight")
        for (place, tensor) in tensors.enumerated() {
            let isA = tensor.name.hasSuffix(a)
            guard isA || tensor.name.hasSuffix(b) else {
                dense.append(place)
                continue
            }
            let stem = String(tensor.name.dropLast(a.count))
            guard let other = places[stem + (isA ? b : a)], tensor.shape.count == 2, tensors[other].shape.count == 2,
                tensor.shape[isA ? 0 : 1] == tensors[other].shape[isA ? 1 : 0]
            else {
                dense.append(place)
                continue
            }
            if isA {
                maps.append(
                    AggregatedMap(
                        kind: stem.split(separator: ".").last.map(String.init) ?? stem, a: place, b: other,
                        inputs: tensor.shape[1], outputs: tensors[other].shape[0]))
            }
        }
    }

    /// The kinds of maps in the order of `LinearMap`, any others behind them by name.
    var kinds: [String] {
        let found = Set(maps.map(\.kind))
        let known = LinearMap.allCases.map(\.rawValue)
        return known.filter(found.contains) + found.subtracting(known).sorted()
    }
}

/// The two factors of one map in Double: A by rows [rank, in], and B transposed, by rows [rank, out].
struct MapFactors: Sendable, Equatable {
    var a: RowMatrix
    var b: RowMatrix

    init(a: RowMatrix, b: RowMatrix) {
        precondition(a.rows == b.rows, "A of rank \(a.rows) beside B of rank \(b.rows)")
        self.a = a
        self.b = b
    }

    /// From A [rank, in] and B [out, rank] as files hold them.
    init(a: [Float], b: [Float], rank: Int) {
        self.init(
            a: RowMatrix(rows: rank, columns: a.count / max(1, rank), floats: a),
            b: Self.transposed(b, rank: rank))
    }

    private static func transposed(_ b: [Float], rank: Int) -> RowMatrix {
        let outputs = b.count / max(1, rank)
        var result = RowMatrix(rows: rank, columns: outputs)
        b.withUnsafeBufferPointer { from in
            result.values.withUnsafeMutableBufferPointer { to in
                for output in 0..<outputs {
                    for row in 0..<rank { to[row * outputs + output] = Double(from[output * rank + row]) }
                }
            }
        }
        return result
    }

    var rank: Int { a.rows }
    /// B [out, rank] in float32.
    var bFloats: [Float] { b.transposed.floats }

    /// |B A|^2.
    var squaredNorm: Double { RowMatrix.squaredNorm(ofProduct: b, a) }

    static func zero(like other: MapFactors) -> MapFactors {
        MapFactors(
            a: RowMatrix(rows: other.a.rows, columns: other.a.columns),
            b: RowMatrix(rows: other.b.rows, columns: other.b.columns))
    }

    mutating func add(_ factor: Double, _ other: MapFactors) {
        a.add(factor, other.a)
        b.add(factor, other.b)
    }

    func minus(_ other: MapFactors) -> MapFactors { MapFactors(a: a.minus(other.a), b: b.minus(other.b)) }
}
