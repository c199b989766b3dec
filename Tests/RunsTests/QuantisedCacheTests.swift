// `weights: nf4`: made once a model, kept in the cache folder, looked at before it is used, made again where it is damaged.

import Foundation
import Testing

@Suite struct QuantisedCacheTests {
    @Test func keepsWhatItMadeAndMakesItAgainWhereItIsDamaged() throws {
        let federation = try TinyFederation()
        try TinyGGUF.write(to: "\(federation.folder)/tiny.gguf", hidden: 64, feedForward: 128)
        try federation.replace("model: {base: tiny.gguf}", with: "model: {base: tiny.gguf, weights: nf4}")
        let cache = "\(federation.folder)/cache"
        func run(_ cache: String) throws -> Finished {
            try TinyFederation.run(
                "/usr/bin/env", ["MEDROUNDS_CACHE=\(cache)", TinyFederation.program, "run", "tiny.yaml"],
                in: federation.folder)
        }
        let first = try run(cache)
        try #require(first.code == 0, "\(first.err)")
        let names = try FileManager.default.contentsOfDirectory(atPath: "\(cache)/nf4").sorted()
        try #require(names.count == 2 && names[1] == names[0] + ".sha256")
        let weights = "\(cache)/nf4/\(names[0])"
        let bytes = try Data(contentsOf: URL(fileURLWithPath: weights))
        // 4.25 bits a weight for rows of one block: 33 bytes and a header of 12 for 64.
        let maps = 2 * (64 * 64 * 2 + 32 * 64 * 2 + 3 * 64 * 128)
        #expect(bytes.count < maps)
        func date() throws -> Date? {
            try FileManager.default.attributesOfItem(atPath: weights)[.modificationDate] as? Date
        }
        let made = try date()
        #expect(try run(cache).code == 0)
        #expect(try date() == made)
        let state = try federation.state("runs/tiny-1")
        #expect(try federation.state("runs/tiny-2") == state)

        for (number, broken) in [
            bytes.dropLast(7), bytes.prefix(bytes.count - 9) + Data([bytes[bytes.count - 9] ^ 1]) + bytes.suffix(8),
        ].enumerated() {
            try broken.write(to: URL(fileURLWithPath: weights))
            #expect(try run(cache).code == 0)
            #expect(try Data(contentsOf: URL(fileURLWithPath: weights)) == bytes)
            #expect(try federation.state("runs/tiny-\(3 + number)") == state)
        }
        // Where nothing can be kept, the run says so and computes the same.
        try federation.write("", to: "no-folder")
        let last = try run("\(federation.folder)/no-folder")
        #expect(last.code == 0 && last.err.contains("not kept"), "\(last.err)")
        #expect(try federation.state("runs/tiny-5") == state)
        // Other weights than those stored.
        try federation.replace(", weights: nf4", with: "")
        #expect(try run(cache).code == 0)
        #expect(
            try federation.git("show", "runs/tiny-6:adapter.safetensors")
                != federation.git("show", "runs/tiny-1:adapter.safetensors"))
    }
}
