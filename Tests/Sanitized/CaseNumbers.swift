// CaseNumbers: the numbers of a case, by counter: case 7 of seed 3 is the same whatever ran before it.

/// SplitMix64 over (seed, case, counter).
struct CaseNumbers {
    private let key: UInt64
    private var counter: UInt64 = 0

    init(seed: UInt64, case index: Int) { key = Self.mix(Self.mix(seed) ^ UInt64(bitPattern: Int64(index))) }

    mutating func word() -> UInt64 {
        counter += 1
        return Self.mix(key &+ counter)
    }

    /// 0 ..< bound.
    mutating func below(_ bound: Int) -> Int { Int(word() % UInt64(bound)) }

    /// One of the values.
    mutating func one<Value>(of values: [Value]) -> Value { values[below(values.count)] }

    /// Uniform in ±scale.
    mutating func floats(_ count: Int, scale: Float) -> [Float] {
        (0..<count).map { _ in (Float(word() >> 40) * 0x1p-23 - 1) * scale }
    }

    mutating func tokens(_ count: Int, below bound: Int) -> [Int32] { (0..<count).map { _ in Int32(below(bound)) } }

    private static func mix(_ value: UInt64) -> UInt64 {
        var z = value &+ 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
