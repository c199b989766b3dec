// A cohort whose notes are at a site: the same card as anywhere, and nothing but the card leaves the site.

import Digests
import Federation
import Foundation
import GitLedger
import RunRecords
import Testing
import Verification

@Suite(.serialized) struct CohortAtSiteTests {
    private static let card = "rounds/0002/evaluate_at_site/final/record.json"

    /// A run over three processes whose cohort is at east, one process whose cohort is at east, and one whose coordinator has the notes: the same
    /// counts. Of the notes, of what the model wrote and of where they are, nothing is in any ledger or message.
    @Test func theCardIsTheSameAndNothingElseLeaves() throws {
        let machines = try Machines(scoring: "east")
        try machines.runToTheEnd()

        let here = try TinyFederation()
        try here.replace("final: {data: test,", with: "final: {site: east, data: test,")
        #expect(try here.run("--name", "r").code == 0)
        let plain = try TinyFederation()
        #expect(try plain.run("--name", "r").code == 0)

        // The commits of one process are those of three.
        let mine = try machines.files(machines.coordinator.ledger, "runs/r")
        let theirs = try machines.files(here.ledger, "runs/r")
        #expect(Set(mine.keys) == Set(theirs.keys) && mine[Self.card] != nil)
        for line in ["runs/r", "runs/r.published", "runs/r.sites/east", "runs/r.sites/west"] {
            let subjects = ["log", "--format=%s", line]
            let left = try TinyFederation.run(
                "/usr/bin/env", ["git", "--git-dir", machines.coordinator.ledger] + subjects, in: machines.folder)
            let right = try TinyFederation.run(
                "/usr/bin/env", ["git", "--git-dir", here.ledger] + subjects, in: machines.folder)
            // A publish names the plan's digest, which is of keys that each folder draws for itself.
            func steps(_ text: String) -> [String] {
                text.split(separator: "\n").map(String.init).filter { !$0.hasPrefix("publish") }.sorted()
            }
            #expect(steps(left.out) == steps(right.out), "\(line)")
        }
        let card = try machines.git(machines.coordinator.ledger, "show", "runs/r:\(Self.card)")
        #expect(try Self.counts(card) == Self.counts(here.git("show", "runs/r:\(Self.card)")))
        #expect(
            try Self.counts(card) == Self.counts(plain.git("show", "runs/r:rounds/0002/evaluate/final/record.json")))
        #expect(card.contains("by_document"))
        #expect(mine["adapter.safetensors"] == theirs["adapter.safetensors"])

        // Nothing else leaves.
        for ledger in [machines.coordinator.ledger, machines.siteLedger("east"), machines.siteLedger("west")] {
            let everything = try TinyFederation.run(
                "/usr/bin/env", ["git", "--git-dir", ledger, "cat-file", "--batch-all-objects", "--batch"],
                in: machines.folder
            ).out
            #expect(everything.contains("plan_sha256"))
            for word in ["treated with", "at night", "held-back", "\"generated\""] {
                #expect(!everything.contains(word), "\(ledger) holds \(word)")
            }
        }
        let west = try machines.objects(machines.siteLedger("west"))
        let cardBlob = try #require(mine[Self.card])
        #expect(!west.contains(cardBlob))
        let tip = try machines.git(machines.coordinator.ledger, "rev-parse", "runs/r.sites/east")
        let main = try machines.git(machines.coordinator.ledger, "rev-parse", "runs/r")
        #expect(!west.contains(tip) && !west.contains(main))
        let predictions = "\(machines.folder)/east/work/r/east/predictions/0002-final.jsonl"
        #expect(try String(contentsOfFile: predictions, encoding: .utf8).contains("\"generated\""))
        let mode = try FileManager.default.attributesOfItem(atPath: predictions)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        for folder in [machines.coordinator.work, "\(machines.folder)/west"] {
            let all = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
            #expect(!all.contains { $0.hasSuffix(".jsonl") }, "\(folder)")
        }

