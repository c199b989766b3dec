// Decoding kernels: grouped products give GEMM's bits, attention over a packed cache gives attention's.

import CKernels
import Testing

extension KernelTests {
    @Suite struct Grouped {
        /// a [M, K] times a grouped weight [N, K], regrouped and multiplied in parts.
        private static func grouped(
            _ start: [Float], _ a: [Float], _ weight: StoredMatrix, M: Int, accumulate: Bool, rowCut: Int,
            columnCut: Int
        ) -> [Float] {
            var c = start
            let (N, K) = (weight.rows, weight.columns)
            let bytes = kernel_grouped_bytes(Int32(weight.type.rawValue), N, K)
            withWorkspace(bytes) { memory in
                memory.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
                weight.withMatrix { matrix in
                    kernel_group_rows(memory, matrix, 0, rowCut)
                    kernel_group_rows(memory, matrix, rowCut, N)
                }
                var form = kernel_grouped(data: memory, rows: N, columns: K, type: Int32(weight.type.rawValue))
                withWorkspace(kernel_gemm_workspace_bytes()) { workspace in
                    c.withUnsafeMutableBufferPointer { c in
                        guard let c = c.baseAddress else { return }
                        for (first, last) in [(0, columnCut), (columnCut, N)] where first < last {
                            var target = kernel_target(c, N, accumulate, M, first, last)
                            kernel_grouped_product(&target, a, K, &form, workspace)
                        }
                    }
                }
            }
            return c
        }

        private static func gemm(
            _ start: [Float], _ a: [Float], _ weight: StoredMatrix, M: Int, accumulate: Bool
        ) -> [Float] {
            var c = start
            weight.withMatrix { matrix in
                withWorkspace(kernel_gemm_workspace_bytes()) { workspace in
                    c.withUnsafeMutableBufferPointer { c in
                        guard let c = c.baseAddress else { return }
                        var target = kernel_target(c, weight.rows, accumulate, M, 0, weight.rows)
                        kernel_gemm(&target, a, weight.columns, 1, matrix, 1, weight.columns, workspace)
                    }
                }
            }
            return c
        }

        @Test(arguments: [true, false])
        func everyTypeAndCountOfRowsHasTheBitsOfGEMM(accumulate: Bool) {
            for type in StoredMatrix.types {
                let quantised = StoredMatrix.isQuantised(type)
                for M in Array(1...14) + [23, 24, 35, 36, 37, 64, 65, 83] {
                    let many = M > 14
                    for (N, K) in quantised
                        ? [(16, 32), (49, 96), (many ? 33 : 130, 576)]
                        : [(1, 1), (16, 16), (37, 33), (many ? 17 : 70, 545)]
                    {
                        var numbers = Numbers(UInt64(M * 1000 + N))
                        let weight = StoredMatrix(type, rows: N, columns: K, padding: 4, numbers: &numbers)
                        let a = numbers.floats(M * K)
                        let start = numbers.floats(M * N)
                        let expected = Self.gemm(start, a, weight, M: M, accumulate: accumulate)
                        let found = sameBits("type \(type) M \(M) N \(N) K \(K)") {
                            Self.grouped(
                                start, a, weight, M: M, accumulate: accumulate, rowCut: N > 32 ? 16 : 0,
                                columnCut: N > 40 ? 32 : 0)
                        }
                        expectBits(found, expected, "GEMM, type \(type) M \(M) N \(N) K \(K)")
                    }
                }
            }
        }

        /// The scales of a block's parts take a byte each, also where they are stored in six bits.
        @Test func isAsSmallAsTheStoredForm() {
            let bits: [(kernel_type, Double)] = [
                (KERNEL_F32, 32), (KERNEL_F16, 16), (KERNEL_BF16, 16), (KERNEL_Q4_0, 4.5), (KERNEL_Q4_1, 5),
                (KERNEL_Q8_0, 8.5), (KERNEL_Q5_0, 5.5), (KERNEL_Q5_1, 6), (KERNEL_Q4_K, 4.625), (KERNEL_Q5_K, 5.625),
                (KERNEL_Q6_K, 6.5625), (KERNEL_NF4, 4.5), (KERNEL_NF4_DOUBLE, 4.5),
            ]
            for (type, bits) in bits {
                #expect(Double(kernel_grouped_bytes(Int32(type.rawValue), 32, 2048)) * 8 == bits * 32 * 2048)
            }
        }

        /// Keys and values of a prefix and of a sequence, and queries of several heads.
        private struct Heads {
            let D: Int
            let heads: Int
            let prefix: Int
            let ownOffset: Int
            let queries: Int
            let window: Int
            let q: [Float]
            let keys: [Float]
            let values: [Float]

