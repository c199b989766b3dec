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
        /// One bit an element of [T, in], kept from the forward pass for the backward pass; nil where it is drawn again.
        var mask: UnsafeMutablePointer<UInt16>?

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

        /// out [rows, in] = dropout(x) for whole blocks of rows, x and out standing at the block.
        func drop(_ out: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ rows: Range<Int>, _ inputs: Int) {
            let first = rows.lowerBound * inputs
            let count = rows.count * inputs
            if let mask {
                kernel_dropout_masked(out, mask + first / 16, x, random, UInt64(first), count, dropout)
            } else {
                kernel_dropout(out, x, random, UInt64(first), count, dropout)
            }
        }

        /// The same once more, in the backward pass.
        func dropAgain(
            _ out: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ rows: Range<Int>, _ inputs: Int
        ) {
            let first = rows.lowerBound * inputs
            let count = rows.count * inputs
            if let mask {
                kernel_dropout_again(out, mask + first / 16, x, count, dropout)
            } else {
                kernel_dropout(out, x, random, UInt64(first), count, dropout)
            }
        }

        /// `drop` in bfloat16, out [rows, in] at the stride of halves; scratch for as many floats.
        func drop(
            _ out: UnsafeMutablePointer<UInt16>, _ x: UnsafePointer<Float>, _ rows: Range<Int>, _ inputs: Int,
            scratch: UnsafeMutablePointer<Float>
        ) {
            let first = rows.lowerBound * inputs
            if let mask, inputs % 2 == 0 {
                kernel_fast_dropout_masked(
                    out, mask + first / 16, x, random, UInt64(first), rows.count * inputs, dropout)
            } else {
                drop(scratch, x, rows, inputs)
                roundRows(out, scratch, rows: 0..<rows.count, width: inputs)
            }
        }

        /// `dropAgain` in bfloat16, likewise.
        func dropAgain(
            _ out: UnsafeMutablePointer<UInt16>, _ x: UnsafePointer<Float>, _ rows: Range<Int>, _ inputs: Int,
            scratch: UnsafeMutablePointer<Float>
        ) {
            let first = rows.lowerBound * inputs
            if let mask, inputs % 2 == 0 {
                kernel_fast_dropout_again(out, mask + first / 16, x, rows.count * inputs, dropout)
            } else {
                dropAgain(scratch, x, rows, inputs)
                roundRows(out, scratch, rows: 0..<rows.count, width: inputs)
            }
        }

        /// y = or += the gradient of dropout: the same mask on x.
        func dropBack(
            _ y: UnsafeMutablePointer<Float>, replaces: Bool, _ x: UnsafePointer<Float>, _ rows: Range<Int>,
            _ inputs: Int
        ) {
            if replaces {
                dropAgain(y, x, rows, inputs)
                return
            }
            let first = rows.lowerBound * inputs
            let count = rows.count * inputs
            if let mask {
                kernel_dropout_again_add(y, mask + first / 16, x, count, dropout)
            } else {
                kernel_dropout_add(y, x, random, UInt64(first), count, dropout)
            }
        }
    }

    var inputs: Int { weight.columns }
    var outputs: Int { weight.rows }
}

