// A site whose notes cannot be read when the run begins: left out of the plan under a quorum, with a code and a count, and of all that follows.

import Federation
import Foundation
import Testing

@Suite struct LeftOutSiteTests {
    /// West's offsets are wrong in two documents.
    private func federation() throws -> TinyFederation {
        let federation = try TinyFederation()
        for name in ["n0", "n1"] { try federation.write("T1\tproblem 900 905\tfever\n", to: "data/west/\(name).ann") }
        return federation
    }

    @Test func underAQuorumTheRunBeginsWithoutTheSite() throws {
        let federation = try federation()
        let strict = try federation.run()
        #expect(strict.code == 4 && strict.err.contains("data.offset"), "\(strict.err)")
        let both = try federation.run("--set", "quorum=2")
        #expect(both.code == 4 && both.err.contains("data.offset"), "\(both.err)")
        #expect(!FileManager.default.fileExists(atPath: federation.ledger))

        let run = try federation.run("--set", "quorum=1")
        #expect(run.code == 0, "\(run.err)")
        #expect(run.err.contains("site west is left out of the whole run: data.offset in 2 documents"), "\(run.err)")
        #expect(run.out.contains("west takes no part: data.offset in 2 documents when the run began"), "\(run.out)")
        let plan = try JSONValue(parsing: Array(try federation.git("show", "runs/tiny-1:plan.json").utf8))
        #expect(plan["inputs"]?["left_out"] == [["site": "west", "reason": "data.offset", "documents": 2]])
        #expect(plan["workflow"]?["sites"]?.members?.keys.sorted() == ["east"])
        #expect(
            try federation.git("for-each-ref", "--format=%(refname)", "refs/heads/runs/tiny-1.sites")
                == "refs/heads/runs/tiny-1.sites/east")

        let verify = try federation.medrounds("verify", "tiny-1")
        #expect(verify.code == 0, "\(verify.out)")
        for level in ["aggregate", "full"] {
            let replay = try federation.medrounds("replay", "tiny-1", "--level", level, "--quiet")
            #expect(replay.code == 0, "\(replay.out)\(replay.err)")
        }
        #expect(try federation.medrounds("report", "tiny-1", "--output", "r.html").code == 0)
        let html = try String(contentsOfFile: "\(federation.folder)/r.html", encoding: .utf8)
        #expect(html.contains("west takes no part"))
    }

    @Test func theSiteStaysOutWhenItsNotesCanBeReadAgain() throws {
        let federation = try federation()
        let killed = try federation.runAndKill(afterCommits: 2, "--set", "quorum=1", "--name", "half")
        let whole = try federation.run("--set", "quorum=1", "--name", "whole")
        #expect(whole.code == 0, "\(whole.err)")
        for name in ["n0", "n1"] { try federation.write("", to: "data/west/\(name).ann") }
        let resumed = try federation.run("--set", "quorum=1", "--name", "half", "--resume")
        #expect(resumed.code == 0, "killed \(killed): \(resumed.err)")
        #expect(try federation.state("runs/half") == federation.state("runs/whole"))
        #expect(try federation.medrounds("replay", "half", "--level", "full", "--quiet").code == 0)
        // A new run has it again.
        #expect(try federation.run("--set", "quorum=1", "--name", "next").code == 0)
        #expect(try !federation.git("show", "runs/next:plan.json").contains("left_out"))
    }

    @Test func aPlanThatLeavesOutASiteWithoutLeaveIsFound() throws {
        let federation = try federation()
        try federation.makeKeys()
        #expect(try federation.run("--set", "quorum=1", "--set", "rounds=1").code == 0)
        let forger = try Forger(federation, run: "tiny-1")
        for (old, new) in [
            ("\"site\": \"west\"", "\"site\": \"north\""),
            ("\"reason\": \"data.offset\"", "\"reason\": \"data.nothing\""),
            ("\"quorum\": 1", "\"quorum\": 2"),
        ] {
            // What sites see of the plan does not say who was left out.
            var changed = 0
            try forger.recommit(from: 0) { path, bytes in
                let text = String(decoding: bytes, as: UTF8.self)
                guard path == "plan.json", text.contains(old) else { return nil }
                changed += 1
                return Array(text.replacingOccurrences(of: old, with: new).utf8)
            }
            #expect(changed > 0)
            #expect(!forger.isBelieved, "\(old) as \(new)")
        }
    }

    @Test func aLineOfSkippedDocumentsEnds() throws {
        let federation = try TinyFederation()
        try federation.replace("version: 1\n", with: "version: 1\non_bad_document: skip\n")
        for number in 10..<60 {
            try federation.write("fever\n", to: "data/east/x\(number).txt")
            try federation.write("T1\tproblem 900 905\tfever\n", to: "data/east/x\(number).ann")
        }
        let run = try federation.run("--set", "rounds=1")
        #expect(run.code == 0, "\(run.err)")
        let line = try #require(run.err.split(separator: "\n").first { $0.contains("documents left out") })
        #expect(
            line.contains("50 documents left out: x10 (data.offset)")
                && line.hasSuffix("; and 30 more: 30 by data.offset"), "\(line)")
    }
}
