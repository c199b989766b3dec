// RowMatrix: rows of Doubles and the few products that aggregation needs of them, each in the order that CSums fixes.

import CSums

/// A matrix in Double, row-major.
package struct RowMatrix: Sendable, Equatable {
    package let rows: Int
    package let columns: Int
    package var values: [Double]

    /// Zeros.
    package init(rows: Int, columns: Int) {
        self.rows = rows
        self.columns = columns
        values = [Double](repeating: 0, count: rows * columns)
    }

    /// Takes values, row-major.
    package init(rows: Int, columns: Int, _ values: [Double]) {
        precondition(values.count == rows * columns, "\(values.count) values for \(rows) x \(columns)")
        self.rows = rows
        self.columns = columns
        self.values = values
    }

    /// Float32 values, row-major.
    package init(rows: Int, columns: Int, floats: [Float]) {
        self.init(rows: rows, columns: columns, floats.map { Double($0) })
    }

    package subscript(row: Int, column: Int) -> Double {
        get { values[row * columns + column] }
        set { values[row * columns + column] = newValue }
    }

    /// [columns, rows].
    package var transposed: RowMatrix {
        var result = RowMatrix(rows: columns, columns: rows)
        values.withUnsafeBufferPointer { from in
            result.values.withUnsafeMutableBufferPointer { to in
                for column in 0..<columns {
                    for row in 0..<rows { to[column * rows + row] = from[row * columns + column] }
                }
            }
        }
        return result
    }

    var floats: [Float] { values.map { Float($0) } }

    /// The rows of several matrices of one width, one below the other.
    package static func stacked(_ parts: [RowMatrix]) -> RowMatrix {
        let columns = parts.first?.columns ?? 0
        var values: [Double] = []
        values.reserveCapacity(parts.reduce(0) { $0 + $1.values.count })
        for part in parts {
            precondition(part.columns == columns, "a row of \(part.columns) below rows of \(columns)")
            values += part.values
        }
        return RowMatrix(rows: parts.reduce(0) { $0 + $1.rows }, columns: columns, values)
    }

    /// These rows, from the first.
    func rows(_ range: Range<Int>) -> RowMatrix {
        RowMatrix(
            rows: range.count, columns: columns,
            Array(values[(range.lowerBound * columns)..<(range.upperBound * columns)]))
    }

    /// Every inner product of a row of this with a row of that: this times that transposed.
    package func times(rowsOf other: RowMatrix) -> RowMatrix {
        precondition(columns == other.columns, "rows of \(columns) against rows of \(other.columns)")
        var result = RowMatrix(rows: rows, columns: other.rows)
        sums_products(&result.values, values, rows, other.values, other.rows, columns)
        return result
    }

    /// Every inner product of two rows of this.
    package var gram: RowMatrix {
        var result = RowMatrix(rows: rows, columns: rows)
        sums_gram(&result.values, values, rows, columns)
        return result
    }

    /// this times that, as rows of that added in their order.
    package func times(_ other: RowMatrix) -> RowMatrix {
        precondition(columns == other.rows, "\(rows) x \(columns) times \(other.rows) x \(other.columns)")
        var result = RowMatrix(rows: rows, columns: other.columns)
        result.values.withUnsafeMutableBufferPointer { to in
            other.values.withUnsafeBufferPointer { from in
                guard let to = to.baseAddress, let from = from.baseAddress else { return }
                for row in 0..<rows {
                    for column in 0..<columns where values[row * columns + column] != 0 {
                        sums_add(
                            to + row * other.columns, values[row * columns + column], from + column * other.columns,
                            other.columns)
                    }
                }
            }
        }
        return result
    }

    /// this += factor * that.
    mutating func add(_ factor: Double, _ other: RowMatrix) {
        precondition(values.count == other.values.count, "\(values.count) values, \(other.values.count) to add")
        sums_add(&values, factor, other.values, values.count)
    }

    /// this - that.
    func minus(_ other: RowMatrix) -> RowMatrix {
        var result = self
        result.add(-1, other)
        return result
    }

    func scaled(_ factor: Double) -> RowMatrix {
        var result = self
        for index in result.values.indices { result.values[index] *= factor }
        return result
    }

    package var squaredNorm: Double { sums_dot(values, values, values.count) }
}

extension RowMatrix {
    /// |sum over rows i of left_i^T right_i|^2 from the two Grams: sum over i, j of (left left^T)_ij (right right^T)_ij. Rounding may leave
    /// it just below zero.
    static func squaredNorm(ofProduct left: RowMatrix, _ right: RowMatrix) -> Double {
        max(0, sumOfProducts(left.gram, right.gram, 0..<left.rows, 0..<left.rows))
    }

    /// The sum of the products of two matrices' elements in those rows and columns.
    static func sumOfProducts(_ x: RowMatrix, _ y: RowMatrix, _ rows: Range<Int>, _ columns: Range<Int>) -> Double {
        var sum = 0.0
        for row in rows {
            for column in columns { sum += x.values[row * x.columns + column] * y.values[row * y.columns + column] }
        }
        return sum
    }
}
