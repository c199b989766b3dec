// The quantised block formats against the gguf package, and NF4 against bitsandbytes: Goldens/README.md says who made what.

import CKernels
import Federation
import Foundation
import ModelFiles
import Testing

@Suite struct BlockFormatTests {
    static let entries: [String: Safetensors.Entry] = {
        let path = Golden.folder.appendingPathComponent("blocks.safetensors").path
        return Dictionary(uniqueKeysWithValues: ((try? Safetensors.read(path: path)) ?? []).map { ($0.name, $0) })
    }()

    private func rows(_ bytes: [UInt8], _ type: StoredType, rows: Int, columns: Int) -> [Float] {
        var out = [Float](repeating: .nan, count: rows * columns)
        bytes.withUnsafeBytes { raw in
            var matrix = kernel_matrix(
                data: raw.baseAddress, rows: rows, columns: columns, row_bytes: bytes.count / rows, type: type.rawValue)
            out.withUnsafeMutableBufferPointer { buffer in
                guard let base = buffer.baseAddress else { return }
                for row in 0..<rows { kernel_matrix_row(base + row * columns, &matrix, row) }
            }
        }
        return out
    }

    @Test(
        arguments: [
            ("Q4_0", .q4_0), ("Q4_1", .q4_1), ("Q8_0", .q8_0), ("Q5_0", .q5_0), ("Q5_1", .q5_1), ("Q4_K", .q4_k),
            ("Q5_K", .q5_k), ("Q6_K", .q6_k),
        ] as [(String, StoredType)])
    func givesTheBitsOfTheGGUFPackage(name: String, type: StoredType) throws {
        let stored = try #require(Self.entries[name + ".bytes"])
        let expected = try #require(Self.entries[name + ".values"]?.floats)
        #expect(type.byteCount(shape: [2, 512]) == stored.bytes.count)
        #expect(rows(Array(stored.bytes), type, rows: 2, columns: 512) == expected)
    }

    @Test func readsNF4AsBitsandbytesDoes() throws {
        let packed = Array(try #require(Self.entries["nf4.packed"]).bytes)
        let absmax = try #require(Self.entries["nf4.absmax"]?.floats)
        let expected = try #require(Self.entries["nf4.dequant"]?.floats)
        var blocks: [UInt8] = []
        for (index, value) in absmax.enumerated() {
            blocks += withUnsafeBytes(of: value) { Array($0) } + packed[32 * index..<32 * index + 32]
        }
        #expect(rows(blocks, .nf4, rows: 8, columns: 576) == expected)
        let weight = try #require(Self.entries["nf4.weight"]?.floats)
        var quantised = [UInt8](repeating: 0, count: blocks.count)
        kernel_nf4_from_f32(&quantised, weight, weight.count / 64)
        #expect(quantised == blocks)
    }
}
