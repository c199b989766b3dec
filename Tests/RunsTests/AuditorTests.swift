// What an auditor asks: who approved, who signed and when, one site alone, and a statement that other programs can check.

import Digests
import Federation
import Foundation
import Identities
import Testing

@Suite struct AuditorTests {
    private let settings = ["--set", "rounds=1", "--set", "approvals=required", "--set", "signing=required"]

    /// A signed run that both sites approved; west took its approval back once.
    private func approvedRun() throws -> TinyFederation {
        let federation = try TinyFederation()
        try federation.makeKeys()
        func run(_ more: String...) throws -> Finished {
            try TinyFederation.run(
                TinyFederation.program, ["run", "tiny.yaml"] + settings + more, in: federation.folder)
        }
        #expect(try run().code == 1)
        for arguments in [["east"], ["west"], ["west", "--withdraw"], ["west"]] {
            let approve = try TinyFederation.run(
                TinyFederation.program, ["approve", "tiny-1", "--site"] + arguments, in: federation.folder)
            #expect(approve.code == 0, "\(approve.err)")
        }
        let ended = try run("--name", "tiny-1", "--resume")
        #expect(ended.code == 0, "\(ended.err)")
        return federation
    }

    @Test func logShowReportAndCrateSayWhoApprovedAndWhoSigned() throws {
        let federation = try approvedRun()
        let keys = try ["coordinator", "site-east", "site-west"].map(federation.fingerprint)

        let log = try federation.medrounds("log", "tiny-1").out.split(separator: "\n").map(String.init)
        // The call, two parts, the plan, four answers, 2 trains, 2 uploads, score, aggregate, evaluate, two publishes, in the order of the steps.
        let steps = [
            "call ", "part of east", "part of west", "plan ", "publish plan ", "approve", "approve", "withdraw",
            "approve", "round 1 train", "round 1 train",
        ]
        #expect(log.count == 17)
        for (line, step) in zip(log, steps) {
            #expect(line.lowercased().contains(step.dropLast()), "\(line) for \(step)")
        }
        #expect(log[0].hasSuffix("(coordinator)") && log[1].hasSuffix("(site:east)") && log[7].hasSuffix("(site:west)"))
        let json = try JSONValue(parsing: Array(try federation.medrounds("log", "tiny-1", "--json").out.utf8))
        #expect(json.elements?.first?["signer"]?.text == "coordinator")
        #expect(json.elements?.first?["key"]?.text == keys[0])

        let show = try federation.medrounds("show", "tiny-1").out
        #expect(show.contains("approvals of the plan, required:"))
        for key in keys { #expect(show.contains(key)) }
        let value = try JSONValue(parsing: Array(try federation.medrounds("show", "tiny-1", "--json").out.utf8))
        #expect(value["approvals"]?.elements?.map { $0["answer"]?.text } == ["approved", "approved"])
        #expect(value["signers"]?.elements?.count == 3)

        #expect(try federation.medrounds("report", "tiny-1", "--output", "r.html").code == 0)
        let html = try String(contentsOfFile: "\(federation.folder)/r.html", encoding: .utf8)
        for part in ["Who approved and who signed", "approved", "withdrawn", "(overtaken)", "Every setting"] + keys {
            #expect(html.contains(part), "\(part)")
        }
        for setting in ["steps.train.learning_rate", "steps.train.epochs", "signing", "by --set", "--set rounds=1"] {
            #expect(html.contains(setting), "\(setting)")
        }

        #expect(try federation.medrounds("export", "tiny-1", "out").code == 0)
        let crate = try String(contentsOfFile: "\(federation.folder)/out/ro-crate-metadata.json", encoding: .utf8)
        for part in ["AuthorizeAction", "RejectAction", "#site/west", "site:west"] + keys {
            #expect(crate.contains(part), "\(part)")
        }
        let verify = try federation.medrounds("verify", "tiny-1").out
        #expect(verify.contains("(2 of 2 sites approved)"), "\(verify)")
    }

    @Test func aWithdrawnAnswerIsNoApproval() throws {
        let federation = try TinyFederation()
        try federation.makeKeys()
        #expect(try federation.run("--set", "rounds=1").code == 0)
        #expect(try federation.medrounds("approve", "tiny-1", "--site", "east").code == 0)
        #expect(try federation.medrounds("approve", "tiny-1", "--site", "west").code == 0)
        #expect(try federation.medrounds("approve", "tiny-1", "--site", "west", "--withdraw").code == 0)
        let verify = try federation.medrounds("verify", "tiny-1").out
        #expect(verify.contains("- marks what was not asked for"), "\(verify)")
        #expect(
            verify.contains("-     every site approved") && verify.contains("1 of 2 sites approved, 1 withdrew"),
            "\(verify)")
        let show = try federation.medrounds("show", "tiny-1").out
        #expect(show.contains("not required") && show.contains("withdrawn"), "\(show)")
    }

