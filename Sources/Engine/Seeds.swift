// Seeds: where every random number of the engine comes from. Philox 4x32-10 by counter: it has no state, so no order matters.
//
// `RandomStream` says how the key follows from seed, purpose, round and site;
// the stream is two 32-bit numbers:
//
//   purpose 1, initial adapter   round 0, site ""      stream (layer, map)           element row * in + column of A
//   purpose 2, record order      round and site        stream (epoch, 0)             word i for the swap of place i
//   purpose 3, dropout           round and site        stream (step, layer * 7 + map)  element token row * in + column
//   purpose 4, records drawn     round 0, owner        stream (source, part)          word i for the swap of place i
//   purpose 11, resamples        round 0, cohort       stream (resample, 0)           word i for the document drawn i-th
//   purpose 12, weights          round, coordinator    stream (resample, 0)           word i for the record drawn i-th
//
// `map` is the index of the map in LinearMap.allCases. `token row` is the row of the packed batch. A prefix that several records share is
// in it once, so those records share its mask.

import CKernels
import Federation

/// Keys and streams of the engine's random numbers.
package enum Seeds {
    package typealias Purpose = RandomStream.Purpose

    /// A generator with its stream.
    package static func random(
        seed: UInt64, purpose: Purpose, round: Int = 0, site: String = "", stream: (Int, Int)
    ) -> kernel_random {
        let numbers = RandomStream(seed: seed, purpose: purpose, round: round, owner: site, stream: stream)
        return kernel_random(key: numbers.key, stream: numbers.stream)
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

/// A permutation of 0..<count from the workflow's seed, to draw some of the records of an owner's data source; `Seeds` documents the random
/// numbers. `part` tells apart several draws from one source.
public func drawOrder(count: Int, seed: UInt64, owner: String, source: Int, part: Int = 0) -> [Int] {
    Seeds.permutation(
        count: count, random: Seeds.random(seed: seed, purpose: .recordsDrawn, site: owner, stream: (source, part)))
}
