// Quorum: a round goes on without an absent site, records it, and is verified and replayed with it; too few sites stop it.

import Foundation
import Testing

@Suite struct QuorumTests {
    /// A site whose work folder is a file cannot keep what it trains.
    private func block(_ site: String, _ run: String, in federation: TinyFederation) throws {
        let path = "\(federation.work)/\(run)/\(site)"
        try? FileManager.default.removeItem(atPath: path)
        try federation.write("", to: "rounds/work/\(run)/\(site)")
    }

    private func unblock(_ site: String, _ run: String, in federation: TinyFederation) throws {
        try FileManager.default.removeItem(atPath: "\(federation.work)/\(run)/\(site)")
    }

    @Test func anAbsentSiteIsRecordedVerifiedAndReplayed() throws {
        let federation = try TinyFederation()
        try federation.makeKeys()
        try block("west", "strict", in: federation)
        let strict = try federation.run("--name", "strict", "--set", "rounds=1")
        #expect(strict.code == 1 && strict.err.contains("work.not-writable"), "\(strict.err)")

        try block("west", "lax", in: federation)
        let lax = try federation.run("--name", "lax", "--set", "rounds=1", "--set", "quorum=1")
        #expect(lax.code == 0, "\(lax.err)")
        #expect(lax.out.contains("absent, work.not-writable"), "\(lax.out)")
        let aggregate = try federation.git("show", "runs/lax:rounds/0001/aggregate/record.json")
        for part in ["\"quorum\": 1", "\"attempts\": 2", "\"reason\": \"work.not-writable\"", "\"step\": \"train\""] {
            #expect(aggregate.contains(part), "\(aggregate)")
        }
        #expect(try federation.git("log", "-1", "--format=%P", "runs/lax~1").split(separator: " ").count == 2)
        let verify = try federation.medrounds("verify", "lax")
        #expect(verify.code == 0 && verify.out.contains("quorum 1 of 2: 1 absences"), "\(verify.out)")
        for level in ["aggregate", "full"] {
            let replay = try federation.medrounds("replay", "lax", "--level", level, "--quiet")
            #expect(replay.code == 0, "\(level): \(replay.out)\(replay.err)")
        }
        for command in [
            ["show", "lax"], ["explain", "lax", "--round", "1"], ["report", "lax", "--output", "report.html"],
        ] {
            let finished = try TinyFederation.run(TinyFederation.program, command, in: federation.folder)
            #expect(finished.code == 0, "\(command): \(finished.err)")
        }
        #expect(try federation.git("fsck", "--strict", "--no-dangling") == "")
    }

    @Test func aSiteComesBackInTheNextRound() throws {
        let federation = try TinyFederation()
        var name = ""
        for attempt in 1...20 {
            name = "back-\(attempt)"
            try block("west", name, in: federation)
            // What is told of the round until its average is committed, the absence among it.
            _ = try federation.runAndKill(afterCommits: 5, "--set", "quorum=1", "--name", name)
            // The kill may come late, when the next round is scored already.
            if try federation.git("rev-list", "--count", "--first-parent", "runs/\(name)") == "4" { break }
        }
        try #require(try federation.git("rev-list", "--count", "--first-parent", "runs/\(name)") == "4")
        try unblock("west", name, in: federation)
        let resumed = try federation.run("--set", "quorum=1", "--name", name, "--resume")
        #expect(resumed.code == 0, "\(resumed.err)")
        #expect(try federation.git("show", "runs/\(name):rounds/0001/score/record.json").contains("\"site\": \"west\""))
        #expect(try federation.git("show", "runs/\(name):rounds/0002/aggregate/record.json").contains("\"absent\": []"))
        let verify = try federation.medrounds("verify", name)
        #expect(verify.code == 0 && verify.out.contains("3 uploads used, 0 left out"), "\(verify.out)")
        #expect(try federation.medrounds("replay", name, "--level", "full", "--quiet").code == 0)
    }

    @Test func belowTheQuorumTheRoundWaits() throws {
        let federation = try TinyFederation()
        try block("west", "wait", in: federation)
        let settings = ["run", "tiny.yaml", "--set", "quorum=2", "--set", "rounds=1"]
        func run(_ more: String...) throws -> Finished {
            try TinyFederation.run(TinyFederation.program, settings + more, in: federation.folder)
        }
        let stopped = try run("--name", "wait")
        #expect(stopped.code == 1 && stopped.err.contains("run.below-quorum"), "\(stopped.err)")
        #expect(stopped.err.contains("1 uploads that can be used, the quorum is 2"), "\(stopped.err)")
        try unblock("west", "wait", in: federation)
        #expect(try run("--name", "wait", "--resume").code == 0)
        #expect(try run("--name", "whole").code == 0)
        #expect(try federation.state("runs/wait") == federation.state("runs/whole"))
        #expect(try run("--name", "many", "--set", "quorum=3").code == 3)
    }

    @Test func aSiteThatTrainedAndDidNotUploadIsMergedAsFarAsItCame() throws {
        let federation = try TinyFederation()
        var name = ""
        var step = ""
        for attempt in 1...20 {
            name = "half-\(attempt)"
            _ = try federation.runAndKill(afterCommits: 2, "--set", "quorum=1", "--name", name)
            step = try federation.git(
                "log", "-1", "--format=%(trailers:key=Step,valueonly)", "runs/\(name).sites/west"
            ).trimmingCharacters(in: .whitespacesAndNewlines)
            if step == "train" { break }
        }
        try #require(step == "train")
        try block("west", name, in: federation)
        let resumed = try federation.run("--set", "quorum=1", "--name", name, "--resume")
        #expect(resumed.code == 0, "\(resumed.err)")
        let aggregate = try federation.git("show", "runs/\(name):rounds/0001/aggregate/record.json")
        #expect(aggregate.contains("\"step\": \"upload\""), "\(aggregate)")
        let verify = try federation.medrounds("verify", name)
        #expect(verify.code == 0, "\(verify.out)")
        #expect(try federation.medrounds("replay", name, "--level", "full", "--quiet").code == 0)
    }

    @Test func aSiteThatDidNotApproveIsAbsent() throws {
        let federation = try TinyFederation()
        try federation.makeKeys()
        let settings = ["run", "tiny.yaml", "--set", "quorum=1", "--set", "rounds=1", "--set", "approvals=required"]
        func run(_ more: String...) throws -> Finished {
            try TinyFederation.run(TinyFederation.program, settings + more, in: federation.folder)
        }
        let nobody = try run()
        #expect(nobody.code == 1 && nobody.err.contains("run.below-quorum"), "\(nobody.err)")
        #expect(try federation.medrounds("approve", "tiny-1", "--site", "east").code == 0)
        let one = try run("--name", "tiny-1", "--resume")
        #expect(one.code == 0 && one.out.contains("absent, run.not-approved"), "\(one.out)\(one.err)")
        let verify = try federation.medrounds("verify", "tiny-1")
        #expect(verify.code == 0, "\(verify.out)")
    }
}
