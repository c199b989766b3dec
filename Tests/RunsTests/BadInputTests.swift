// Bad input: always a fault with its code and its exit code, and nothing lost.

import Foundation
import Testing

@Suite struct BadInputTests {
    /// Each case spoils a fresh federation and names the exit code and the fault that must come of it.
    @Test(arguments: [
        Spoiled("missing model", 4, "model.missing") { try $0.replace("tiny.gguf", with: "gone.gguf") },
        Spoiled("truncated model", 4, "model.") { try $0.truncate("tiny.gguf", to: 5000) },
        Spoiled("empty model", 4, "model.") { try $0.truncate("tiny.gguf", to: 0) },
        Spoiled("missing template", 3, "template.missing") {
            try $0.replace("template: template", with: "template: gone")
        },
        Spoiled("foreign end marker", 3, "template.end") {
            try $0.replace("<|im_end|>", with: "<|stop|>", in: "template.yaml")
        },
        Spoiled("unknown key", 3, "workflow.unknown-key") { try $0.replace("rounds: 2", with: "round: 2") },
        Spoiled("missing data", 4, "data.") { try $0.replace("train: east", with: "train: nowhere") },
        Spoiled("site without records", 4, "data.") { federation in
            try FileManager.default.removeItem(atPath: "\(federation.folder)/data/east")
            try FileManager.default.createDirectory(
                atPath: "\(federation.folder)/data/east", withIntermediateDirectories: true)
        },
        Spoiled("validation too small", 4, "data.too-few-records") {
            try $0.replace("records: 3", with: "records: 300")
        },
        Spoiled("offset past the end", 4, "n0") { try $0.write("T1\tproblem 0 9999\tx\n", to: "data/east/n0.ann") },
        Spoiled("not UTF-8", 4, "n0") { try $0.writeBytes([0x66, 0xff, 0xfe, 0x0a], to: "data/east/n0.txt") },
        Spoiled("ledger is a file", 4, "ledger.") { try $0.write("no repository", to: "rounds/ledger.git") },
    ])
    func isAFault(_ spoiled: Spoiled) throws {
        let federation = try TinyFederation()
        try spoiled.spoil(federation)
        let run = try federation.run()
        #expect(run.code == spoiled.code, "\(run.err)")
        #expect(run.err.contains(spoiled.fault), "\(run.err)")
        #expect(run.err.contains("mend:"), "\(run.err)")
        #expect(!run.err.contains("aspirin") && !run.err.contains("treated with"))
    }

    @Test func refusesATakenNameAndKeepsTheRun() throws {
        let federation = try TinyFederation()
        #expect(try federation.run("--name", "mine").code == 0)
        let tip = try federation.git("rev-parse", "runs/mine")
        let again = try federation.run("--name", "mine")
        #expect(again.code == 2)
        #expect(again.err.contains("run.exists"))
        #expect(try federation.git("rev-parse", "runs/mine") == tip)
    }

    @Test func usageIsExit2() throws {
        let federation = try TinyFederation()
        #expect(try federation.medrounds("frobnicate").code == 2)
        #expect(try federation.medrounds("run").code == 2)
        #expect(try federation.run("--threads", "0").code == 2)
        #expect(try federation.run("--set", "nonsense").code == 2)
        #expect(try federation.run("--name", "Not A Name").code == 2)
        #expect(try federation.medrounds("--help").code == 0)
        #expect(try federation.medrounds("--version").code == 0)
    }

    @Test func missingRunsAndLedgersAreNamed() throws {
        let federation = try TinyFederation()
        let missing = try federation.medrounds("verify", "tiny-1")
        #expect(missing.code == 4 && missing.err.contains("ledger."), "\(missing.err)")
        #expect(try federation.run().code == 0)
        let unknown = try federation.medrounds("verify", "tiny-9")
        #expect(unknown.code == 2 && unknown.err.contains("tiny-1"), "\(unknown.err)")
        #expect(try federation.medrounds("show", "tiny-1", "7").code == 2)
        #expect(try federation.medrounds("replay", "tiny-1", "--round", "7").code == 2)
    }

    @Test func longRecordsAreCutAndCounted() throws {
        let federation = try TinyFederation()
        let run = try federation.run("--set", "steps.train.max_length=100")
        #expect(run.code == 0, "\(run.err)")
        #expect(run.err.contains("longer than max_length"), "\(run.err)")
        let record = try federation.git("show", "runs/tiny-1:rounds/0001/train/east/record.json")
        #expect(!record.contains("\"truncated_records\": 0"))
    }
}

/// A way to spoil a federation.
struct Spoiled: Sendable, CustomTestStringConvertible {
    let name: String
    let code: Int32
    let fault: String
    let spoil: @Sendable (TinyFederation) throws -> Void

    init(_ name: String, _ code: Int32, _ fault: String, _ spoil: @escaping @Sendable (TinyFederation) throws -> Void) {
        self.name = name
        self.code = code
        self.fault = fault
        self.spoil = spoil
    }
    var testDescription: String { name }
}

extension TinyFederation {
    func truncate(_ path: String, to count: Int) throws {
        let url = URL(fileURLWithPath: "\(folder)/\(path)")
        try Data(contentsOf: url).prefix(count).write(to: url)
    }
    func writeBytes(_ bytes: [UInt8], to path: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: "\(folder)/\(path)"))
    }
}
