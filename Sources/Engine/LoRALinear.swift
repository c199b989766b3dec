// LoRALinear: y = W x + scale B A dropout(x) for packed rows, and its gradients for A, B and x. W is frozen.

import CKernels
import Faults

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
        let dropout: Dropout?

        package init(
            rank: Int, scale: Float, a: UnsafeMutablePointer<Float>, b: UnsafeMutablePointer<Float>,
            da: UnsafeMutablePointer<Float>?, db: UnsafeMutablePointer<Float>?, dropout: Dropout?
        ) {
            self.rank = rank
            self.scale = scale
            self.a = a
            self.b = b
            self.da = da
            self.db = db
            self.dropout = dropout
        }
    }

    /// The dropout of what A reads. Blocks of rows begin at multiples of 16, so that each block begins at a whole word of the mask.
    package struct Dropout {
        let probability: Float
        let random: kernel_random
        /// One bit for each element of [T, in], and one word more; drawn in the forward pass and read in the backward pass.
        let mask: UnsafeMutablePointer<UInt16>
        /// What kept elements are multiplied by.
        var scale: Float { 1 / (1 - probability) }

        package init(probability: Float, random: kernel_random, mask: UnsafeMutablePointer<UInt16>) {
            self.probability = probability
            self.random = random
            self.mask = mask
        }

        /// Memory for the mask of [rows, inputs]. Faults: engine.memory.
        static func mask(rows: Int, inputs: Int, arena: Arena) throws(Fault) -> UnsafeMutablePointer<UInt16> {
            try arena.halves((MachineMemory.product([rows, inputs]) - 1) / 16 + 2)
        }

        /// out [rows, in] = dropout(x), where x and out point to the first row of the block, in the forward pass.
        func draw(_ out: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ rows: Range<Int>, _ inputs: Int) {
            let first = rows.lowerBound * inputs
            kernel_dropout(out, mask + first / 16, x, random, UInt64(first), rows.count * inputs, probability)
        }

        /// The same again, in the backward pass.
        func again(_ out: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ rows: Range<Int>, _ inputs: Int) {
            let first = rows.lowerBound * inputs
            kernel_dropout_again(out, mask + first / 16, x, rows.count * inputs, probability)
        }

        /// `draw` in bfloat16, out [rows, in] at the stride of halves; `scratch` holds as many floats.
        func draw(
            _ out: UnsafeMutablePointer<UInt16>, _ x: UnsafePointer<Float>, _ rows: Range<Int>, _ inputs: Int,
            scratch: UnsafeMutablePointer<Float>
        ) {
            let first = rows.lowerBound * inputs
            if inputs % 2 == 0 {
                kernel_fast_dropout(
                    out, mask + first / 16, x, random, UInt64(first), rows.count * inputs, probability)
            } else {
                draw(scratch, x, rows, inputs)
                roundRows(out, scratch, rows: 0..<rows.count, width: inputs)
            }
        }

        /// `again` in bfloat16, with out and scratch as in `draw`.
        func again(
            _ out: UnsafeMutablePointer<UInt16>, _ x: UnsafePointer<Float>, _ rows: Range<Int>, _ inputs: Int,
            scratch: UnsafeMutablePointer<Float>
        ) {
            let first = rows.lowerBound * inputs
            if inputs % 2 == 0 {
                kernel_fast_dropout_again(out, mask + first / 16, x, rows.count * inputs, probability)
            } else {
                again(scratch, x, rows, inputs)
                roundRows(out, scratch, rows: 0..<rows.count, width: inputs)
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
                worker: worker, workers: workers)
        }
    }

    /// Prepares rows of the input of one or more maps, before `project`: fast numerics round them once for all maps.
    static func prepare(x: UnsafePointer<Float>, width: Int, rows: Range<Int>, halves: Halves?) {
        if let halves { roundRows(halves.x, x, rows: rows, width: width) }
    }

    /// Computes the rows of u, a part of `forward`. `place` tells apart the maps that read the same input.
    static func project(
        _ u: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, map: AdaptedMap, place: Int, rows: Range<Int>,
        halves: Halves?, worker: Int, workers: Workers
    ) {
        guard let low = map.low else { return }
        let inputs = map.inputs
        let input = x + rows.lowerBound * inputs
        let out = u + rows.lowerBound * low.rank
        var read = input
        var rounded = halves.map { $0.x + rows.lowerBound * Halves.stride(of: inputs) }
        if let dropout = low.dropout {
            let scratch = workers.rowScratch(worker)
            if halves == nil {
                dropout.draw(scratch, input, rows, inputs)
                read = UnsafePointer(scratch)
            } else {
                rounded = workers.halfScratch(worker)
                dropout.draw(workers.halfScratch(worker), input, rows, inputs, scratch: scratch)
            }
        }
        let term = kernel_term(
            read, or: rounded, width: inputs, times: matrix(low.a, rows: low.rank, columns: inputs), transposed: true)
        workers.gemm(
            out, row: low.rank, [term], M: rows.count, columns: 0..<low.rank, fast: halves != nil, worker: worker)
        kernel_scale(out, low.scale, rows.count * low.rank)
        if let halves { roundRows(halves.u[place], u, rows: rows, width: low.rank) }
    }

    /// Computes the columns of y, the other part of `forward`.
    static func multiply(
        _ y: UnsafeMutablePointer<Float>, accumulate: Bool, _ u: UnsafePointer<Float>, x: UnsafePointer<Float>,
        map: AdaptedMap, place: Int, T: Int, columns: Range<Int>, halves: Halves?, worker: Int,
        workers: Workers
    ) {
        var terms = [kernel_term(x, or: halves?.x, width: map.inputs, times: map.weight, transposed: true)]
        if let low = map.low {
            terms.append(
                kernel_term(
                    u, or: halves?.u[place], width: low.rank,
                    times: matrix(low.b, rows: low.rank, columns: map.outputs), transposed: false))
        }
        workers.gemm(
            y, row: map.outputs, accumulate: accumulate, terms, M: T, columns: columns, fast: halves != nil,
            worker: worker)
    }

    /// The gradient of a map's output, and the other values that its backward pass reads.
    package struct OutputGradient {
        let map: AdaptedMap
        let dy: UnsafePointer<Float>  // [T, out]
        let u: UnsafePointer<Float>  // [T, r]

        package init(map: AdaptedMap, dy: UnsafePointer<Float>, u: UnsafePointer<Float>) {
            self.map = map
            self.dy = dy
            self.u = u
        }
    }

    /// For all maps that read x: adds to their dA and dB, and sets dx, where it is given, to the sum of their gradients: du = scale * dy B;
    /// dA += du^T dropout(x); dB += dy^T u; dx = sum of dropout'(du A) + dy W, in the order of the maps. `scratch` and `halves` are
    /// overwritten.
    package static func backward(
        _ dx: UnsafeMutablePointer<Float>?, maps: [OutputGradient], x: UnsafePointer<Float>, T: Int,
        scratch: MapScratch, halves: Halves? = nil, workers: Workers
    ) {
        let inputs = maps[0].map.inputs
        let parts = parts(of: maps, x: x, T: T, scratch: scratch, halves: halves)
        workers.rows(T) { rows, worker in
            for part in parts { part.prepare(rows, x: x, worker: worker, workers: workers) }
        }
        let widths = parts.flatMap { $0.trains ? [inputs, $0.output.map.outputs] : [0, 0] }
        workers.columns([dx == nil ? 0 : inputs] + widths) { product, columns, worker in
            guard product > 0 else {
                guard let dx else { return }
                workers.gemm(
                    dx, row: inputs, parts.flatMap { $0.inputTerms() }, M: T, columns: columns, fast: halves != nil,
                    worker: worker)
                return
            }
            let part = parts[(product - 1) / 2]
            if product % 2 == 1 {
                part.addToA(columns, T: T, worker: worker, workers: workers)
            } else {
                part.addToB(columns, T: T, worker: worker, workers: workers)
            }
        }
    }
}
