// Exports: the files as committed, described by a crate and a statement whose digests are theirs; validity in the eyes of outside
// tools is what scripts/check-exports.sh asks.

import Digests
import Federation
import Foundation
import Testing

@Suite struct RunExportTests {
    private func json(_ federation: TinyFederation, _ path: String) throws -> [String: Any] {
        let data = try Data(contentsOf: URL(fileURLWithPath: "\(federation.folder)/\(path)"))
        return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    @Test func describesEveryFileOfTheFolder() throws {
        let federation = try TinyFederation()
        #expect(try federation.run().code == 0)
        let made = try federation.medrounds("export", "tiny-1", "out")
        #expect(made.code == 0, "\(made.err)")
        var files: Set<String> = []
        for path in try FileManager.default.subpathsOfDirectory(atPath: "\(federation.folder)/out") {
            var isFolder: ObjCBool = false
            _ = FileManager.default.fileExists(atPath: "\(federation.folder)/out/\(path)", isDirectory: &isFolder)
            if !isFolder.boolValue { files.insert(path) }
        }
        let graph = try #require(try json(federation, "out/ro-crate-metadata.json")["@graph"] as? [[String: Any]])
        var described: Set<String> = []
        for entity in graph {
            guard let id = entity["@id"] as? String, let digest = entity["sha256"] as? String else { continue }
            let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(federation.folder)/out/\(id)")))
            #expect(Digest.sha256(bytes).hex == digest, "\(id)")
            described.insert(id)
        }
        #expect(described.union(["ro-crate-metadata.json"]) == files)
        #expect(!files.contains { $0.contains("upload") && $0.hasSuffix("safetensors") })
        #expect(Set(graph.compactMap { $0["@id"] as? String }).count == graph.count)

        let statement = try json(federation, "out/provenance.intoto.json")
        #expect(statement["_type"] as? String == "https://in-toto.io/Statement/v1")
        let subject = try #require((statement["subject"] as? [[String: Any]])?.first)
        let adapter = [UInt8](
            try Data(contentsOf: URL(fileURLWithPath: "\(federation.folder)/out/adapter.safetensors")))
        #expect((subject["digest"] as? [String: String])?["sha256"] == Digest.sha256(adapter).hex)

        let text = try String(contentsOfFile: "\(federation.folder)/out/ro-crate-metadata.json", encoding: .utf8)
        for word in ["aspirin", "insulin", "fever", "treated with", federation.folder] { #expect(!text.contains(word)) }
        #expect(try federation.medrounds("export", "tiny-1", "again").code == 0)
        #expect(
            try String(contentsOfFile: "\(federation.folder)/again/ro-crate-metadata.json", encoding: .utf8) == text)
    }

    @Test func refusesAFolderThatHoldsSomething() throws {
        let federation = try TinyFederation()
        #expect(try federation.run("--set", "rounds=1").code == 0)
        let refused = try federation.medrounds("export", "tiny-1", "data")
        #expect(refused.code == 2 && refused.err.contains("export.not-empty"), "\(refused.err)")
        #expect(try federation.medrounds("export", "tiny-9", "out").code == 2)
    }
}
