// Head: the last norm, the vocabulary projection and cross-entropy, in chunks of rows so that [T, V] never exists.

import CKernels
import Faults
import Federation

/// The frozen end of the model.
package struct HeadWeights {
    let weight: kernel_matrix  // [V, H]
    let norm: UnsafePointer<Float>  // [H]
    let epsilon: Float
    let numerics: Numerics

    package init(weight: kernel_matrix, norm: UnsafePointer<Float>, epsilon: Float, numerics: Numerics = .exact) {
        self.numerics = numerics
        self.weight = weight
        self.norm = norm
        self.epsilon = epsilon
    }

    var H: Int { weight.columns }
    var V: Int { weight.rows }
}

/// Buffers for one chunk of rows that go through the head.
package struct HeadScratch {
    let rows: Int
    let x: UnsafeMutablePointer<Float>  // [rows, H] gathered
    let normed: UnsafeMutablePointer<Float>  // [rows, H]
    let dx: UnsafeMutablePointer<Float>  // [rows, H]
    let inverseRMS: UnsafeMutablePointer<Float>  // [rows]
    let logits: UnsafeMutablePointer<Float>  // [rows, V]
    let losses: UnsafeMutablePointer<Float>  // [rows]
    let halves: UnsafeMutablePointer<UInt16>?  // [rows, H] normed, in fast numerics

    /// At most `limit` rows, and at most 2^24 logits (64 MB), except that 32 rows are always allowed.
    package init(_ head: HeadWeights, limit: Int, arena: Arena) throws(Fault) {
        rows = Self.rows(vocabulary: head.V, limit: limit)
        x = try arena.floats(rows, head.H)
        normed = try arena.floats(rows, head.H)
        dx = try arena.floats(rows, head.H)
        inverseRMS = try arena.floats(rows)
        logits = try arena.floats(rows, head.V)
        losses = try arena.floats(rows)
        halves = head.numerics == .exact ? nil : try arena.halves(rows, Halves.stride(of: head.H))
    }

    static func rows(vocabulary: Int, limit: Int) -> Int { max(1, min(limit, max(32, (1 << 24) / vocabulary))) }
}

package enum Head {
    /// scratch.logits [rows.count, V] of the given rows of x [T, H].
    static func logits(
        x: UnsafePointer<Float>, rows: [Int], head: HeadWeights, scratch: HeadScratch, workers: Workers
    ) {
        let H = head.H
        for (place, row) in rows.enumerated() { (scratch.x + place * H).update(from: x + row * H, count: H) }
        kernel_rmsnorm_forward(
            scratch.normed, scratch.inverseRMS, scratch.x, head.norm, head.epsilon, rows.count, H)
        if let halves = scratch.halves { roundRows(halves, scratch.normed, rows: 0..<rows.count, width: H) }
        workers.columns([head.V]) { _, columns, worker in
            let term = kernel_term(
                scratch.normed, or: scratch.halves, width: H, times: head.weight, transposed: true)
            workers.gemm(
                scratch.logits, row: head.V, [term], M: rows.count, columns: columns, fast: scratch.halves != nil,
                worker: worker)
        }
    }

    /// The cross-entropy of every label, in nats, in label order.
    package static func losses(
        x: UnsafePointer<Float>, labels: [Label], head: HeadWeights, scratch: HeadScratch, workers: Workers
    ) -> [Float] {
        var losses: [Float] = []
        losses.reserveCapacity(labels.count)
        for first in stride(from: 0, to: labels.count, by: scratch.rows) {
            let chunk = labels[first..<min(labels.count, first + scratch.rows)]
            logits(x: x, rows: chunk.map(\.row), head: head, scratch: scratch, workers: workers)
            workers.run(chunk.count) { place, _ in
                scratch.losses[place] = kernel_cross_entropy(
                    scratch.logits + place * head.V, labels[first + place].token, head.V)
            }
            losses.append(contentsOf: UnsafeBufferPointer(start: scratch.losses, count: chunk.count))
        }
        return losses
    }

    /// The same, and sets (does not add to) the rows of dx [T, H] that carry a label to the gradient of the mean over all labels; a label
    /// that n records share counts n times.
    package static func lossesAndGradient(
        _ dx: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, labels: [Label], labelCount: Int, head: HeadWeights,
        scratch: HeadScratch, workers: Workers
    ) -> [Float] {
        let H = head.H
        let V = head.V
        var losses: [Float] = []
        losses.reserveCapacity(labels.count)
        for first in stride(from: 0, to: labels.count, by: scratch.rows) {
            let chunk = labels[first..<min(labels.count, first + scratch.rows)]
            logits(x: x, rows: chunk.map(\.row), head: head, scratch: scratch, workers: workers)
            workers.run(chunk.count) { place, _ in
                let label = labels[first + place]
                let row = scratch.logits + place * V
                kernel_cross_entropy_backward(
                    scratch.losses + place, row, label.token,
                    Float(Double(label.records.count) / Double(labelCount)), V)
                // In fast numerics the rounded gradient is written over its own row.
                if scratch.halves != nil { kernel_fast_rows(Self.rounded(row), 2 * V, row, V, 1, V) }
            }
            losses.append(contentsOf: UnsafeBufferPointer(start: scratch.losses, count: chunk.count))
            // dnormed is written over normed, which the norm's backward pass does not read.
            workers.columns([H]) { _, columns, worker in
                let fast = scratch.halves != nil
                var term = kernel_term(
                    scratch.logits, or: fast ? Self.rounded(scratch.logits) : nil, width: V, times: head.weight,
                    transposed: false)
                if fast { term.a_row = 2 * V }
                workers.gemm(
                    scratch.normed, row: H, [term], M: chunk.count, columns: columns, fast: fast, worker: worker)
            }
            scratch.dx.update(repeating: 0, count: chunk.count * H)
            kernel_rmsnorm_backward(
                scratch.dx, scratch.normed, scratch.x, head.norm, scratch.inverseRMS, chunk.count, H)
            for (place, label) in chunk.enumerated() {
                (dx + label.row * H).update(from: scratch.dx + place * H, count: H)
            }
        }
        return losses
    }

    /// The memory of the floats, seen as memory for as many bfloat16 numbers.
    private static func rounded(_ floats: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<UInt16> {
        UnsafeMutableRawPointer(floats).assumingMemoryBound(to: UInt16.self)
    }
}
