// DecoderLayer: one LLaMA layer, h = x + Wo attention(norm(x)), out = h + Wdown(silu(Wgate n) * Wup n) with n = norm(h).

import CKernels
import Faults
import Federation
import ModelFiles

/// What a layer's forward pass keeps for its backward pass.
package struct LayerActivations {
    package var x: UnsafeMutablePointer<Float>  // [T, H] input
    let q: UnsafeMutablePointer<Float>  // [T, Q] rotated
    package let k: UnsafeMutablePointer<Float>  // [T, KV] rotated
    package let v: UnsafeMutablePointer<Float>  // [T, KV]
    let attention: UnsafeMutablePointer<Float>  // [T, Q]
    let logSumExp: UnsafeMutablePointer<Float>  // [heads, T]
    let h: UnsafeMutablePointer<Float>  // [T, H] after attention
    let gate: UnsafeMutablePointer<Float>  // [T, F]; dgate after the backward pass
    let up: UnsafeMutablePointer<Float>  // [T, F]; dup after the backward pass
    let inverseRMS: UnsafeMutablePointer<Float>  // [T] of the input norm
    let postInverseRMS: UnsafeMutablePointer<Float>  // [T] of the norm after attention
    let u: [UnsafeMutablePointer<Float>]  // [T, r] per map
    let heads: HeadNormActivations?  // where q and k are normed

    package init(_ shape: ModelShape, rank: Int, rows: Int, arena: Arena) throws(Fault) {
        let Q = shape.headCount * shape.headDimension
        let KV = shape.keyValueHeadCount * shape.headDimension
        x = try arena.floats(rows, shape.hiddenSize)
        q = try arena.floats(rows, Q)
        k = try arena.floats(rows, KV)
        v = try arena.floats(rows, KV)
        attention = try arena.floats(rows, Q)
        logSumExp = try arena.floats(rows, shape.headCount)
        h = try arena.floats(rows, shape.hiddenSize)
        gate = try arena.floats(rows, shape.feedForwardSize)
        up = try arena.floats(rows, shape.feedForwardSize)
        inverseRMS = try arena.floats(rows)
        postInverseRMS = try arena.floats(rows)
        u = try LinearMap.allCases.map { (_) throws(Fault) in try arena.floats(rows, rank) }
        heads = shape.headNorms ? try HeadNormActivations(shape, rows: rows, arena: arena) : nil
    }
}

/// Buffers that every layer uses in turn.
package struct LayerScratch {
    let normed: UnsafeMutablePointer<Float>  // [T, H]
    let product: UnsafeMutablePointer<Float>  // [T, F]
    let halves: Halves?  // in fast numerics

    package init(_ shape: ModelShape, rows: Int, halves: Halves? = nil, arena: Arena) throws(Fault) {
        self.halves = halves
        normed = try arena.floats(rows, shape.hiddenSize)
        product = try arena.floats(rows, shape.feedForwardSize)
    }
}

/// Gradients that every layer uses in turn.
package struct GradientScratch {
    let dnormed: UnsafeMutablePointer<Float>  // [T, H]
    let dproduct: UnsafeMutablePointer<Float>  // [T, F]
    let dattention: UnsafeMutablePointer<Float>  // [T, Q]
    let dq: UnsafeMutablePointer<Float>  // [T, Q]
    let dk: UnsafeMutablePointer<Float>  // [T, KV]
    let dv: UnsafeMutablePointer<Float>  // [T, KV]
    let maps: MapScratch

    package init(
        _ shape: ModelShape, rank: Int, rows: Int, numerics: Numerics = .exact, arena: Arena
    ) throws(Fault) {
        let Q = shape.headCount * shape.headDimension
        let KV = shape.keyValueHeadCount * shape.headDimension
        dnormed = try arena.floats(rows, shape.hiddenSize)
        dproduct = try arena.floats(rows, shape.feedForwardSize)
        dattention = try arena.floats(rows, Q)
        dq = try arena.floats(rows, Q)
        dk = try arena.floats(rows, KV)
        dv = try arena.floats(rows, KV)
        maps = try MapScratch(shape, rank: rank, rows: rows, exact: numerics == .exact, arena: arena)
    }
}

/// The frozen and adapted parts of one layer.
package struct LayerMaps {
    let maps: [AdaptedMap]  // in LinearMap.allCases order
    let inputNorm: UnsafePointer<Float>  // [H]
    let postAttentionNorm: UnsafePointer<Float>  // [H]
    let epsilon: Float
    let options: FamilyOptions
    let attention: AttentionShape

    package init(
        maps: [AdaptedMap], inputNorm: UnsafePointer<Float>, postAttentionNorm: UnsafePointer<Float>, epsilon: Float,
        options: FamilyOptions = FamilyOptions(), attention: AttentionShape
    ) {
        self.maps = maps
        self.inputNorm = inputNorm
        self.postAttentionNorm = postAttentionNorm
        self.epsilon = epsilon
        self.options = options
        self.attention = attention
    }

    subscript(map: LinearMap) -> AdaptedMap { maps[map.place] }
    var H: Int { self[.q].inputs }
    var F: Int { self[.gate].outputs }
}

