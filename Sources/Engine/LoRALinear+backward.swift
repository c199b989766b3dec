// The backward pass of one map that may share its input with others, in exact and fast numerics.

import CKernels
import Faults
import ModelFiles

/// What the backward pass of the maps of one input writes on its way.
package struct MapScratch {
    let du: UnsafeMutablePointer<Float>  // [T, r] per map
    let dropped: UnsafeMutablePointer<Float>  // dropout(x), [T, in] per map, in exact numerics

    package init(_ shape: ModelShape, rank: Int, rows: Int, exact: Bool, arena: Arena) throws(Fault) {
        du = try arena.floats(ModelShape.mostMapsOfAnInput, rows, rank)
        dropped = try arena.floats(exact ? rows : 0, shape.widestInputs)
    }

    /// For maps of one input of `inputs` elements.
    package init(maps: Int, inputs: Int, rank: Int, rows: Int, arena: Arena) throws(Fault) {
        du = try arena.floats(maps, rows, rank)
        dropped = try arena.floats(maps, rows, inputs)
    }
}

extension LoRALinear {
    /// A map, and where its backward pass writes.
    struct MapBackward {
        let output: OutputGradient
        let du: UnsafeMutablePointer<Float>  // [T, r]
        /// What A read, [T, in], in exact numerics.
        let input: UnsafePointer<Float>
        let dropped: UnsafeMutablePointer<Float>?  // the same, where this map writes it
        let halves: Rounded?

        /// In fast numerics, rows at the stride of halves.
        struct Rounded {
            let dy: UnsafeMutablePointer<UInt16>  // [T, out]
            let du: UnsafeMutablePointer<UInt16>  // [T, r]
            let dropped: UnsafeMutablePointer<UInt16>  // what A read, [T, in]
            let rounds: Bool  // true where this map writes `dropped`, false where an earlier map did
            let uPairs: UnsafeMutablePointer<UInt32>  // [T / 2, r]
            let duPairs: UnsafeMutablePointer<UInt32>  // [T / 2, r]
        }

        var map: AdaptedMap { output.map }
        var trains: Bool { map.low?.da != nil }

        /// Makes rows of du and of the inputs of the products. Blocks of rows begin at even rows, so each block makes whole pairs.
        func prepare(_ rows: Range<Int>, x: UnsafePointer<Float>, worker: Int, workers: Workers) {
            let (inputs, outputs) = (map.inputs, map.outputs)
            if let halves { roundRows(halves.dy, output.dy, rows: rows, width: outputs) }
            guard let low = map.low else { return }
            let rank = low.rank
            let duRows = du + rows.lowerBound * rank
            let term = kernel_term(
                output.dy + rows.lowerBound * outputs,
                or: halves.map { $0.dy + rows.lowerBound * Halves.stride(of: outputs) }, width: outputs,
                times: matrix(low.b, rows: rank, columns: outputs), transposed: true)
            workers.gemm(
                duRows, row: rank, [term], M: rows.count, columns: 0..<rank, fast: halves != nil, worker: worker)
            kernel_scale(duRows, low.scale, rows.count * rank)
            if let halves { roundRows(halves.du, du, rows: rows, width: rank) }
            guard trains else { return }
            let first = rows.lowerBound * inputs
            guard let halves else {
                if let dropped { low.dropout?.again(dropped + first, x + first, rows, inputs) }
                return
            }
            let pairs = rows.lowerBound / 2 * rank
            kernel_fast_pairs(halves.duPairs + pairs, duRows, rows.count, rank)
            kernel_fast_pairs(halves.uPairs + pairs, output.u + rows.lowerBound * rank, rows.count, rank)
            guard halves.rounds else { return }
            if let dropout = low.dropout {
                dropout.again(
                    halves.dropped + rows.lowerBound * Halves.stride(of: inputs), x + first, rows, inputs,
                    scratch: workers.rowScratch(worker))
            } else {
                roundRows(halves.dropped, x, rows: rows, width: inputs)
            }
        }

        /// The map's part of dx: dropout'(du A) + dy W.
        func inputTerms() -> [kernel_term] {
            var terms: [kernel_term] = []
            if let low = map.low {
                var term = kernel_term(
                    du, or: halves?.du, width: low.rank, times: matrix(low.a, rows: low.rank, columns: map.inputs),
                    transposed: false)
                if let dropout = low.dropout {
                    term.mask = UnsafePointer(dropout.mask)
                    term.mask_row = map.inputs
                    term.scale = dropout.scale
                }
                terms.append(term)
            }
            terms.append(
                kernel_term(output.dy, or: halves?.dy, width: map.outputs, times: map.weight, transposed: false))
            return terms
        }

