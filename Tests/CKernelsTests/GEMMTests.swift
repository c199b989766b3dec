// GEMM: the exact chain of the contract at every level, and OpenBLAS within float32 noise.

import CKernels
import COpenBLAS
import Testing

extension KernelTests {
    @Suite struct GEMM {
        /// One product: A with strides, B stored either way, C with a row of its own.
        struct Product {
            var M: Int
            var N: Int
            var K: Int
            var accumulate = false
            var aTransposed = false
            var bTransposed = false
            var columns: Range<Int>?
            var a: [Float]
            var b: StoredMatrix
            var c: [Float]
            var aStrides: (row: Int, column: Int)
            var cRow: Int

            init(
                M: Int, N: Int, K: Int, type: kernel_type = KERNEL_F32, bTransposed: Bool, accumulate: Bool = false,
                aStrides: (row: Int, column: Int)? = nil, padding: Int = 0, bColumns: Int? = nil, seed: UInt64 = 1
            ) {
                var numbers = Numbers(seed)
                (self.M, self.N, self.K, self.bTransposed, self.accumulate) = (M, N, K, bTransposed, accumulate)
                self.aStrides = aStrides ?? (K, 1)
                let last = max(M - 1, 0) * self.aStrides.row + max(K - 1, 0) * self.aStrides.column
                a = numbers.floats(last + 1)
                b = StoredMatrix(
                    type, rows: bTransposed ? N : K, columns: bColumns ?? (bTransposed ? K : N), padding: padding * 4,
                    numbers: &numbers)
                cRow = N + padding
                c = numbers.floats(M * cRow)
            }

            /// c after the product; `split` says at which columns and rows the work is cut into calls.
            func run(columns cuts: [Int] = [], rows rowCuts: [Int] = []) -> [Float] {
                var c = c
                b.withMatrix { matrix in
                    withWorkspace(kernel_gemm_workspace_bytes()) { workspace in
                        a.withUnsafeBufferPointer { a in
                            c.withUnsafeMutableBufferPointer { c in
                                guard let a = a.baseAddress, let c = c.baseAddress else { return }
                                let rows = [0] + rowCuts + [M]
                                let columns = [0] + cuts + [N]
                                for (top, bottom) in zip(rows, rows.dropFirst()) {
                                    for (first, last) in zip(columns, columns.dropFirst()) {
                                        var target = kernel_target(
                                            c + top * cRow, cRow, accumulate, bottom - top, first, last)
                                        kernel_gemm(
                                            &target, a + top * aStrides.row, aStrides.row, aStrides.column, matrix,
                                            bTransposed ? 1 : 0, K, workspace)
                                    }
                                }
                            }
                        }
                    }
                }
                return c
            }

            /// The contract word for word: chains of fused multiply-add over k in blocks, block sums added in order.
            func reference() -> [Float] {
                var c = c
                let values = b.values()
                for m in 0..<M {
                    for n in 0..<N {
                        var total: Float = accumulate ? c[m * cRow + n] : 0
                        for start in stride(from: 0, to: K, by: KERNEL_K_BLOCK) {
                            var sum: Float = 0
                            for k in start..<min(K, start + KERNEL_K_BLOCK) {
                                let weight = bTransposed ? values[n * b.columns + k] : values[k * b.columns + n]
                                sum.addProduct(a[m * aStrides.row + k * aStrides.column], weight)
                            }
                            total = start == 0 && !accumulate ? sum : total + sum
                        }
                        c[m * cRow + n] = total
                    }
                }
                return c
            }
        }

        @Test func smallShapesAreTheContractsChains() {
            for M in 1...18 {
                for N in [1, 7, 15, 16, 17, 31, 47, 48, 49, 97] {
                    for K in [0, 1, 2, 15, 16, 17, 33] {
                        let product = Product(
                            M: M, N: N, K: K, bTransposed: (M + K) % 2 == 0, accumulate: N % 2 == 0,
                            padding: M % 3, seed: UInt64(M * 10000 + N * 100 + K))
                        let c = sameBits("M \(M) N \(N) K \(K)") { product.run() }
                        expectBits(c, product.reference(), "contract, M \(M) N \(N) K \(K)")
                    }
                }
            }
        }

        @Test(arguments: [true, false], [true, false])
        func everyTypeIsTheContractsChain(bTransposed: Bool, accumulate: Bool) {
            for type in StoredMatrix.types {
                for (M, N, K) in [(1, 64, 96), (3, 160, 64), (8, 96, 576), (9, 32, 544), (33, 96, 1056), (70, 224, 64)]
                {
                    let product = Product(
                        M: M, N: N, K: K, type: type, bTransposed: bTransposed, accumulate: accumulate, padding: 1,
                        seed: UInt64(K))
                    let c = sameBits("type \(type) M \(M) N \(N) K \(K)") { product.run() }
                    expectBits(c, product.reference(), "contract, type \(type) M \(M) N \(N) K \(K)")
                }
            }
        }