    @Test func anUnsignedRunSaysSo() throws {
        let federation = try TinyFederation()
        #expect(try federation.run("--set", "rounds=1").code == 0)
        #expect(try !federation.medrounds("show", "tiny-1").out.contains("signed by"))
        #expect(try federation.medrounds("report", "tiny-1", "--output", "r.html").code == 0)
        let html = try String(contentsOfFile: "\(federation.folder)/r.html", encoding: .utf8)
        #expect(html.contains("No commit is signed") && html.contains("asks no site to approve"))
    }

    // MARK: The signed statement

    private func export(_ federation: TinyFederation, _ folder: String, key: String) throws -> Finished {
        try federation.medrounds("export", "tiny-1", folder, "--key", key)
    }

    @Test func theSignedStatementIsGoodForOpenSSLAndForUs() throws {
        let federation = try TinyFederation()
        try federation.makeKeys()
        #expect(try federation.run("--set", "rounds=1").code == 0)
        let coordinator = "\(federation.work)/keys/coordinator.ed25519"
        let made = try export(federation, "out", key: coordinator)
        #expect(made.code == 0 && made.out.contains("the statement signed"), "\(made.err)")

        func bytes(_ name: String) throws -> [UInt8] {
            [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(federation.folder)/out/\(name)")))
        }
        let line = try bytes("provenance.intoto.jsonl")
        #expect(line.split(separator: 0x0a).count == 1)
        let signed = try #require(SignedStatement(envelope: line))
        #expect(signed.payload == (try bytes("provenance.intoto.json")))
        #expect(signed.type == "application/vnd.in-toto+json")
        let key = try SSHPrivateKey(reading: coordinator)
        #expect(signed.keyID == key.publicKey.fingerprint && signed.isSigned(by: key.publicKey))
        let other = try SSHPrivateKey(reading: "\(federation.work)/keys/site-east.ed25519")
        #expect(!signed.isSigned(by: other.publicKey))
        #expect(signed.envelope == line)
        // One bit of the payload, of the signature or of the type is another statement.
        for place in [60, 2000, line.count - 40] {
            var altered = line
            altered[place] = altered[place] == 0x41 ? 0x42 : 0x41
            #expect(SignedStatement(envelope: altered)?.isSigned(by: key.publicKey) != true, "byte \(place)")
        }

        // The encoding as the specification has it, put together here by hand, and OpenSSL as the other implementation.
        let encoding = Array("DSSEv1 28 application/vnd.in-toto+json \(signed.payload.count) ".utf8) + signed.payload
        try federation.writeBytes(encoding, to: "pae")
        try federation.writeBytes(signed.signature, to: "signature")
        func openssl() throws -> Finished {
            try TinyFederation.run(
                "/usr/bin/env",
                [
                    "openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "out/provenance.pub.pem", "-rawin", "-in",
                    "pae",
                    "-sigfile", "signature",
                ], in: federation.folder)
        }
        let checked = try openssl()
        #expect(checked.code == 0, "\(checked.out)\(checked.err)")
        try federation.writeBytes(encoding + [0x20], to: "pae")
        #expect(try openssl().code != 0)
    }

    @Test func onlyACoordinatorsKeySignsTheStatementOfALedgerThatNamesSigners() throws {
        let federation = try TinyFederation()
        try federation.makeKeys()
        #expect(try federation.run("--set", "rounds=1").code == 0)
        let site = try export(federation, "out", key: "\(federation.work)/keys/site-east.ed25519")
        #expect(site.code == 2 && site.err.contains("keys.not-allowed"), "\(site.err)")
        let unsigned = try federation.medrounds("export", "tiny-1", "plain")
        #expect(unsigned.code == 0)
        #expect(!FileManager.default.fileExists(atPath: "\(federation.folder)/plain/provenance.intoto.jsonl"))
    }

    // MARK: One site alone

    @Test func oneSiteIsReplayedWithItsNotesAndKeyAlone() throws {
        let federation = try TinyFederation()
        #expect(try federation.run("--set", "steps.train.checkpoint_every=1").code == 0)
        // The auditor has the ledger and what belongs to east.
        let files = FileManager.default
        for lost in ["data/west", "data/test", "data/validation"] {
            try files.removeItem(atPath: "\(federation.folder)/\(lost)")
        }
        for owner in ["west", "final", "coordinator"] {
            try files.removeItem(atPath: "\(federation.work)/keys/\(owner).key")
        }
        try files.removeItem(atPath: "\(federation.work)/tiny-1/west")
        func replay(_ arguments: String...) throws -> Finished {
            try TinyFederation.run(
                TinyFederation.program, ["replay", "tiny-1", "--quiet"] + arguments, in: federation.folder)
        }
        let full = try replay("--level", "full", "--site", "east")
        #expect(full.code == 0 && full.out.contains("4 steps replayed to the same bytes"), "\(full.out)\(full.err)")
        #expect(!full.out.contains("west") && !full.out.contains("score"))
        for seed in ["a", "b", "c", "d", "e", "f"] {
            let sampled = try replay("--steps", "1", "--seed", seed, "--site", "east")
            #expect(sampled.code == 0 && sampled.out.contains("train east"), "\(sampled.out)\(sampled.err)")
        }
        let all = try replay("--level", "full")
        #expect(all.code == 4, "\(all.out)")
        let other = try replay("--level", "full", "--site", "west")
        #expect(other.code == 4, "\(other.err)")
        let nobody = try replay("--level", "full", "--site", "north")
        #expect(nobody.code == 2 && nobody.err.contains("run.no-site"), "\(nobody.err)")
        #expect(try replay("--site", "east").code == 2)
        // Other notes of the site are another plan.
        try federation.replace("fever", with: "cough", in: "data/east/n0.txt")
        try federation.replace("fever", with: "cough", in: "data/east/n0.ann")
        let changed = try replay("--level", "full", "--site", "east")
        #expect(changed.code == 5 && changed.err.contains("replay.other-plan"), "\(changed.out)\(changed.err)")
    }
}

/// Tables that tell runs apart, with precision and recall, for people and for other programs.
@Suite struct RunTableTests {
    @Test func logListsTheNewestRunFirstWithWhatTellsRunsApart() throws {
        let federation = try TinyFederation()
        #expect(try federation.run("--set", "rounds=1", "--name", "zebra").code == 0)
        // Times of commits are whole seconds.
        Thread.sleep(forTimeInterval: 1.1)
        #expect(
            try federation.run("--set", "rounds=1", "--set", "adapter.rank=3", "--name", "ant").code == 0)
        let lines = try federation.medrounds("log").out.split(separator: "\n").map(String.init)
        for column in ["last commit", "rule", "rank", "best F1", "set"] { #expect(lines[0].contains(column)) }
        #expect(lines[2].hasPrefix("ant ") && lines[2].hasSuffix("rounds=1 adapter.rank=3"), "\(lines)")
        #expect(lines[2].contains("fed-medlora-plus") && lines[2].contains(" 3 ") && lines[3].hasPrefix("zebra "))
        let json = try JSONValue(parsing: Array(try federation.medrounds("log", "--json").out.utf8)).elements ?? []
        #expect(json.map { $0["run"]?.text } == ["ant", "zebra"])
        #expect(json[0]["rank"]?.int == 3 && json[0]["rule"]?.text == "fed-medlora-plus")
    }

