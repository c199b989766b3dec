// SecondQuantisation: the absmax of NF4 blocks quantised again, as QLoRA stores it, with the bits of bitsandbytes.

import CKernels

/// absmax as 8-bit codes: in each group of 256, absmax - offset is scale times the number of its code.
package struct SecondQuantisation {
    /// How many values share a scale.
    static let groupSize = 256

    /// The mean of all absmax of the tensor.
    package let offset: Float
    /// The largest distance from the offset in each group of 256.
    package private(set) var scales: [Float] = []
    /// One code for each block.
    package private(set) var codes: [UInt8] = []

    package init(_ absmax: [Float]) {
        offset = Self.mean(absmax)
        codes.reserveCapacity(absmax.count)
        for first in stride(from: 0, to: absmax.count, by: Self.groupSize) {
            let group = absmax[first..<min(absmax.count, first + Self.groupSize)].map { $0 - offset }
            let scale = group.reduce(0) { max($0, abs($1)) }
            scales.append(scale)
            let inverse = scale > 0 ? 1 / scale : 0
            for value in group { codes.append(scale > 0 ? Self.code(value * inverse) : 0) }
        }
    }

    // MARK: Codes

    /// bitsandbytes finds the code of a number by a table of 65,536 steps from -1 to 1, and so do we. Near zero, codes are closer together
    /// than steps, so the nearest code would often be another one.
    private static let table: [UInt8] = {
        let numbers = (Int32(0)..<256).map { kernel_nf4_second_code($0) }
        let middles = zip(numbers, numbers.dropFirst()).map { 0.5 * ($0 + $1) }
        var code = 0
        return (0..<65536).map { step in
            let value = -1 + 2 * Float(step) / 65535
            while code < 255 && middles[code] < value { code += 1 }
            return UInt8(code)
        }
    }()

    private static func code(_ value: Float) -> UInt8 {
        // Finite absmax may still have an infinite mean; NaN then becomes zero.
        let clamped = value.isNaN ? 0 : min(max(value, -1), 1)
        return table[Int((clamped + 1) * 0.5 * 65535 + 0.5)]
    }

    // MARK: Mean

    /// The mean with the bits that torch gives on one thread: eight lanes in four chains, each a cascade of sums of powers of two.
    static func mean(_ values: [Float]) -> Float {
        let lanes = values.count < 8 ? 1 : 8
        let vectors = values.count / lanes
        func vector(_ index: Int) -> SIMD8<Float> {
            var vector = SIMD8<Float>()
            for lane in 0..<lanes { vector[lane] = values[index * lanes + lane] }
            return vector
        }
        var chains = cascade(vectors / 4) { row, chain in vector(4 * row + chain) }
        for index in vectors / 4 * 4..<vectors { chains[0] += vector(index) }
        for chain in 1..<4 { chains[0] += chains[chain] }
        var sum: Float = 0
        for index in vectors * lanes..<values.count { sum += values[index] }
        for lane in 0..<lanes { sum += chains[0][lane] }
        return sum / Float(values.count)
    }

    /// The sums of four chains of that length: a partial sum moves up a level whenever a power of two is full.
    private static func cascade(_ length: Int, _ value: (Int, Int) -> SIMD8<Float>) -> [SIMD8<Float>] {
        let levels = 4
        let bits = length > 1 ? Int.bitWidth - (length - 1).leadingZeroBitCount : 0
        let power = max(4, bits / levels)
        let step = 1 << power
        var sums = [[SIMD8<Float>]](repeating: [SIMD8<Float>](repeating: .zero, count: 4), count: levels)
        var row = 0
        while row + step <= length {
            for _ in 0..<step {
                for chain in 0..<4 { sums[0][chain] += value(row, chain) }
                row += 1
            }
            for level in 1..<levels {
                for chain in 0..<4 {
                    sums[level][chain] += sums[level - 1][chain]
                    sums[level - 1][chain] = .zero
                }
                if row & ((step - 1) << (level * power)) != 0 { break }
            }
        }
        while row < length {
            for chain in 0..<4 { sums[0][chain] += value(row, chain) }
            row += 1
        }
        for level in 1..<levels {
            for chain in 0..<4 { sums[0][chain] += sums[level][chain] }
        }
        return sums[0]
    }
}
