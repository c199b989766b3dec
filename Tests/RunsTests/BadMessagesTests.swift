// Bad messages: a finished run over three folders is put back to where one end waits, and the other end, which holds every key, sends something forged.
// The one that waits refuses it by name, and none of its lines moves.

import Federation
import Foundation
import GitLedger
import RunRecords
import Testing

/// A signed federation over three folders that ended, and a copy of its whole ledger in which a forger works.
private final class Ended {
    let machines: Machines
    let forged: TinyFederation
    let forger: Forger

    init() throws {
        let machines = try Machines()
        self.machines = machines
        let coordinator = machines.coordinator
        try coordinator.makeKeys()
        let files = FileManager.default
        for site in machines.sites {
            try files.createDirectory(
                atPath: "\(machines.folder)/\(site)/work/keys", withIntermediateDirectories: true)
            try files.moveItem(
                atPath: "\(coordinator.work)/keys/site-\(site).ed25519",
                toPath: "\(machines.folder)/\(site)/work/keys/site-\(site).ed25519")
        }
        let sites = try machines.sites.map { try machines.startSite($0) }
        let run = try machines.startCoordinator()
        #expect(machines.wait(run) && run.terminationStatus == 0, "\(machines.log("coordinator"))")
        let end = Date().addingTimeInterval(30)
        while !machines.sites.allSatisfy({ machines.log($0).contains("finished: 2 rounds") }), Date() < end {
            Thread.sleep(forTimeInterval: 0.1)
        }
        for process in sites { kill(process.processIdentifier, SIGKILL) }
        for process in sites { process.waitUntilExit() }
        // The forger holds every key, and a ledger of its own.
        let forged = try TinyFederation()
        self.forged = forged
        try files.createDirectory(atPath: forged.work, withIntermediateDirectories: true)
        try files.copyItem(atPath: coordinator.ledger, toPath: forged.ledger)
        try files.copyItem(atPath: "\(coordinator.work)/keys", toPath: "\(forged.work)/keys")
        for site in machines.sites {
            try files.copyItem(
                atPath: "\(machines.folder)/\(site)/work/keys/site-\(site).ed25519",
                toPath: "\(forged.work)/keys/site-\(site).ed25519")
        }
        forger = try Forger(forged, run: "r")
    }

    /// The index of a step's commit in the forger's history.
    func index(_ step: String, _ round: Int, _ owner: String? = nil) throws -> Int {
        try #require(
            forger.history.firstIndex {
                $0.trailer("Step") == step && $0.trailer("Round") == String(round)
                    && (owner == nil || $0.trailer("Site") == owner)
            })
    }

    func set(_ ledger: String, _ line: String, _ commit: String?) throws {
        if let commit {
            _ = try machines.git(ledger, "update-ref", "refs/heads/\(line)", commit)
        } else {
            _ = try machines.git(ledger, "update-ref", "-d", "refs/heads/\(line)")
        }
    }

    /// The coordinator waits for the uploads of round 1, and gets the forger's line of east up to there. Whether it took it, and what it said.
    func sendToCoordinator() throws -> (isTaken: Bool, code: Int32?, said: String) {
        let ledger = machines.coordinator.ledger
        try set(ledger, "runs/r", forger.history[index("plan", 0)].id.hex)
        try set(ledger, "runs/r.published", forger.history[index("publish", 0)].id.hex)
        for site in machines.sites {
            try set(ledger, "runs/r.sites/\(site)", nil)
            let box = "\(machines.folder)/mail/\(site)/r/from-site"
            for name in try FileManager.default.contentsOfDirectory(atPath: box) {
                try FileManager.default.removeItem(atPath: "\(box)/\(name)")
            }
        }
        let line = try #require(forged.siteLine("east").first { $0.step == "upload" && $0.round == "1" })
        try set(forged.ledger, "runs/r.sites/east", line.commit)
        _ = try machines.git(
            forged.ledger, "bundle", "create", "--quiet", "\(machines.folder)/mail/east/r/from-site/000900.bundle",
            "refs/heads/runs/r.sites/east", "^\(forger.history[index("publish", 0)].id.hex)")
        try? FileManager.default.removeItem(atPath: "\(machines.folder)/waiting.log")
        let process = try machines.start(
            ["run", "tiny.yaml", "--name", "r", "--resume"], in: machines.folder, log: "waiting.log")
        let ref = "\(ledger)/refs/heads/runs/r.sites/east"
        let end = Date().addingTimeInterval(60)
        while process.isRunning, !FileManager.default.fileExists(atPath: ref), Date() < end {
            Thread.sleep(forTimeInterval: 0.05)
        }
        let isRunning = process.isRunning
        if isRunning { kill(process.processIdentifier, SIGKILL) }
        process.waitUntilExit()
        let isTaken = try !machines.git(ledger, "for-each-ref", "refs/heads/runs/r.sites/east").isEmpty
        return (isTaken, isRunning ? nil : process.terminationStatus, machines.log("waiting"))
    }

    /// East waits for the publish of round 1, and gets the forger's line.
    func sendToEast() throws -> Finished {
        let ledger = machines.siteLedger("east")
        try set(ledger, "runs/r.published", forger.history[index("publish", 0)].id.hex)
        try set(ledger, "runs/r.sites/east", forger.history[index("upload", 1, "east")].id.hex)
        let box = "\(machines.folder)/mail/east/r/to-site"
        for name in try FileManager.default.contentsOfDirectory(atPath: box) {
            try FileManager.default.removeItem(atPath: "\(box)/\(name)")
        }
        _ = try machines.git(
            forged.ledger, "bundle", "create", "--quiet", "\(box)/000900.bundle", "refs/heads/runs/r.published",
            "^\(forger.history[index("publish", 0)].id.hex)")
        return try machines.once("east")
    }
}