    @Test func compareHasJSONAndCSVWithTheSameFigures() throws {
        let federation = try TinyFederation()
        #expect(try federation.run("--set", "rounds=1").code == 0)
        #expect(try federation.run("--set", "rounds=1", "--set", "seed=6").code == 0)
        let json = try JSONValue(
            parsing: Array(try federation.medrounds("compare", "tiny-1", "tiny-2", "--json").out.utf8))
        let rows = try #require(json.elements)
        #expect(rows.count == 2 && rows[1]["overrides"]?.elements?.last?.text == "seed=6")
        let csv = try federation.medrounds("compare", "tiny-1", "tiny-2", "--csv").out
        let lines = csv.components(separatedBy: "\r\n")
        #expect(lines.count == 4 && lines[3].isEmpty)
        let head = lines[0].split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        let cells = lines[2].split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        #expect(head.count == cells.count)
        let row = Dictionary(uniqueKeysWithValues: zip(head, cells))
        #expect(row["run"] == "tiny-2" && row["seed"] == "6" && row["rule"] == "fed-medlora-plus")
        let strict = try #require(rows[1]["strict"])
        for key in ["f1", "precision", "recall", "low", "high"] {
            #expect(Double(row["strict_\(key)"] ?? "") == strict[key]?.double, "\(key)")
        }
        let table = try federation.medrounds("compare", "tiny-1", "tiny-2").out
        #expect(table.contains("precision") && table.contains("recall"))
        #expect(try federation.medrounds("compare", "tiny-1", "--json", "--csv").code == 2)
    }

