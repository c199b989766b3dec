// Documents in training and in a test too, documents that cannot be read, and sizes in label tokens.

import Foundation
import Testing

@Suite struct LeakageTests {
    @Test func aTestDocumentThatIsTrainedOnIsRefusedUnlessAllowedAndThenRecorded() throws {
        let federation = try TinyFederation()
        // The same text with other white space and case, under another name.
        let text = try String(contentsOfFile: "\(federation.folder)/data/east/n1.txt", encoding: .utf8)
        try federation.write("\n" + text.uppercased(), to: "data/test/copied.txt")
        try federation.write("", to: "data/test/copied.ann")
        let refused = try federation.run()
        #expect(refused.code == 4 && refused.err.contains("data.overlap"), "\(refused.err)")
        #expect(refused.err.contains("copied") && refused.err.contains("n1 of site east"))
        for word in ["fever", "cough", "aspirin"] { #expect(!refused.err.lowercased().contains(word)) }
        let allowed = try federation.run("--set", "allow_overlap=true", "--set", "rounds=1")
        #expect(allowed.code == 0, "\(allowed.err)")
        let plan = try federation.git("show", "runs/tiny-1:plan.json")
        #expect(plan.contains("\"allow_overlap\": true") && plan.contains("\"overlapping\": 1"))
        let record = try federation.git("show", "runs/tiny-1:rounds/0001/evaluate/final/record.json")
        #expect(record.contains("\"overlapping_documents\": 1"))
        #expect(try federation.medrounds("verify", "tiny-1").code == 0)
    }

    @Test func aValidationDocumentThatIsTrainedOnIsRefused() throws {
        let federation = try TinyFederation()
        for ending in ["txt", "ann"] {
            try FileManager.default.copyItem(
                atPath: "\(federation.folder)/data/west/n2.\(ending)",
                toPath: "\(federation.folder)/data/validation/w.\(ending)")
        }
        let refused = try federation.run()
        #expect(refused.code == 4 && refused.err.contains("1 of 5 documents of the coordinator"), "\(refused.err)")
        #expect(try federation.run("--set", "allow_overlap=true", "--set", "rounds=1").code == 0)
        let record = try federation.git("show", "runs/tiny-1:rounds/0001/score/record.json")
        #expect(record.contains("\"overlapping_documents\": 1"))
    }

    @Test func badDocumentsAreLeftOutCountedAndNamedWhereThePersonSaysSo() throws {
        let federation = try TinyFederation()
        try federation.write("T1\tproblem 0 900\tx\n", to: "data/east/n0.ann")
        #expect(try federation.run().code == 4)
        let run = try federation.run("--set", "on_bad_document=skip", "--set", "rounds=1")
        #expect(run.code == 0, "\(run.err)")
        #expect(run.err.contains("site east: 1 document left out: n0 (data.offset)"), "\(run.err)")
        #expect(try federation.git("show", "runs/tiny-1:plan.json").contains("\"skipped\": 1"))
        #expect(try federation.medrounds("verify", "tiny-1").code == 0)
    }

    @Test func sizesMayCountLabelTokens() throws {
        let federation = try TinyFederation()
        let run = try federation.run("--set", "steps.aggregate.size=label_tokens", "--set", "rounds=1")
        #expect(run.code == 0, "\(run.err)")
        let weights = try federation.git("show", "runs/tiny-1:rounds/0001/aggregate/record.json")
        #expect(weights.contains("\"label_tokens\"") && !weights.contains("\"records\""))
        #expect(try federation.medrounds("verify", "tiny-1").code == 0)
        #expect(try federation.medrounds("replay", "tiny-1").code == 0)
    }

    @Test func runsAreComparedOnTheDocumentsTheyShare() throws {
        let federation = try TinyFederation()
        #expect(try federation.run("--set", "rounds=1").code == 0)
        #expect(try federation.run("--set", "rounds=1", "--set", "steps.train.learning_rate=0.01").code == 0)
        let compared = try federation.medrounds("compare", "tiny-1", "tiny-2")
        #expect(compared.code == 0, "\(compared.err)")
        #expect(compared.out.contains("tiny-2") && compared.out.contains("difference"))
        #expect(try federation.medrounds("compare", "tiny-1", "absent").code == 2)
    }

    @Test func inspectCountsAndFindsSharedWordingWithoutShowingText() throws {
        let federation = try TinyFederation()
        try federation.write("T1\tproblem 0 900\tx\n", to: "data/test/n3.ann")
        let report = try federation.medrounds(
            "data", "inspect", "data/east", "data/west", "data/test", "--model", "\(federation.folder)/tiny.gguf")
        #expect(report.code == 0, "\(report.err)")
        #expect(report.out.contains("documents    4") && report.out.contains("unreadable   1"))
        #expect(report.out.contains("shares wording with data/east: 4 documents"), "\(report.out)")
        #expect(report.out.contains("n3: data.offset"))
        for word in ["fever", "cough", "aspirin", "night"] { #expect(!report.out.contains(word)) }
    }
}