@Suite struct BadMessagesTests {
    @Test func aSiteSendsWhatNoSiteMaySend() throws {
        let ended = try Ended()
        let upload = try ended.index("upload", 1, "east")
        let other = try TinyFederation()
        #expect(try other.run("--name", "r", "--set", "adapter.rank=1", "--set", "rounds=1").code == 0)
        let ranked = try other.file("runs/r:rounds/0001/upload/east/adapter.safetensors")
        let sentence = Array("The patient denies chest pain.".utf8)
        let west = try SSHKeys.signer(of: "west", in: ended.forged)
        let path = "rounds/0001/upload/east/adapter.safetensors"
        typealias Message = (inout CommitDraft) -> Void
        let cases: [(what: String, message: Message?, alter: (String, [UInt8]) -> [UInt8]?)] = [
            ("an adapter of another rank", nil, { at, _ in at == path ? ranked : nil }),
            ("half an adapter", nil, { at, bytes in at == path ? Array(bytes.prefix(bytes.count / 2)) : nil }),
            ("a commit signed by another site", { $0.signer = west }, { _, _ in nil }),
            ("a commit that nobody signed", { $0.signer = nil }, { _, _ in nil }),
            (
                "a note beside the adapter",
                { $0.changes.append(FileChange(path: "rounds/0001/upload/east/note.txt", bytes: sentence)) },
                { _, _ in nil }
            ),
            ("a clock a day ahead", { $0.time = Int64(Date().timeIntervalSince1970) + 86_400 }, { _, _ in nil }),
        ]
        for (what, message, alter) in cases {
            try ended.forger.recommit(from: upload, message: message.map { (upload, $0) }, alter: alter)
            let (isTaken, code, said) = try ended.sendToCoordinator()
            #expect(!isTaken && code != nil && code != 0, "\(what): \(said)")
            #expect(said.contains("[verify.") || said.contains("[bundle."), "\(what): \(said)")
            #expect(!said.contains("chest pain"))
        }
        // The same line as the site made it is taken.
        try ended.forger.recommit(from: 0) { _, _ in nil }
        let whole = try ended.sendToCoordinator()
        #expect(whole.isTaken, "\(whole.said)")
    }

