// RMSNorm, rotary embedding, SwiGLU and cross-entropy against double references, their backwards by finite differences.

import CKernels
import Foundation
import Testing

extension KernelTests {
    @Suite struct Rows {
        /// A handful of float32 roundings.
        static let tolerance = 1e-6
        /// Widths that fill no lane, one lane, many.
        static let widths = [1, 2, 15, 16, 17, 64, 100, 576]

        /// Expects `gradient` to be the slope of `loss` (in double) at `x`, by central differences.
        static func expectSlope(_ gradient: [Float], at x: [Float], _ loss: ([Double]) -> Double) {
            // Step 1e-4 in double: truncation about 1e-8, rounding about 1e-12.
            let x = x.map(Double.init)
            let slopes = x.indices.map { i in
                var (above, below) = (x, x)
                above[i] += 1e-4
                below[i] -= 1e-4
                return (loss(above) - loss(below)) / 2e-4
            }
            expectClose(gradient, slopes, tolerance: 4e-6, "finite differences")
        }

        @Test(arguments: widths) func rmsnormForward(columns: Int) {
            var numbers = Numbers(1)
            let (x, weight) = (numbers.floats(3 * columns), numbers.floats(columns))
            var inverse: [Float] = []
            let out = sameBits {
                var out = [Float](repeating: .nan, count: 3 * columns)
                inverse = [Float](repeating: .nan, count: 3)
                kernel_rmsnorm_forward(&out, &inverse, x, weight, 1e-5, 3, columns)
                return out + inverse
            }
            let expectedInverse = (0..<3).map { t in
                let squares = (0..<columns).reduce(0.0) { $0 + pow(Double(x[t * columns + $1]), 2) }
                return 1 / (squares / Double(columns) + Double(Float(1e-5))).squareRoot()
            }
            let expected = x.indices.map {
                Double(x[$0]) * expectedInverse[$0 / columns] * Double(weight[$0 % columns])
            }
            expectClose(out, expected + expectedInverse, tolerance: Self.tolerance)
        }

        @Test(arguments: widths.prefix(7)) func rmsnormBackward(columns: Int) {
            var numbers = Numbers(2)
            let (x, weight) = (numbers.floats(2 * columns), numbers.floats(columns))
            let (dout, start) = (numbers.floats(2 * columns), numbers.floats(2 * columns))
            var inverse = [Float](repeating: 0, count: 2)
            var out = x
            kernel_rmsnorm_forward(&out, &inverse, x, weight, 1e-2, 2, columns)
            func backward(from start: [Float]) -> [Float] {
                sameBits {
                    var dx = start
                    kernel_rmsnorm_backward(&dx, dout, x, weight, inverse, 2, columns)
                    return dx
                }
            }
            let dx = backward(from: start.map { _ in 0 })
            Self.expectSlope(dx, at: x) { x in
                (0..<2).reduce(0.0) { loss, t in
                    let row = x[t * columns..<(t + 1) * columns]
                    let mean = row.reduce(0) { $0 + $1 * $1 } / Double(columns)
                    let inverse = 1 / (mean + Double(Float(1e-2))).squareRoot()
                    return row.indices.reduce(loss) {
                        $0 + Double(dout[$1]) * x[$1] * inverse * Double(weight[$1 % columns])
                    }
                }
            }
            expectClose(
                backward(from: start), zip(dx, start).map { Double($0) + Double($1) }, tolerance: Self.tolerance, "adds"
            )
        }

        @Test(arguments: [2, 6, 16, 32, 34, 64]) func ropeRotatesPairsAndBack(D: Int) {
            var numbers = Numbers(3)
            let (rows, heads, positions) = (4, 3, [Int32(5), 0, 2, 5])
            let row = heads * D + 7
            let angles = (0..<6 * D / 2).map { _ in Double(numbers.float()) * 3 }
            let cosine = angles.map { Float(cos($0)) }
            let sine = angles.map { Float(sin($0)) }
            let x = numbers.floats(rows * row)
            let rotated = sameBits {
                var x = x
                cosine.withUnsafeBufferPointer { cosine in
                    sine.withUnsafeBufferPointer { sine in
                        var rotation = kernel_rotation(
                            cosine: cosine.baseAddress, sine: sine.baseAddress, D: D, direction: 1)
                        kernel_rope(&x, row, rows, heads, positions, &rotation)
                    }
                }
                return x
            }
            var expected = x.map(Double.init)
            for t in 0..<rows {
                for h in 0..<heads {
                    for i in 0..<D / 2 {
                        let at = t * row + h * D + i
                        let (a, b) = (expected[at], expected[at + D / 2])
                        let angle = Int(positions[t]) * D / 2 + i
                        let (c, s) = (Double(cosine[angle]), Double(sine[angle]))
                        expected[at] = a * c - b * s
                        expected[at + D / 2] = b * c + a * s
                    }
                }
            }
            expectClose(rotated, expected, tolerance: Self.tolerance)
            let back = sameBits {
                var x = rotated
                cosine.withUnsafeBufferPointer { cosine in
                    sine.withUnsafeBufferPointer { sine in
                        var rotation = kernel_rotation(
                            cosine: cosine.baseAddress, sine: sine.baseAddress, D: D, direction: -1)
                        kernel_rope(&x, row, rows, heads, positions, &rotation)
                    }
                }
                return x
            }
            expectClose(back, x.map(Double.init), tolerance: Self.tolerance, "and back")
        }

