// Seeds: where every random number of the engine comes from. Philox 4x32-10 by counter: no state, no order to depend on.
//
// The key of a generator is a 64-bit hash of the words (seed, purpose, round, site), the site as FNV-1a of its UTF-8:
//
//   h = 0;  for each word w:  h = mix(h ^ w);  key = (low 32 bits of h, high 32 bits of h)
//   mix(z): z += 0x9E3779B97F4A7C15; z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9; z = (z ^ z >> 27) * 0x94D049BB133111EB; z ^ z >> 31
//
// and its stream is two 32-bit numbers:
//
//   purpose 1, initial adapter   round 0, site ""      stream (layer, map)           element row * in + column of A
//   purpose 2, record order      round and site        stream (epoch, 0)             word i for the swap of place i
//   purpose 3, dropout           round and site        stream (step, layer * 7 + map)  element token row * in + column
//   purpose 4, records drawn     round 0, owner        stream (source, part)          word i for the swap of place i
//   purpose 11, resamples        round 0, cohort       stream (resample, 0)           word i for the document drawn i-th
//
// `map` is the place of the map in LinearMap.allCases. `token row` is the row of the packed batch, in which a prefix that
// several records share stands once: so those records share its mask.

import CKernels
import Federation

/// Keys and streams of the engine's random numbers.
package enum Seeds {
    /// What the numbers are for.
    package enum Purpose: UInt64 {
        case initialAdapter = 1
        case recordOrder = 2
        case dropout = 3
        case recordsDrawn = 4
        /// Weights of a model that is only measured.
        case randomModel = 5
        case resamples = 11
    }

    /// A generator with its stream.
    package static func random(
        seed: UInt64, purpose: Purpose, round: Int = 0, site: String = "", stream: (Int, Int)
    ) -> kernel_random {
        var name: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in site.utf8 { name = (name ^ UInt64(byte)) &* 0x100_0000_01b3 }
        var h: UInt64 = 0
        for word in [seed, purpose.rawValue, UInt64(bitPattern: Int64(round)), name] { h = mix(h ^ word) }
        return kernel_random(
            key: (UInt32(truncatingIfNeeded: h), UInt32(truncatingIfNeeded: h >> 32)),
            stream: (UInt32(truncatingIfNeeded: stream.0), UInt32(truncatingIfNeeded: stream.1)))
    }

    private static func mix(_ value: UInt64) -> UInt64 {
        var z = value &+ 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// The order of the records in an epoch.
    package static func order(count: Int, seed: UInt64, round: Int, site: String, epoch: Int) -> [Int] {
        permutation(
            count: count,
            random: random(seed: seed, purpose: .recordOrder, round: round, site: site, stream: (epoch, 0)))
    }

    /// Fisher and Yates from the last place down, place i swapped with (word i * (i + 1)) >> 32.
    static func permutation(count: Int, random: kernel_random) -> [Int] {
        var order = Array(0..<count)
        var words = [UInt32](repeating: 0, count: count)
        kernel_random_words(&words, random, 0, count)
        for i in stride(from: count - 1, to: 0, by: -1) {
            order.swapAt(i, Int((UInt64(words[i]) * UInt64(i + 1)) >> 32))
        }
        return order
    }
}

/// A permutation of 0..<count from the workflow's seed, for drawing some of the records of an owner's data source; `Seeds`
/// tells the numbers. `part` tells apart what is drawn of one source on its own.
public func drawOrder(count: Int, seed: UInt64, owner: String, source: Int, part: Int = 0) -> [Int] {
    Seeds.permutation(
        count: count, random: Seeds.random(seed: seed, purpose: .recordsDrawn, site: owner, stream: (source, part)))
}

/// The random words with which a bootstrap draws the documents of a cohort for one resample.
public func resamplingWords(count: Int, seed: UInt64, cohort: String, resample: Int) -> [UInt32] {
    var words = [UInt32](repeating: 0, count: count)
    let random = Seeds.random(seed: seed, purpose: .resamples, site: cohort, stream: (resample, 0))
    kernel_random_words(&words, random, 0, count)
    return words
}
