// Sums of products in one pass over c: the bits of one product after the other, with and without masks.

import CKernels
import Testing

extension KernelTests {
    @Suite struct GEMMSum {
        /// One product of a sum; a is in float32 and in bfloat16 with rows of whole pairs.
        struct Term {
            let K: Int
            let bTransposed: Bool
            let b: StoredMatrix
            let a: [Float]
            let halves: [UInt16]
            let stride: Int
            let mask: [UInt16]?
            let scale: Float = 1 / (1 - 0.3)

            init(
                M: Int, N: Int, K: Int, type: kernel_type, bTransposed: Bool, isMasked: Bool, numbers: inout Numbers
            ) {
                (self.K, self.bTransposed) = (K, bTransposed)
                let columns = bTransposed ? K : N
                b = StoredMatrix(
                    type, rows: bTransposed ? N : K,
                    columns: StoredMatrix.isQuantised(type) ? (columns + 31) / 32 * 32 : columns, numbers: &numbers)
                a = numbers.floats(M * K)
                stride = (K + 1) / 2 * 2
                var rounded = [UInt16](repeating: 0xffff, count: M * stride)
                kernel_fast_rows(&rounded, stride, a, K, M, K)
                halves = rounded
                mask =
                    isMasked
                    ? numbers.floats((M * N + 15) / 16 + 1).map { UInt16(truncatingIfNeeded: $0.bitPattern) }
                    : nil
            }

            /// The term as the kernel takes it.
            func with(fast: Bool, N: Int, _ body: (kernel_term) -> Void) {
                b.withMatrix { matrix in
                    halves.withUnsafeBytes { halves in
                        a.withUnsafeBytes { a in
                            (mask ?? []).withUnsafeBufferPointer { words in
                                body(
                                    kernel_term(
                                        a: fast ? halves.baseAddress : a.baseAddress, a_row: fast ? stride : K, K: K,
                                        b: matrix.pointee, b_transposed: bTransposed ? 1 : 0, scale: scale,
                                        mask: mask == nil ? nil : words.baseAddress, mask_row: N))
                            }
                        }
                    }
                }
            }

            /// c + the term, the product by itself.
            func added(to c: [Float], M: Int, N: Int, fast: Bool, accumulate: Bool) -> [Float] {
                var product = mask == nil ? c : [Float](repeating: .nan, count: M * N)
                product.withUnsafeMutableBufferPointer { product in
                    guard let product = product.baseAddress else { return }
                    var target = kernel_target(product, N, mask == nil && accumulate, M, 0, N)
                    b.withMatrix { matrix in
                        withWorkspace(kernel_gemm_workspace_bytes()) { workspace in
                            if fast {
                                with(fast: true, N: N) { term in
                                    var term = term
                                    term.mask = nil
                                    kernel_fast_gemm_sum(&target, &term, 1, workspace)
                                }
                            } else {
                                kernel_gemm(&target, a, K, 1, matrix, bTransposed ? 1 : 0, K, workspace)
                            }
                        }
                    }
                }
                guard let mask else { return product }
                return product.indices.map { place in
                    let counts = mask[place / 16] >> UInt16(place % 16) & 1 == 1
                    let value = counts ? product[place] * scale : 0
                    return accumulate ? c[place] + value : value
                }
            }
        }

        /// Calls `body` with all terms as the kernel takes them.
        static func with(_ terms: ArraySlice<Term>, fast: Bool, N: Int, _ body: ([kernel_term]) -> Void) {
            guard let first = terms.first else { return body([]) }
            first.with(fast: fast, N: N) { one in
                with(terms.dropFirst(), fast: fast, N: N) { rest in body([one] + rest) }
            }
        }

        @Test(arguments: [false, true], [1, 8, 9, 35, 1030])
        func aSumIsItsProductsOneAfterTheOther(fast: Bool, M: Int) {
            // Widths that fill lanes and widths that do not; depths of no block, of one, of several, and of more than may wait together.
            for (N, depths, accumulate) in [
                (17, [1, 33], true), (96, [16, 576, 16, 192], false), (97, [15, 1100, 8, 577], true),
                (150, [0, 16, 31], false), (48, [520, 2100], false), (97, [16, 4200, 16, 4300], false),
                (33, [0, 0], false),
            ] {
                for masks in [false, true] {
                    var numbers = Numbers(UInt64(M + N))
                    let terms = depths.enumerated().map { place, K in
                        // Every other term has a mask where masks are used; its depth is then that of one block.
                        Term(
                            M: M, N: N, K: K, type: place % 2 == 0 ? KERNEL_F32 : KERNEL_Q4_1,
                            bTransposed: place == 1, isMasked: masks && place % 2 == 0 && K <= KERNEL_K_BLOCK,
                            numbers: &numbers)
                    }
                    let start = numbers.floats(M * N)
                    let found = sameBits("M \(M) N \(N) depths \(depths)") {
                        var c = start
                        Self.with(terms[...], fast: fast, N: N) { terms in
                            withWorkspace(kernel_gemm_workspace_bytes()) { workspace in
                                c.withUnsafeMutableBufferPointer { c in
                                    guard let c = c.baseAddress else { return }
                                    for (from, to) in [(0, min(48, N)), (min(48, N), N)] {
                                        let sum = fast ? kernel_fast_gemm_sum : kernel_gemm_sum
                                        var target = kernel_target(c, N, accumulate, M, from, to)
                                        sum(&target, terms, terms.count, workspace)
                                    }
                                }
                            }
                        }
                        return c
                    }
                    var expected = start
                    var adds = accumulate
                    for term in terms where term.K > 0 {
                        expected = term.added(to: expected, M: M, N: N, fast: fast, accumulate: adds)
                        adds = true
                    }
                    if !adds { expected = expected.map { _ in 0 } }
                    expectBits(found, expected, "fast \(fast) M \(M) N \(N) depths \(depths) masks \(masks)")
                }
            }
        }
    }
}
