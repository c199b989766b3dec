// The catalogue of base models: what it says of the model that is here, and what fetching refuses. No test downloads.

import Faults
import Foundation
import ModelFiles
import Rounds
import Testing

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
        let cache = FileManager.default.temporaryDirectory.path + "/medrounds-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: cache, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: cache) }
        let model = try #require(ModelCatalogue.models.first { $0.package != nil })
        try Data("half".utf8).write(to: URL(fileURLWithPath: "\(cache)/\(model.file)"))
        #expect(code(model.name, cache) == "model.digest")
        #expect(try FileManager.default.contentsOfDirectory(atPath: cache) == [model.file])
    }

    @Test func everyEntryIsNamedOnceAndPinsWhatItFetches() {
        #expect(Set(ModelCatalogue.models.map(\.name)).count == ModelCatalogue.models.count)
        for model in ModelCatalogue.models {
            #expect((model.package == nil) == (model.digest == nil))
            #expect(model.parameters.maps % 64 == 0 && model.parameters.maps < model.parameters.all)
            #expect(model.memory.nf4 < model.memory.bf16 && model.memory.bf16 < model.memory.f32)
        }
    }
}
