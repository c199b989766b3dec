// RandomStream: where every random number of a run comes from. Philox 4x32-10 (Salmon et al. 2011) by counter: it has no state, so no order
// matters. The engine computes the same words in groups; here they are computed one block at a time, for code that needs no engine.
//
// The key of a stream is a 64-bit hash of the words (seed, purpose, round, owner), the owner as FNV-1a of its UTF-8:
//
//   h = 0;  for each word w:  h = mix(h ^ w);  key = (low 32 bits of h, high 32 bits of h)
//   mix(z): z += 0x9E3779B97F4A7C15; z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9; z = (z ^ z >> 27) * 0x94D049BB133111EB; z ^ z >> 31

/// A stream of 32-bit words.
public struct RandomStream: Sendable {
    /// What the numbers are for.
    public enum Purpose: UInt64, Sendable, CaseIterable {
        /// A of the initial adapter; stream (layer, map).
        case initialAdapter = 1
        /// The order of records; stream (epoch, 0).
        case recordOrder = 2
        /// Dropout; stream (step, layer * 7 + map).
        case dropout = 3
        /// Records drawn from a source; stream (source, part).
        case recordsDrawn = 4
        /// Weights of a model that is used only for measuring.
        case randomModel = 5
        /// Documents drawn for an interval; stream (resample, 0).
        case resamples = 11
        /// Validation records drawn for the interval of a weight; stream (resample, 0).
        case weights = 12
    }

    package let key: (UInt32, UInt32)
    package let stream: (UInt32, UInt32)

    /// The stream for this seed, purpose, round and owner.
    public init(seed: UInt64, purpose: Purpose, round: Int = 0, owner: String = "", stream: (Int, Int)) {
        var name: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in owner.utf8 { name = (name ^ UInt64(byte)) &* 0x100_0000_01b3 }
        var h: UInt64 = 0
        for word in [seed, purpose.rawValue, UInt64(bitPattern: Int64(round)), name] { h = Self.mix(h ^ word) }
        key = (UInt32(truncatingIfNeeded: h), UInt32(truncatingIfNeeded: h >> 32))
        self.stream = (UInt32(truncatingIfNeeded: stream.0), UInt32(truncatingIfNeeded: stream.1))
    }

    private static func mix(_ value: UInt64) -> UInt64 {
        var z = value &+ 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// The first `count` words.
    public func words(_ count: Int) -> [UInt32] {
        var words: [UInt32] = []
        words.reserveCapacity(count + 3)
        var block: UInt64 = 0
        while words.count < count {
            let four = self.block(block)
            words += [four.0, four.1, four.2, four.3]
            block += 1
        }
        words.removeLast(words.count - count)
        return words
    }

    /// Words 4 block to 4 block + 3.
    private func block(_ block: UInt64) -> (UInt32, UInt32, UInt32, UInt32) {
        var c = (UInt32(truncatingIfNeeded: block), UInt32(truncatingIfNeeded: block >> 32), stream.0, stream.1)
        var k = key
        for _ in 0..<10 {
            let p0 = c.0.multipliedFullWidth(by: 0xD251_1F53)
            let p1 = c.2.multipliedFullWidth(by: 0xCD9E_8D57)
            c = (p1.high ^ c.1 ^ k.0, p1.low, p0.high ^ c.3 ^ k.1, p0.low)
            k = (k.0 &+ 0x9E37_79B9, k.1 &+ 0xBB67_AE85)
        }
        return c
    }
}

/// The random words with which a bootstrap resamples the documents of a cohort.
public func resamplingWords(count: Int, seed: UInt64, cohort: String, resample: Int) -> [UInt32] {
    RandomStream(seed: seed, purpose: .resamples, owner: cohort, stream: (resample, 0)).words(count)
}
