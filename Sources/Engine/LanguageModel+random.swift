// Random models of a given shape, quantised, in memory: to measure what a model costs without having its file.

import CKernels
import Faults
import Federation
import ModelFiles

extension LanguageModel {
    /// A matrix [rows, columns] of a quantised type: words of Philox, with scales that give weights of about ±0.02.
    static func randomMatrix(
        rows: Int, columns: Int, type: StoredType, place: Int, in arena: Arena
    ) throws(Fault) -> kernel_matrix {
        let rowBytes = (columns + type.blockElements - 1) / type.blockElements * type.blockBytes
        let words = (rows * rowBytes + 3) / 4
        let memory = try arena.bytes(words, 4)
        let random = Seeds.random(seed: 0, purpose: .randomModel, stream: (place, 0))
        kernel_random_words(memory.bindMemory(to: UInt32.self, capacity: words), random, 0, words)
        let scales = scales(type)
        for start in stride(from: 0, to: rows * rowBytes, by: type.blockBytes) {
            for (offset, bytes) in scales {
                (memory + start + offset).copyMemory(from: bytes, byteCount: bytes.count)
            }
        }
        return kernel_matrix(
            data: UnsafeRawPointer(memory), rows: rows, columns: columns, row_bytes: rowBytes, type: type.rawValue)
    }

    /// The parts of a block that are not random, and where they are: the scales of the integers, or the codes, all equally frequent.
    private static func scales(_ type: StoredType) -> [(offset: Int, bytes: [UInt8])] {
        func half(_ value: Double) -> [UInt8] {
            withUnsafeBytes(of: Float16(value).bitPattern.littleEndian) { Array($0) }
        }
        switch type {
        case .f32, .f16, .bf16: preconditionFailure("\(type) is not quantised")
        case .q4_0: return [(0, half(0.02 / 4.6))]
        case .q4_1: return [(0, half(0.02 / 4.6)), (2, half(-0.02 / 4.6 * 7.5))]
        case .q5_0: return [(0, half(0.02 / 9.2))]
        case .q5_1: return [(0, half(0.02 / 9.2)), (2, half(-0.02 / 9.2 * 15.5))]
        case .q8_0: return [(0, half(0.02 / 74))]
        // The scales of a block's parts are random, up to 63 or within ±127.
        case .q4_k: return [(0, half(0.02 / 4.6 / 36)), (2, half(0.02 / 4.6 / 36 * 7.5))]
        case .q5_k: return [(0, half(0.02 / 9.2 / 36)), (2, half(0.02 / 9.2 / 36 * 15.5))]
        case .q6_k: return [(208, half(0.02 / 18.5 / 74))]
        case .nf4: return [(0, withUnsafeBytes(of: Float(0.04)) { Array($0) })]
        }
    }

    /// A norm's weight: ones.
    static func ones(_ count: Int, in arena: Arena) throws(Fault) -> UnsafePointer<Float> {
        let values = try arena.floats(count)
        values.update(repeating: 1, count: count)
        return UnsafePointer(values)
    }
}
