// Attention: against a double-precision reference and finite differences of it; a query's bits do not depend on the other queries of a
// call.

import CKernels
import Foundation
import Testing

extension KernelTests {
    @Suite struct Attention {
        /// Float32 softmax and sums of a few hundred terms of size 1: a few tens of roundings of 6e-8.
        static let tolerance = 4e-6
        /// Gradients sum over hundreds of queries as well.
        static let gradientTolerance = 2e-5

        /// One head; its rows are parts of wider rows, as in a model.
        struct Head {
            let prefix: Int
            let ownOffset: Int
            let queries: Int
            let D: Int
            let window: Int
            let qRow: Int
            let prefixRow: Int
            let ownRow: Int
            var q: [Float]
            var prefixKeys: [Float]
            var prefixValues: [Float]
            var ownKeys: [Float]
            var ownValues: [Float]
            var dout: [Float]
            var start: [Float]

            init(
                prefix: Int, ownOffset: Int, queries: Int, D: Int, sharpness: Float = 1, window: Int = 0,
                seed: UInt64 = 1
            ) {
                var numbers = Numbers(seed)
                (self.prefix, self.ownOffset, self.queries, self.D) = (prefix, ownOffset, queries, D)
                self.window = window
                (qRow, prefixRow, ownRow) = (D + 3, D + 1, D + 2)
                // Exactly as long as the last row needs, so that a read beyond it would leave the memory.
                func rows(_ count: Int, _ row: Int) -> [Float] {
                    count == 0 ? [] : numbers.floats((count - 1) * row + D)
                }
                q = rows(queries, qRow).map { $0 * sharpness }
                prefixKeys = rows(prefix, prefixRow)
                prefixValues = rows(prefix, prefixRow)
                ownKeys = rows(ownOffset + queries, ownRow)
                ownValues = rows(ownOffset + queries, ownRow)
                dout = rows(queries, qRow)
                start = numbers.floats(max(q.count, prefixKeys.count, ownKeys.count))
            }

            var scale: Float { 1 / Float(D).squareRoot() }

            struct Outputs {
                var out: [Float]
                var logSumExp: [Float]
            }

            struct Gradients {
                var dq: [Float]
                var dPrefixKeys: [Float]
                var dPrefixValues: [Float]
                var dOwnKeys: [Float]
                var dOwnValues: [Float]
                var all: [Float] { dq + dPrefixKeys + dPrefixValues + dOwnKeys + dOwnValues }
            }

            private func span(_ body: (inout kernel_attention_span) -> Void) {
                prefixKeys.withUnsafeBufferPointer { prefixKeys in
                    prefixValues.withUnsafeBufferPointer { prefixValues in
                        ownKeys.withUnsafeBufferPointer { ownKeys in
                            ownValues.withUnsafeBufferPointer { ownValues in
                                var span = kernel_attention_span(
                                    prefix_keys: prefixKeys.baseAddress, prefix_values: prefixValues.baseAddress,
                                    own_keys: ownKeys.baseAddress, own_values: ownValues.baseAddress,
                                    prefix_row: prefixRow, own_row: ownRow, prefix_count: prefix,
                                    own_offset: ownOffset, D: D, scale: scale, window: window)
                                body(&span)
                            }
                        }
                    }
                }
            }

            private func ranges(_ cuts: [Int]) -> [Range<Int>] {
                zip([0] + cuts, cuts + [queries]).map { $0..<$1 }
            }

            /// Forward, the queries cut into calls.
            func forward(cuts: [Int] = []) -> Outputs {
                var out = [Float](repeating: .nan, count: q.count)
                var logSumExp = [Float](repeating: .nan, count: queries)
                span { span in
                    withWorkspace(kernel_attention_scratch_bytes(D)) { scratch in
                        for range in ranges(cuts) {
                            span.own_offset = ownOffset + range.lowerBound
                            let first = range.lowerBound * qRow
                            q.withUnsafeBufferPointer { q in
                                out.withUnsafeMutableBufferPointer { out in
                                    logSumExp.withUnsafeMutableBufferPointer { lse in
                                        guard let q = q.baseAddress, let out = out.baseAddress,
                                            let lse = lse.baseAddress
                                        else { return }
                                        var queries = kernel_attention_queries(
                                            q: q + first, q_row: qRow, out: out + first, out_row: qRow,
                                            log_sum_exp: lse + range.lowerBound, count: range.count)
                                        kernel_attention_forward(&queries, &span, scratch)
                                    }
                                }
                            }
                        }
                    }
                }
                return Outputs(out: out, logSumExp: logSumExp)
            }