    @Test func aCoordinatorSendsWhatNoCoordinatorMaySend() throws {
        let ended = try Ended()
        let publish = try ended.index("publish", 1)
        let other = try TinyFederation()
        #expect(try other.run("--name", "r", "--set", "seed=99", "--set", "rounds=1").code == 0)
        let adapter = try other.file("runs/r:adapter.safetensors")
        let east = try SSHKeys.signer(of: "east", in: ended.forged)
        typealias Message = (inout CommitDraft) -> Void
        let cases: [(what: String, from: Int, message: Message?, alter: (String, [UInt8]) -> [UInt8]?)] = [
            ("another adapter than its record names", publish, nil, { at, _ in at == RunPath.global ? adapter : nil }),
            (
                "another plan after the approval", 0, nil,
                { at, bytes in
                    let text = String(decoding: bytes, as: UTF8.self)
                    guard at == RunPath.plan, text.contains("\"rounds\": 2") else { return nil }
                    return Array(text.replacingOccurrences(of: "\"rounds\": 2", with: "\"rounds\": 3").utf8)
                }
            ),
            (
                "a receipt for another upload", publish, nil,
                { at, bytes in
                    guard at == RunPath.published else { return nil }
                    let text = String(decoding: bytes, as: UTF8.self)
                    return Array(
                        text.replacingOccurrences(of: "\"east\"", with: "\"*\"").replacingOccurrences(
                            of: "\"west\"", with: "\"east\""
                        ).replacingOccurrences(of: "\"*\"", with: "\"west\"").utf8)
                }
            ),
            ("a commit that a site signed", publish, { $0.signer = east }, { _, _ in nil }),
            (
                "a clock a day ahead", publish, { $0.time = Int64(Date().timeIntervalSince1970) + 86_400 },
                { _, _ in nil }
            ),
        ]
        for (what, from, message, alter) in cases {
            try ended.forger.recommit(from: from, message: message.map { (publish, $0) }, alter: alter)
            let refused = try ended.sendToEast()
            #expect(refused.code != 0, "\(what): \(refused.out)")
            #expect(refused.err.contains("verify.") || refused.err.contains("bundle."), "\(what): \(refused.err)")
            let tip = try ended.machines.git(ended.machines.siteLedger("east"), "rev-parse", "runs/r.published")
            #expect(tip == ended.forger.history[try ended.index("publish", 0)].id.hex, "\(what)")
        }
        try ended.forger.recommit(from: 0) { _, _ in nil }
        let taken = try ended.sendToEast()
        #expect(taken.code == 0 && taken.out.contains("finished: 2 rounds"), "\(taken.out)\(taken.err)")

        // One round more than the plan has: the line's last commit again, with another number.
        let line = LineRef.published(ended.forger.run)
        let last = try ended.forger.ledger.read(try #require(try ended.forger.ledger.tip(line)))
        var changes: [FileChange] = []
        for entry in [RunPath.published, RunPath.global] {
            changes.append(
                FileChange(path: entry, bytes: try #require(try ended.forger.ledger.file(entry, of: last.id))))
        }
        let text = String(decoding: changes[0].bytes, as: UTF8.self)
        changes[0].bytes = Array(text.replacingOccurrences(of: "\"round\": 2", with: "\"round\": 3").utf8)
        var draft = CommitDraft(
            line: line, expectedTip: last.id, parents: [last.id], base: last.id, changes: changes,
            subject: last.subject.replacingOccurrences(of: "round 2", with: "round 3"),
            trailers: last.trailers.filter { $0.key != "State-SHA256" }.map {
                $0.key == "Round" ? Trailer("Round", "3") : $0
            }, author: last.author, time: last.time)
        draft.signer = try SSHKeys.signer(of: nil, in: ended.forged)
        _ = try ended.forger.ledger.commit(draft)
        let box = "\(ended.machines.folder)/mail/east/r/to-site/000901.bundle"
        _ = try ended.machines.git(
            ended.forged.ledger, "bundle", "create", "--quiet", box, "refs/heads/runs/r.published", "^\(last.id.hex)")
        let more = try ended.machines.once("east")
        #expect(more.code != 0 && more.err.contains("verify."), "\(more.out)\(more.err)")
        #expect(
            try ended.machines.git(ended.machines.siteLedger("east"), "rev-parse", "runs/r.published") == last.id.hex)
    }
}
