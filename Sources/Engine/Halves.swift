// Halves: the bfloat16 forms of what the products of fast numerics read. Each product writes what it needs anew.

import CKernels
import Federation
import ModelFiles

/// Scratch that every layer uses in turn, in fast numerics only. Rows are `stride(of: width)` elements apart.
package struct Halves {
    let x: UnsafeMutablePointer<UInt16>  // [T, widest row]
    let dropped: UnsafeMutablePointer<UInt16>  // [T, widest row]
    let dy: UnsafeMutablePointer<UInt16>  // [T, widest row]
    let u: [UnsafeMutablePointer<UInt16>]  // [T, r] per map
    let du: UnsafeMutablePointer<UInt16>  // [T, r]
    let uPairs: UnsafeMutablePointer<UInt32>  // [T / 2, r], two rows a word
    let duPairs: UnsafeMutablePointer<UInt32>  // [T / 2, r]

    /// For passes of at most `rows` rows; those that do not train need no gradients' halves.
    package init(_ shape: ModelShape, rank: Int, rows: Int, trains: Bool, arena: Arena) {
        let wide = rows * Self.stride(of: shape.widestRow)
        let low = rows * Self.stride(of: rank)
        x = arena.halves(wide)
        u = LinearMap.allCases.map { _ in arena.halves(low) }
        dropped = arena.halves(trains ? wide : 0)
        dy = arena.halves(trains ? wide : 0)
        du = arena.halves(trains ? low : 0)
        uPairs = arena.pairs(trains ? (rows + 1) / 2 * rank : 0)
        duPairs = arena.pairs(trains ? (rows + 1) / 2 * rank : 0)
    }

    /// The distance between rows of a width, in elements: whole pairs.
    static func stride(of width: Int) -> Int { (width + 1) / 2 * 2 }
}

/// out rows `rows` = bfloat16 of x's; both [T, width].
func roundRows(
    _ out: UnsafeMutablePointer<UInt16>, _ x: UnsafePointer<Float>, rows: Range<Int>, width: Int
) {
    let stride = Halves.stride(of: width)
    kernel_fast_rows(
        out + rows.lowerBound * stride, stride, x + rows.lowerBound * width, width, rows.count, width)
}

/// c[:, columns] (+)= a b with a [M, K] in bfloat16, as kernel_fast_gemm says.
func fastGEMM(
    _ c: UnsafeMutablePointer<Float>, row: Int, accumulate: Bool, _ a: UnsafePointer<UInt16>, aRow: Int,
    _ b: kernel_matrix, transposed: Bool, M: Int, columns: Range<Int>, K: Int, _ workspace: UnsafeMutableRawPointer
) {
    withUnsafePointer(to: b) { b in
        kernel_fast_gemm(
            c, row, accumulate ? 1 : 0, a, aRow, b, transposed ? 1 : 0, M, columns.lowerBound, columns.upperBound, K,
            workspace)
    }
}

/// The same with u up after it, as kernel_fast_gemm_low_rank says: u [M, r] in bfloat16, up [r, N].
func fastGEMM(
    _ c: UnsafeMutablePointer<Float>, row: Int, accumulate: Bool, _ a: UnsafePointer<UInt16>, aRow: Int,
    _ b: kernel_matrix, transposed: Bool, M: Int, columns: Range<Int>, K: Int, u: UnsafePointer<UInt16>,
    up: kernel_matrix, _ workspace: UnsafeMutableRawPointer
) {
    withUnsafePointer(to: b) { b in
        withUnsafePointer(to: up) { up in
            kernel_fast_gemm_low_rank(
                c, row, accumulate ? 1 : 0, a, aRow, b, transposed ? 1 : 0, M, columns.lowerBound, columns.upperBound,
                K, u, Halves.stride(of: up.pointee.rows), up, workspace)
        }
    }
}
