// Philox by its published vectors, and draws that do not depend on where a call begins.

import CKernels
import Testing

extension KernelTests {
    @Suite struct RandomNumbers {
        static func words(_ random: kernel_random, first: UInt64, count: Int) -> [UInt32] {
            let results = atEveryLevel {
                var out = [UInt32](repeating: 0, count: count)
                kernel_random_words(&out, random, first, count)
                return out
            }
            #expect(results.allSatisfy { $0 == results[0] })
            return results[0]
        }

        static let stream = kernel_random(key: (0x1234_5678, 0x9abc_def0), stream: (3, 4))

        /// The known-answer vectors of Random123.
        @Test func knownAnswers() {
            let zero = kernel_random(key: (0, 0), stream: (0, 0))
            #expect(Self.words(zero, first: 0, count: 4) == [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8])
            // Counter and key of the digits of pi; its element index is over 2^64 elements, so only its low words fit.
            let pi = kernel_random(key: (0xa409_3822, 0x299f_31d0), stream: (0x1319_8a2e, 0x0370_7344))
            let first = (UInt64(0x05a3_08d3) << 32 | 0x243f_6a88) << 2
            #expect(
                Self.words(pi, first: first, count: 4)
                    == Self.philox([0x243f_6a88, 0x05a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]))
            // The reference used here gives the published answers.
            #expect(
                Self.philox([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0])
                    == [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1])
            #expect(
                Self.philox([UInt32](repeating: .max, count: 4), [.max, .max])
                    == [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd])
        }

        /// Philox 4x32-10, a block at a time.
        static func philox(_ counter: [UInt32], _ key: [UInt32]) -> [UInt32] {
            var (c, k) = (counter, key)
            for _ in 0..<10 {
                let p0 = c[0].multipliedFullWidth(by: 0xD251_1F53)
                let p1 = c[2].multipliedFullWidth(by: 0xCD9E_8D57)
                c = [p1.high ^ c[1] ^ k[0], p1.low, p0.high ^ c[3] ^ k[1], p0.low]
                k = [k[0] &+ 0x9E37_79B9, k[1] &+ 0xBB67_AE85]
            }
            return c
        }

        @Test func everyWordIsTheBlocks() {
            // Across the carry from the low into the high word of the counter.
            for first: UInt64 in [0, (1 << 34) - 40] {
                let expected = (0..<30).flatMap { block in
                    let counter = first / 4 + UInt64(block)
                    return Self.philox(
                        [UInt32(truncatingIfNeeded: counter), UInt32(counter >> 32), 3, 4], [0x1234_5678, 0x9abc_def0])
                }
                for offset in 0..<9 {
                    for count in [0, 1, 3, 4, 31, 32, 33, 70] {
                        let words = Self.words(Self.stream, first: first + UInt64(offset), count: count)
                        #expect(words == Array(expected[offset..<offset + count]))
                    }
                }
            }
        }

        @Test func uniformIsTheFormula() {
            let words = Self.words(Self.stream, first: 5, count: 101)
            let (low, high) = (Float(-0.25), Float(0.5))
            let uniform = sameBits {
                var out = [Float](repeating: .nan, count: 101)
                kernel_random_uniform(&out, Self.stream, 5, 101, low, high)
                return out
            }
            expectBits(uniform, words.map { low + Float($0 >> 8) * 0x1p-24 * (high - low) })
            #expect(uniform.allSatisfy { $0 >= low && $0 < high })
        }

        @Test(arguments: [0.05, 0.5, 0.999] as [Float]) func dropout(probability: Float) {
            var numbers = Numbers(9)
            let (x, first) = (numbers.floats(203), UInt64(48))
            let words = Self.words(Self.stream, first: first, count: 203)
            let scale = 1 / (1 - probability)
            let expected = zip(x, words).map { x, word in
                Float(word >> 8) * 0x1p-24 >= probability ? x * scale : 0
            }
            let results = sameBits {
                var out = [Float](repeating: .nan, count: 203)
                var again = out
                var mask = [UInt16](repeating: 0xaaaa, count: 13)
                // In two calls: the result of an element depends on its own position alone.
                for range in [0..<96, 96..<203] {
                    out.withUnsafeMutableBufferPointer { out in
                        x.withUnsafeBufferPointer { x in
                            mask.withUnsafeMutableBufferPointer { mask in
                                guard let out = out.baseAddress, let x = x.baseAddress, let mask = mask.baseAddress
                                else { return }
                                let start = range.lowerBound
                                kernel_dropout(
                                    out + start, mask + start / 16, x + start, Self.stream, first + UInt64(start),
                                    range.count, probability)
                            }
                        }
                    }
                }
                kernel_dropout_again(&again, mask, x, 203, probability)
                return out + again
            }
            expectBits(results, expected + expected)
        }

        @Test func dropoutIntoHalvesIsDropoutAndThenRounding() {
            var numbers = Numbers(11)
            let x = numbers.floats(203)
            for first in [0, 96] as [UInt64] {
                let results = sameBits {
                    var (mask, sameMask) = ([UInt16](repeating: 0, count: 13), [UInt16](repeating: 0, count: 13))
                    var dropped = x
                    var halves = [UInt16](repeating: 0xaaaa, count: 203)
                    var (again, expected) = (halves, halves + [0])
                    kernel_dropout(&dropped, &sameMask, x, Self.stream, first, 203, 0.3)
                    kernel_fast_rows(&expected, 204, dropped, 203, 1, 203)
                    kernel_fast_dropout(&halves, &mask, x, Self.stream, first, 203, 0.3)
                    kernel_fast_dropout_again(&again, mask, x, 203, 0.3)
                    #expect(halves == Array(expected.dropLast()) && again == halves && mask == sameMask)
                    return halves.map(Float.init)
                }
                #expect(results.contains(0) && results.contains { $0 != 0 })
            }
        }

        @Test func dropoutKeepsItsShare() {
            // 100,000 draws: five standard deviations are 0.0035.
            let x = [Float](repeating: 1, count: 100_000)
            var out = x
            var mask = [UInt16](repeating: 0, count: x.count / 16)
            kernel_dropout(&out, &mask, x, Self.stream, 0, x.count, 0.05)
            let kept = Double(out.filter { $0 != 0 }.count) / Double(x.count)
            #expect(abs(kept - 0.95) < 0.0035)
        }
    }

    @Suite struct Levels {
        @Test func theBestLevelIsInForceUnlessForced() {
            #expect(kernel_level() == kernel_best_level())
            for level in -1...3 {
                let expected = min(max(Int32(level), 0), kernel_best_level())
                #expect(kernel_set_level(Int32(level)) == expected)
                #expect(kernel_level() == expected)
            }
            #expect(kernel_set_level(kernel_best_level()) == kernel_best_level())
        }
    }
}
