// OpenBLAS: the products of a pass by cblas_sgemm. The library is loaded when an OpenBLAS value is made, so no other command waits for it,
// and the program also runs on a machine without it.

import CKernels
import Faults
import Federation
import Glibc
import ModelFiles

/// Products of float32 matrices that are unpacked into memory of its own. For one thread.
final class OpenBLAS {
    /// How an operand is read.
    enum Form: Int32 {
        case stored = 111
        case transposed = 112
    }
    typealias Multiply =
        @convention(c) (
            Int32, Int32, Int32, Int32, Int32, Int32, Float, UnsafePointer<Float>?, Int32, UnsafePointer<Float>?, Int32,
            Float, UnsafeMutablePointer<Float>?, Int32
        ) -> Void
    private typealias SetThreads = @convention(c) (Int32) -> Void

    static let name = "libopenblas.so.0"
    private static let rowMajor: Int32 = 101

    private let multiply: Multiply
    private let arena = Arena()
    private let a: UnsafeMutablePointer<Float>  // an operand in fast numerics as float32
    private let b: UnsafeMutablePointer<Float>  // an unpacked weight
    private let masked: UnsafeMutablePointer<Float>  // a product before its mask
    /// Scores and their gradients, [positions, positions] each.
    let scores: UnsafeMutablePointer<Float>
    let scoreGradients: UnsafeMutablePointer<Float>

    /// For passes of at most `rows` rows at positions below `positions`. Faults: engine.openblas, engine.memory.
    init(_ shape: ModelShape, rank: Int, rows: Int, positions: Int) throws(Fault) {
        multiply = try Self.load()
        guard max(rows, positions) <= Int(Int32.max) else {
            throw .setting("rows of a batch", "\(rows)", range: "1...\(Int32.max)")
        }
        let V = shape.vocabularySize
        let widest = LinearMap.allCases.map { shape.inputs(of: $0) * shape.outputs(of: $0) }.reduce(0, max)
        // The head takes a chunk of rows at a time; the gradients of A and B take all rows.
        let headRows = HeadScratch.rows(vocabulary: V, limit: rows)
        a = try arena.floats(max(MachineMemory.product([rows, max(shape.widestRow, rank)]), headRows * V))
        b = try arena.floats(
            max(
                widest, V * shape.hiddenSize, rank * shape.widestRow,
                MachineMemory.product([rows, max(shape.widestRow, rank)])))
        masked = try arena.floats(rows, shape.widestRow)
        scores = try arena.floats(positions, positions)
        scoreGradients = try arena.floats(positions, positions)
    }

    /// Loads the library, which then stays loaded; it computes on the calling thread. Faults: engine.openblas.
    @discardableResult
    static func load(_ name: String = OpenBLAS.name) throws(Fault) -> Multiply {
        guard let library = dlopen(name, RTLD_NOW | RTLD_LOCAL), let multiply = dlsym(library, "cblas_sgemm"),
            let threads = dlsym(library, "openblas_set_num_threads")
        else { throw .openBLASMissing(name) }
        unsafeBitCast(threads, to: SetThreads.self)(1)
        return unsafeBitCast(multiply, to: Multiply.self)
    }

    /// c [M, N] = beta c + scale * op(a) op(b); the parameters give the distance between rows of each matrix.
    func product(
        _ c: UnsafeMutablePointer<Float>, row: Int, beta: Float, _ a: UnsafePointer<Float>, _ aForm: Form, aRow: Int,
        _ b: UnsafePointer<Float>, _ bForm: Form, bRow: Int, M: Int, N: Int, K: Int, scale: Float = 1
    ) {
        guard M > 0, N > 0 else { return }
        guard K > 0 else {
            if beta == 0 { for m in 0..<M { (c + m * row).update(repeating: 0, count: N) } }
            return
        }
        multiply(
            Self.rowMajor, aForm.rawValue, bForm.rawValue, Int32(M), Int32(N), Int32(K), scale, a, Int32(aRow), b,
            Int32(bRow), beta, c, Int32(row))
    }

