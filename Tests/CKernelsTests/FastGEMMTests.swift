// GEMM of the fast numerics: the exact chain of fast numerics at every level, and products in Double within bfloat16's rounding.

import CKernels
import Testing

extension KernelTests {
    @Suite struct FastGEMM {
        /// bfloat16 to nearest even as float32, denormals to zero.
        static func rounded(_ x: Float) -> Float {
            if x.isNaN || x.isInfinite { return x }
            if x.magnitude < .leastNormalMagnitude { return x.sign == .minus ? -0.0 : 0 }
            let word = x.bitPattern
            return Float(bitPattern: (word + 0x7fff + (word >> 16 & 1)) & 0xffff_0000)
        }

        /// One product with A rounded by the kernels.
        struct Product {
            var M: Int
            var N: Int
            var K: Int
            var bTransposed: Bool
            var accumulate: Bool
            var a: [Float]
            var b: StoredMatrix
            var c: [Float]

            init(M: Int, N: Int, K: Int, type: kernel_type = KERNEL_F32, bTransposed: Bool, accumulate: Bool) {
                var numbers = Numbers(UInt64(M * 10000 + N * 100 + K))
                (self.M, self.N, self.K, self.bTransposed, self.accumulate) = (M, N, K, bTransposed, accumulate)
                a = numbers.floats(M * K)
                let columns = bTransposed ? K : N
                b = StoredMatrix(
                    type, rows: bTransposed ? N : K,
                    columns: StoredMatrix.isQuantised(type) ? (columns + 31) / 32 * 32 : columns, numbers: &numbers)
                c = numbers.floats(M * N)
            }

            func run(columns cuts: [Int] = [], rows rowCuts: [Int] = []) -> [Float] {
                var c = c
                let stride = (K + 1) / 2 * 2
                var halves = [UInt16](repeating: 0xffff, count: M * stride + 2)
                kernel_fast_rows(&halves, stride, a, K, M, K)
                b.withMatrix { matrix in
                    withWorkspace(kernel_gemm_workspace_bytes()) { workspace in
                        halves.withUnsafeBufferPointer { a in
                            c.withUnsafeMutableBufferPointer { c in
                                guard let a = a.baseAddress, let c = c.baseAddress else { return }
                                let rows = [0] + rowCuts + [M]
                                let columns = [0] + cuts + [N]
                                for (top, bottom) in zip(rows, rows.dropFirst()) {
                                    for (first, last) in zip(columns, columns.dropFirst()) {
                                        var term = kernel_term(
                                            a: a + top * stride, a_row: stride, K: K, b: matrix.pointee,
                                            b_transposed: bTransposed ? 1 : 0, scale: 1, mask: nil, mask_row: 0)
                                        var target = kernel_target(
                                            c + top * N, N, accumulate, bottom - top, first, last)
                                        kernel_fast_gemm_sum(&target, &term, 1, workspace)
                                    }
                                }
                            }
                        }
                    }
                }
                return c
            }

            private func weight(_ values: [Float], _ k: Int, _ n: Int) -> Float {
                FastGEMM.rounded(bTransposed ? values[n * b.columns + k] : values[k * b.columns + n])
            }

            /// The definition of fast numerics word for word, for numbers far from denormals: pairs of k in order, the odd k first.
            func reference() -> [Float] {
                var c = c
                let values = b.values()
                for m in 0..<M {
                    for n in 0..<N {
                        var total: Float = accumulate ? c[m * N + n] : 0
                        for start in stride(from: 0, to: K, by: KERNEL_FAST_K_BLOCK) {
                            let end = min(K, start + KERNEL_FAST_K_BLOCK)
                            var sum: Float = 0
                            for k in stride(from: start, to: end, by: 2) {
                                if k + 1 < end {
                                    sum.addProduct(FastGEMM.rounded(a[m * K + k + 1]), weight(values, k + 1, n))
                                }
                                sum.addProduct(FastGEMM.rounded(a[m * K + k]), weight(values, k, n))
                            }
                            total = start == 0 && !accumulate ? sum : total + sum
                        }
                        c[m * N + n] = total
                    }
                }
                return c
            }

            /// The product of the unrounded inputs in Double, and the sum of the terms' magnitudes.
            func inDouble() -> [(sum: Double, size: Double)] {
                let values = b.values()
                return (0..<M * N).map { place in
                    let (m, n) = (place / N, place % N)
                    var (sum, size) = (accumulate ? Double(c[place]) : 0, 0.0)
                    for k in 0..<K {
                        let value = bTransposed ? values[n * b.columns + k] : values[k * b.columns + n]
                        sum += Double(a[m * K + k]) * Double(value)
                        size += abs(Double(a[m * K + k]) * Double(value))
                    }
                    return (sum, size)
                }
            }
        }

        @Test func smallShapesAreTheClasssChains() {
            for M in [1, 2, 3, 7, 8, 9, 17] {
                for N in [1, 15, 16, 17, 31, 47, 48, 49, 97] {
                    for K in [0, 1, 2, 3, 16, 17, 33, 64, 65] {
                        let product = Product(M: M, N: N, K: K, bTransposed: (M + K) % 2 == 0, accumulate: N % 2 == 0)
                        let c = sameBits("M \(M) N \(N) K \(K)") { product.run() }
                        expectBits(c, product.reference(), "the class, M \(M) N \(N) K \(K)")
                    }
                }
            }
        }