        @Test func oddShapesOfEveryType() {
            for type in StoredMatrix.types {
                // Columns that fill no lane, a depth that fills no block of 32.
                let transposed = Product(M: 13, N: 53, K: 71, type: type, bTransposed: true, bColumns: 96)
                expectBits(sameBits { transposed.run() }, transposed.reference(), "transposed, type \(type)")
                let stored = Product(M: 13, N: 53, K: 71, type: type, bTransposed: false, bColumns: 64)
                expectBits(sameBits { stored.run() }, stored.reference(), "as stored, type \(type)")
                let few = Product(M: 2, N: 53, K: 71, type: type, bTransposed: true, bColumns: 96)
                expectBits(sameBits { few.run() }, few.reference(), "few rows, type \(type)")
            }
        }

        @Test(arguments: StoredMatrix.types.map(\.rawValue), [true, false])
        func splittingColumnsAndRowsChangesNothing(type: UInt32, bTransposed: Bool) {
            let product = Product(
                M: 21, N: 192, K: 544, type: kernel_type(type), bTransposed: bTransposed, accumulate: true)
            let whole = product.run()
            for columns in [
                [48, 96, 144], [1], [5, 53, 101, 180], [16, 32], Array(stride(from: 8, to: 192, by: 24)),
            ] {
                for rows in [[], [8, 16], [3, 18]] {
                    expectBits(
                        sameBits { product.run(columns: columns, rows: rows) }, whole, "cut at \(columns), \(rows)")
                }
            }
        }

        @Test func stridedAIsReadWhereItStands() {
            for (M, N, K) in [(5, 20, 33), (16, 100, 300), (40, 16, 530), (19, 200, 17), (130, 50, 40)] {
                for strides in [(1, M + 3), (K + 5, 1), (2 * K, 2)] {
                    let product = Product(
                        M: M, N: N, K: K, bTransposed: false, accumulate: true, aStrides: strides, seed: 5)
                    let c = sameBits("\(M) \(N) \(K) strides \(strides)") { product.run() }
                    expectBits(c, product.reference(), "contract, \(M) \(N) \(K) strides \(strides)")
                }
            }
        }

        @Test func moreRowsThanAreePackedAtOnce() {
            for strides in [(40, 1), (1, 1040)] {
                let product = Product(M: 1037, N: 113, K: 40, bTransposed: true, aStrides: strides, padding: 3)
                expectBits(sameBits { product.run() }, product.reference())
            }
        }

        @Test func depthZeroClearsOrKeeps() {
            for M in [3, 20] {
                var product = Product(M: M, N: 5, K: 0, bTransposed: true, padding: 2)
                expectBits(sameBits { product.run() }, product.reference())
                product.accumulate = true
                expectBits(sameBits { product.run() }, product.c)
            }
        }

        @Test func agreesWithOpenBLAS() {
            openblas_set_num_threads(1)
            for (M, N, K, bTransposed) in [(64, 576, 576, true), (65, 192, 1536, true), (100, 577, 300, false)] {
                let product = Product(M: M, N: N, K: K, bTransposed: bTransposed)
                let b = product.b.values()
                var expected = [Float](repeating: 0, count: M * N)
                cblas_sgemm(
                    CblasRowMajor, CblasNoTrans, bTransposed ? CblasTrans : CblasNoTrans, Int32(M), Int32(N), Int32(K),
                    1, product.a, Int32(K), b, Int32(bTransposed ? K : N), 0, &expected, Int32(N))
                // Rounding in two orders: the terms are below 1 and errors add up at random, so K epsilon is ample,
                // and a single wrong term is a thousand times more.
                let worst = zip(product.run(), expected).map { abs(Double($0) - Double($1)) }.max() ?? .infinity
                #expect(worst <= Double(K) * 2 * unitRoundoff)
            }
        }
    }

    @Suite struct Matrices {
        @Test func rowsOfEveryTypeAreRead() {
            var numbers = Numbers(3)
            for type in StoredMatrix.types {
                for columns in StoredMatrix.isQuantised(type) ? [32, 96] : [1, 15, 16, 33, 96] {
                    let matrix = StoredMatrix(type, rows: 3, columns: columns, padding: 4, numbers: &numbers)
                    let values = matrix.values()
                    for row in 0..<3 {
                        let read = sameBits {
                            var out = [Float](repeating: .nan, count: columns)
                            matrix.withMatrix { kernel_matrix_row(&out, $0, row) }
                            return out
                        }
                        expectBits(read, Array(values[row * columns..<(row + 1) * columns]), "type \(type) row \(row)")
                    }
                }
            }
        }

        @Test func everyFloat16IsReadExactly() {
            let halves = (0...UInt16.max).map { $0 }
            let read = sameBits {
                var out = [Float](repeating: 0, count: halves.count)
                halves.withUnsafeBytes { raw in
                    var matrix = kernel_matrix(
                        data: raw.baseAddress, rows: 1, columns: halves.count, row_bytes: halves.count * 2,
                        type: Int32(KERNEL_F16.rawValue))
                    kernel_matrix_row(&out, &matrix, 0)
                }
                return out
            }
            expectBits(read, halves.map { Float(Float16(bitPattern: $0)) })
        }
    }
}
