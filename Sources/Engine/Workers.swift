// Workers: how one piece of work is split over threads. Splits never change a result, so the thread count never does.

import CKernels
import Faults

/// A fixed number of threads, each with its own workspace for the kernels.
///
/// Threads take tasks in turn from a counter; every task writes only its own memory.
package final class Workers {
    /// Column ranges that start at multiples of this are fastest for the GEMM kernels.
    static let columnTile = 48

    let count: Int
    /// The most rows that a task of `rows` takes; the row scratch holds as many.
    private let mostRows: Int
    private let arena = Arena()
    private let gemmWorkspaces: [UnsafeMutableRawPointer]
    private let attentionScratches: [UnsafeMutableRawPointer]
    private let rowScratches: [UnsafeMutablePointer<Float>]
    private let halfScratches: [UnsafeMutablePointer<UInt16>]
    private let pool: WorkerPool?
    /// Computes products in place of the kernels, for a second arithmetic: on one thread.
    let openBLAS: OpenBLAS?

    /// Workspaces for `count` threads, heads of D elements and rows of at most `width` elements.
    /// Faults: engine.memory.
    package convenience init(count: Int, headDimension D: Int, width: Int) throws(Fault) {
        try self.init(count: count, headDimension: D, width: width, openBLAS: nil)
    }

    init(count: Int, headDimension D: Int, width: Int, openBLAS: OpenBLAS?) throws(Fault) {
        let count = openBLAS == nil ? count : 1
        self.openBLAS = openBLAS
        let arena = arena
        let mostRows = Self.mostRows(width: width)
        self.count = count
        self.mostRows = mostRows
        func each<Scratch>(_ make: () throws(Fault) -> Scratch) throws(Fault) -> [Scratch] {
            try (0..<count).map { (_) throws(Fault) in try make() }
        }
        gemmWorkspaces = try each { () throws(Fault) in try arena.bytes(kernel_gemm_workspace_bytes()) }
        attentionScratches = try each { () throws(Fault) in try arena.bytes(kernel_attention_scratch_bytes(D)) }
        rowScratches = try each { () throws(Fault) in try arena.floats(mostRows, width) }
        halfScratches = try each { () throws(Fault) in try arena.halves(mostRows, Halves.stride(of: width)) }
        pool = count > 1 ? WorkerPool(helpers: count - 1) : nil
        pool?.start()
    }

    deinit { pool?.stop() }

    /// The GEMM workspace of a worker.
    func gemmWorkspace(_ worker: Int) -> UnsafeMutableRawPointer { gemmWorkspaces[worker] }
    /// The attention scratch of a worker.
    func attentionScratch(_ worker: Int) -> UnsafeMutableRawPointer { attentionScratches[worker] }
    /// Room for the rows of a task of a worker.
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

    /// The most rows of a task for rows of `width` elements: many rows share the panels of A, and the scratch stays in the cache.
    static func mostRows(width: Int) -> Int { min(128, max(32, (1 << 17) / max(1, width) / 16 * 16)) }

    /// Splits 0 ..< T into blocks of 32 rows or more, multiples of 16: equally many for each thread, as large as possible, the longer ones
    /// first.
    func rows(_ T: Int, _ body: (_ rows: Range<Int>, _ worker: Int) -> Void) {
        let units = (T + 15) / 16
        let fewest = (16 * units + mostRows - 1) / mostRows
        let turns = (fewest + count - 1) / count
        let blocks = max(fewest, min(count * turns, (units + 1) / 2))
        func start(_ block: Int) -> Int {
            min(T, 16 * (units / blocks * block + min(block, units % blocks)))
        }
        run(blocks) { task, worker in body(start(task)..<start(task + 1), worker) }
    }

    /// Splits the columns of several matrices into ranges. A range has two tiles where that leaves some ranges for every thread, and more
    /// where there are very many columns: for so few columns GEMM reads the rows of A in place, which is faster than packing them.
    func columns(_ widths: [Int], _ body: (_ matrix: Int, _ columns: Range<Int>, _ worker: Int) -> Void) {
        let tile = Self.columnTile
        let whole = widths.reduce(0, +)
        let least = whole >= 6 * tile * count ? 2 * tile : tile
        // OpenBLAS unpacks a whole weight for every call.
        let step = openBLAS != nil ? max(1, whole) : max(least, (whole / (32 * count) + tile - 1) / tile * tile)
        var tasks: [(matrix: Int, columns: Range<Int>)] = []
        for (matrix, width) in widths.enumerated() {
            for first in stride(from: 0, to: width, by: step) {
                tasks.append((matrix, first..<min(width, first + step)))
            }
        }
        run(tasks.count) { task, worker in body(tasks[task].matrix, tasks[task].columns, worker) }
    }
}

extension Workers {
    /// c[:, columns] (+)= the sum of the terms, as kernel_gemm_sum or kernel_fast_gemm_sum defines it.
    func gemm(
        _ c: UnsafeMutablePointer<Float>, row: Int, accumulate: Bool = false, _ terms: [kernel_term], M: Int,
        columns: Range<Int>, fast: Bool, worker: Int
    ) {
        var target = kernel_target(c, row: row, accumulate: accumulate, M: M, columns: columns)
        if let openBLAS {
            openBLAS.sum(target, terms, fast: fast)
            return
        }
        let sum = fast ? kernel_fast_gemm_sum : kernel_gemm_sum
        sum(&target, terms, terms.count, gemmWorkspace(worker))
    }
}

extension kernel_target {
    /// Columns of the first M rows of c.
    init(_ c: UnsafeMutablePointer<Float>, row: Int, accumulate: Bool, M: Int, columns: Range<Int>) {
        self.init(
            c: c, c_row: row, accumulate: accumulate ? 1 : 0, M: M, first_column: columns.lowerBound,
            last_column: columns.upperBound)
    }
}

extension kernel_term {
    /// a [M, width] times b, [width, N] or, where transposed, [N, width]. For exact numerics a is float32; for fast numerics it is
    /// `rounded`, the same in bfloat16 at the stride of halves.
    init(
        _ a: UnsafePointer<Float>, or rounded: UnsafePointer<UInt16>?, width: Int, times b: kernel_matrix,
        transposed: Bool
    ) {
        self.init(
            a: rounded.map { UnsafeRawPointer($0) } ?? UnsafeRawPointer(a),
            a_row: rounded == nil ? width : Halves.stride(of: width), K: width, b: b, b_transposed: transposed ? 1 : 0,
            scale: 1, mask: nil, mask_row: 0)
    }
}

/// A float32 matrix in our own memory.
package func matrix(_ values: UnsafePointer<Float>, rows: Int, columns: Int) -> kernel_matrix {
    kernel_matrix(
        data: UnsafeRawPointer(values), rows: rows, columns: columns, row_bytes: 4 * columns,
        type: Int32(KERNEL_F32.rawValue))
}
