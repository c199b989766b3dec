// exp and log by their ulps, bfloat16 by its rule, sums, AdamW and the elementwise maps.

import CKernels
import Foundation
import Testing

extension KernelTests {
    @Suite struct Elementwise {
        static let counts = [0, 1, 15, 16, 17, 33, 1000]

        /// The largest error of `result` against `exact` in units in the last place of the exact value.
        static func ulps(_ result: [Float], _ exact: [Double]) -> Double {
            zip(result, exact).map { abs(Double($0) - $1) / Double(Float($1).ulp) }.max() ?? .infinity
        }

        static func exponential(_ x: [Float]) -> [Float] {
            sameBits {
                var out = [Float](repeating: .nan, count: x.count)
                kernel_exp(&out, x, x.count)
                return out
            }
        }

        static func logarithm(_ x: [Float]) -> [Float] {
            sameBits {
                var out = [Float](repeating: .nan, count: x.count)
                kernel_log(&out, x, x.count)
                return out
            }
        }

        @Test func exponentialIsWithinItsUlps() {
            let x = (0..<400_000).map { -87.33 + Float($0) * (88.72 + 87.33) / 400_000 }
            #expect(Self.ulps(Self.exponential(x), x.map { exp(Double($0)) }) < 1.1)
            // Denormal results: half an ulp of the denormal grid in addition.
            let small = (0..<10_000).map { -103.9 + Float($0) * (103.9 - 87.33) / 10_000 }
            #expect(Self.ulps(Self.exponential(small), small.map { exp(Double($0)) }) < 1.6)
        }

        @Test func exponentialAtTheEdges() {
            expectBits(
                Self.exponential([0, -0.0, -.infinity, .infinity, .nan, -104, -1e30, 88.73, 1e30]),
                [1, 1, 0, .infinity, .nan, 0, 0, .infinity, .infinity])
            #expect(Self.exponential([88.72]).allSatisfy { $0.isFinite })
            #expect(Self.exponential([-103.2]) == [.leastNonzeroMagnitude])
        }

        @Test func logarithmIsWithinItsUlps() {
            // Every binade, including denormals, and many numbers close to 1, where the result is smallest.
            let wide = (0..<400_000).map { Float(bitPattern: UInt32($0) * 5347 + 1) }.filter { $0 > 0 && $0.isFinite }
            #expect(Self.ulps(Self.logarithm(wide), wide.map { log(Double($0)) }) < 1)
            let near = (-50_000..<50_000).map { Float(1).nextUp + Float($0) * 1e-6 }
            #expect(Self.ulps(Self.logarithm(near), near.map { log(Double($0)) }) < 1)
        }

        @Test func logarithmAtTheEdges() {
            expectBits(
                Self.logarithm([1, 0, -0.0, .infinity, -1, -.infinity, .nan, -.leastNonzeroMagnitude]),
                [0, -.infinity, -.infinity, .infinity, .nan, .nan, .nan, .nan])
        }