            /// Backward into buffers that hold `start` (or zeros), the queries cut into calls.
            func backward(_ outputs: Outputs, fromZero: Bool = false, cuts: [Int] = []) -> Gradients {
                func begin(_ count: Int) -> [Float] {
                    fromZero ? [Float](repeating: 0, count: count) : Array(start.prefix(count))
                }
                var g = Gradients(
                    dq: begin(q.count), dPrefixKeys: begin(prefixKeys.count), dPrefixValues: begin(prefixKeys.count),
                    dOwnKeys: begin(ownKeys.count), dOwnValues: begin(ownKeys.count))
                var dqs = g.dq
                span { span in
                    withWorkspace(kernel_attention_scratch_bytes(D)) { scratch in
                        for range in ranges(cuts) {
                            span.own_offset = ownOffset + range.lowerBound
                            let first = range.lowerBound * qRow
                            dqs.withUnsafeMutableBufferPointer { dq in
                                q.withUnsafeBufferPointer { q in
                                    dout.withUnsafeBufferPointer { dout in
                                        outputs.out.withUnsafeBufferPointer { out in
                                            outputs.logSumExp.withUnsafeBufferPointer { lse in
                                                guard let dq = dq.baseAddress, let q = q.baseAddress,
                                                    let dout = dout.baseAddress, let out = out.baseAddress,
                                                    let lse = lse.baseAddress
                                                else { return }
                                                var queries = kernel_attention_queries(
                                                    q: q + first, q_row: qRow,
                                                    out: UnsafeMutablePointer(mutating: out + first), out_row: qRow,
                                                    log_sum_exp: UnsafeMutablePointer(
                                                        mutating: lse + range.lowerBound), count: range.count)
                                                withKeyGradients(&g) { gradients in
                                                    gradients.dout = dout + first
                                                    (gradients.dq, gradients.dq_row) = (dq + first, qRow)
                                                    kernel_attention_backward(&gradients, &queries, &span, scratch)
                                                }
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
                g.dq = dqs
                return g
            }

            /// The gradients of keys and values as the kernel takes them.
            private func withKeyGradients(
                _ g: inout Gradients, _ body: (inout kernel_attention_gradients) -> Void
            ) {
                g.dPrefixKeys.withUnsafeMutableBufferPointer { prefixKeys in
                    g.dPrefixValues.withUnsafeMutableBufferPointer { prefixValues in
                        g.dOwnKeys.withUnsafeMutableBufferPointer { ownKeys in
                            g.dOwnValues.withUnsafeMutableBufferPointer { ownValues in
                                var gradients = kernel_attention_gradients(
                                    dout: nil, dq: nil, dq_row: 0, dprefix_keys: prefixKeys.baseAddress,
                                    dprefix_values: prefixValues.baseAddress, dprefix_row: prefixRow,
                                    down_keys: ownKeys.baseAddress, down_values: ownValues.baseAddress,
                                    down_row: ownRow)
                                body(&gradients)
                            }
                        }
                    }
                }
            }

            // The reference, in double, element by element.

            private func key(_ j: Int, _ d: Int) -> Double {
                Double(j < prefix ? prefixKeys[j * prefixRow + d] : ownKeys[(j - prefix) * ownRow + d])
            }

            private func value(_ j: Int, _ d: Int) -> Double {
                Double(j < prefix ? prefixValues[j * prefixRow + d] : ownValues[(j - prefix) * ownRow + d])
            }

            /// The weights of query i.
            private func weights(_ i: Int) -> (weights: [Double], logSumExp: Double) {
                let last = prefix + ownOffset + i
                let scores = (0...last).map { j in
                    window > 0 && j <= last - window
                        ? -Double.infinity
                        : (0..<D).reduce(0.0) { $0 + Double(q[i * qRow + $1]) * key(j, $1) } * Double(scale)
                }
                let largest = scores.max() ?? 0
                let sum = scores.reduce(0) { $0 + exp($1 - largest) }
                return (scores.map { exp($0 - largest) / sum }, largest + log(sum))
            }

            func referenceForward() -> (out: [Double], logSumExp: [Double]) {
                var out: [Double] = []
                var logSumExp: [Double] = []
                for i in 0..<queries {
                    let (p, lse) = weights(i)
                    logSumExp.append(lse)
                    out += (0..<D).map { d in p.indices.reduce(0.0) { $0 + p[$1] * value($1, d) } }
                }
                return (out, logSumExp)
            }

            /// sum(dout * out), the loss of finite differences.
            func referenceLoss() -> Double {
                let out = referenceForward().out
                return (0..<queries).reduce(0.0) { loss, i in
                    (0..<D).reduce(loss) { $0 + Double(dout[i * qRow + $1]) * out[i * D + $1] }
                }
            }

            /// dq, dk, dv (prefix first) as dense rows of D.
            func referenceBackward() -> (dq: [Double], dk: [Double], dv: [Double]) {
                let keys = prefix + ownOffset + queries
                var dq = [Double](repeating: 0, count: queries * D)
                var dk = [Double](repeating: 0, count: keys * D)
                var dv = dk
                for i in 0..<queries {
                    let (p, _) = weights(i)
                    let dp = p.indices.map { j in
                        (0..<D).reduce(0.0) { $0 + Double(dout[i * qRow + $1]) * value(j, $1) }
                    }
                    let delta = zip(p, dp).reduce(0.0) { $0 + $1.0 * $1.1 }
                    for j in p.indices {
                        let ds = p[j] * (dp[j] - delta) * Double(scale)
                        for d in 0..<D {
                            dq[i * D + d] += ds * key(j, d)
                            dk[j * D + d] += ds * Double(q[i * qRow + d])
                            dv[j * D + d] += p[j] * Double(dout[i * qRow + d])
                        }
                    }
                }
                return (dq, dk, dv)
            }

            /// Rows of D out of rows of `row`.
            func dense(_ x: [Float], row: Int, count: Int) -> [Float] {
                (0..<count).flatMap { t in x[t * row..<t * row + D] }
            }
        }

        static let heads: [Head] = [
            Head(prefix: 0, ownOffset: 0, queries: 1, D: 8),
            Head(prefix: 0, ownOffset: 0, queries: 7, D: 16, sharpness: 20),
            Head(prefix: 3, ownOffset: 0, queries: 9, D: 8),
            Head(prefix: 0, ownOffset: 5, queries: 20, D: 24),
            Head(prefix: 97, ownOffset: 50, queries: 1, D: 64),
            Head(prefix: 200, ownOffset: 90, queries: 70, D: 64, sharpness: 8),
            Head(prefix: 0, ownOffset: 0, queries: 203, D: 64),
            Head(prefix: 96, ownOffset: 96, queries: 65, D: 20),
            Head(prefix: 13, ownOffset: 1, queries: 33, D: 256),
            Head(prefix: 0, ownOffset: 0, queries: 203, D: 16, window: 1),
            Head(prefix: 7, ownOffset: 2, queries: 150, D: 24, sharpness: 8, window: 17),
            Head(prefix: 200, ownOffset: 90, queries: 70, D: 16, window: 100),
            Head(prefix: 96, ownOffset: 96, queries: 65, D: 20, window: 96),
            Head(prefix: 3, ownOffset: 0, queries: 9, D: 8, window: 500),
        ]

        @Test(arguments: heads.indices) func forwardIsTheSoftmaxOfTheReference(index: Int) {
            let head = Self.heads[index]
            let outputs = atEveryLevel { head.forward() }
            let (out, logSumExp) = head.referenceForward()
            for result in outputs {
                let dense = head.dense(result.out, row: head.qRow, count: head.queries)
                expectClose(dense, out, tolerance: Self.tolerance, "out")
                expectClose(result.logSumExp, logSumExp, tolerance: Self.tolerance, "log_sum_exp")
                expectBits(result.out, outputs[0].out, "levels")
                expectBits(result.logSumExp, outputs[0].logSumExp, "levels")
                // The kernel must not change what is between the rows.
                #expect(result.out.enumerated().allSatisfy { $0.offset % head.qRow < head.D || $0.element.isNaN })
            }
        }

        @Test(arguments: heads.indices) func backwardAddsTheReferencesGradients(index: Int) {
            let head = Self.heads[index]
            let outputs = head.forward()
            let (dq, dk, dv) = head.referenceBackward()
            let gradients = atEveryLevel { head.backward(outputs, fromZero: true) }
            let own = head.ownOffset + head.queries
            for g in gradients {
                let (tolerance, D) = (Self.gradientTolerance, head.D)
                expectClose(head.dense(g.dq, row: head.qRow, count: head.queries), dq, tolerance: tolerance, "dq")
                let prefixKeys = head.dense(g.dPrefixKeys, row: head.prefixRow, count: head.prefix)
                let prefixValues = head.dense(g.dPrefixValues, row: head.prefixRow, count: head.prefix)
                expectClose(prefixKeys, Array(dk.prefix(head.prefix * D)), tolerance: tolerance, "prefix dk")
                expectClose(prefixValues, Array(dv.prefix(head.prefix * D)), tolerance: tolerance, "prefix dv")
                let ownKeys = head.dense(g.dOwnKeys, row: head.ownRow, count: own)
                let ownValues = head.dense(g.dOwnValues, row: head.ownRow, count: own)
                expectClose(ownKeys, Array(dk.dropFirst(head.prefix * D)), tolerance: tolerance, "own dk")
                expectClose(ownValues, Array(dv.dropFirst(head.prefix * D)), tolerance: tolerance, "own dv")
                expectBits(g.all, gradients[0].all, "levels")
            }
            // The backward pass adds: earlier values remain in the sum, and outside the rows nothing changes.
            let added = head.backward(outputs)
            let zero = gradients[0].all
            let before = [head.q, head.prefixKeys, head.prefixKeys, head.ownKeys, head.ownKeys]
                .flatMap { head.start.prefix($0.count) }
            expectClose(
                added.all, zip(zero, before).map { Double($0) + Double($1) }, tolerance: Self.gradientTolerance, "adds")
        }

        @Test func referenceGradientsAreFiniteDifferences() {
            // Central differences in double with step 2^-10 in the (float) inputs: error of the order of the step squared.
            let step: Float = 0x1p-10
            let tolerance = 1e-5
            let head = Head(prefix: 3, ownOffset: 2, queries: 5, D: 8)
            let (dq, dk, dv) = head.referenceBackward()
            func slope(_ path: WritableKeyPath<Head, [Float]>, _ i: Int) -> Double {
                var (above, below) = (head, head)
                above[keyPath: path][i] += step
                below[keyPath: path][i] -= step
                let width = Double(above[keyPath: path][i]) - Double(below[keyPath: path][i])
                return (above.referenceLoss() - below.referenceLoss()) / width
            }
            for d in 0..<8 {
                for i in 0..<5 { #expect(abs(slope(\.q, i * head.qRow + d) - dq[i * 8 + d]) < tolerance) }
                for j in 0..<3 {
                    #expect(abs(slope(\.prefixKeys, j * head.prefixRow + d) - dk[j * 8 + d]) < tolerance)
                    #expect(abs(slope(\.prefixValues, j * head.prefixRow + d) - dv[j * 8 + d]) < tolerance)
                }
                for j in 0..<7 {
                    #expect(abs(slope(\.ownKeys, j * head.ownRow + d) - dk[(3 + j) * 8 + d]) < tolerance)
                    #expect(abs(slope(\.ownValues, j * head.ownRow + d) - dv[(3 + j) * 8 + d]) < tolerance)
                }
            }
        }

        @Test(arguments: heads.indices) func companyChangesNoBit(index: Int) {
            let head = Self.heads[index]
            let whole = head.forward()
            let gradients = head.backward(whole)
            for cuts in [Array(1..<head.queries), Array(stride(from: 5, to: head.queries, by: 37))] {
                for result in atEveryLevel({ head.forward(cuts: cuts) }) {
                    expectBits(result.out, whole.out, "out")
                    expectBits(result.logSumExp, whole.logSumExp, "log_sum_exp")
                }
                for result in atEveryLevel({ head.backward(whole, cuts: cuts) }) {
                    expectBits(result.all, gradients.all, "gradients")
                }
            }
        }
    }
}