        @Test(arguments: [1, 15, 16, 17, 100]) func swiglu(count: Int) {
            var numbers = Numbers(4)
            let gate = numbers.floats(count).map { $0 * 12 }
            let (up, dout) = (numbers.floats(count), numbers.floats(count))
            func silu(_ g: Double) -> Double { g / (1 + exp(-g)) }
            let out = sameBits {
                var out = gate
                kernel_swiglu_forward(&out, gate, up, count)
                return out
            }
            expectClose(out, gate.indices.map { silu(Double(gate[$0])) * Double(up[$0]) }, tolerance: Self.tolerance)
            // The output goes into the buffers that the kernel reads from.
            let gradients = sameBits {
                var (dgate, dup) = (gate, up)
                dgate.withUnsafeMutableBufferPointer { dgate in
                    dup.withUnsafeMutableBufferPointer { dup in
                        kernel_swiglu_backward(
                            dgate.baseAddress, dup.baseAddress, dout, dgate.baseAddress, dup.baseAddress, count)
                    }
                }
                return dgate + dup
            }
            Self.expectSlope(gradients, at: gate + up) { x in
                (0..<count).reduce(0.0) { $0 + Double(dout[$1]) * silu(x[$1]) * x[count + $1] }
            }
        }

        @Test func swigluOfExtremeGatesIsFinite() {
            let gate: [Float] = [-1000, -104, -89, -88, 0, 88, 1000]
            let up = [Float](repeating: 1, count: 7)
            let out = sameBits {
                var (out, dgate, dup) = (gate, gate, gate)
                kernel_swiglu_forward(&out, gate, up, 7)
                kernel_swiglu_backward(&dgate, &dup, up, gate, up, 7)
                return out + dgate + dup
            }
            #expect(out.allSatisfy { $0.isFinite })
            #expect(out[0] == 0 && out[6] == 1000 && out[13] == 1)
        }

        @Test(arguments: [1, 2, 16, 31, 1000, 1024, 49152]) func crossEntropy(V: Int) {
            var numbers = Numbers(5)
            let logits = numbers.floats(V).map { $0 * 10 }
            let label = Int32(V / 3)
            let largest = Double(logits.max() ?? 0)
            let sum = logits.reduce(0.0) { $0 + exp(Double($1) - largest) }
            let logSumExp = largest + log(sum)
            let loss = logSumExp - Double(logits[Int(label)])
            let losses = sameBits {
                [kernel_cross_entropy(logits, label, V), kernel_log_sum_exp(logits, V)]
            }
            expectClose(losses, [loss, logSumExp], tolerance: Self.tolerance)
            let scale: Float = 0.37
            let gradient = sameBits {
                var (row, loss) = (logits, Float.nan)
                kernel_cross_entropy_backward(&loss, &row, label, scale, V)
                return row + [loss]
            }
            let expected = logits.indices.map { i in
                Double(scale) * (exp(Double(logits[i]) - logSumExp) - (i == Int(label) ? 1 : 0))
            }
            expectClose(gradient, expected + [loss], tolerance: Self.tolerance)
            #expect(gradient.last == losses[0])
            if V < 100 {
                Self.expectSlope(Array(gradient.dropLast()), at: logits) { x in
                    Double(scale) * (log(x.reduce(0) { $0 + exp($1 - largest) }) + largest - x[Int(label)])
                }
            }
        }

        @Test func logSumExpOfTheExtremes() {
            let results = sameBits {
                [
                    kernel_log_sum_exp([-.infinity, -.infinity], 2), kernel_log_sum_exp([.infinity, 1], 2),
                    kernel_log_sum_exp([-3e38, 3e38], 2), kernel_log_sum_exp([1, .nan], 2),
                ]
            }
            expectBits(results, [-.infinity, .infinity, 3e38, .nan])
        }

        @Test func argmaxIsTheFirstOfTheLargest() {
            for count in [1, 5, 16, 17, 100] {
                for at in 0..<count {
                    var x = [Float](repeating: -1, count: count)
                    x[at] = 2
                    x[count - 1] = 2
                    #expect(atEveryLevel { kernel_argmax(x, count) }.allSatisfy { $0 == Int32(at) })
                }
            }
            #expect(atEveryLevel { kernel_argmax([-.infinity, -.infinity], 2) }.allSatisfy { $0 == 0 })
        }
    }
}
