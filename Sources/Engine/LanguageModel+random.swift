// Random models of a shape, with weights of four bits in memory: for measuring what a model costs without having it.

import CKernels
import Federation
import ModelFiles

extension LanguageModel {
    /// Bytes and elements of a Q4_0 block, and of it what is no scale.
    private static let blockBytes = 18
    private static let blockWidth = 32

    /// A matrix [rows, columns] of Q4_0 blocks: words of Philox, with a scale that gives weights of about ±0.02.
    static func randomMatrix(rows: Int, columns: Int, place: Int, in arena: Arena) -> kernel_matrix {
        let rowBytes = (columns + blockWidth - 1) / blockWidth * blockBytes
        let words = (rows * rowBytes + 3) / 4
        let memory = arena.bytes(words * 4)
        let random = Seeds.random(seed: 0, purpose: .randomModel, stream: (place, 0))
        kernel_random_words(memory.bindMemory(to: UInt32.self, capacity: words), random, 0, words)
        let scale = Float16(0.02 / 4.6).bitPattern
        for start in stride(from: 0, to: rows * rowBytes, by: blockBytes) {
            memory.storeBytes(of: scale.littleEndian, toByteOffset: start, as: UInt16.self)
        }
        return kernel_matrix(
            data: UnsafeRawPointer(memory), rows: rows, columns: columns, row_bytes: rowBytes,
            type: Int32(KERNEL_Q4_0.rawValue))
    }

    /// A norm's weight: ones.
    static func ones(_ count: Int, in arena: Arena) -> UnsafePointer<Float> {
        let values = arena.floats(count)
        values.update(repeating: 1, count: count)
        return UnsafePointer(values)
    }
}