package enum LoRALinear {
    /// y [T, out] (+)= x W^T + u B^T, u [T, r] = scale * dropout(x) A^T.
    package static func forward(
        _ y: UnsafeMutablePointer<Float>, accumulate: Bool, _ u: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>,
        map: AdaptedMap, T: Int, halves: Halves? = nil, workers: Workers
    ) {
        workers.rows(T) { rows, worker in
            prepare(x: x, width: map.inputs, rows: rows, halves: halves)
            project(u, x: x, map: map, place: 0, rows: rows, halves: halves, worker: worker, workers: workers)
        }
        workers.columns([map.outputs]) { _, columns, worker in
            multiply(
                y, accumulate: accumulate, u, x: x, map: map, place: 0, T: T, columns: columns, halves: halves,
                workspace: workers.gemmWorkspace(worker))
        }
    }

    /// Rows of the input of one or more maps, before `project`: fast numerics round them once.
    static func prepare(x: UnsafePointer<Float>, width: Int, rows: Range<Int>, halves: Halves?) {
        if let halves { roundRows(halves.x, x, rows: rows, width: width) }
    }

    /// The rows of u: a part of `forward`. `place` tells maps apart that read the same input.
    static func project(
        _ u: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, map: AdaptedMap, place: Int, rows: Range<Int>,
        halves: Halves?, worker: Int, workers: Workers
    ) {
        guard let low = map.low else { return }
        let first = rows.lowerBound * map.inputs
        var input = x + first
        let out = u + rows.lowerBound * low.rank
        if let halves {
            let stride = Halves.stride(of: map.inputs)
            var rounded = halves.x + rows.lowerBound * stride
            if low.dropout > 0 {
                rounded = workers.halfScratch(worker)
                low.drop(rounded, input, rows, map.inputs, scratch: workers.rowScratch(worker))
            }
            fastGEMM(
                out, row: low.rank, accumulate: false, rounded, aRow: stride,
                matrix(low.a, rows: low.rank, columns: map.inputs), transposed: true, M: rows.count,
                columns: 0..<low.rank, K: map.inputs, workers.gemmWorkspace(worker))
            kernel_scale(out, low.scale, rows.count * low.rank)
            roundRows(halves.u[place], u, rows: rows, width: low.rank)
            return
        }
        if low.dropout > 0 {
            let dropped = workers.rowScratch(worker)
            low.drop(dropped, input, rows, map.inputs)
            input = UnsafePointer(dropped)
        }
        gemm(
            out, row: low.rank, accumulate: false, input, aRow: map.inputs,
            matrix(low.a, rows: low.rank, columns: map.inputs), transposed: true, M: rows.count, columns: 0..<low.rank,
            K: map.inputs, workers.gemmWorkspace(worker))
        kernel_scale(out, low.scale, rows.count * low.rank)
    }

    /// The columns of y: the other part of `forward`.
    static func multiply(
        _ y: UnsafeMutablePointer<Float>, accumulate: Bool, _ u: UnsafePointer<Float>, x: UnsafePointer<Float>,
        map: AdaptedMap, place: Int, T: Int, columns: Range<Int>, halves: Halves?, workspace: UnsafeMutableRawPointer
    ) {
        let up = map.low.map { matrix($0.b, rows: $0.rank, columns: map.outputs) }
        if let halves {
            let stride = Halves.stride(of: map.inputs)
            if let up {
                fastGEMM(
                    y, row: map.outputs, accumulate: accumulate, halves.x, aRow: stride, map.weight, transposed: true,
                    M: T, columns: columns, K: map.inputs, u: halves.u[place], up: up, workspace)
            } else {
                fastGEMM(
                    y, row: map.outputs, accumulate: accumulate, halves.x, aRow: stride, map.weight, transposed: true,
                    M: T, columns: columns, K: map.inputs, workspace)
            }
        } else if let up {
            gemm(
                y, row: map.outputs, accumulate: accumulate, x, aRow: map.inputs, map.weight, transposed: true, M: T,
                columns: columns, K: map.inputs, u: u, up: up, workspace)
        } else {
            gemm(
                y, row: map.outputs, accumulate: accumulate, x, aRow: map.inputs, map.weight, transposed: true, M: T,
                columns: columns, K: map.inputs, workspace)
        }
    }

    /// Adds to dA, dB and, where it is given, dx:
    /// du = scale * dy B;  dA += du^T dropout(x);  dB += dy^T u;  dx += dy W + dropout'(du A).
    /// `du` [T, r] and `dropped` [T, in] are overwritten, or in fast numerics the halves. `replaces` sets dx instead of adding
    /// to it. `isRounded` tells that halves.dropped already holds x without dropout, from another map of the same input.
    package static func backward(
        _ dx: UnsafeMutablePointer<Float>?, _ du: UnsafeMutablePointer<Float>, _ dropped: UnsafeMutablePointer<Float>,
        replaces: Bool = false, isRounded: Bool = false, dy: UnsafePointer<Float>, x: UnsafePointer<Float>,
        u: UnsafePointer<Float>, map: AdaptedMap, T: Int,
        halves: Halves? = nil, workers: Workers
    ) {
        if let halves {
            fastBackward(
                dx, du, replaces: replaces, isRounded: isRounded, dy: dy, x: x, u: u, map: map, T: T, halves: halves,
                workers: workers)
            return
        }
        let inputs = map.inputs
        let outputs = map.outputs
        var input = x
        if let low = map.low {
            if low.dropout > 0 { input = UnsafePointer(dropped) }
            workers.rows(T) { rows, worker in
                let workspace = workers.gemmWorkspace(worker)
                let first = rows.lowerBound * inputs
                let duRows = du + rows.lowerBound * low.rank
                gemm(
                    duRows, row: low.rank, accumulate: false, dy + rows.lowerBound * outputs, aRow: outputs,
                    matrix(low.b, rows: low.rank, columns: outputs), transposed: true, M: rows.count,
                    columns: 0..<low.rank, K: outputs, workspace)
                kernel_scale(duRows, low.scale, rows.count * low.rank)
                if low.dropout > 0 {
                    low.dropAgain(dropped + first, x + first, rows, inputs)
                }
                guard let dx else { return }
                let part = low.dropout > 0 ? workers.rowScratch(worker) : dx + first
                gemm(
                    part, row: inputs, accumulate: low.dropout == 0 && !replaces, duRows, aRow: low.rank,
                    matrix(low.a, rows: low.rank, columns: inputs), transposed: false, M: rows.count,
                    columns: 0..<inputs, K: low.rank, workspace)
                if low.dropout > 0 { low.dropBack(dx + first, replaces: replaces, part, rows, inputs) }
            }
        }
        let trains = map.low?.da != nil
        workers.columns([dx == nil ? 0 : inputs, trains ? inputs : 0, trains ? outputs : 0]) {
            part, columns, worker in
            let workspace = workers.gemmWorkspace(worker)
            if part == 0, let dx {
                gemm(
                    dx, row: inputs, accumulate: map.low != nil || !replaces, dy, aRow: outputs, map.weight,
                    transposed: false, M: T,
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

    /// The same in fast numerics: rows are rounded while they are at hand, products read the rounded ones.
    private static func fastBackward(
        _ dx: UnsafeMutablePointer<Float>?, _ du: UnsafeMutablePointer<Float>, replaces: Bool, isRounded: Bool,
        dy: UnsafePointer<Float>, x: UnsafePointer<Float>, u: UnsafePointer<Float>, map: AdaptedMap, T: Int,
        halves: Halves, workers: Workers
    ) {
        let inputs = map.inputs
        let outputs = map.outputs
        let inputStride = Halves.stride(of: inputs)
        let outputStride = Halves.stride(of: outputs)
        workers.rows(T) { rows, worker in
            roundRows(halves.dy, dy, rows: rows, width: outputs)
            guard let low = map.low else { return }
            let workspace = workers.gemmWorkspace(worker)
            let first = rows.lowerBound * inputs
            let rank = low.rank
            let duRows = du + rows.lowerBound * rank
            fastGEMM(
                duRows, row: rank, accumulate: false, halves.dy + rows.lowerBound * outputStride, aRow: outputStride,
                matrix(low.b, rows: rank, columns: outputs), transposed: true, M: rows.count, columns: 0..<rank,
                K: outputs, workspace)
            kernel_scale(duRows, low.scale, rows.count * rank)
            let scratch = workers.rowScratch(worker)
            if low.da != nil {
                // Blocks of rows begin at even ones, so each makes whole pairs.
                let pairs = rows.lowerBound / 2 * rank
                kernel_fast_pairs(halves.duPairs + pairs, duRows, rows.count, rank)
                kernel_fast_pairs(halves.uPairs + pairs, u + rows.lowerBound * rank, rows.count, rank)
                let rounded = halves.dropped + rows.lowerBound * inputStride
                if low.dropout > 0 {
                    low.dropAgain(rounded, x + first, rows, inputs, scratch: scratch)
                } else if !isRounded {
                    kernel_fast_rows(rounded, inputStride, x + first, inputs, rows.count, inputs)
                }
            }
            guard let dx else { return }
            roundRows(halves.du, du, rows: rows, width: rank)
            fastGEMM(
                low.dropout > 0 ? scratch : dx + first, row: inputs, accumulate: low.dropout == 0 && !replaces,
                halves.du + rows.lowerBound * Halves.stride(of: rank), aRow: Halves.stride(of: rank),
                matrix(low.a, rows: rank, columns: inputs), transposed: false, M: rows.count, columns: 0..<inputs,
                K: rank, workspace)
            if low.dropout > 0 { low.dropBack(dx + first, replaces: replaces, scratch, rows, inputs) }
        }
        let trains = map.low?.da != nil
        workers.columns([dx == nil ? 0 : inputs, trains ? inputs : 0, trains ? outputs : 0]) {
            part, columns, worker in
            let workspace = workers.gemmWorkspace(worker)
            if part == 0, let dx {
                fastGEMM(
                    dx, row: inputs, accumulate: map.low != nil || !replaces, halves.dy, aRow: outputStride, map.weight,
                    transposed: false,
                    M: T, columns: columns, K: outputs, workspace)
            } else if part == 1, let low = map.low, let da = low.da {
                kernel_fast_cross(
                    da, inputs, halves.duPairs, low.rank, halves.dropped, inputStride, T, columns.lowerBound,
                    columns.upperBound)
            } else if let low = map.low, let db = low.db {
                kernel_fast_cross(
                    db, outputs, halves.uPairs, low.rank, halves.dy, outputStride, T, columns.lowerBound,
                    columns.upperBound)
            }
        }
    }
}