        // The checker agrees everywhere, and the screens say where the cohort was scored.
        for ledger in [
            machines.coordinator.ledger, machines.siteLedger("east"), machines.siteLedger("west"), here.ledger,
        ] {
            let verify = try machines.coordinator.medrounds("verify", "r", "--ledger", ledger)
            #expect(verify.code == 0, "\(ledger): \(verify.out)\(verify.err)")
        }
        let show = try machines.coordinator.medrounds("show", "r")
        #expect(show.out.contains("final at east"), "\(show.out)")
        let replay = try here.medrounds("replay", "r", "--level", "full", "--quiet")
        #expect(replay.code == 0 && replay.out.contains("evaluate_at_site final"), "\(replay.out)\(replay.err)")
        let errors = try here.medrounds("errors", "r", "--cohort", "final")
        #expect(errors.code == 0, "\(errors.err)")
        let report = "\(machines.folder)/r.html"
        #expect(try machines.coordinator.medrounds("report", "r", "-o", report).code == 0)
        #expect(try String(contentsOfFile: report, encoding: .utf8).contains("final at east"))
    }

    /// What is measured, without whose it is and under which keys.
    private static func counts(_ record: String) -> [String] {
        MachinesTests.withoutCommitments(record).filter {
            !$0.contains("\"step\":") && !$0.contains("\"site\":")
        }
    }

    /// The question names the cohort; a site that names no notes of it refuses, and says which cohort it is.
    @Test func aSiteSaysWhatItWouldScore() throws {
        let machines = try Machines(accepts: false, scoring: "east")
        let run = try machines.startCoordinator()
        defer { kill(run.processIdentifier, SIGKILL) }
        let path = "\(machines.folder)/east/site.yaml"
        let whole = try String(contentsOfFile: path, encoding: .utf8)
        try machines.coordinator.write(
            whole.split(separator: "\n").filter { !$0.hasPrefix("cohorts") }.joined(separator: "\n") + "\n",
            to: "east/site.yaml")
        let end = Date().addingTimeInterval(60)
        var asked = try machines.once("east")
        while !asked.err.contains("site.no-cohort") && Date() < end {
            Thread.sleep(forTimeInterval: 0.3)
            asked = try machines.once("east")
        }
        #expect(asked.err.contains("the cohort final") && asked.code != 0, "\(asked.out)\(asked.err)")
        #expect(!FileManager.default.fileExists(atPath: "\(machines.siteLedger("east"))/refs/heads/runs/r.answers"))
        try machines.coordinator.write(whole, to: "east/site.yaml")
        _ = try machines.once("west")
        asked = try machines.once("east")
        while !asked.out.contains("waits for a person's approval") && Date() < end {
            Thread.sleep(forTimeInterval: 0.3)
            asked = try machines.once("east")
        }
        #expect(asked.out.contains("my notes: 8 records of 4 documents"), "\(asked.out)")
        #expect(
            asked.out.contains("also decoded here: final (8 records of 4 documents)")
                && asked.out.contains("counts by document"), "\(asked.out)")
        #expect(asked.out.split(separator: "\n").count <= 11, "\(asked.out)")
        // The other site is told where the cohort is, and nothing of its notes.
        let plan = try machines.git(machines.coordinator.ledger, "show", "runs/r.published:plan.json")
        #expect(plan.contains("\"site\": \"east\"") && !plan.contains("\"role\": \"test\""))
        let whole2 = try machines.git(machines.coordinator.ledger, "show", "runs/r:plan.json")
        #expect(whole2.contains("\"role\": \"test\"") && !whole2.contains("held-back"))
    }

    /// Scored after every round, killed after any number of commits and resumed: the same state, byte for byte.
    @Test(arguments: [4, 7, 9, 12]) func aRunThatWasKilledEndsInTheSameState(commits: Int) throws {
        let federation = try TinyFederation()
        try federation.addCohortAtEast()
        try federation.replace("when: last_round", with: "when: every_round")
        #expect(try federation.run("--name", "whole").code == 0)
        #expect(try federation.runAndKill(afterCommits: commits, "--name", "killed"))
        let resumed = try federation.run("--name", "killed", "--resume")
        #expect(resumed.code == 0, "\(resumed.err)")
        #expect(try federation.state("runs/killed") == federation.state("runs/whole"))
        for line in ["runs/killed.sites/east", "runs/killed"] {
            let count = try federation.git("rev-list", "--count", line)
            #expect(
                try count == federation.git("rev-list", "--count", line.replacing("killed", with: "whole")), "\(line)")
        }
        let verify = try federation.medrounds("verify", "killed")
        #expect(verify.code == 0, "\(verify.out)")
        let collect = try federation.git("show", "runs/killed:rounds/0002/collect/record.json")
        #expect(collect.split(separator: "\n").count { $0.contains("record_sha256") } == 2, "\(collect)")
    }

    /// A card that says more than was found, one of another cohort's notes, one scored with another adapter, and one that is kept from the list.
    @Test func aForgedCardIsFound() throws {
        let federation = try TinyFederation()
        try federation.addCohortAtEast()
        try federation.makeKeys()
        #expect(try federation.run("--name", "small").code == 0)
        let forger = try Forger(federation, run: "small")
        try forger.recommit(from: 0) { _, _ in nil }
        #expect(try forger.tip() == forger.original)
        #expect(forger.isBelieved)
        let index = try #require(forger.history.firstIndex { $0.kind == .evaluateAtSite })
        let path = "rounds/0002/evaluate_at_site/home/record.json"
        let record = try #require(try forger.records(of: index).first { $0.path == path }?.bytes)
        let text = String(decoding: record, as: UTF8.self)
        let value = try JSONValue(parsing: record)
        let adapter = try #require(value["input"]?["adapter_sha256"]?.text)
        let notes = try #require(value["input"]?["dataset_commitment"]?.text)
        let zero = String(repeating: "0", count: 64)
        let forgeries = [
            text.replacingOccurrences(of: adapter, with: zero), text.replacingOccurrences(of: notes, with: zero),
            text.replacingOccurrences(of: "\"site\": \"east\"", with: "\"site\": \"west\""),
            text.replacingOccurrences(of: "\"records\": 8", with: "\"records\": 9"),
            text.replacingOccurrences(of: "\"false_negatives\": 0", with: "\"false_negatives\": 1"),
        ]
        for forged in forgeries {
            #expect(forged != text)
            try forger.recommit(from: index) { at, bytes in at == path && bytes == record ? Array(forged.utf8) : nil }
            let faults = try forger.verify().checks.flatMap(\.faults)
            #expect(faults.contains { ["verify.metrics", "verify.dataset"].contains($0.code) }, "\(faults)")
            #expect(try federation.medrounds("verify", "small").code == 5)
        }
        // The coordinator says that a card which was made is missing.
        let collect = try #require(forger.history.firstIndex { $0.kind == .collect })
        try forger.recommit(from: collect) { at, bytes in
            guard at.hasSuffix("/collect/record.json"), case .object(var members) = try JSONValue(parsing: bytes) else {
                return nil
            }
            members["cards"] = []
            members["absent"] = [["round": 2, "cohort": "home", "site": "east", "reason": "run.no-card"]]
            return JSONValue.object(members).canonical
        }
        let faults = try forger.verify().checks.flatMap(\.faults)
        #expect(faults.contains { $0.code == "verify.collect" }, "\(faults)")
        // A line of a site that is rolled back to before its card, after the card was collected.
        try forger.recommit(from: 0) { _, _ in nil }
        #expect(forger.isBelieved)
        try federation.git("update-ref", "refs/heads/runs/small.sites/east", "runs/small.sites/east^2")
        #expect(!forger.isBelieved)
    }

    /// With a quorum a run ends without a card, and says so; without one it stops.
    @Test func aMissingCardIsRecordedWithItsReason() throws {
        let federation = try TinyFederation()
        try federation.addCohortAtEast()
        try federation.replace("rounds: 2", with: "rounds: 2\nquorum: 1")
        // The folder of predictions cannot be made where a file has its name.
        try federation.write("", to: "rounds/work/r/east/predictions")
        let run = try federation.run("--name", "r")
        #expect(run.code == 0, "\(run.err)")
        let record = try federation.git("show", "runs/r:rounds/0002/collect/record.json")
        #expect(record.contains("\"cards\": []") && record.contains("\"reason\": \""), "\(record)")
        let verify = try federation.medrounds("verify", "r")
        #expect(verify.code == 0, "\(verify.out)")
        try federation.replace("\nquorum: 1", with: "")
        try federation.write("", to: "rounds/work/s/east/predictions")
        #expect(try federation.run("--name", "s").code != 0)
    }
}
