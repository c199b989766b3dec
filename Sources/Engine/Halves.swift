// Halves: the bfloat16 copies of the inputs of products in fast numerics. Each product writes anew what it needs.

import CKernels
import Faults
import Federation
import ModelFiles

/// Scratch that every layer uses in turn, in fast numerics only. Rows are `stride(of: width)` elements apart.
package struct Halves {
    let x: UnsafeMutablePointer<UInt16>  // [T, widest row]
    let dropped: UnsafeMutablePointer<UInt16>  // [T, in] per map of an input
    let dy: UnsafeMutablePointer<UInt16>  // [T, out] per map of an input
    let u: [UnsafeMutablePointer<UInt16>]  // [T, r] per map
    let du: UnsafeMutablePointer<UInt16>  // [T, r] per map of an input
    let uPairs: UnsafeMutablePointer<UInt32>  // [T / 2, r] per map of an input, two rows a word
    let duPairs: UnsafeMutablePointer<UInt32>  // [T / 2, r] the same of du

    /// For passes of at most `rows` rows; passes that do not train need no bfloat16 gradients.
    package init(_ shape: ModelShape, rank: Int, rows: Int, trains: Bool, arena: Arena) throws(Fault) {
        let low = Self.stride(of: rank)
        let maps = trains ? ModelShape.mostMapsOfAnInput : 0  // each of whole pairs
        x = try arena.halves(rows, Self.stride(of: shape.widestRow))
        u = try LinearMap.allCases.map { (_) throws(Fault) in try arena.halves(rows, low) }
        dropped = try arena.halves(trains ? rows : 0, shape.widestInputs + maps)
        dy = try arena.halves(trains ? rows : 0, shape.widestOutputs + maps)
        du = try arena.halves(maps, rows, low)
        uPairs = try arena.pairs(maps, (rows + 1) / 2, rank)
        duPairs = try arena.pairs(maps, (rows + 1) / 2, rank)
    }

    /// The distance between rows of that width, in elements, rounded up to whole pairs.
    static func stride(of width: Int) -> Int { (width + 1) / 2 * 2 }
}

/// Sets out's rows `rows` to the bfloat16 of x's rows; both [T, width].
func roundRows(
    _ out: UnsafeMutablePointer<UInt16>, _ x: UnsafePointer<Float>, rows: Range<Int>, width: Int
) {
    let stride = Halves.stride(of: width)
    kernel_fast_rows(
        out + rows.lowerBound * stride, stride, x + rows.lowerBound * width, width, rows.count, width)
}
