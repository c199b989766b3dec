// FamilyOptions: what some families add to a plain LLaMA layer: biases of maps, and RMSNorm over each head of q and k.

import CKernels
import Faults
import Federation
import ModelFiles

/// The frozen options of one layer; none of them in Llama and Mistral.
package struct FamilyOptions {
    /// [out] each, in LinearMap.allCases order; nil where the map has no bias.
    var biases: [UnsafePointer<Float>?] = LinearMap.allCases.map { _ in nil }
    var queryNorm: UnsafePointer<Float>?  // [D]
    var keyNorm: UnsafePointer<Float>?  // [D]

    package init() {}

    /// y [T, width] += bias, for a block of rows.
    func addBias(of map: LinearMap, to y: UnsafeMutablePointer<Float>, width: Int, _ block: Range<Int>) {
        guard let bias = biases[map.place] else { return }
        for row in block { kernel_add(y + row * width, bias, width) }
    }

    /// Adds their biases to the products q, k and v; then applies the norms over each head of q and k: y = x / rms(x) * w. The inputs of
    /// the norms are kept for the backward pass.
    func forward(_ saved: LayerActivations, _ block: Range<Int>, epsilon: Float, _ shape: AttentionShape) {
        addBias(of: .q, to: saved.q, width: shape.Q, block)
        addBias(of: .k, to: saved.k, width: shape.KV, block)
        addBias(of: .v, to: saved.v, width: shape.KV, block)
        guard let queryNorm, let keyNorm, let heads = saved.heads else { return }
        for (y, x, inverse, weight, count) in [
            (saved.q, heads.q, heads.inverseQ, queryNorm, shape.heads),
            (saved.k, heads.k, heads.inverseK, keyNorm, shape.keyValueHeads),
        ] {
            let at = block.lowerBound * count
            (x + at * shape.D).update(from: y + at * shape.D, count: block.count * count * shape.D)
            kernel_rmsnorm_forward(
                y + at * shape.D, inverse + at, x + at * shape.D, weight, epsilon, block.count * count, shape.D)
        }
    }

    /// Turns dq [T, Q] and dk [T, KV] from gradients of the norms' outputs into gradients of their inputs. dattention, which is not read
    /// any more, serves as scratch. Biases are frozen and pass gradients unchanged.
    func backward(_ gradients: GradientScratch, _ saved: LayerActivations, _ block: Range<Int>, _ shape: AttentionShape)
    {
        guard let queryNorm, let keyNorm, let heads = saved.heads else { return }
        for (dy, x, inverse, weight, count) in [
            (gradients.dq, heads.q, heads.inverseQ, queryNorm, shape.heads),
            (gradients.dk, heads.k, heads.inverseK, keyNorm, shape.keyValueHeads),
        ] {
            let at = block.lowerBound * count
            let dx = gradients.dattention + block.lowerBound * shape.Q
            dx.update(repeating: 0, count: block.count * count * shape.D)
            kernel_rmsnorm_backward(
                dx, dy + at * shape.D, x + at * shape.D, weight, inverse + at, block.count * count, shape.D)
            (dy + at * shape.D).update(from: dx, count: block.count * count * shape.D)
        }
    }
}

/// What the norms over heads keep for their backward pass.
package struct HeadNormActivations {
    let q: UnsafeMutablePointer<Float>  // [T, Q] before the norm
    let k: UnsafeMutablePointer<Float>  // [T, KV] before the norm
    let inverseQ: UnsafeMutablePointer<Float>  // [T, heads]
    let inverseK: UnsafeMutablePointer<Float>  // [T, key-value heads]

    init(_ shape: ModelShape, rows: Int, arena: Arena) throws(Fault) {
        q = try arena.floats(rows, shape.headCount, shape.headDimension)
        k = try arena.floats(rows, shape.keyValueHeadCount, shape.headDimension)
        inverseQ = try arena.floats(rows, shape.headCount)
        inverseK = try arena.floats(rows, shape.keyValueHeadCount)
    }
}