        @Test(arguments: [true, false], [true, false])
        func everyTypeIsTheClasssChain(bTransposed: Bool, accumulate: Bool) {
            for type in StoredMatrix.types {
                for (M, N, K) in [(3, 160, 64), (9, 53, 71), (11, 96, 1056), (70, 224, 64)] {
                    let product = Product(
                        M: M, N: N, K: K, type: type, bTransposed: bTransposed, accumulate: accumulate)
                    let c = sameBits("type \(type) M \(M) N \(N) K \(K)") { product.run() }
                    expectBits(c, product.reference(), "the class, type \(type) M \(M) N \(N) K \(K)")
                }
            }
        }

        @Test func splittingColumnsAndRowsChangesNothing() {
            for type in StoredMatrix.types {
                let product = Product(M: 21, N: 192, K: 1100, type: type, bTransposed: true, accumulate: true)
                let whole = product.run()
                for columns in [[48, 96, 144], [16, 32], [5, 53, 101, 180]] {
                    for rows in [[], [8, 16], [3, 18]] {
                        expectBits(product.run(columns: columns, rows: rows), whole, "cut at \(columns), \(rows)")
                    }
                }
            }
        }

        @Test func levelsAgreeOnDenormals() {
            var product = Product(M: 9, N: 33, K: 40, bTransposed: true, accumulate: true)
            let scales: [Float] = [1, 0x1p-60, 0x1p-70, 0x1p-120, 0x1p-127, 0x1p-140]
            for i in product.a.indices { product.a[i] *= scales[i % 6] * scales[i % 5] }
            for i in product.c.indices { product.c[i] *= scales[i % 6] }
            _ = sameBits { product.run() }
        }

        @Test func agreesWithProductsInDouble() {
            for type in StoredMatrix.types {
                for bTransposed in [true, false] {
                    let product = Product(M: 33, N: 96, K: 576, type: type, bTransposed: bTransposed, accumulate: true)
                    for (found, expected) in zip(product.run(), product.inDouble()) {
                        // Two inputs rounded to 8 bits: each term is off by 2^-8 of itself at most; float32 adds little.
                        #expect(abs(Double(found) - expected.sum) <= 0x1p-8 * expected.size + 1e-4)
                    }
                }
            }
        }

        @Test func roundingIsToNearestEven() {
            var numbers = Numbers(9)
            var x = (0..<4001).map { _ in Float(bitPattern: UInt32(truncatingIfNeeded: numbers.word())) }
            x += [0, -0.0, .infinity, -.infinity, .nan, .leastNonzeroMagnitude, -1e-39, 0x1.01p0, 0x1.03p0, 0x1.ffp127]
            let found = sameBits {
                var halves = [UInt16](repeating: 1, count: x.count + 1)
                kernel_fast_rows(&halves, x.count + 1, x, x.count, 1, x.count)
                return halves.map { Float(bitPattern: UInt32($0) << 16) }
            }
            expectBits(found, x.map(Self.rounded) + [0])
            let paired = sameBits {
                var pairs = [UInt32](repeating: 1, count: 2 * 17)
                kernel_fast_pairs(&pairs, x, 3, 17)
                return pairs.flatMap { [Float(bitPattern: $0 << 16), Float(bitPattern: $0 & 0xffff_0000)] }
            }
            let rows = (0..<4).map { row in (0..<17).map { row < 3 ? Self.rounded(x[row * 17 + $0]) : 0 } }
            expectBits(paired, [0, 2].flatMap { row in (0..<17).flatMap { [rows[row][$0], rows[row + 1][$0]] } })
        }

        /// u^T y over rows, as in the gradients of adapters, against the product that packs y and transposes u.
        @Test(arguments: [1, 2, 31, 335, 1024, 1025, 2300])
        func productsOverRowsAreThoseOfTheGEMM(T: Int) {
            for (rank, N) in [(1, 1), (3, 17), (8, 48), (16, 96), (21, 83), (32, 15)] {
                let stride = (N + 1) / 2 * 2
                let product = Product(M: rank, N: N, K: T, bTransposed: false, accumulate: true)
                let expected = product.run()
                let y = product.b.values()
                let u = (0..<T * rank).map { product.a[$0 % rank * T + $0 / rank] }
                for columns in [[0, N], [0, N / 2, N]] {
                    let found = sameBits("T \(T) rank \(rank) N \(N)") {
                        var pairs = [UInt32](repeating: 0, count: (T + 1) / 2 * rank)
                        kernel_fast_pairs(&pairs, u, T, rank)
                        // The kernel must not read what follows the last column or the last row.
                        var halves = [UInt16](repeating: 0x7fc0, count: T * stride)
                        kernel_fast_rows(&halves, stride, y, N, T, N)
                        var c = product.c
                        c.withUnsafeMutableBufferPointer { c in
                            guard let c = c.baseAddress else { return }
                            for (first, last) in zip(columns, columns.dropFirst()) {
                                var target = kernel_target(c, N, true, rank, first, last)
                                kernel_fast_cross(&target, pairs, halves, stride, T)
                            }
                        }
                        return c
                    }
                    expectBits(found, expected, "T \(T) rank \(rank) N \(N)")
                }
            }
        }
    }
}
