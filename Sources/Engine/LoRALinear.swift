// LoRALinear: y = W x + scale B A dropout(x) for packed rows, and its gradients for A, B and x. W is frozen.

import CKernels

/// One linear map of a layer: its frozen weight and, where it is adapted, its low-rank pair.
///
/// Legend: T rows, in and out the widths of the map, r the rank.
package struct AdaptedMap {
    let weight: kernel_matrix  // [out, in]
    var low: LowRank?

    package init(weight: kernel_matrix, low: LowRank?) {
        self.weight = weight
        self.low = low
    }

    /// The low-rank pair of a map.
    package struct LowRank {
        let rank: Int
        let scale: Float
        let a: UnsafeMutablePointer<Float>  // [r, in]
        let b: UnsafeMutablePointer<Float>  // [r, out], B transposed
        let da: UnsafeMutablePointer<Float>?  // [r, in]
        let db: UnsafeMutablePointer<Float>?  // [r, out]
        var dropout: Float
        var random: kernel_random

        package init(
            rank: Int, scale: Float, a: UnsafeMutablePointer<Float>, b: UnsafeMutablePointer<Float>,
            da: UnsafeMutablePointer<Float>?, db: UnsafeMutablePointer<Float>?, dropout: Float, random: kernel_random
        ) {
            self.rank = rank
            self.scale = scale
            self.a = a
            self.b = b
            self.da = da
            self.db = db
            self.dropout = dropout
            self.random = random
        }
    }

    var inputs: Int { weight.columns }
    var outputs: Int { weight.rows }
}

package enum LoRALinear {
    /// y [T, out] (+)= x W^T + u B^T, u [T, r] = scale * dropout(x) A^T.
    package static func forward(
        _ y: UnsafeMutablePointer<Float>, accumulate: Bool, _ u: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>,
        map: AdaptedMap, T: Int, workers: Workers
    ) {
        workers.rows(T) { rows, worker in project(u, x: x, map: map, rows: rows, worker: worker, workers: workers) }
        workers.columns([map.outputs]) { _, columns, worker in
            multiply(
                y, accumulate: accumulate, u, x: x, map: map, T: T, columns: columns,
                workspace: workers.gemmWorkspace(worker))
        }
    }

    /// The rows of u: a part of `forward`.
    static func project(
        _ u: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, map: AdaptedMap, rows: Range<Int>, worker: Int,
        workers: Workers
    ) {
        guard let low = map.low else { return }
        let first = rows.lowerBound * map.inputs
        let count = rows.count * map.inputs
        var input = x + first
        if low.dropout > 0 {
            let dropped = workers.rowScratch(worker)
            kernel_dropout(dropped, input, low.random, UInt64(first), count, low.dropout)
            input = UnsafePointer(dropped)
        }
        let out = u + rows.lowerBound * low.rank
        gemm(
            out, row: low.rank, accumulate: false, input, aRow: map.inputs,
            matrix(low.a, rows: low.rank, columns: map.inputs), transposed: true, M: rows.count, columns: 0..<low.rank,
            K: map.inputs, workers.gemmWorkspace(worker))
        kernel_scale(out, low.scale, rows.count * low.rank)
    }

    /// The columns of y: the other part of `forward`.
    static func multiply(
        _ y: UnsafeMutablePointer<Float>, accumulate: Bool, _ u: UnsafePointer<Float>, x: UnsafePointer<Float>,
        map: AdaptedMap, T: Int, columns: Range<Int>, workspace: UnsafeMutableRawPointer
    ) {
        gemm(
            y, row: map.outputs, accumulate: accumulate, x, aRow: map.inputs, map.weight, transposed: true, M: T,
            columns: columns, K: map.inputs, workspace)
        guard let low = map.low else { return }
        gemm(
            y, row: map.outputs, accumulate: true, u, aRow: low.rank,
            matrix(low.b, rows: low.rank, columns: map.outputs), transposed: false, M: T, columns: columns, K: low.rank,
            workspace)
    }

    /// Adds to dA, dB and, where it is given, dx:
    /// du = scale * dy B;  dA += du^T dropout(x);  dB += dy^T u;  dx += dy W + dropout'(du A).
    /// `du` [T, r] and `dropped` [T, in] are overwritten.
    package static func backward(
        _ dx: UnsafeMutablePointer<Float>?, _ du: UnsafeMutablePointer<Float>, _ dropped: UnsafeMutablePointer<Float>,
        dy: UnsafePointer<Float>, x: UnsafePointer<Float>, u: UnsafePointer<Float>, map: AdaptedMap, T: Int,
        workers: Workers
    ) {
        let inputs = map.inputs
        let outputs = map.outputs
        var input = x
        if let low = map.low {
            if low.dropout > 0 { input = UnsafePointer(dropped) }
            workers.rows(T) { rows, worker in
                let workspace = workers.gemmWorkspace(worker)
                let first = rows.lowerBound * inputs
                let count = rows.count * inputs
                let duRows = du + rows.lowerBound * low.rank
                gemm(
                    duRows, row: low.rank, accumulate: false, dy + rows.lowerBound * outputs, aRow: outputs,
                    matrix(low.b, rows: low.rank, columns: outputs), transposed: true, M: rows.count,
                    columns: 0..<low.rank, K: outputs, workspace)
                kernel_scale(duRows, low.scale, rows.count * low.rank)
                if low.dropout > 0 {
                    kernel_dropout(dropped + first, x + first, low.random, UInt64(first), count, low.dropout)
                }
                guard let dx else { return }
                let part = low.dropout > 0 ? workers.rowScratch(worker) : dx + first
                gemm(
                    part, row: inputs, accumulate: low.dropout == 0, duRows, aRow: low.rank,
                    matrix(low.a, rows: low.rank, columns: inputs), transposed: false, M: rows.count,
                    columns: 0..<inputs, K: low.rank, workspace)
                if low.dropout > 0 {
                    kernel_dropout_add(dx + first, part, low.random, UInt64(first), count, low.dropout)
                }
            }
        }
        let trains = map.low?.da != nil
        workers.columns([dx == nil ? 0 : inputs, trains ? inputs : 0, trains ? outputs : 0]) { part, columns, worker in
            let workspace = workers.gemmWorkspace(worker)
            if part == 0, let dx {
                gemm(
                    dx, row: inputs, accumulate: true, dy, aRow: outputs, map.weight, transposed: false, M: T,
                    columns: columns, K: outputs, workspace)
            } else if part == 1, let low = map.low, let da = low.da {
                gemm(
                    da, row: inputs, accumulate: true, du, aRow: 1, aColumn: low.rank,
                    matrix(input, rows: T, columns: inputs), transposed: false, M: low.rank, columns: columns, K: T,
                    workspace)
            } else if let low = map.low, let db = low.db {
                gemm(
                    db, row: outputs, accumulate: true, u, aRow: 1, aColumn: low.rank,
                    matrix(dy, rows: T, columns: outputs), transposed: false, M: low.rank, columns: columns, K: T,
                    workspace)
            }
        }
    }
}