            init(D: Int, heads: Int, prefix: Int, ownOffset: Int, queries: Int, window: Int) {
                var numbers = Numbers(UInt64(D + prefix + ownOffset))
                (self.D, self.heads, self.prefix, self.ownOffset, self.queries) = (D, heads, prefix, ownOffset, queries)
                self.window = window
                q = numbers.floats(queries * heads * D).map { $0 * 3 }
                keys = numbers.floats((prefix + ownOffset + queries) * D)
                values = numbers.floats((prefix + ownOffset + queries) * D)
            }

            func plain() -> [Float] {
                var out = [Float](repeating: .nan, count: q.count)
                var lse = [Float](repeating: 0, count: queries)
                keys.withUnsafeBufferPointer { keys in
                    values.withUnsafeBufferPointer { values in
                        q.withUnsafeBufferPointer { q in
                            out.withUnsafeMutableBufferPointer { out in
                                guard let k = keys.baseAddress, let v = values.baseAddress, let q = q.baseAddress,
                                    let out = out.baseAddress
                                else { return }
                                var span = kernel_attention_span(
                                    prefix_keys: k, prefix_values: v, own_keys: k + prefix * D,
                                    own_values: v + prefix * D, prefix_row: D, own_row: D, prefix_count: prefix,
                                    own_offset: ownOffset, D: D, scale: 0.3, window: window)
                                withWorkspace(kernel_attention_scratch_bytes(D)) { scratch in
                                    for head in 0..<heads {
                                        lse.withUnsafeMutableBufferPointer { lse in
                                            var queries = kernel_attention_queries(
                                                q: q + head * D, q_row: heads * D, out: out + head * D,
                                                out_row: heads * D, log_sum_exp: lse.baseAddress, count: queries)
                                            kernel_attention_forward(&queries, &span, scratch)
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
                return out
            }

            /// The queries in calls of `step`, each after its own keys were appended; caches begin as NaNs. The first `copied` own keys
            /// come from another cache.
            func cached(step: Int, copied: Int) -> [Float] {
                var out = [Float](repeating: .nan, count: q.count)
                let sizes = [prefix + copied, ownOffset + queries].map { kernel_cache_floats($0, D) }
                keys.withUnsafeBufferPointer { keys in
                    values.withUnsafeBufferPointer { values in
                        withWorkspace(max(4, sizes[0] * 4)) { prefixMemory in
                            withWorkspace(sizes[1] * 4) { ownMemory in
                                withWorkspace(kernel_cached_attention_scratch_bytes(D)) { scratch in
                                    guard let k = keys.baseAddress, let v = values.baseAddress else { return }
                                    let first = prefixMemory.assumingMemoryBound(to: Float.self)
                                    let own = ownMemory.assumingMemoryBound(to: Float.self)
                                    kernel_cache_append(first, 0, k, v, D, prefix + copied, D)
                                    kernel_cache_copy(own, 0, first, prefix, copied, D)
                                    kernel_cache_append(
                                        own, copied, k + (prefix + copied) * D, v + (prefix + copied) * D, D,
                                        ownOffset - copied, D)
                                    for query in stride(from: 0, to: queries, by: step) {
                                        let count = min(step, queries - query)
                                        let at = ownOffset + query
                                        kernel_cache_append(
                                            own, at, k + (prefix + at) * D, v + (prefix + at) * D, D, count, D)
                                        var span = kernel_cached_span(
                                            prefix: first, own: own, prefix_count: prefix, own_offset: at, D: D,
                                            scale: 0.3, window: window)
                                        q.withUnsafeBufferPointer { q in
                                            out.withUnsafeMutableBufferPointer { out in
                                                guard let q = q.baseAddress, let out = out.baseAddress else { return }
                                                kernel_cached_attention(
                                                    out + query * heads * D, heads * D, q + query * heads * D,
                                                    heads * D,
                                                    count, heads, &span, scratch)
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
                return out
            }
        }

        @Test func attentionOverACacheHasTheBitsOfAttention() {
            for (D, heads) in [(6, 2), (16, 1), (40, 3), (64, 3)] {
                for (prefix, ownOffset, queries, window) in [
                    (0, 0, 1, 0), (0, 0, 30, 0), (96, 0, 7, 0), (96, 14, 1, 0), (192, 40, 9, 0), (0, 95, 3, 0),
                    (96, 191, 5, 0), (0, 130, 70, 0), (0, 0, 30, 1), (192, 40, 9, 20), (96, 191, 5, 100),
                    (0, 130, 70, 96),
                ] {
                    let work = Heads(
                        D: D, heads: heads, prefix: prefix, ownOffset: ownOffset, queries: queries, window: window)
                    let expected = work.plain()
                    for step in [1, 4, queries] {
                        let found = sameBits("D \(D) prefix \(prefix) own \(ownOffset)") {
                            work.cached(step: step, copied: ownOffset / 2)
                        }
                        expectBits(found, expected, "attention, D \(D) prefix \(prefix) own \(ownOffset) step \(step)")
                    }
                }
            }
        }
    }
}
