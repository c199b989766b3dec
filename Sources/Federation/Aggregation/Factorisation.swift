// Factorisation: thin QR by Householder reflections and the singular value decomposition by one-sided Jacobi rotations, in Double.
//
// Additions, multiplications, divisions and square roots alone, in a fixed order: the same bits on every processor, which no LAPACK gives.
// Householder: Golub and Van Loan, Matrix Computations, algorithm 5.2.1; Jacobi: Hestenes 1958, in the row-cyclic order.

import CSums

/// X = Q R for X [m, n] given as its n columns: R [k, n] upper triangular, Q [m, k] as its k columns, k = min(m, n).
package struct ThinQR {
    /// The columns of Q as rows [k, m]; orthonormal whatever the rank of X.
    package let q: RowMatrix
    /// [k, n].
    package let r: RowMatrix

    /// Takes the columns of X as rows.
    package init(columns x: RowMatrix) {
        let (m, n) = (x.columns, x.rows)
        let k = min(m, n)
        var work = x
        var factors = [Double](repeating: 0, count: k)  // tau of H = I - tau v v^T
        var r = RowMatrix(rows: k, columns: n)
        work.values.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress, m > 0 else { return }
            for j in 0..<k {
                let v = base + j * m + j
                let length = m - j
                let tail = sums_dot(v + 1, v + 1, length - 1)
                let head = v[0]
                if tail == 0 {
                    factors[j] = 0
                } else {
                    let norm = (head * head + tail).squareRoot()
                    let beta = head > 0 ? -norm : norm
                    factors[j] = (beta - head) / beta
                    let divisor = head - beta
                    for i in 1..<length { v[i] /= divisor }
                    v[0] = 1
                    for column in (j + 1)..<max(j + 1, n) {
                        let other = base + column * m + j
                        sums_add(other, -factors[j] * sums_dot(v, other, length), v, length)
                    }
                    v[0] = beta
                }
                for column in j..<n { r.values[j * n + column] = base[column * m + j] }
            }
        }
        // Q = H_0 .. H_(k-1) applied to the first k columns of the identity, from the last reflection to the first.
        var q = RowMatrix(rows: k, columns: m)
        q.values.withUnsafeMutableBufferPointer { to in
            work.values.withUnsafeMutableBufferPointer { from in
                guard let to = to.baseAddress, let from = from.baseAddress else { return }
                for j in 0..<k { to[j * m + j] = 1 }
                for j in stride(from: k - 1, through: 0, by: -1) where factors[j] != 0 {
                    let v = from + j * m + j
                    let head = v[0]
                    v[0] = 1
                    for column in j..<k {
                        let other = to + column * m + j
                        sums_add(other, -factors[j] * sums_dot(v, other, m - j), v, m - j)
                    }
                    v[0] = head
                }
            }
        }
        self.q = q
        self.r = r
    }
}