        @Test func bfloat16RoundsToNearestEven() {
            let cases: [(UInt32, UInt16)] = [
                (0x3f80_0000, 0x3f80), (0x3f80_7fff, 0x3f80), (0x3f80_8000, 0x3f80), (0x3f80_8001, 0x3f81),
                (0x3f81_8000, 0x3f82), (0x3f81_7fff, 0x3f81), (0xbf80_8001, 0xbf81), (0x0000_0000, 0x0000),
                (0x8000_0000, 0x8000), (0x0000_8001, 0x0000), (0x807f_ffff, 0x8000), (0x007f_ffff, 0x0000),
                (0x0080_0000, 0x0080), (0x00ff_8000, 0x0100),
                (0x7f7f_ffff, 0x7f80), (0x7f80_0000, 0x7f80), (0xff80_0000, 0xff80),
            ]
            for repeats in [1, 5] {
                let all = (0..<repeats).flatMap { _ in cases }
                let x = all.map { Float(bitPattern: $0.0) }
                for out in atEveryLevel({
                    var out = [UInt16](repeating: 1, count: x.count + 1)
                    kernel_fast_rows(&out, x.count + 1, x, x.count, 1, x.count)
                    return Array(out.prefix(x.count))
                }) { #expect(out == all.map(\.1)) }
            }
        }

        @Test func bfloat16KeepsNaNAndComesBack() {
            let nans = [UInt32(0x7f80_0001), 0x7fff_ffff, 0xff80_0001, 0x7fc0_0000, 0xffff_ffff]
            let x = nans.map { Float(bitPattern: $0) }
            for out in atEveryLevel({
                var out = [UInt16](repeating: 1, count: x.count + 1)
                kernel_fast_rows(&out, x.count + 1, x, x.count, 1, x.count)
                return Array(out.prefix(x.count))
            }) {
                #expect(out.allSatisfy { $0 & 0x7f80 == 0x7f80 && $0 & 0x7f != 0 })
                #expect(zip(out, nans).allSatisfy { $0 >> 15 == UInt16($1 >> 31) })
            }
            let all = (0...UInt16.max).map { $0 }
            let back = sameBits {
                var out = [Float](repeating: 0, count: all.count)
                all.withUnsafeBytes { stored in
                    var matrix = kernel_matrix(
                        data: stored.baseAddress, rows: 1, columns: all.count, row_bytes: 2 * all.count,
                        type: Int32(KERNEL_BF16.rawValue))
                    kernel_matrix_row(&out, &matrix, 0)
                }
                return out
            }
            #expect(zip(back, all).allSatisfy { $0.bitPattern == UInt32($1) << 16 })
        }

        @Test(arguments: counts) func elementwiseMaps(count: Int) {
            var numbers = Numbers(6)
            let (x, y, scale) = (numbers.floats(count), numbers.floats(count), Float(0.3))
            func map(_ body: (inout [Float]) -> Void) -> [Float] {
                sameBits {
                    var y = y
                    body(&y)
                    return y
                }
            }
            expectBits(map { kernel_add(&$0, x, count) }, zip(y, x).map { $0 + $1 })
            expectBits(map { kernel_scale(&$0, scale, count) }, y.map { $0 * scale })
        }

        @Test(arguments: counts) func sumOfSquaresInSixteenLanes(count: Int) {
            var numbers = Numbers(7)
            let x = numbers.floats(count)
            let sums = atEveryLevel { kernel_sum_of_squares(x, count) }
            var lanes = [Double](repeating: 0, count: 16)
            for (i, element) in x.enumerated() { lanes[i % 16] += Double(element) * Double(element) }
            for width in [8, 4, 2, 1] { for i in 0..<width { lanes[i] += lanes[i + width] } }
            #expect(sums.allSatisfy { $0 == lanes[0] })
        }

        @Test func finiteIsTold() {
            for count in [1, 16, 40] {
                var x = [Float](repeating: .greatestFiniteMagnitude, count: count)
                #expect(atEveryLevel { kernel_all_finite(x, count) }.allSatisfy { $0 == 1 })
                for bad in [Float.nan, .infinity, -.infinity] {
                    for i in 0..<count {
                        x[i] = bad
                        #expect(atEveryLevel { kernel_all_finite(x, count) }.allSatisfy { $0 == 0 })
                        x[i] = 0
                    }
                }
            }
            #expect(atEveryLevel { kernel_all_finite([], 0) }.allSatisfy { $0 == 1 })
        }

        @Test(arguments: counts) func adamw(count: Int) {
            var numbers = Numbers(8)
            let start = (
                w: numbers.floats(count), m: [Float](repeating: 0, count: count), v: [Float](repeating: 0, count: count)
            )
            let gradients = (0..<5).map { _ in numbers.floats(count) }
            let (rate, beta1, beta2, epsilon, decay, clip) = (1e-2, 0.9, 0.999, 1e-8, 0.1, 0.5)
            let result = sameBits {
                var (w, m, v) = start
                for (step, g) in gradients.enumerated() {
                    let power = Double(step + 1)
                    var settings = kernel_adamw_settings(
                        learning_rate: Float(rate), beta1: Float(beta1), beta2: Float(beta2), epsilon: Float(epsilon),
                        decay: Float(decay), correction1: Float(1 - pow(beta1, power)),
                        sqrt_correction2: Float((1 - pow(beta2, power)).squareRoot()), gradient_scale: Float(clip))
                    kernel_adamw(&w, &m, &v, g, count, &settings)
                }
                return w
            }
            let expected = (0..<count).map { i in
                var (w, m, v) = (Double(start.w[i]), 0.0, 0.0)
                for (step, gradient) in gradients.enumerated() {
                    let (g, power) = (clip * Double(gradient[i]), Double(step + 1))
                    w -= rate * decay * w
                    m = beta1 * m + (1 - beta1) * g
                    v = beta2 * v + (1 - beta2) * g * g
                    w -=
                        rate / (1 - pow(beta1, power)) * m
                        / (v.squareRoot() / (1 - pow(beta2, power)).squareRoot() + epsilon)
                }
                return w
            }
            // 1 - 0.999 in float32 is off by 1.3e-5 of itself, the step (1e-2, five times) by half of that: 3e-7.
            expectClose(result, expected, tolerance: 5e-7)
        }
    }
}
