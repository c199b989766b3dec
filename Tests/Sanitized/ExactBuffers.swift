// Kernels on buffers that end with their last element, at every level, with sizes that no model may have: odd head dimensions.

import CKernels

/// A separate buffer for each operand, so that a sanitizer finds an access to one element too many.
private final class Buffer {
    let floats: UnsafeMutablePointer<Float>
    let halves: UnsafeMutablePointer<UInt16>

    init(_ values: [Float]) {
        floats = .allocate(capacity: max(1, values.count))
        floats.initialize(from: values, count: values.count)
        halves = .allocate(capacity: max(1, values.count))
        for (i, value) in values.enumerated() { halves[i] = UInt16(value.bitPattern >> 16) }
    }

    deinit {
        floats.deallocate()
        halves.deallocate()
    }
}

func exactBuffers(_ seeded: CaseNumbers) {
    var numbers = seeded
    attention(&numbers)
    products(&numbers)
}

private func attention(_ numbers: inout CaseNumbers) {
    let D = numbers.one(of: [1, 2, 3, 5, 15, 16, 17, 63, 255])
    let (queries, prefix, offset) = (
        1 + numbers.below(130), numbers.one(of: [0, 1, 95, 96, 97, 200]), numbers.one(of: [0, 1, 96])
    )
    let (q, dout) = (Buffer(numbers.floats(queries * D, scale: 1)), Buffer(numbers.floats(queries * D, scale: 1)))
    let own = offset + queries
    let prefixes = (0..<4).map { _ in Buffer(numbers.floats(prefix * D, scale: 1)) }
    let owns = (0..<4).map { _ in Buffer(numbers.floats(own * D, scale: 1)) }
    let (out, dq) = (Buffer(numbers.floats(queries * D, scale: 1)), Buffer(numbers.floats(queries * D, scale: 1)))
    let sums = Buffer(numbers.floats(queries, scale: 1))
    let scratch = UnsafeMutableRawPointer.allocate(byteCount: kernel_attention_scratch_bytes(D), alignment: 64)
    defer { scratch.deallocate() }
    var span = kernel_attention_span(
        prefix_keys: prefixes[0].floats, prefix_values: prefixes[1].floats, own_keys: owns[0].floats,
        own_values: owns[1].floats, prefix_row: D, own_row: D, prefix_count: prefix, own_offset: offset, D: D,
        scale: 0.3, window: numbers.one(of: [0, 0, 1, 50]))
    var given = kernel_attention_queries(
        q: q.floats, q_row: D, out: out.floats, out_row: D, log_sum_exp: sums.floats, count: queries)
    kernel_attention_forward(&given, &span, scratch)
    var gradients = kernel_attention_gradients(
        dout: dout.floats, dq: dq.floats, dq_row: D, dprefix_keys: prefixes[2].floats,
        dprefix_values: prefixes[3].floats, dprefix_row: D, down_keys: owns[2].floats, down_values: owns[3].floats,
        down_row: D)
    kernel_attention_backward(&gradients, &given, &span, scratch)
    withExtendedLifetime([q, dout, out, dq, sums] + prefixes + owns) {}
}

private func products(_ numbers: inout CaseNumbers) {
    let (M, N, K) = (1 + numbers.below(70), 1 + numbers.below(150), 1 + numbers.below(1100))
    let even = (K + 1) / 2 * 2
    let (a, b, c) = (
        Buffer(numbers.floats(M * even, scale: 1)), Buffer(numbers.floats(N * K, scale: 1)),
        Buffer(numbers.floats(M * N, scale: 1))
    )
    let isTransposed = numbers.below(2) == 0
    let isHalf = numbers.below(2) == 0
    let columns = isTransposed ? K : N
    let weight = kernel_matrix(
        data: isHalf ? UnsafeRawPointer(b.halves) : UnsafeRawPointer(b.floats), rows: isTransposed ? N : K,
        columns: columns, row_bytes: columns * (isHalf ? 2 : 4),
        type: Int32((isHalf ? KERNEL_BF16 : KERNEL_F32).rawValue))
    let mask = UnsafeMutablePointer<UInt16>.allocate(capacity: (M * N + 15) / 16 + 1)
    mask.initialize(repeating: 0x5a5a, count: (M * N + 15) / 16 + 1)
    let workspace = UnsafeMutableRawPointer.allocate(byteCount: kernel_gemm_workspace_bytes(), alignment: 64)
    defer {
        mask.deallocate()
        workspace.deallocate()
    }
    for fast in [false, true] {
        let term = kernel_term(
            a: fast ? UnsafeRawPointer(a.halves) : UnsafeRawPointer(a.floats), a_row: even, K: K, b: weight,
            b_transposed: isTransposed ? 1 : 0, scale: 2, mask: numbers.below(2) == 0 ? mask : nil, mask_row: N)
        let cut = numbers.below(N + 1)
        for (first, last) in [(0, cut), (cut, N)] {
            var target = kernel_target(
                c: c.floats, c_row: N, accumulate: Int32(numbers.below(2)), M: M, first_column: first,
                last_column: last)
            (fast ? kernel_fast_gemm_sum : kernel_gemm_sum)(&target, [term, term], 2, workspace)
        }
    }
    withExtendedLifetime([a, b, c]) {}
}