    @Test func aFigureOfNothingSaysWhy() throws {
        let federation = try TinyFederation()
        let run = try federation.run("--set", "rounds=1")
        #expect(run.code == 0)
        let record = try JSONValue(
            parsing: Array(try federation.git("show", "runs/tiny-1:rounds/0001/evaluate/final/record.json").utf8))
        let strict = try #require(record["scores"]?["micro"]?["strict"])
        // A random model finds nothing.
        try #require(strict["true_positives"]?.int == 0)
        let predicted = strict["false_positives"]?.int ?? -1
        let gold = strict["false_negatives"]?.int ?? -1
        for out in [run.out, try federation.medrounds("show", "tiny-1").out] {
            #expect(out.contains("final scores 0.000: \(predicted) mention"), "\(out)")
            #expect(out.contains(" predicted of \(gold)") && out.contains("at 0.001 are too few"), "\(out)")
        }
        #expect(run.err.contains("in all rounds are few to learn from"), "\(run.err)")
    }

    @Test func theEvaluationIsScoredWithWholeWordsToo() throws {
        let federation = try TinyFederation()
        #expect(try federation.run("--set", "rounds=1").code == 0)
        let record = try JSONValue(
            parsing: Array(try federation.git("show", "runs/tiny-1:rounds/0001/evaluate/final/record.json").utf8))
        #expect(record["whole_words"]?["rule"]?.text == "whole-words/1")
        #expect(record["whole_words"]?["scores"]?["by_document"]?.elements?.count == 4)
        #expect(record["whole_words"]?["scores"]?["records"] == record["scores"]?["records"])
        #expect(try federation.medrounds("show", "tiny-1").out.contains("whole words"))
        let json = try JSONValue(parsing: Array(try federation.medrounds("show", "tiny-1", "--json").out.utf8))
        #expect(json["cohorts"]?.elements?.first?["whole_words_strict_f1"]?.double != nil)
    }

    @Test func aFirstWordThatIsNoCommandIsAnsweredWithTheNearest() throws {
        let federation = try TinyFederation()
        for (word, command) in [("rnu", "run"), ("verfy", "verify"), ("lgo", "log")] {
            let wrong = try federation.medrounds(word, "x")
            #expect(wrong.code == 2 && wrong.err.contains("did you mean \"\(command)\"?"), "\(wrong.err)")
        }
        let far = try federation.medrounds("quetzalcoatl")
        #expect(far.code == 2 && !far.err.contains("did you mean"), "\(far.err)")
        #expect(try federation.medrounds("help", "run").code == 0)
        #expect(try federation.medrounds("--version").code == 0)
    }

    @Test func aNarrowTerminalGetsARowAsABlock() throws {
        let federation = try TinyFederation()
        #expect(try federation.run("--set", "rounds=1").code == 0)
        func show(columns: Int) throws -> String {
            try TinyFederation.run(
                "/usr/bin/env",
                [
                    "script", "-qec", "stty cols \(columns); '\(TinyFederation.program)' show tiny-1", "/dev/null",
                ], in: federation.folder
            ).out.replacingOccurrences(of: "\r", with: "")
        }
        let narrow = try show(columns: 60)
        #expect(narrow.contains("round 1\n  site ") && narrow.contains("  strict F1 "), "\(narrow)")
        for line in narrow.split(separator: "\n") where line.hasPrefix("  ") { #expect(line.count <= 60, "\(line)") }
        #expect(try show(columns: 160).contains("round  site  records"))
    }
}
