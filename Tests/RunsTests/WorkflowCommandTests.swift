// validate, init and schema as a person calls them.

import Foundation
import Testing

@Suite struct WorkflowCommandTests {
    private static let root = ShippedWorkflowTests.root

    private static func folder() throws -> String {
        let path = FileManager.default.temporaryDirectory.appending(path: "medrounds-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    private static func medrounds(_ arguments: [String], in folder: String) throws -> (
        code: Int32, out: String, err: String
    ) {
        let run = try TinyFederation.run(TinyFederation.program, arguments, in: folder)
        return (run.code, run.out, run.err)
    }

    @Test func validateChecksAllFilesOfAFolder() throws {
        let all = try Self.medrounds(["validate", "workflows", "--file-only"], in: Self.root)
        #expect(all.code == 0, "\(all.err)")
        #expect(all.out.split(separator: "\n").count == 21)
        #expect(all.out.contains("workflows/studies/baselines.yaml: valid (study baselines, 21 cells"))
        #expect(all.out.contains("workflows/templates/clinical-brief.yaml: valid (template clinical-brief)"))

        let folder = try Self.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try "version: 1\nname: a\nrounds: x\n".write(toFile: "\(folder)/a.yaml", atomically: true, encoding: .utf8)
        try "services: {web: {}}\n".write(toFile: "\(folder)/compose.yml", atomically: true, encoding: .utf8)
        let some = try Self.medrounds(["validate", folder], in: folder)
        #expect(some.code == 3)
        #expect(some.err.contains("a.yaml:3:9: rounds is the text \"x\""))
        #expect(some.out.contains("passed over") && some.out.contains("compose.yml"))
        try FileManager.default.createDirectory(atPath: "\(folder)/none", withIntermediateDirectories: true)
        #expect(try Self.medrounds(["validate", "none"], in: folder).code == 3)
        #expect(try Self.medrounds(["validate", "gone.yaml"], in: folder).code == 3)
    }

    @Test func validateShowsNoWordOfANote() throws {
        let folder = try Self.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try "Zqroe denies Zqpain. Zqplan: rest: daily\n".write(
            toFile: "\(folder)/n.txt", atomically: true, encoding: .utf8)
        for arguments in [["validate", "n.txt"], ["run", "n.txt"], ["plan", "n.txt"]] {
            let run = try Self.medrounds(arguments, in: folder)
            #expect(run.code == 3)
            #expect(run.err.contains("n.txt") && !(run.err + run.out).contains("Zq"), "\(run.err)")
        }
    }

    @Test func validateLooksForPaths() throws {
        let folder = try Self.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let text = try String(contentsOfFile: "\(Self.root)/workflows/quickstart.yaml", encoding: .utf8)
            .replacing("data_root: data", with: "data_root: \(Self.root)/workflows/data")
            .replacing("northfield/train", with: "northfeild/train")
            .replacing("base: smollm2-135m-instruct", with: "base: smollm2-135m")
            .replacing("template: clinical-extraction", with: "template: gone.yaml")
        try text.write(toFile: "\(folder)/w.yaml", atomically: true, encoding: .utf8)
        let run = try Self.medrounds(["validate", "w.yaml"], in: folder)
        #expect(run.code == 3)
        #expect(run.err.contains("did you mean \"northfield/train\"?"), "\(run.err)")
        #expect(run.err.contains("did you mean \"smollm2-135m-instruct\"?"), "\(run.err)")
        #expect(run.err.contains("gone.yaml") && run.err.contains("3 faults"), "\(run.err)")
        #expect(try Self.medrounds(["validate", "w.yaml", "--file-only"], in: folder).code == 0)
    }

    @Test func initWritesAWorkflowThatIsValid() throws {
        let folder = try Self.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let data = "\(Self.root)/workflows/data"
        for name in ["northfield", "harbour-ed", "validation"] {
            try FileManager.default.copyItem(atPath: "\(data)/\(name)", toPath: "\(folder)/\(name)")
        }
        try "{\"id\": \"n\", \"text\": \"no pain\"}\n".write(
            toFile: "\(folder)/Other Notes 1.jsonl", atomically: true, encoding: .utf8)
        try FileManager.default.createDirectory(atPath: "\(folder)/strange", withIntermediateDirectories: true)
        try "no pain".write(toFile: "\(folder)/strange/1.txt", atomically: true, encoding: .utf8)
        try "T1\tSign_symptom 3 7\tpain\nT2\tdrug 0 2\tno\n".write(
            toFile: "\(folder)/strange/1.ann", atomically: true, encoding: .utf8)
        let run = try Self.medrounds(["init", folder], in: folder)
        #expect(run.code == 0, "\(run.err)")
        let text = try String(contentsOfFile: "\(folder)/workflow.yaml", encoding: .utf8)
        for line in [
            "  harbour-ed:", "    train: harbour-ed/train", "  northfield-test:", "    data: northfield/test",
            "  other-notes-1:", "    train: \"Other Notes 1.jsonl\"", "      Sign_symptom: null",
            "  validation: validation",
            "data_root: .", "  - aggregate: {rule: fed-medlora-plus}",
        ] {
            #expect(text.split(separator: "\n").contains { $0.hasPrefix(line) }, "\(line) in \(text)")
        }
        let valid = try Self.medrounds(["validate", "workflow.yaml", "--set", "model.base=."], in: folder)
        #expect(valid.code == 0, "\(valid.err)")
        let again = try Self.medrounds(["init", folder], in: folder)
        #expect(again.code == 2 && again.err.contains("already there"))
        #expect(try Self.medrounds(["init", "\(folder)/gone"], in: folder).code == 2)
        try FileManager.default.createDirectory(atPath: "\(folder)/none", withIntermediateDirectories: true)
        #expect(try Self.medrounds(["init", "\(folder)/none"], in: folder).code == 4)
    }

    @Test func schemaPrintsTheShippedFile() throws {
        let run = try Self.medrounds(["schema"], in: Self.root)
        #expect(run.code == 0)
        #expect(run.out == (try String(contentsOfFile: "\(Self.root)/workflows/workflow.schema.json", encoding: .utf8)))
        let tables = try Self.medrounds(["schema", "--markdown"], in: Self.root)
        #expect(tables.out.contains("| `adapter.rank` | whole number from 1 to 2048 | `16` |"))
    }

    @Test func aRunTakesTheBuiltInTemplateAnywhere() throws {
        let federation = try TinyFederation()
        try federation.replace("template: template.yaml", with: "template: clinical-brief", in: "tiny.yaml")
        let plan = try federation.medrounds("plan", "tiny.yaml", "--no-forecast")
        #expect(plan.code == 0, "\(plan.err)")
        #expect(plan.out.contains("clinical-brief"))
    }

    @Test func aFileThatDoesNotSayHowTextIsCutIsToldByTheWorkflow() throws {
        let federation = try TinyFederation()
        #expect(try federation.run("--set", "rounds=1", "--name", "said").code == 0)
        try TinyGGUF.write(to: "\(federation.folder)/tiny.gguf", preTokenizer: nil)
        let refused = try federation.run("--set", "rounds=1")
        #expect(refused.code == 4 && refused.err.contains("tokenizer.no-pre-tokenizer"), "\(refused.err)")
        #expect(refused.err.contains("tiny.gguf") && refused.err.contains("model.pre_tokenizer"), "\(refused.err)")
        let named = try federation.run("--set", "rounds=1", "--set", "model.pre_tokenizer=smollm", "--name", "named")
        #expect(named.code == 0, "\(named.err)")
        let plan = try federation.git("show", "runs/named:plan.json")
        #expect(plan.contains("\"pre_tokenizer\": \"smollm\""))
        #expect(try !federation.git("show", "runs/said:plan.json").contains("pre_tokenizer"))
        #expect(try federation.medrounds("verify", "named").code == 0)
        #expect(try federation.medrounds("replay", "named", "--level", "full", "--quiet").code == 0)
        // The same cutting gives the same adapter; another one gives another tokenizer.
        #expect(
            try federation.git("rev-parse", "runs/named:adapter.safetensors")
                == federation.git("rev-parse", "runs/said:adapter.safetensors"))
        let other = try federation.run("--set", "rounds=1", "--set", "model.pre_tokenizer=qwen2", "--name", "other")
        #expect(other.code == 0, "\(other.err)")
        #expect(try federation.medrounds("diff", "named", "other").out.contains("inputs.tokenizer_digest"))

        let unknown = try federation.run("--set", "model.pre_tokenizer=qwen")
        #expect(unknown.code == 3 && unknown.err.contains("qwen2"), "\(unknown.err)")
        try TinyGGUF.write(to: "\(federation.folder)/tiny.gguf")
        let two = try federation.run("--set", "rounds=1", "--set", "model.pre_tokenizer=gpt-2")
        #expect(two.code == 4 && two.err.contains("tokenizer.two-pre-tokenizers"), "\(two.err)")
        #expect(try federation.run("--set", "rounds=1", "--set", "model.pre_tokenizer=smollm").code == 0)
    }
}
