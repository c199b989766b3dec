// What all kernel tests share: the one serialized suite (the level is global), seeded numbers, comparison of bits.

import CKernels
import Testing

/// Every suite of kernels is inside this one, because `kernel_set_level` is global.
@Suite(.serialized) struct KernelTests {}

/// Float32's unit roundoff.
let unitRoundoff = 0x1p-24

/// SplitMix64: numbers of a test, the same on every run.
struct Numbers {
    var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func word() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// Uniform in [-1, 1).
    mutating func float() -> Float { Float(Int32(truncatingIfNeeded: word() >> 40) - (1 << 23)) * 0x1p-23 }

    mutating func floats(_ count: Int) -> [Float] { (0..<count).map { _ in float() } }
}

/// Runs `body` at every level this processor has, plain C first, and returns what it returned.
func atEveryLevel<Result>(_ body: () -> Result) -> [Result] {
    defer { _ = kernel_set_level(kernel_best_level()) }
    return (KERNEL_LEVEL_PLAIN...Int(kernel_best_level())).map { level in
        #expect(kernel_set_level(Int32(level)) == Int32(level))
        return body()
    }
}

/// Runs `body` at every level, expects the same bits from all, and returns them.
func sameBits(
    _ what: @autoclosure () -> String = "", sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () -> [Float]
) -> [Float] {
    let results = atEveryLevel(body)
    for (level, result) in results.enumerated().dropFirst() {
        expectBits(result, results[0], "level \(level) and plain C \(what())", sourceLocation: sourceLocation)
    }
    return results[0]
}

/// Expects equal bits (all NaNs count as one), naming the first difference.
func expectBits(
    _ a: [Float], _ b: [Float], _ what: @autoclosure () -> String = "",
    sourceLocation: SourceLocation = #_sourceLocation
) {
    guard a.count == b.count else {
        Issue.record("\(a.count) and \(b.count) elements: \(what())", sourceLocation: sourceLocation)
        return
    }
    if let i = a.indices.first(where: { a[$0].bitPattern != b[$0].bitPattern && !(a[$0].isNaN && b[$0].isNaN) }) {
        Issue.record("element \(i): \(a[i]) and \(b[i]): \(what())", sourceLocation: sourceLocation)
    }
}

/// Expects |a - b| <= tolerance * (1 + |b|) for every element, naming the worst.
func expectClose(
    _ a: [Float], _ b: [Double], tolerance: Double, _ what: @autoclosure () -> String = "",
    sourceLocation: SourceLocation = #_sourceLocation
) {
    guard a.count == b.count else {
        Issue.record("\(a.count) and \(b.count) elements: \(what())", sourceLocation: sourceLocation)
        return
    }
    let errors = zip(a, b).map { abs(Double($0) - $1) / (1 + abs($1)) }
    if let i = errors.indices.first(where: { !(errors[$0] <= tolerance) }) {
        let worst = errors.max() ?? 0
        Issue.record(
            "element \(i): \(a[i]) and \(b[i]); worst error \(worst): \(what())", sourceLocation: sourceLocation)
    }
}

extension kernel_target {
    /// Columns of the first M rows of c.
    init(_ c: UnsafeMutablePointer<Float>, _ row: Int, _ accumulate: Bool, _ M: Int, _ first: Int, _ last: Int) {
        self.init(
            c: c, c_row: row, accumulate: accumulate ? 1 : 0, M: M, first_column: first, last_column: last)
    }
}

/// 64-byte aligned scratch memory during a call.
func withWorkspace<Result>(_ bytes: Int, _ body: (UnsafeMutableRawPointer) -> Result) -> Result {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
    defer { memory.deallocate() }
    // NaNs everywhere: so a kernel that reads what it did not write is found.
    memory.initializeMemory(as: UInt8.self, repeating: 0xff, count: bytes)
    return body(memory)
}
