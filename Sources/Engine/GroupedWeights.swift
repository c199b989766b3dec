// GroupedWeights: a copy of the frozen weights, still in their stored form, in the layout that passes of few rows read.

import CKernels
import Faults
import Federation
import Synchronization

/// Every weight of a model with sixteen rows side by side (kernel_grouped), about as large as the file.
///
/// Unchecked Sendable: only `init` writes the stored properties and the memory behind the pointers.
final class GroupedWeights: @unchecked Sendable {
    let layers: [[kernel_grouped]]  // [out, in] each, in LinearMap.allCases order
    let head: kernel_grouped  // [V, H]
    private let arena = Arena()

    /// Rows that one task regroups.
    private static let taskRows = 1024

    init(_ model: LanguageModel, workers: Workers) throws(Fault) {
        let arena = arena
        var sources: [kernel_matrix] = []
        var groups: [kernel_grouped] = []
        func grouped(_ matrix: kernel_matrix) throws(Fault) -> kernel_grouped {
            let grouped = try arena.grouped(type: matrix.type, rows: matrix.rows, columns: matrix.columns)
            sources.append(matrix)
            groups.append(grouped)
            return grouped
        }
        layers = try model.layers.map { (layer) throws(Fault) in try layer.maps.map(grouped) }
        head = try grouped(model.head)
        var tasks: [(place: Int, rows: Range<Int>)] = []
        for (place, source) in sources.enumerated() {
            for first in stride(from: 0, to: source.rows, by: Self.taskRows) {
                tasks.append((place, first..<min(source.rows, first + Self.taskRows)))
            }
        }
        workers.run(tasks.count) { task, _ in
            let (place, rows) = tasks[task]
            regroup(groups[place], from: sources[place], rows)
        }
    }
}

/// The grouped weights of a model, made when they are first needed.
final class GroupedWeightsOnce: Sendable {
    private let weights = Mutex<GroupedWeights?>(nil)

    /// Faults: engine.memory.
    func of(_ model: LanguageModel, workers: Workers) throws(Fault) -> GroupedWeights {
        try weights.withLock { (weights) throws(Fault) in
            if let weights { return weights }
            let made = try GroupedWeights(model, workers: workers)
            weights = made
            return made
        }
    }
}

/// The adapted part of a layer in the layout that passes of few rows read: the A of maps that share an input form one matrix.
struct GroupedAdapter {
    /// Maps that read the same rows: their A matrices, one above the other, and the scale of B A.
    struct Stack {
        let a: kernel_grouped  // [maps * r, in]
        let scale: Float
        /// The columns of u, the product of A and the input.
        var width: Int { a.rows }
    }
    /// One map's B, and where the map's u begins in the stack's u.
    struct Up {
        let b: kernel_grouped  // [out, r]
        let offset: Int
    }

    let stacks: [Stack?]  // in LayerInput.allCases order
    let ups: [Up?]  // in LinearMap.allCases order

    init(_ layer: LayerMaps, arena: Arena) throws(Fault) {
        var ups = [Up?](repeating: nil, count: LinearMap.allCases.count)
        stacks = try LayerInput.allCases.map { (input) throws(Fault) -> Stack? in
            var rows = 0
            for map in input.maps { rows += layer[map].low?.rank ?? 0 }
            guard rows > 0 else { return nil }
            let inputs = layer[input.maps[0]].inputs
            let stacked = try arena.floats(rows, inputs)
            var scale: Float = 1
            var next = 0
            for map in input.maps {
                guard let low = layer[map].low else { continue }
                (stacked + next * inputs).update(from: low.a, count: low.rank * inputs)
                let outputs = layer[map].outputs
                let b = try arena.floats(outputs, low.rank)
                for r in 0..<low.rank {
                    for n in 0..<outputs { b[n * low.rank + r] = low.b[r * outputs + n] }
                }
                ups[map.place] = Up(
                    b: try Self.grouped(matrix(b, rows: outputs, columns: low.rank), arena: arena), offset: next)
                scale = low.scale
                next += low.rank
            }
            return Stack(
                a: try Self.grouped(matrix(stacked, rows: rows, columns: inputs), arena: arena), scale: scale)
        }
        self.ups = ups
    }

    private static func grouped(_ matrix: kernel_matrix, arena: Arena) throws(Fault) -> kernel_grouped {
        let grouped = try arena.grouped(type: matrix.type, rows: matrix.rows, columns: matrix.columns)
        regroup(grouped, from: matrix, 0..<matrix.rows)
        return grouped
    }
}

/// The inputs of the maps of a layer.
enum LayerInput: Int, CaseIterable {
    case normed, attention, postNormed, product

    /// The maps that read this input, in order.
    var maps: [LinearMap] {
        switch self {
        case .normed: [.q, .k, .v]
        case .attention: [.o]
        case .postNormed: [.gate, .up]
        case .product: [.down]
        }
    }
}

extension Arena {
    /// Zeroed memory for a grouped matrix.
    func grouped(type: Int32, rows: Int, columns: Int) throws(Fault) -> kernel_grouped {
        // Rows and columns are at most 2^24 each, and a weight in a group takes at most 128 bytes.
        let bytes = kernel_grouped_bytes(type, rows, columns)
        return kernel_grouped(
            data: UnsafeRawPointer(try floats((bytes + 3) / 4)), rows: rows, columns: columns, type: type)
    }
}

private func regroup(_ grouped: kernel_grouped, from matrix: kernel_matrix, _ rows: Range<Int>) {
    withUnsafePointer(to: matrix) {
        kernel_group_rows(UnsafeMutableRawPointer(mutating: grouped.data), $0, rows.lowerBound, rows.upperBound)
    }
}

/// c[:, columns] (+)= a b^T, as kernel_grouped_product defines it.
func product(
    _ c: UnsafeMutablePointer<Float>, row: Int, accumulate: Bool, _ a: UnsafePointer<Float>, aRow: Int,
    _ b: kernel_grouped, M: Int, columns: Range<Int>, _ workspace: UnsafeMutableRawPointer
) {
    var target = kernel_target(c, row: row, accumulate: accumulate, M: M, columns: columns)
    withUnsafePointer(to: b) { kernel_grouped_product(&target, a, aRow, $0, workspace) }
}
