// Attention with OpenBLAS's products: all scores of a head at once and a plain softmax over them, without the kernels' blocks.

import Glibc

extension OpenBLAS {
    /// One head of one segment: which keys its queries see.
    private struct Head {
        let segment: Segment
        let shape: AttentionShape
        let query: Int  // where the head's queries begin in rows of Q
        let prefix: Int  // where its keys begin in rows of KV
        let own: Int

        init(_ segment: Segment, head: Int, _ shape: AttentionShape) {
            self.segment = segment
            self.shape = shape
            let column = head / (shape.heads / shape.keyValueHeads) * shape.D
            query = segment.rows.lowerBound * shape.Q + head * shape.D
            prefix = segment.prefix.lowerBound * shape.KV + column
            own = segment.ownRow * shape.KV + column
        }

        var queries: Int { segment.rows.count }
        var prefixCount: Int { segment.prefix.count }
        var ownCount: Int { segment.ownOffset + queries }
        var keys: Int { prefixCount + ownCount }

        /// The keys that query i sees.
        func visible(_ i: Int) -> Range<Int> {
            let end = prefixCount + segment.ownOffset + i + 1
            return (shape.window > 0 ? max(0, end - shape.window) : 0)..<end
        }
    }

    /// Computes what Attention.forward computes.
    func attentionForward(
        _ out: UnsafeMutablePointer<Float>, _ logSumExp: UnsafeMutablePointer<Float>, q: UnsafePointer<Float>,
        keys: UnsafePointer<Float>, values: UnsafePointer<Float>, segments: [Segment], shape: AttentionShape, T: Int
    ) {
        for segment in segments {
            for index in 0..<shape.heads {
                let head = Head(segment, head: index, shape)
                rowsTimesKeys(scores, q + head.query, keys, head)
                for i in 0..<head.queries {
                    let row = scores + i * head.keys
                    let visible = head.visible(i)
                    let largest = visible.reduce(-Float.infinity) { max($0, row[$1] * shape.scale) }
                    var sum = 0.0
                    for j in visible { sum += Double(expf(row[j] * shape.scale - largest)) }
                    let total = largest + Float(Glibc.log(sum))
                    for j in 0..<head.keys {
                        row[j] = visible.contains(j) ? expf(row[j] * shape.scale - total) : 0
                    }
                    logSumExp[index * T + segment.rows.lowerBound + i] = total
                }
                scoresTimesKeys(out + head.query, beta: 0, scores, values, head)
            }
        }
    }

    /// Computes what Attention.backward computes.
    func attentionBackward(
        _ dq: UnsafeMutablePointer<Float>, _ dkeys: UnsafeMutablePointer<Float>,
        _ dvalues: UnsafeMutablePointer<Float>, dout: UnsafePointer<Float>, out: UnsafePointer<Float>,
        q: UnsafePointer<Float>, keys: UnsafePointer<Float>, values: UnsafePointer<Float>,
        logSumExp: UnsafePointer<Float>, segments: [Segment], shape: AttentionShape, T: Int
    ) {
        for segment in segments {
            for index in 0..<shape.heads {
                let head = Head(segment, head: index, shape)
                rowsTimesKeys(scores, q + head.query, keys, head)
                rowsTimesKeys(scoreGradients, dout + head.query, values, head)
                for i in 0..<head.queries {
                    let (row, gradient) = (scores + i * head.keys, scoreGradients + i * head.keys)
                    let (dy, y) = (dout + head.query + i * shape.Q, out + head.query + i * shape.Q)
                    var delta = 0.0
                    for d in 0..<shape.D { delta += Double(dy[d]) * Double(y[d]) }
                    let total = logSumExp[index * T + segment.rows.lowerBound + i]
                    let visible = head.visible(i)
                    for j in 0..<head.keys {
                        row[j] = visible.contains(j) ? expf(row[j] * shape.scale - total) : 0
                        gradient[j] = row[j] * (gradient[j] - Float(delta)) * shape.scale
                    }
                }
                addToKeys(dvalues, scores, dout + head.query, head)
                addToKeys(dkeys, scoreGradients, q + head.query, head)
                scoresTimesKeys(dq + head.query, beta: 1, scoreGradients, keys, head)
            }
        }
    }

    /// s [queries, keys] = x keys^T; x is rows of Q.
    private func rowsTimesKeys(
        _ s: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ keys: UnsafePointer<Float>, _ head: Head
    ) {
        let shape = head.shape
        for (at, column, count) in [(head.prefix, 0, head.prefixCount), (head.own, head.prefixCount, head.ownCount)] {
            product(
                s + column, row: head.keys, beta: 0, x, .stored, aRow: shape.Q, keys + at, .transposed, bRow: shape.KV,
                M: head.queries, N: count, K: shape.D)
        }
    }

    /// y = beta y + s keys; y is rows of Q.
    private func scoresTimesKeys(
        _ y: UnsafeMutablePointer<Float>, beta: Float, _ s: UnsafePointer<Float>, _ keys: UnsafePointer<Float>,
        _ head: Head
    ) {
        let shape = head.shape
        var beta = beta
        for (at, column, count) in [(head.prefix, 0, head.prefixCount), (head.own, head.prefixCount, head.ownCount)]
        where count > 0 {
            product(
                y, row: shape.Q, beta: beta, s + column, .stored, aRow: head.keys, keys + at, .stored, bRow: shape.KV,
                M: head.queries, N: shape.D, K: count)
            beta = 1
        }
    }

    /// dkeys += s^T x; x is rows of Q.
    private func addToKeys(
        _ dkeys: UnsafeMutablePointer<Float>, _ s: UnsafePointer<Float>, _ x: UnsafePointer<Float>, _ head: Head
    ) {
        let shape = head.shape
        for (at, column, count) in [(head.prefix, 0, head.prefixCount), (head.own, head.prefixCount, head.ownCount)] {
            product(
                dkeys + at, row: shape.KV, beta: 1, s + column, .transposed, aRow: head.keys, x, .stored, bRow: shape.Q,
                M: count, N: shape.D, K: head.queries)
        }
    }
}
