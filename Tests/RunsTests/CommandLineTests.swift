// A whole federation through the command line: what lands in git, what comes back, and the exit codes.

import Foundation
import Testing

@Suite struct CommandLineTests {
    @Test func aRunVerifiesReplaysAndReadsWithStockGit() throws {
        let federation = try TinyFederation()
        let run = try federation.run()
        #expect(run.code == 0, "\(run.err)")
        #expect(run.out.contains("tiny-1"))

        // One commit a step: plan, 2 x (2 trains, 2 uploads, score, aggregate), one evaluation.
        #expect(try federation.git("rev-list", "--count", "runs/tiny-1") == "19")
        #expect(try federation.git("fsck", "--strict", "--no-dangling") == "")
        #expect(try federation.git("log", "-1", "--format=%P", "runs/tiny-1~1").split(separator: " ").count == 3)
        let files = try federation.git("ls-tree", "-r", "--name-only", "runs/tiny-1").split(separator: "\n").map(
            String.init)
        #expect(files.contains("adapter.safetensors") && files.contains("plan.json") && files.contains("workflow.yaml"))
        #expect(files.contains("rounds/0002/upload/west/adapter.safetensors"))
        #expect(files.contains("rounds/0002/evaluate/final/record.json"))

        let verify = try federation.medrounds("verify", "tiny-1")
        #expect(verify.code == 0, "\(verify.out)")
        #expect(verify.out.contains("not signed"))
        let aggregate = try federation.medrounds("replay", "tiny-1")
        #expect(aggregate.code == 0, "\(aggregate.out)")
        let full = try federation.medrounds("replay", "tiny-1", "--level", "full", "--threads", "1", "--quiet")
        #expect(full.code == 0, "\(full.out) \(full.err)")
        #expect(full.out.contains("13 steps replayed"))

        let json = try federation.medrounds("show", "tiny-1", "--json")
        let value = try JSONSerialization.jsonObject(with: Data(json.out.utf8)) as? [String: Any]
        let sites = try #require(value?["sites"] as? [[String: Any]])
        let weights = sites.filter { $0["round"] as? Int == 1 }.compactMap { $0["weight"] as? Double }
        #expect(abs(weights.reduce(0, +) - 1) < 1e-12)
        #expect(try federation.medrounds("log", "tiny-1").out.split(separator: "\n").count == 20)
        #expect(try federation.medrounds("show", "tiny-1", "2").code == 0)
        #expect(try federation.medrounds("plan", "tiny.yaml", "--json").code == 0)
    }

    @Test func noTextOfANoteReachesTheLedger() throws {
        let federation = try TinyFederation()
        #expect(try federation.run().code == 0)
        let objects = try federation.git("cat-file", "--batch-check", "--batch-all-objects").split(separator: "\n")
        #expect(objects.count > 30)
        for object in objects {
            let parts = object.split(separator: " ")
            // A binary adapter is searched as well.
            let content = try TinyFederation.run(
                "/usr/bin/env",
                ["git", "--git-dir", federation.ledger, "cat-file", String(parts[1]), String(parts[0])],
                in: federation.folder)
            for word in ["aspirin", "insulin", "fever", "cough", "at night", "treated with", federation.folder] {
                #expect(!content.out.contains(word), "\(word) in \(object)")
            }
        }
    }

    @Test func threadCountsGiveTheSameState() throws {
        let federation = try TinyFederation()
        #expect(try federation.run("--threads", "1").code == 0)
        #expect(try federation.run("--threads", "2").code == 0)
        #expect(try federation.state("runs/tiny-1") == federation.state("runs/tiny-2"))
        #expect(try federation.run("--set", "seed=6").code == 0)
        #expect(try federation.state("runs/tiny-1") != federation.state("runs/tiny-3"))
    }