    /// Computes what kernel_gemm_sum or kernel_fast_gemm_sum computes, over all columns of b.
    func sum(_ target: kernel_target, _ terms: [kernel_term], fast: Bool) {
        guard let c = target.c else { return }
        let (M, N) = (target.M, target.last_column)
        var adds = target.accumulate != 0
        for term in terms {
            guard let pointer = term.a else { continue }
            let isTransposed = term.b_transposed != 0
            let (b, bRow) = unpacked(term.b, rows: isTransposed ? N : term.K, columns: isTransposed ? term.K : N, fast)
            var a = pointer.assumingMemoryBound(to: Float.self)
            var aRow = term.a_row
            if fast {
                (a, aRow) = (widened(pointer.assumingMemoryBound(to: UInt16.self), aRow, M, term.K), term.K)
            }
            let out = term.mask == nil ? c : masked
            product(
                out, row: term.mask == nil ? target.c_row : N, beta: term.mask == nil && adds ? 1 : 0, a, .stored,
                aRow: aRow, b, isTransposed ? .transposed : .stored, bRow: bRow, M: M, N: N, K: term.K)
            if let mask = term.mask {
                for m in 0..<M {
                    for n in 0..<N {
                        let bit = m * term.mask_row + n
                        let counts = mask[bit / 16] >> UInt16(bit % 16) & 1 == 1
                        let value = counts ? masked[m * N + n] * term.scale : 0
                        c[m * target.c_row + n] = adds ? c[m * target.c_row + n] + value : value
                    }
                }
            }
            adds = true
        }
    }

    /// c [rank, width] += u^T y with u [T, rank] and y [T, width]; in fast numerics u and y come in the form that its products read.
    func cross(
        _ c: UnsafeMutablePointer<Float>, rank: Int, width: Int, T: Int,
        _ u: (floats: UnsafePointer<Float>, pairs: UnsafeMutablePointer<UInt32>?),
        _ y: (floats: UnsafePointer<Float>, halves: UnsafeMutablePointer<UInt16>?)
    ) {
        var (left, right) = (u.floats, y.floats)
        if let pairs = u.pairs, let halves = y.halves {
            for t in 0..<T {
                for r in 0..<rank {
                    let pair = pairs[t / 2 * rank + r]
                    a[t * rank + r] = Float(bitPattern: t % 2 == 0 ? pair << 16 : pair & 0xffff_0000)
                }
                Self.widen(b + t * width, halves + t * Halves.stride(of: width), width)
            }
            (left, right) = (UnsafePointer(a), UnsafePointer(b))
        }
        product(
            c, row: width, beta: 1, left, .transposed, aRow: rank, right, .stored, bRow: width, M: rank, N: width, K: T)
    }

    /// A weight in float32, and the distance between its rows; for fast numerics each number is rounded as fast numerics rounds it.
    private func unpacked(
        _ matrix: kernel_matrix, rows: Int, columns: Int, _ fast: Bool
    ) -> (UnsafePointer<Float>, Int) {
        let isFloat = matrix.type == Int32(KERNEL_F32.rawValue)
        if isFloat, !fast, let data = matrix.data {
            return (data.assumingMemoryBound(to: Float.self), matrix.row_bytes / MemoryLayout<Float>.stride)
        }
        withUnsafePointer(to: matrix) { matrix in
            for row in 0..<rows { kernel_matrix_row(b + row * columns, matrix, row) }
        }
        if fast { for i in 0..<rows * columns { b[i] = Self.rounded(b[i]) } }
        return (UnsafePointer(b), columns)
    }

    private func widened(_ halves: UnsafePointer<UInt16>, _ row: Int, _ M: Int, _ K: Int) -> UnsafePointer<Float> {
        for m in 0..<M { Self.widen(a + m * K, halves + m * row, K) }
        return UnsafePointer(a)
    }

    private static func widen(_ out: UnsafeMutablePointer<Float>, _ halves: UnsafePointer<UInt16>, _ count: Int) {
        for i in 0..<count { out[i] = Float(bitPattern: UInt32(halves[i]) << 16) }
    }

    /// bfloat16 to nearest even, denormals to zero.
    private static func rounded(_ x: Float) -> Float {
        if x.magnitude < .leastNormalMagnitude { return x.sign == .minus ? -0.0 : 0 }
        guard x.isFinite else { return x }
        let word = x.bitPattern
        return Float(bitPattern: (word &+ 0x7fff &+ (word >> 16 & 1)) & 0xffff_0000)
    }
}

extension Fault {
    static func openBLASMissing(_ name: String) -> Fault {
        Fault(
            .failed, "engine.openblas", "\(name) cannot be loaded, or has no cblas_sgemm",
            mend: "Install OpenBLAS (Debian: libopenblas0), or ask for no second arithmetic.")
    }
}
