// Attention: causal grouped-query attention of packed segments over a shared prefix and their own keys.

import CKernels

/// The head counts of a layer.
package struct AttentionShape {
    let heads: Int
    let keyValueHeads: Int
    let D: Int  // head dimension
    let window: Int  // the most keys a query sees, its own the last; 0 for all

    package init(heads: Int, keyValueHeads: Int, D: Int, window: Int = 0) {
        self.heads = heads
        self.keyValueHeads = keyValueHeads
        self.D = D
        self.window = window
    }

    var Q: Int { heads * D }
    var KV: Int { keyValueHeads * D }
    var scale: Float { 1 / Float(D).squareRoot() }
}

package enum Attention {
    /// out [T, Q] and logSumExp [heads, T] of rotated q [T, Q]; keys and values [store rows, KV] hold the rows that the segments name.
    package static func forward(
        _ out: UnsafeMutablePointer<Float>, _ logSumExp: UnsafeMutablePointer<Float>, q: UnsafePointer<Float>,
        keys: UnsafePointer<Float>, values: UnsafePointer<Float>, segments: [Segment], shape: AttentionShape, T: Int,
        workers: Workers
    ) {
        if let openBLAS = workers.openBLAS {
            openBLAS.attentionForward(
                out, logSumExp, q: q, keys: keys, values: values, segments: segments, shape: shape, T: T)
            return
        }
        workers.run(segments.count * shape.heads) { task, worker in
            let segment = segments[task / shape.heads]
            let head = task % shape.heads
            let at = segment.rows.lowerBound * shape.Q + head * shape.D
            var span = span(segment, head: head, keys: keys, values: values, shape)
            var queries = kernel_attention_queries(
                q: q + at, q_row: shape.Q, out: out + at, out_row: shape.Q,
                log_sum_exp: logSumExp + head * T + segment.rows.lowerBound, count: segment.rows.count)
            kernel_attention_forward(&queries, &span, workers.attentionScratch(worker))
        }
    }

    /// Adds to dq [T, Q], dkeys and dvalues [T, KV]; here the rows of the pass are the key-value store. There is one task per group and
    /// key-value head. It takes the segments in order, and in each the query heads in order, so that sums into shared rows have one order.
    package static func backward(
        _ dq: UnsafeMutablePointer<Float>, _ dkeys: UnsafeMutablePointer<Float>,
        _ dvalues: UnsafeMutablePointer<Float>, dout: UnsafePointer<Float>, out: UnsafePointer<Float>,
        q: UnsafePointer<Float>, keys: UnsafePointer<Float>, values: UnsafePointer<Float>,
        logSumExp: UnsafePointer<Float>, segments: [Segment], groups: [Range<Int>], shape: AttentionShape, T: Int,
        workers: Workers
    ) {
        if let openBLAS = workers.openBLAS {
            openBLAS.attentionBackward(
                dq, dkeys, dvalues, dout: dout, out: out, q: q, keys: keys, values: values, logSumExp: logSumExp,
                segments: segments, shape: shape, T: T)
            return
        }
        let KV = shape.KV
        let headsPerKey = shape.heads / shape.keyValueHeads
        workers.run(groups.count * shape.keyValueHeads) { task, worker in
            let keyHead = task % shape.keyValueHeads
            for segment in segments[groups[task / shape.keyValueHeads]] {
                let prefix = segment.prefix.lowerBound * KV + keyHead * shape.D
                let own = segment.ownRow * KV + keyHead * shape.D
                for head in keyHead * headsPerKey..<(keyHead + 1) * headsPerKey {
                    let at = segment.rows.lowerBound * shape.Q + head * shape.D
                    var span = span(segment, head: head, keys: keys, values: values, shape)
                    // The kernel only reads out and log_sum_exp here.
                    var queries = kernel_attention_queries(
                        q: q + at, q_row: shape.Q, out: UnsafeMutablePointer(mutating: out + at), out_row: shape.Q,
                        log_sum_exp: UnsafeMutablePointer(mutating: logSumExp + head * T + segment.rows.lowerBound),
                        count: segment.rows.count)
                    var gradients = kernel_attention_gradients(
                        dout: dout + at, dq: dq + at, dq_row: shape.Q, dprefix_keys: dkeys + prefix,
                        dprefix_values: dvalues + prefix, dprefix_row: KV, down_keys: dkeys + own,
                        down_values: dvalues + own, down_row: KV)
                    kernel_attention_backward(&gradients, &queries, &span, workers.attentionScratch(worker))
                }
            }
        }
    }

    private static func span(
        _ segment: Segment, head: Int, keys: UnsafePointer<Float>, values: UnsafePointer<Float>, _ shape: AttentionShape
    ) -> kernel_attention_span {
        let column = head / (shape.heads / shape.keyValueHeads) * shape.D
        let prefix = segment.prefix.lowerBound * shape.KV + column
        let own = segment.ownRow * shape.KV + column
        return kernel_attention_span(
            prefix_keys: keys + prefix, prefix_values: values + prefix, own_keys: keys + own, own_values: values + own,
            prefix_row: shape.KV, own_row: shape.KV, prefix_count: segment.prefix.count, own_offset: segment.ownOffset,
            D: shape.D, scale: shape.scale, window: shape.window)
    }
}