    @Test func resumesAfterAKillAtEveryCommitToTheSameState() throws {
        let federation = try TinyFederation()
        #expect(try federation.run("--name", "whole").code == 0)
        let expected = try federation.state("runs/whole")
        for commits in 1...13 {
            let name = "killed-\(commits)"
            let killed = try federation.runAndKill(afterCommits: commits, "--name", name)
            let resumed = try federation.run("--name", name, "--resume", "--quiet")
            #expect(resumed.code == 0, "after \(commits) commits (killed: \(killed)): \(resumed.err)")
            #expect(try federation.state("runs/\(name)") == expected, "after \(commits) commits")
        }
        #expect(try federation.git("fsck", "--strict", "--no-dangling") == "")
        #expect(try federation.medrounds("verify", "killed-5").code == 0)
    }

    @Test func trainsAgainWhereTheWorkFolderWasLost() throws {
        let federation = try TinyFederation()
        #expect(try federation.run("--name", "whole").code == 0)
        #expect(try federation.runAndKill(afterCommits: 2, "--name", "lost"))
        try FileManager.default.removeItem(atPath: "\(federation.work)/lost/east")
        let resumed = try federation.run("--name", "lost", "--resume")
        #expect(resumed.code == 0, "\(resumed.err)")
        #expect(try federation.state("runs/lost") == federation.state("runs/whole"))
    }

    @Test func refusesToResumeAChangedPlanAndSaysWhatChanged() throws {
        let federation = try TinyFederation()
        _ = try federation.runAndKill(afterCommits: 1, "--name", "halted")
        try federation.replace("rank: 2", with: "rank: 3")
        let refused = try federation.run("--name", "halted", "--resume")
        #expect(refused.code == 2)
        #expect(refused.err.contains("run.plan-changed") && refused.err.contains("rank: 2 -> 3"), "\(refused.err)")
    }

