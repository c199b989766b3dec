// Workers: how one piece of work is split over threads. Splits never change a result, so the thread count never does.

import CKernels

/// A fixed number of threads, each with its own workspace for the kernels.
///
/// Tasks are taken in turn from a counter; every task writes what no other writes.
package final class Workers {
    /// Rows a task of `rows` takes at most; the row scratch holds as many.
    static let rowBlock = 32
    /// Column ranges that start at multiples of this are fastest for the GEMM kernels.
    static let columnTile = 48

    let count: Int
    private let arena = Arena()
    private let gemmWorkspaces: [UnsafeMutableRawPointer]
    private let attentionScratches: [UnsafeMutableRawPointer]
    private let rowScratches: [UnsafeMutablePointer<Float>]
    private let halfScratches: [UnsafeMutablePointer<UInt16>]
    private let pool: WorkerPool?

    /// Workspaces for `count` threads, heads of D elements and rows of at most `width` elements.
    package init(count: Int, headDimension D: Int, width: Int) {
        let arena = arena
        self.count = count
        gemmWorkspaces = (0..<count).map { _ in arena.bytes(kernel_gemm_workspace_bytes()) }
        attentionScratches = (0..<count).map { _ in arena.bytes(kernel_attention_scratch_bytes(D)) }
        rowScratches = (0..<count).map { _ in arena.floats(Self.rowBlock * width) }
        halfScratches = (0..<count).map { _ in arena.halves(Self.rowBlock * Halves.stride(of: width)) }
        pool = count > 1 ? WorkerPool(helpers: count - 1) : nil
        pool?.start()
    }

    deinit { pool?.stop() }

    /// The GEMM workspace of a worker.
    func gemmWorkspace(_ worker: Int) -> UnsafeMutableRawPointer { gemmWorkspaces[worker] }
    /// The attention scratch of a worker.
    func attentionScratch(_ worker: Int) -> UnsafeMutableRawPointer { attentionScratches[worker] }
    /// Room for `rowBlock` rows of a worker.
    func rowScratch(_ worker: Int) -> UnsafeMutablePointer<Float> { rowScratches[worker] }
    /// The same in bfloat16.
    func halfScratch(_ worker: Int) -> UnsafeMutablePointer<UInt16> { halfScratches[worker] }

    /// Runs body(task, worker) once for every task in 0 ..< tasks.
    func run(_ tasks: Int, _ body: (_ task: Int, _ worker: Int) -> Void) {
        if let pool, tasks > 1 {
            pool.run(tasks, body)
        } else {
            for task in 0..<tasks { body(task, 0) }
        }
    }

    /// Splits 0 ..< T into row blocks.
    func rows(_ T: Int, _ body: (_ rows: Range<Int>, _ worker: Int) -> Void) {
        run((T + Self.rowBlock - 1) / Self.rowBlock) { task, worker in
            let first = task * Self.rowBlock
            body(first..<min(T, first + Self.rowBlock), worker)
        }
    }

    /// Splits the columns of several matrices into ranges; small ones where a range costs nothing but its own work.
    func columns(
        _ widths: [Int], small: Bool, _ body: (_ matrix: Int, _ columns: Range<Int>, _ worker: Int) -> Void
    ) {
        let tile = Self.columnTile
        let share = widths.reduce(0, +) / ((small ? 16 : 4) * count)
        let step = count == 1 ? Int.max : max(tile, (share + tile - 1) / tile * tile)
        var tasks: [(matrix: Int, columns: Range<Int>)] = []
        for (matrix, width) in widths.enumerated() {
            var first = 0
            while first < width {
                let last = width - first <= step ? width : first + step
                tasks.append((matrix, first..<last))
                first = last
            }
        }
        run(tasks.count) { task, worker in body(tasks[task].matrix, tasks[task].columns, worker) }
    }
}

/// c[:, columns] (+)= a b, as kernel_gemm says; `a` is read at a[m * aRow + k * aColumn].
func gemm(
    _ c: UnsafeMutablePointer<Float>, row: Int, accumulate: Bool, _ a: UnsafePointer<Float>, aRow: Int,
    aColumn: Int = 1, _ b: kernel_matrix, transposed: Bool, M: Int, columns: Range<Int>, K: Int,
    _ workspace: UnsafeMutableRawPointer
) {
    withUnsafePointer(to: b) { b in
        kernel_gemm(
            c, row, accumulate ? 1 : 0, a, aRow, aColumn, b, transposed ? 1 : 0, M, columns.lowerBound,
            columns.upperBound, K, workspace)
    }
}

/// A float32 matrix in our own memory.
package func matrix(_ values: UnsafePointer<Float>, rows: Int, columns: Int) -> kernel_matrix {
    kernel_matrix(
        data: UnsafeRawPointer(values), rows: rows, columns: columns, row_bytes: 4 * columns,
        type: Int32(KERNEL_F32.rawValue))
}
