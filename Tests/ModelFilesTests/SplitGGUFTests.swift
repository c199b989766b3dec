// Models split over several GGUF files: the whole model, and every way in which the files may not fit together.

import Faults
import ModelFiles
import Testing

@Suite struct SplitGGUFTests {
    /// The tiny llama over three files, each changed by `change` before it is written; the path of the first.
    private func write(
        _ folder: TemporaryFolder, change: (inout GGUFBuilder, Int) -> Void = { _, _ in },
        name: (Int) -> String = { "tiny-0000\($0 + 1)-of-00003.gguf" }
    ) throws -> String {
        let whole = GGUFBuilder.tinyLlama()
        let count = whole.tensors.count
        var first = ""
        for number in 0..<3 {
            var part = GGUFBuilder()
            if number == 0 { part.settings = whole.settings }
            part.set("split.no", .raw(type: 2, GGUFBuilder.little(UInt16(number))))
            part.set("split.count", .raw(type: 2, GGUFBuilder.little(UInt16(3))))
            part.set("split.tensors.count", .i32(Int32(count)))
            part.tensors = Array(whole.tensors[number * count / 3..<(number + 1) * count / 3])
            change(&part, number)
            let path = try folder.write(part.bytes, name(number))
            if number == 0 { first = path }
        }
        return first
    }

    private func code(_ path: String) -> String? {
        #expect(throws: Fault.self) { _ = try ModelFile.open(path: path) }?.code
    }

    @Test func isTheModelOfOneFile() throws {
        let folder = try TemporaryFolder()
        let split = try ModelFile.open(path: write(folder))
        let whole = try ModelFile.open(path: folder.write(GGUFBuilder.tinyLlama().bytes, "whole.gguf"))
        #expect(split.shape == whole.shape && split.tensorNames == whole.tensorNames)
        for name in whole.tensorNames {
            let (found, wanted) = (try #require(split.tensor(name)), try #require(whole.tensor(name)))
            #expect(found.shape == wanted.shape && Array(found.bytes) == Array(wanted.bytes))
        }
        #expect(split.files.map(\.name) == (1...3).map { "tiny-0000\($0)-of-00003.gguf" })
        #expect(whole.files.count == 1)
    }

    @Test func mergedItBecomesOneFile() throws {
        let folder = try TemporaryFolder()
        let path = try write(folder)
        let model = try ModelFile.open(path: path)
        let name = "model.layers.0.self_attn.q_proj.weight"
        let out = folder.path + "/merged.gguf"
        try MergedModel.write(
            model, to: out, merged: { $0 == name ? [Float](repeating: 2, count: 32 * 32) : nil }, adapted: [name])
        let merged = try ModelFile.open(path: out)
        #expect(merged.files.count == 1 && merged.shape == model.shape && merged.tensorNames == model.tensorNames)
        let down = "model.layers.0.mlp.down_proj.weight"
        #expect(try #require(merged.tensor(down)).bytes.elementsEqual(try #require(model.tensor(down)).bytes))
        let floats = try #require(merged.tensor(name)).bytes.bindMemory(to: Float.self)
        #expect(floats.allSatisfy { $0 == 2 })
    }

    @Test func refusesFilesThatDoNotBelongTogether() throws {
        let folder = try TemporaryFolder()
        let first = try write(folder)
        #expect(code(first.replacing("00001-of", with: "00002-of")) == "model.split")
        #expect(
            code(try write(folder) { part, number in if number == 2 { part.set("split.no", .u32(1)) } })
                == "model.split")
        #expect(
            code(try write(folder) { part, number in if number == 1 { part.set("split.count", .u32(4)) } })
                == "model.split")
        #expect(code(try write(folder) { part, _ in part.set("split.tensors.count", .i32(99)) }) == "model.split")
        #expect(code(try write(folder) { part, _ in part.set("split.count", .u32(4)) }) == "model.split")
        #expect(
            code(try write(folder) { part, _ in part.set("split.count", .u32(4_000_000)) }) == "model.setting-range")
        #expect(code(try write(folder, name: { "tiny-\($0).gguf" })) == "model.split")
        #expect(
            code(try write(folder) { part, number in if number == 1 { part.tensors.removeLast() } }) == "model.split")
        let absent = try TemporaryFolder()
        #expect(
            code(try write(absent, name: { $0 == 1 ? "gone" : "tiny-0000\($0 + 1)-of-00003.gguf" }))
                == "model.not-found")
        let doubled = try write(folder) { part, number in
            if number == 2 { part.tensors[0].name = "token_embd.weight" }
        }
        #expect(code(doubled) == "model.malformed")
    }
}
