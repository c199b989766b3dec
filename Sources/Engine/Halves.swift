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
    let turnedU: UnsafeMutablePointer<UInt16>  // [r, T]
    let turnedDU: UnsafeMutablePointer<UInt16>  // [r, T]
    let turnedStride: Int

    /// For passes of at most `rows` rows; those that do not train need no gradients' halves.
    package init(_ shape: ModelShape, rank: Int, rows: Int, trains: Bool, arena: Arena) {
        let wide = rows * Self.stride(of: shape.widestRow)
        let low = rows * Self.stride(of: rank)
        turnedStride = Self.stride(of: rows)
        x = arena.halves(wide)
        u = LinearMap.allCases.map { _ in arena.halves(low) }
        dropped = arena.halves(trains ? wide : 0)
        dy = arena.halves(trains ? wide : 0)
        du = arena.halves(trains ? low : 0)
        turnedU = arena.halves(trains ? rank * turnedStride : 0)
        turnedDU = arena.halves(trains ? rank * turnedStride : 0)
    }

    /// The distance between rows of a width, in elements: whole pairs.
    static func stride(of width: Int) -> Int { (width + 1) / 2 * 2 }

    /// A [rows, columns] matrix of halves.
    static func matrix(_ values: UnsafeMutablePointer<UInt16>, rows: Int, columns: Int) -> kernel_matrix {
        kernel_matrix(
            data: UnsafeRawPointer(values), rows: rows, columns: columns, row_bytes: 2 * stride(of: columns),
            type: Int32(KERNEL_BF16.rawValue))
    }
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
