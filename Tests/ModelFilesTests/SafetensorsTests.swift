// The safetensors reader and writer: the layout to the byte, and every way in which a file may be broken.

import Faults
import ModelFiles
import TestSupport
import Testing

@Suite struct SafetensorsTests {
    private func file(_ header: String, data: [UInt8]) -> [UInt8] {
        GGUFBuilder.little(UInt64(header.utf8.count)) + Array(header.utf8) + data
    }

    private func codeOf(_ header: String, data: Int = 8) -> String? {
        code { _ = try Safetensors.read(file(header, data: Array(repeating: 1, count: data)), path: "x.safetensors") }
    }

    @Test func writesTheseBytes() {
        let bytes = Safetensors.write([
            .init(name: "b", shape: [2], type: .bf16, bytes: [1, 2, 3, 4]),
            .init(name: "a", shape: [1, 1], type: .f32, bytes: [5, 6, 7, 8]),
        ])
        let header =
            "{\"__metadata__\":{\"format\":\"pt\"},"
            + "\"a\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[0,4]},"
            + "\"b\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[4,8]}}"
        let padded = header + String(repeating: " ", count: (8 - header.utf8.count % 8) % 8)
        #expect(bytes == file(padded, data: [5, 6, 7, 8, 1, 2, 3, 4]))
        #expect(padded.utf8.count % 8 == 0)
    }

    @Test func readsWhatItWrites() throws {
        let bytes = Safetensors.write([
            .init(name: "odd", shape: [3], type: .bf16, bytes: [0x80, 0x3f, 0x00, 0x40, 0x40, 0xc0]),
            .init(name: "wide", shape: [1, 2], type: .f32, bytes: GGUFBuilder.floats([1.5, -2])),
            .init(name: "none", shape: [0, 4], type: .f32, bytes: []),
            .init(name: "half \"é\"", shape: [], type: .f16, bytes: [0x00, 0x3c]),
        ])
        let entries = try Safetensors.read(bytes, path: "x.safetensors")
        #expect(entries.map(\.name) == ["half \"é\"", "none", "odd", "wide"])
        #expect(entries.map(\.shape) == [[], [0, 4], [3], [1, 2]])
        #expect(entries.map(\.type) == [.f16, .f32, .bf16, .f32])
        #expect(entries.map(\.floats) == [[1], [], [1, 2, -3], [1.5, -2]])
        // `wide` starts at an odd offset of the file and is moved to where a float may be read.
        for entry in entries where !entry.bytes.isEmpty {
            #expect(UInt(bitPattern: entry.bytes.baseAddress) % UInt(entry.type.bytes) == 0)
        }
        #expect(Safetensors.write([]).count == 8 + 32)
        #expect(try Safetensors.read(Safetensors.write([]), path: "x").isEmpty)
    }

    @Test func halfPrecisionIsExactForEveryBitPattern() throws {
        let patterns = (0...UInt16.max).map { $0 }
        let bytes = Safetensors.write([
            .init(name: "h", shape: [65536], type: .f16, bytes: patterns.flatMap { GGUFBuilder.little($0) })
        ])
        let floats = try #require(try Safetensors.read(bytes, path: "x")[0].floats)
        for (pattern, value) in zip(patterns, floats) {
            let expected = Float(Float16(bitPattern: pattern))
            if expected.isNaN ? !value.isNaN : expected.bitPattern != value.bitPattern {
                Issue.record("\(pattern): \(value) is not \(expected)")
            }
        }
    }

    @Test func readsOtherTypesOnlyAsEntries() throws {
        let header = "{\"ids\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]}}"
        let entries = try Safetensors.read(file(header, data: [255, 255, 255, 255, 255, 255, 255, 255]), path: "x")
        #expect(entries[0].integers == [-1])
        #expect(entries[0].floats == nil)
        #expect(
            codeOf("{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[8],\"data_offsets\":[0,8]}}") == "model.unsupported-type")
    }

    @Test func rejectsBrokenHeaders() {
        func one(_ dtype: String, _ shape: String, _ offsets: String) -> String {
            "{\"a\":{\"dtype\":\(dtype),\"shape\":\(shape),\"data_offsets\":\(offsets)}}"
        }
        #expect(codeOf(one("\"F32\"", "[2]", "[0,8]")) == nil)
        for header in [
            "", "[]", " {}", "{", "null", one("\"F32\"", "[2]", "[0,4]"), one("\"F32\"", "[1]", "[0,8]"),
            one("\"F32\"", "[2]", "[8,0]"), one("\"F32\"", "[2]", "[-8,0]"), one("\"F32\"", "[2]", "[0]"),
            one("\"F32\"", "[2]", "[0,8,8]"), one("\"F32\"", "[-2]", "[0,8]"), one("\"F32\"", "[2.0]", "[0,8]"),
            one("\"F32\"", "2", "[0,8]"), one("3", "[2]", "[0,8]"), one("\"F32\"", "[1]", "[0,4]"),
            one("\"F32\"", "[1]", "[4,8]"), one("\"F32\"", "[4611686018427387904,4]", "[0,8]"),
            one("\"F32\"", "[9223372036854775807,9223372036854775807]", "[0,8]"), "{\"a\":[]}",
            "{\"__metadata__\":{\"a\":1}}",
            "{\"__metadata__\":3}",
            "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                + "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
            "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                + "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
        ] {
            #expect(codeOf(header) == "model.malformed", "\(header)")
        }
        #expect(codeOf(one("\"F32\"", "[4]", "[0,16]")) == "model.truncated")
        #expect(codeOf(one("\"F32\"", "[2]", "[0,8]"), data: 9) == "model.malformed")
        #expect(code { _ = try Safetensors.read([], path: "x") } == "model.empty")
        for length in [UInt64.max, 100_000_001, 1 << 63] {
            let fault = code { _ = try Safetensors.read(GGUFBuilder.little(length) + [0x7b, 0x7d], path: "x") }
            #expect(fault == "model.malformed")
        }
        #expect(
            code { _ = try Safetensors.read(GGUFBuilder.little(UInt64(3)) + [0x7b, 0x7d], path: "x") }
                == "model.truncated")
    }

    @Test func everyPrefixAndMutationIsReadOrAFault() {
        let bytes = Safetensors.write([
            .init(name: "first", shape: [2, 3], type: .f32, bytes: Array(repeating: 7, count: 24)),
            .init(name: "second", shape: [4], type: .bf16, bytes: Array(repeating: 9, count: 8)),
            .init(name: "third", shape: [0], type: .f16, bytes: []),
        ])
        for count in 0..<bytes.count {
            #expect(code { _ = try Safetensors.read(Array(bytes[..<count]), path: "x") }?.hasPrefix("model.") == true)
        }
        var generator = SeededGenerator(state: 23)
        let spice = Array("0123456789[]{},:\"-e. F".utf8)
        var faults = 0
        for _ in 0..<20_000 {
            var mutated = bytes
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                let at = Int.random(in: 0..<mutated.count, using: &generator)
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: mutated[at] = UInt8.random(in: 0...255, using: &generator)
                case 1: mutated[at] = spice.randomElement(using: &generator) ?? 0
                case 2: mutated.remove(at: at)
                default: mutated.insert(spice.randomElement(using: &generator) ?? 0, at: at)
                }
            }
            if let found = code({ _ = try Safetensors.read(mutated, path: "x") }) {
                faults += 1
                if !found.hasPrefix("model.") { Issue.record("\(found)") }
            }
        }
        #expect((10_000..<19_900).contains(faults), "\(faults) faults")
    }
}