        /// dA[:, columns] += du^T dropout(x).
        func addToA(_ columns: Range<Int>, T: Int, worker: Int, workers: Workers) {
            guard let low = map.low, let da = low.da else { return }
            addProductOverRows(
                da, (UnsafePointer(du), halves?.duPairs), (input, halves?.dropped), low.rank, map.inputs, columns, T,
                worker, workers)
        }

        /// dB[:, columns] += u^T dy, B transposed.
        func addToB(_ columns: Range<Int>, T: Int, worker: Int, workers: Workers) {
            guard let low = map.low, let db = low.db else { return }
            addProductOverRows(
                db, (output.u, halves?.uPairs), (output.dy, halves?.dy), low.rank, map.outputs, columns, T,
                worker, workers)
        }

        /// c[:, columns] += u^T y, c [r, width], u [T, r], y [T, width]; the products read bfloat16 where u and y are given in it too.
        private func addProductOverRows(
            _ c: UnsafeMutablePointer<Float>,
            _ u: (floats: UnsafePointer<Float>, pairs: UnsafeMutablePointer<UInt32>?),
            _ y: (floats: UnsafePointer<Float>, halves: UnsafeMutablePointer<UInt16>?), _ rank: Int, _ width: Int,
            _ columns: Range<Int>, _ T: Int, _ worker: Int, _ workers: Workers
        ) {
            if let openBLAS = workers.openBLAS {
                openBLAS.cross(c, rank: rank, width: width, T: T, u, y)
                return
            }
            var target = kernel_target(c, row: width, accumulate: true, M: rank, columns: columns)
            if let pairs = u.pairs, let halves = y.halves {
                kernel_fast_cross(&target, pairs, halves, Halves.stride(of: width), T)
                return
            }
            withUnsafePointer(to: matrix(y.floats, rows: T, columns: width)) { y in
                kernel_gemm(&target, u.floats, 1, rank, y, 0, T, workers.gemmWorkspace(worker))
            }
        }
    }

    /// The backward passes of the maps that read x, one after the other in the scratch.
    static func parts(
        of maps: [OutputGradient], x: UnsafePointer<Float>, T: Int, scratch: MapScratch, halves: Halves?
    ) -> [MapBackward] {
        let inputStride = Halves.stride(of: maps[0].map.inputs)
        var outputs = 0
        var rounded: UnsafeMutablePointer<UInt16>?  // x without dropout, from an earlier map
        return maps.enumerated().map { place, output in
            let map = output.map
            let rank = map.low?.rank ?? 0
            var half: MapBackward.Rounded?
            if let halves {
                let drops = map.low?.dropout != nil
                half = MapBackward.Rounded(
                    dy: halves.dy + T * outputs, du: halves.du + place * T * Halves.stride(of: rank),
                    dropped: drops ? halves.dropped + place * T * inputStride : rounded ?? halves.dropped,
                    rounds: drops || rounded == nil, uPairs: halves.uPairs + place * ((T + 1) / 2 * rank),
                    duPairs: halves.duPairs + place * ((T + 1) / 2 * rank))
                if !drops, map.low?.da != nil { rounded = half?.dropped }
                outputs += Halves.stride(of: map.outputs)
            }
            let dropped =
                halves == nil && map.low?.dropout != nil ? scratch.dropped + place * T * map.inputs : nil
            return MapBackward(
                output: output, du: scratch.du + place * T * rank, input: dropped.map { UnsafePointer($0) } ?? x,
                dropped: dropped, halves: half)
        }
    }
}

extension ModelShape {
    /// q, k and v read one input.
    static let mostMapsOfAnInput = 3
    /// The inputs of all maps that read one input, side by side: q, k and v; gate and up; o; down.
    var widestInputs: Int { max(3 * hiddenSize, headCount * headDimension, feedForwardSize) }
    /// The outputs of these maps side by side.
    var widestOutputs: Int {
        max((headCount + 2 * keyValueHeadCount) * headDimension, 2 * feedForwardSize, hiddenSize)
    }
}
