// Dense: matrices in Double by plain loops, random uploads, and LAPACK's singular values where OpenBLAS is installed: the oracles.

import Federation
import Foundation

/// A matrix by rows.
struct Dense: Equatable {
    var rows: Int
    var columns: Int
    var values: [Double]

    init(_ rows: Int, _ columns: Int) {
        (self.rows, self.columns) = (rows, columns)
        values = [Double](repeating: 0, count: rows * columns)
    }
    init(_ rows: Int, _ columns: Int, _ values: [Double]) {
        (self.rows, self.columns, self.values) = (rows, columns, values)
    }
    init(_ rows: Int, _ columns: Int, floats: [Float]) { self.init(rows, columns, floats.map { Double($0) }) }

    subscript(row: Int, column: Int) -> Double {
        get { values[row * columns + column] }
        set { values[row * columns + column] = newValue }
    }
    static func * (x: Dense, y: Dense) -> Dense {
        var z = Dense(x.rows, y.columns)
        for i in 0..<x.rows {
            for j in 0..<y.columns {
                for k in 0..<x.columns { z[i, j] += x[i, k] * y[k, j] }
            }
        }
        return z
    }
    static func * (a: Double, x: Dense) -> Dense { Dense(x.rows, x.columns, x.values.map { a * $0 }) }
    static func + (x: Dense, y: Dense) -> Dense { Dense(x.rows, x.columns, zip(x.values, y.values).map { $0 + $1 }) }
    static func - (x: Dense, y: Dense) -> Dense { x + (-1) * y }
    var transposed: Dense {
        var z = Dense(columns, rows)
        for i in 0..<rows { for j in 0..<columns { z[j, i] = self[i, j] } }
        return z
    }
    var norm: Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }
    func dot(_ other: Dense) -> Double { zip(values, other.values).reduce(0) { $0 + $1.0 * $1.1 } }

    /// The singular values by LAPACK's dgesvd, falling; nil where OpenBLAS is not installed.
    var lapackSingularValues: [Double]? {
        guard let library = dlopen("libopenblas.so.0", RTLD_NOW), let symbol = dlsym(library, "dgesvd_") else {
            return nil
        }
        typealias Routine =
            @convention(c) (
                UnsafePointer<CChar>, UnsafePointer<CChar>, UnsafePointer<Int32>, UnsafePointer<Int32>,
                UnsafeMutablePointer<Double>, UnsafePointer<Int32>, UnsafeMutablePointer<Double>,
                UnsafeMutablePointer<Double>, UnsafePointer<Int32>, UnsafeMutablePointer<Double>,
                UnsafePointer<Int32>, UnsafeMutablePointer<Double>, UnsafePointer<Int32>, UnsafeMutablePointer<Int32>
            ) -> Void
        let routine = unsafeBitCast(symbol, to: Routine.self)
        // By columns, the transpose has the same singular values.
        var a = values
        let (m, n) = (Int32(columns), Int32(rows))
        var s = [Double](repeating: 0, count: min(rows, columns))
        var work = [Double](repeating: 0, count: 64 * (rows + columns))
        var info: Int32 = 0
        var (left, right) = (0.0, 0.0)
        routine("N", "N", [m], [n], &a, [m], &s, &left, [1], &right, [1], &work, [Int32(work.count)], &info)
        return info == 0 ? s : nil
    }
}

/// Numbers from a stream, between -1 and 1.
struct Numbers {
    private var words: [UInt32]
    private var next = 0
    init(_ seed: UInt64, count: Int = 1 << 16) {
        words = RandomStream(seed: seed, purpose: .randomModel, stream: (0, 0)).words(count)
    }
    mutating func one() -> Double {
        defer { next += 1 }
        return Double(words[next % words.count]) / 2_147_483_648 - 1
    }
    mutating func floats(_ count: Int, by scale: Double = 1) -> [Float] {
        (0..<count).map { _ in Float(scale * one()) }
    }
}

/// Adapters over two layers with maps of odd shapes.
enum Sample {
    static let shapes: [(kind: LinearMap, layer: Int, out: Int, in: Int)] = [
        (.q, 0, 7, 5), (.down, 0, 5, 11), (.q, 1, 7, 5), (.down, 1, 5, 11),
    ]

    static func configuration(rank: Int, alpha: Double = 6) -> LoRAConfiguration {
        LoRAConfiguration(rank: rank, alpha: alpha, dropout: 0, targets: [.q, .down])
    }

    static func adapter(
        _ numbers: inout Numbers, rank: Int, alpha: Double = 6, near start: Adapter? = nil, by scale: Double = 1
    ) -> Adapter {
        var tensors: [NamedTensor] = []
        for shape in shapes {
            for (matrix, dimensions) in [(Adapter.Matrix.a, [rank, shape.in]), (.b, [shape.out, rank])] {
                let name = Adapter.tensorName(layer: shape.layer, map: shape.kind, matrix: matrix)
                var values = numbers.floats(dimensions[0] * dimensions[1], by: scale)
                if let start, let known = start.tensor(named: name) {
                    values = zip(values, known.values).map { $0 + $1 }
                }
                tensors.append(NamedTensor(name: name, shape: dimensions, values: values))
            }
        }
        return Adapter(configuration: configuration(rank: rank, alpha: alpha), tensors: tensors)
    }

    /// The factors of a map.
    static func factors(_ adapter: Adapter, _ place: Int) -> (a: Dense, b: Dense) {
        let shape = shapes[place]
        let rank = adapter.configuration.rank
        func values(_ matrix: Adapter.Matrix) -> [Float] {
            adapter.tensor(named: Adapter.tensorName(layer: shape.layer, map: shape.kind, matrix: matrix))?.values ?? []
        }
        return (Dense(rank, shape.in, floats: values(.a)), Dense(shape.out, rank, floats: values(.b)))
    }

    /// s B A of a map.
    static func product(_ adapter: Adapter, _ place: Int) -> Dense {
        let (a, b) = factors(adapter, place)
        return adapter.configuration.scale * (b * a)
    }

    static func uploads(
        _ adapters: [Adapter], sizes: [Int], start: Adapter? = nil, frozen: Adapter.Matrix? = nil
    ) throws -> HeldUploads {
        var held = try HeldUploads(
            zip(adapters, sizes).enumerated().map { index, pair in
                guard let site = SiteID("site-\(index)") else { throw CocoaError(.fileNoSuchFile) }
                return (UploadStanding(site: site, records: pair.1, loss: nil), pair.0)
            }, start: start)
        held.frozen = frozen
        return held
    }

    static func weights(_ sizes: [Int]) -> [Double] {
        let total = Double(sizes.reduce(0, +))
        return sizes.map { Double($0) / total }
    }
}
