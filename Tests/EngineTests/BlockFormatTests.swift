// The quantised block formats against the gguf package, and NF4 against bitsandbytes: Goldens/README.md says who made what.

import CKernels
import Engine
import Federation
import Foundation
import ModelFiles
import TestSupport
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

    @Test func quantisesAbsmaxAsBitsandbytesDoes() throws {
        let absmax = try #require(Self.entries["nf4.second.absmax"]?.floats)
        let second = SecondQuantisation(absmax)
        #expect(absmax.count == 5184)
        #expect([second.offset] == Self.entries["nf4.second.offset"]?.floats)
        #expect(second.scales == Self.entries["nf4.second.scales"]?.floats)
        #expect(second.codes == Array(try #require(Self.entries["nf4.second.codes"]).bytes))
        #expect((0..<256).map { kernel_nf4_second_code($0) } == Self.entries["nf4.second.map"]?.floats)
    }

    /// A row that is made by hand from the middle of the golden, where the row reaches from one group of 256 blocks into the next.
    @Test func readsDoubleQuantisedRowsAsBitsandbytesDoes() throws {
        let packed = Array(try #require(Self.entries["nf4.second.packed"]).bytes)
        let scales = try #require(Self.entries["nf4.second.scales"]?.floats)
        let codes = Array(try #require(Self.entries["nf4.second.codes"]).bytes)
        let offset = try #require(Self.entries["nf4.second.offset"]?.floats?.first)
        let expected = try #require(Self.entries["nf4.second.dequant"]?.floats)
        var bytes: [UInt8] = []
        func append(_ value: some BitwiseCopyable) { withUnsafeBytes(of: value) { bytes += $0 } }
        for row in 0..<3 {  // rows 27 to 29 of the golden: blocks 243 to 269
            let block = (27 + row) * 9
            append(offset)
            append(UInt16(block % 256))
            append(UInt16(2))
            for group in block / 256...block / 256 + 1 { append(scales[group]) }
            for index in block..<block + 9 {
                bytes.append(codes[index])
                bytes += packed[32 * (index - 243)..<32 * (index - 242)]
            }
        }
        var out = [Float](repeating: .nan, count: 3 * 576)
        bytes.withUnsafeBytes { raw in
            var matrix = kernel_matrix(
                data: raw.baseAddress, rows: 3, columns: 576, row_bytes: bytes.count / 3,
                type: Int32(KERNEL_NF4_DOUBLE.rawValue))
            for row in 0..<3 { kernel_matrix_row(&out[row * 576], &matrix, row) }
        }
        #expect(out == expected)
    }

    /// The whole golden, from its weights to its values.
    @Test(.needsSharedGoldens)
    func quantisesAWholeWeightAsBitsandbytesDoes() throws {
        let path = Golden.shared.appendingPathComponent("nf4.safetensors").path
        let golden = Dictionary(uniqueKeysWithValues: try Safetensors.read(path: path).map { ($0.name, $0) })
        let weight = try #require(golden["weight"]?.floats)
        let rows = try weight.withUnsafeBytes { raw in
            try QuantisedWeights.rows(
                of: kernel_matrix(
                    data: raw.baseAddress, rows: 576, columns: 576, row_bytes: 4 * 576, type: StoredType.f32.rawValue),
                name: "weight")
        }
        var out = [Float](repeating: .nan, count: weight.count)
        rows.withUnsafeBytes { raw in
            var matrix = kernel_matrix(
                data: raw.baseAddress, rows: 576, columns: 576, row_bytes: raw.count / 576,
                type: Int32(KERNEL_NF4_DOUBLE.rawValue))
            for row in 0..<576 { kernel_matrix_row(&out[row * 576], &matrix, row) }
        }
        #expect(out == golden["dequant_double"]?.floats)
    }
}