    @Test func interruptionLeavesAResumableRunAndExit130() throws {
        let federation = try TinyFederation()
        try federation.replace("epochs: 1", with: "epochs: 20000")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: TinyFederation.program)
        process.arguments = ["run", "tiny.yaml"]
        process.currentDirectoryURL = URL(fileURLWithPath: federation.folder)
        let pipe = Pipe()
        process.standardError = pipe
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        var text = ""
        while !text.contains("records/s") {
            let data = pipe.fileHandleForReading.availableData
            guard !data.isEmpty else { break }
            text += String(decoding: data, as: UTF8.self)
        }
        kill(process.processIdentifier, SIGINT)
        text += String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 130, "\(text)")
        #expect(text.contains("--resume"))
        #expect(try federation.git("rev-list", "--count", "runs/tiny-1") == "4")
    }

    @Test func aSiteThatDivergesIsLeftOutAndTheRoundGoesOn() throws {
        let federation = try TinyFederation()
        // A steep alpha makes the losses of both sites overflow: nobody is left, and the run says so.
        let nobody = try federation.run(
            "--set", "adapter.alpha=1e30", "--set", "steps.train.learning_rate=1", "--name", "nobody")
        #expect(nobody.code == 1, "\(nobody.err)")
        #expect(nobody.err.contains("aggregate.nobody-left"), "\(nobody.err)")
        let record = try federation.git("show", "runs/nobody.sites/east:rounds/0001/upload/east/record.json")
        #expect(record.contains("left_out"))
    }

    @Test func baselinesAreWorkflows() throws {
        let federation = try TinyFederation()
        let single = try federation.run("--set", "participants=[west]", "--set", "steps.aggregate.rule=fed-medlora")
        #expect(single.code == 0, "\(single.err)")
        #expect(try federation.git("log", "-1", "--format=%P", "runs/tiny-1~1").split(separator: " ").count == 2)

        try federation.write(
            """
            version: 1
            name: zero-shot
            data_root: data
            model: {base: tiny.gguf}
            template: template.yaml
            cohorts:
              final: {data: test, limit: 3}
            rounds: 0
            steps:
              - evaluate: {cohorts: [final], max_new_tokens: 4}

            """, to: "zero.yaml")
        let zero = try federation.medrounds("run", "zero.yaml")
        #expect(zero.code == 0, "\(zero.err)")
        #expect(try federation.medrounds("verify", "zero-shot-1").code == 0)
        #expect(try federation.medrounds("replay", "zero-shot-1", "--level", "full").code == 0)

        try federation.write(
            """
            version: 1
            name: centralised
            data_root: data
            model: {base: tiny.gguf}
            adapter: {rank: 2}
            template: template.yaml
            sites:
              pooled:
                train:
                  - {data: east, limit: 3}
                  - {data: west, tasks: {ner: [drug]}}
            cohorts:
              final: {data: test}
            rounds: 1
            steps:
              - train: {epochs: 1}
              - upload: {precision: f32}
              - aggregate: {rule: fed-medlora}
              - evaluate: {cohorts: [final], max_new_tokens: 4}

            """, to: "central.yaml")
        let central = try federation.medrounds("run", "central.yaml")
        #expect(central.code == 0, "\(central.err)")
        #expect(try federation.medrounds("verify", "centralised-1").code == 0)
    }

    @Test func extractsFromANewNoteInEveryForm() throws {
        let federation = try TinyFederation()
        #expect(try federation.run().code == 0)
        try federation.write("Fever since Monday.\r\nGiven aspirin 75 mg.\r\n", to: "new note.txt")
        for form in ["table", "jsonl", "brat"] {
            let found = try federation.medrounds(
                "extract", "new note.txt", "--run", "tiny-1", "--format", form, "--max-new-tokens", "8")
            #expect(found.code == 0, "\(found.err)")
        }
        let zero = try federation.medrounds(
            "extract", "new note.txt", "--run", "tiny-1", "--round", "0", "--max-new-tokens", "4")
        #expect(zero.code == 0, "\(zero.err)")
    }

    @Test func scoresAnAdapterFromElsewhereAsTheRunDid() throws {
        let federation = try TinyFederation()
        // A rate that changes what the tiny model says.
        let run = try federation.run("--set", "steps.train.learning_rate=0.1")
        #expect(run.code == 0, "\(run.err)")
        let out = try federation.medrounds("adapter", "export", "tiny-1", "--to", "peft")
        #expect(out.code == 0, "\(out.err)")
        let scored = try federation.medrounds("score", "tiny.yaml", "--adapter", "peft", "--json")
        #expect(scored.code == 0, "\(scored.err)")
        let records = try JSONSerialization.jsonObject(with: Data(scored.out.utf8)) as? [[String: Any]]
        let found = try #require(records?.first)
        let committed = try federation.git("show", "runs/tiny-1:rounds/0002/evaluate/final/record.json")
        let record = try #require(
            try JSONSerialization.jsonObject(with: Data(committed.utf8)) as? [String: Any])
        for member in ["scores", "generation", "predictions_commitment"] {
            #expect(found[member] as? NSObject == record[member] as? NSObject, "\(member)")
        }
        // The base model answers otherwise.
        let base = try federation.medrounds("score", "tiny.yaml", "--json")
        let other = try JSONSerialization.jsonObject(with: Data(base.out.utf8)) as? [[String: Any]]
        #expect(
            other?.first?["predictions_commitment"] as? String != record["predictions_commitment"] as? String)
        #expect(try federation.medrounds("score", "tiny.yaml", "--adapter", "missing").code == 4)
    }

    @Test func probesAModel() throws {
        let federation = try TinyFederation()
        let probe = try federation.medrounds("models", "probe", "tiny.gguf", "--text", "ab", "--top", "3")
        #expect(probe.code == 0, "\(probe.err)")
        let value = try JSONSerialization.jsonObject(with: Data(probe.out.utf8)) as? [String: Any]
        #expect((value?["ids"] as? [Int])?.count == 2)
        #expect((value?["top"] as? [Any])?.count == 3)
        let same = try federation.medrounds(
            "models", "probe", "tiny.gguf", "--ids",
            (value?["ids"] as? [Int] ?? []).map(String.init).joined(separator: ","), "--top", "3")
        #expect(same.out == probe.out)
    }
}