/// The rows of a pass.
package struct PassRows {
    let T: Int
    let positions: UnsafePointer<Int32>  // [T]
    let segments: [Segment]
    let cosine: UnsafePointer<Float>  // [positions, D/2]
    let sine: UnsafePointer<Float>

    package init(
        T: Int, positions: UnsafePointer<Int32>, segments: [Segment], cosine: UnsafePointer<Float>,
        sine: UnsafePointer<Float>
    ) {
        self.T = T
        self.positions = positions
        self.segments = segments
        self.cosine = cosine
        self.sine = sine
    }
}

package enum DecoderLayer {
    /// out [T, H], which may be saved.x itself.
    package static func forward(
        _ out: UnsafeMutablePointer<Float>, layer: LayerMaps, saved: LayerActivations, scratch: LayerScratch,
        rows: PassRows, workers: Workers
    ) {
        let T = rows.T
        let H = layer.H
        let F = layer.F
        let shape = layer.attention
        let normed = scratch.normed
        let product = scratch.product

        workers.rows(T) { block, worker in
            let at = block.lowerBound * H
            kernel_rmsnorm_forward(
                normed + at, saved.inverseRMS + block.lowerBound, saved.x + at, layer.inputNorm, layer.epsilon,
                block.count, H)
            project([.q, .k, .v], normed, layer, saved, scratch, block, worker, workers)
        }
        multiply(
            [(.q, saved.q), (.k, saved.k), (.v, saved.v)], accumulate: false, normed, layer, saved, scratch, T, workers)
        workers.rows(T) { block, _ in
            layer.options.forward(saved, block, epsilon: layer.epsilon, shape)
            rotate(saved.q, saved.k, block, direction: 1, shape, rows)
        }
        Attention.forward(
            saved.attention, saved.logSumExp, q: saved.q, keys: saved.k, values: saved.v,
            segments: rows.segments, shape: shape, T: T, workers: workers)
        workers.rows(T) { block, worker in
            let at = block.lowerBound * H
            (saved.h + at).update(from: saved.x + at, count: block.count * H)
            layer.options.addBias(of: .o, to: saved.h, width: H, block)
            project([.o], saved.attention, layer, saved, scratch, block, worker, workers)
        }
        multiply([(.o, saved.h)], accumulate: true, saved.attention, layer, saved, scratch, T, workers)
        workers.rows(T) { block, worker in
            let at = block.lowerBound * H
            kernel_rmsnorm_forward(
                normed + at, saved.postInverseRMS + block.lowerBound, saved.h + at, layer.postAttentionNorm,
                layer.epsilon, block.count, H)
            project([.gate, .up], normed, layer, saved, scratch, block, worker, workers)
        }
        multiply([(.gate, saved.gate), (.up, saved.up)], accumulate: false, normed, layer, saved, scratch, T, workers)
        workers.rows(T) { block, worker in
            let at = block.lowerBound * F
            kernel_swiglu_forward(product + at, saved.gate + at, saved.up + at, block.count * F)
            (out + block.lowerBound * H).update(from: saved.h + block.lowerBound * H, count: block.count * H)
            project([.down], product, layer, saved, scratch, block, worker, workers)
        }
        multiply([(.down, out)], accumulate: true, product, layer, saved, scratch, T, workers)
    }

    /// dx [T, H] holds the gradient of out and becomes the gradient of x; where no layer below needs that (`needsInput` false), it stays
    /// unfinished. Adds to the gradients of A and B; overwrites saved.gate and saved.up.
    package static func backward(
        _ dx: UnsafeMutablePointer<Float>, needsInput: Bool, layer: LayerMaps, saved: LayerActivations,
        scratch: LayerScratch, gradients: GradientScratch, rows: PassRows, groups: [Range<Int>], workers: Workers
    ) {
        let T = rows.T
        let H = layer.H
        let F = layer.F
        let shape = layer.attention
        let normed = scratch.normed
        let dnormed = gradients.dnormed
        func backward(
            _ maps: [(map: LinearMap, dy: UnsafeMutablePointer<Float>)], _ dinput: UnsafeMutablePointer<Float>?,
            x: UnsafePointer<Float>
        ) {
            LoRALinear.backward(
                dinput,
                maps: maps.map { LoRALinear.OutputGradient(map: layer[$0.map], dy: $0.dy, u: saved.u[$0.map.place]) },
                x: x, T: T, scratch: gradients.maps, halves: scratch.halves, workers: workers)
        }

        workers.rows(T) { block, _ in
            let at = block.lowerBound * F
            kernel_swiglu_forward(scratch.product + at, saved.gate + at, saved.up + at, block.count * F)
        }
        backward([(.down, dx)], gradients.dproduct, x: scratch.product)
        workers.rows(T) { block, _ in
            let at = block.lowerBound * F
            kernel_swiglu_backward(
                saved.gate + at, saved.up + at, gradients.dproduct + at, saved.gate + at, saved.up + at, block.count * F
            )
            let hidden = block.lowerBound * H
            kernel_rmsnorm_forward(
                normed + hidden, saved.postInverseRMS + block.lowerBound, saved.h + hidden, layer.postAttentionNorm,
                layer.epsilon, block.count, H)
        }
        backward([(.gate, saved.gate), (.up, saved.up)], dnormed, x: normed)
        workers.rows(T) { block, _ in
            let at = block.lowerBound * H
            kernel_rmsnorm_backward(
                dx + at, dnormed + at, saved.h + at, layer.postAttentionNorm, saved.postInverseRMS + block.lowerBound,
                block.count, H)
            (gradients.dq + block.lowerBound * shape.Q).update(repeating: 0, count: block.count * shape.Q)
            (gradients.dk + block.lowerBound * shape.KV).update(repeating: 0, count: block.count * shape.KV)
            (gradients.dv + block.lowerBound * shape.KV).update(repeating: 0, count: block.count * shape.KV)
        }
        backward([(.o, dx)], gradients.dattention, x: saved.attention)
        Attention.backward(
            gradients.dq, gradients.dk, gradients.dv, dout: gradients.dattention, out: saved.attention, q: saved.q,
            keys: saved.k, values: saved.v, logSumExp: saved.logSumExp, segments: rows.segments, groups: groups,
            shape: shape, T: T, workers: workers)
        workers.rows(T) { block, _ in
            rotate(gradients.dq, gradients.dk, block, direction: -1, shape, rows)
            layer.options.backward(gradients, saved, block, shape)
            let at = block.lowerBound * H
            kernel_rmsnorm_forward(
                normed + at, saved.inverseRMS + block.lowerBound, saved.x + at, layer.inputNorm, layer.epsilon,
                block.count, H)
        }
        backward(
            [(.q, gradients.dq), (.k, gradients.dk), (.v, gradients.dv)], needsInput ? dnormed : nil, x: normed)
        guard needsInput else { return }
        workers.rows(T) { block, _ in
            let at = block.lowerBound * H
            kernel_rmsnorm_backward(
                dx + at, dnormed + at, saved.x + at, layer.inputNorm, saved.inverseRMS + block.lowerBound, block.count,
                H)
        }
    }

    /// The low-rank projections of maps that read the same input x, for a block of rows.
    private static func project(
        _ maps: [LinearMap], _ x: UnsafePointer<Float>, _ layer: LayerMaps, _ saved: LayerActivations,
        _ scratch: LayerScratch, _ block: Range<Int>, _ worker: Int, _ workers: Workers
    ) {
        LoRALinear.prepare(x: x, width: layer[maps[0]].inputs, rows: block, halves: scratch.halves)
        for map in maps {
            LoRALinear.project(
                saved.u[map.place], x: x, map: layer[map], place: map.place, rows: block, halves: scratch.halves,
                worker: worker, workers: workers)
        }
    }

    /// The products of maps that read the same input, split over threads together.
    private static func multiply(
        _ outputs: [(map: LinearMap, y: UnsafeMutablePointer<Float>)], accumulate: Bool, _ x: UnsafePointer<Float>,
        _ layer: LayerMaps, _ saved: LayerActivations, _ scratch: LayerScratch, _ T: Int, _ workers: Workers
    ) {
        workers.columns(outputs.map { layer[$0.map].outputs }) { place, columns, worker in
            let (map, y) = outputs[place]
            LoRALinear.multiply(
                y, accumulate: accumulate, saved.u[map.place], x: x, map: layer[map], place: map.place, T: T,
                columns: columns, halves: scratch.halves, worker: worker, workers: workers)
        }
    }

    /// Rotates (or, for gradients, rotates back) a block of rows of q and k.
    private static func rotate(
        _ q: UnsafeMutablePointer<Float>, _ k: UnsafeMutablePointer<Float>, _ block: Range<Int>, direction: Int32,
        _ shape: AttentionShape, _ rows: PassRows
    ) {
        let positions = rows.positions + block.lowerBound
        var rotation = kernel_rotation(cosine: rows.cosine, sine: rows.sine, D: shape.D, direction: direction)
        kernel_rope(q + block.lowerBound * shape.Q, shape.Q, block.count, shape.heads, positions, &rotation)
        kernel_rope(k + block.lowerBound * shape.KV, shape.KV, block.count, shape.keyValueHeads, positions, &rotation)
    }
}
