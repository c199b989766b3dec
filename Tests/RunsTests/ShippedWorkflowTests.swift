// Every shipped workflow: those on the synthetic notes are executed with a tiny model, the clinical ones are read.

import Extraction
import Foundation
import Testing
import Workflows

@Suite struct ShippedWorkflowTests {
    /// The package's own folder.
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    @Test(arguments: ["quickstart", "fed-medlora", "zero-shot", "single-site", "centralised"])
    func runsOnTheSyntheticNotes(name: String) throws {
        let federation = try TinyFederation()
        var arguments = ["run", "workflows/\(name).yaml", "--ledger", federation.ledger, "--quiet"]
        // The tiny model reads bytes, so an instruction is some 700 tokens long.
        arguments += ["--set", "model.base=\(federation.folder)/tiny.gguf", "--set", "adapter.rank=2"]
        arguments += ["--set", "steps.evaluate.max_new_tokens=3"]
        if name != "zero-shot" {
            arguments += ["--set", "steps.train.epochs=1", "--set", "steps.train.max_length=1500"]
        }
        let run = try TinyFederation.run(TinyFederation.program, arguments, in: Self.root)
        #expect(run.code == 0, "\(run.err)")
        let verify = try federation.medrounds("verify", "\(name)-1")
        #expect(verify.code == 0, "\(verify.out)")
    }

    @Test func everyWorkflowIsValid() throws {
        let folders = ["workflows", "workflows/clinical", "workflows/clinical/ner", "workflows/studies"]
        var count = 0
        for folder in folders {
            for file in try FileManager.default.contentsOfDirectory(atPath: "\(Self.root)/\(folder)")
            where file.hasSuffix(".yaml") {
                // The clinical notes are not shipped, and a machine may lack the model.
                let valid = try TinyFederation.run(
                    TinyFederation.program, ["validate", "\(folder)/\(file)", "--file-only"], in: Self.root)
                #expect(valid.code == 0, "\(file): \(valid.err)")
                count += 1
            }
        }
        #expect(count == 19)
    }

    @Test func theTemplateReadsAndNamesOnlyWhatIsAnnotated() throws {
        let path = "\(Self.root)/workflows/templates/clinical-extraction.yaml"
        let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        let template = try PromptTemplate(json: YAMLReader.read(bytes: bytes, file: path).plain, file: path)
        #expect(try template.types(of: .ner, in: .all) == ["problem", "treatment", "test", "drug"])
        #expect(try template.types(of: .re, in: .all).count == 16)
        let prompt = template.prompt(task: .ner, types: ["problem", "drug"], input: "x")
        #expect(prompt.contains("problem:") && prompt.contains("drug:") && !prompt.contains("treatment:"))
    }
}