/// X = sum_i u_i sigma_i v_i^T for X [m, n] given as its n columns.
package struct JacobiSVD {
    /// u_i sigma_i as rows [n, m], by falling sigma; those of a zero sigma are zero or what rounding left.
    package let scaledLeft: RowMatrix
    /// v_i as rows [n, n], orthonormal.
    package let right: RowMatrix
    /// sigma_i, falling.
    package let values: [Double]

    /// Rotations stop where every pair of columns has a cosine below this: a few units of rounding.
    private static let tolerance = 1e-15
    /// Sweeps converge quadratically: six to ten suffice for the sizes of adapters.
    private static let sweeps = 40

    /// Takes the columns of X as rows.
    package init(columns x: RowMatrix) {
        let (m, n) = (x.columns, x.rows)
        var work = x
        var right = RowMatrix(rows: n, columns: n)
        for i in 0..<n { right[i, i] = 1 }
        work.values.withUnsafeMutableBufferPointer { work in
            right.values.withUnsafeMutableBufferPointer { right in
                guard let w = work.baseAddress, let v = right.baseAddress else { return }
                for _ in 0..<Self.sweeps where !Self.sweep(w, v, m, n) {}
            }
        }
        let norms = (0..<n).map { row in
            work.values.withUnsafeBufferPointer { buffer -> Double in
                guard let base = buffer.baseAddress else { return 0 }
                return sums_dot(base + row * m, base + row * m, m).squareRoot()
            }
        }
        let order = (0..<n).sorted { norms[$0] == norms[$1] ? $0 < $1 : norms[$0] > norms[$1] }
        values = order.map { norms[$0] }
        scaledLeft = .stacked(order.map { work.rows($0..<($0 + 1)) })
        self.right = .stacked(order.map { right.rows($0..<($0 + 1)) })
    }

    /// One sweep over all pairs; true where none had to be turned.
    private static func sweep(
        _ w: UnsafeMutablePointer<Double>, _ v: UnsafeMutablePointer<Double>, _ m: Int, _ n: Int
    ) -> Bool {
        var isDone = true
        for p in 0..<max(0, n - 1) {
            for q in (p + 1)..<n {
                let (x, y) = (w + p * m, w + q * m)
                let alpha = sums_dot(x, x, m)
                let beta = sums_dot(y, y, m)
                let gamma = sums_dot(x, y, m)
                guard gamma != 0, abs(gamma) > tolerance * (alpha * beta).squareRoot() else { continue }
                isDone = false
                let zeta = (beta - alpha) / (2 * gamma)
                let t = (zeta < 0 ? -1 : 1) / (abs(zeta) + (1 + zeta * zeta).squareRoot())
                let c = 1 / (1 + t * t).squareRoot()
                sums_rotate(x, y, c, c * t, m)
                sums_rotate(v + p * n, v + q * n, c, c * t, n)
            }
        }
        return isDone
    }
}

/// A product B A of two long thin factors, as its singular value decomposition.
package struct ProductSVD {
    /// B = U S as rows [rank, out], by falling singular value.
    package var b: RowMatrix
    /// A = V^T [rank, in]; rows are orthonormal, the largest element of each in size is positive, the first of equals.
    package var a: RowMatrix
    /// The singular values, falling; as many as the product can have.
    package let values: [Double]

    /// The decomposition of sum over rows i of left_i^T right_i, cut at a rank. Rows that a product of fewer directions cannot fill are zero.
    ///
    /// With Q_B R_B and Q_A R_A the QR of the factors, the core R_B R_A^T has the singular values of the product.
    package init(left: RowMatrix, right: RowMatrix, rank: Int) {
        let (qb, qa) = (ThinQR(columns: left), ThinQR(columns: right))
        // The core [kb, ka]; Jacobi turns its columns, so these are the rows of R_A R_B^T.
        let core = qa.r.times(rowsOf: qb.r)
        let svd = JacobiSVD(columns: core)
        values = Array(svd.values.prefix(min(qb.q.rows, qa.q.rows)))
        let kept = min(rank, svd.values.count)
        b = RowMatrix(rows: rank, columns: left.columns)
        a = RowMatrix(rows: rank, columns: right.columns)
        let (bRows, aRows) = (svd.scaledLeft.rows(0..<kept).times(qb.q), svd.right.rows(0..<kept).times(qa.q))
        for row in 0..<kept {
            var largest = 0.0
            for column in 0..<aRows.columns where abs(aRows[row, column]) > abs(largest) {
                largest = aRows[row, column]
            }
            let sign: Double = largest < 0 ? -1 : 1
            for column in 0..<aRows.columns { a[row, column] = sign * aRows[row, column] }
            for column in 0..<bRows.columns { b[row, column] = sign * bRows[row, column] }
        }
    }

    /// The squares of the singular values beyond a rank, added from the smallest.
    package func cut(at rank: Int) -> Double {
        values.dropFirst(rank).reversed().reduce(0) { $0 + $1 * $1 }
    }
    /// |B A|^2 of the whole product.
    var squaredNorm: Double { values.reversed().reduce(0) { $0 + $1 * $1 } }
}
