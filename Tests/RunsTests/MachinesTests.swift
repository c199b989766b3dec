// A federation over several processes: the same bytes as in one, nothing of one site at another, and every end of a process survived.

import Foundation
import Testing

@Suite(.serialized) struct MachinesTests {
    /// Adapters, losses, scores and weights as one process makes them: every record but timings and what names the call and the plan.
    @Test func threeProcessesGiveTheBytesOfOne() throws {
        let one = try TinyFederation()
        #expect(try one.run("--name", "r").code == 0)
        let machines = try Machines()
        try machines.runToTheEnd()
        let mine = try machines.files(machines.coordinator.ledger, "runs/r")
        let theirs = try machines.files(one.ledger, "runs/r")
        var compared = 0
        for (path, blob) in theirs
        where !path.hasSuffix("timing.json") && path != "plan.json" && path != "workflow.yaml" {
            // Cohorts and validation notes are committed to under keys of their own, which each folder draws for itself.
            if path.contains("/evaluate/") || path.contains("/score/") || path.contains("/train/") {
                let left = try machines.git(machines.coordinator.ledger, "show", "runs/r:\(path)")
                let right = try one.git("show", "runs/r:\(path)")
                #expect(Self.withoutCommitments(left) == Self.withoutCommitments(right), "\(path)")
            } else {
                #expect(mine[path] == blob, "\(path)")
            }
            compared += 1
        }
        #expect(compared >= 14 && Set(mine.keys) == Set(theirs.keys))
        #expect(try machines.coordinator.medrounds("verify", "r").code == 0)

        // What a site's repository holds, reachable or not: nothing that only the coordinator or another site may have.
        for (site, other) in [("east", "west"), ("west", "east")] {
            let objects = try machines.objects(machines.siteLedger(site))
            // Two sites may say the same, as in the times of a step of no length.
            var own: Set<String> = []
            for commit in try machines.git(machines.siteLedger(site), "rev-list", "runs/r.sites/\(site)").split(
                separator: "\n")
            { own.formUnion(try machines.files(machines.siteLedger(site), String(commit)).values) }
            var secrets = 0
            for commit in try machines.git(machines.coordinator.ledger, "rev-list", "runs/r").split(separator: "\n") {
                let files = try machines.files(machines.coordinator.ledger, String(commit))
                for (path, blob) in files {
                    let isOthers = path.contains("/\(other)/")
                    let isCoordinators = ["/score/", "/aggregate/", "/evaluate/"].contains { path.contains($0) }
                    guard isOthers || isCoordinators || path == "workflow.yaml", !own.contains(blob) else { continue }
                    // The published adapter is the aggregate's, and both have it.
                    #expect(!objects.contains(blob), "\(site) holds \(path)")
                    secrets += 1
                }
            }
            #expect(secrets > 20)
            for line in ["runs/r", "runs/r.sites/\(other)", "runs/r.answers/\(other)"] {
                let tip = try machines.git(machines.coordinator.ledger, "rev-parse", line)
                #expect(!objects.contains(tip), "\(site) holds \(line)")
            }
            let part = try machines.git(machines.coordinator.ledger, "rev-parse", "runs/r.answers/\(other):part.json")
            #expect(!objects.contains(part))
            let verify = try machines.coordinator.medrounds("verify", "r", "--ledger", machines.siteLedger(site))
            #expect(verify.code == 0 && verify.out.contains("2 receipts"), "\(verify.out)")
        }
        // No path of a site, and no key, is on another machine.
        let plan = try machines.git(machines.coordinator.ledger, "show", "runs/r:plan.json")
        #expect(!plan.contains("notes") && plan.contains("\"remote\": true") && plan.contains("withheld"))
        let keys = try FileManager.default.contentsOfDirectory(atPath: "\(machines.coordinator.work)/keys")
        #expect(keys.sorted() == ["coordinator.key", "final.key"])
    }

    static func withoutCommitments(_ text: String) -> [String] {
        // A list of cards names records that hold commitments.
        text.split(separator: "\n").filter { !$0.contains("commitment\"") && !$0.contains("\"record_sha256\"") }
            .map(String.init)
    }

    /// kill -9 of any of the three at random instants, one of which scores a cohort: the same records and adapters as a run that nobody disturbed.
    @Test func everyProcessMayBeKilledAtAnyInstant() throws {
        let whole = try Machines(scoring: "east")
        let others = try whole.sites.map { try whole.startSite($0) }
        defer { for process in others { kill(process.processIdentifier, SIGKILL) } }
        let kills = Int(ProcessInfo.processInfo.environment["MEDROUNDS_KILLS"] ?? "") ?? 12
        let machines = try Machines(scoring: "east")
        let undisturbed = try whole.startCoordinator()
        var random = SystemRandomNumberGenerator()
        var processes: [String: Process] = [:]
        var done = 0
        func alive(_ name: String) throws -> Process {
            if let process = processes[name], process.isRunning { return process }
            let isBegun = FileManager.default.fileExists(
                atPath: "\(machines.coordinator.ledger)/refs/heads/runs/r.published")
            let process =
                try name == "coordinator"
                ? (isBegun ? machines.startCoordinator("--resume") : machines.startCoordinator())
                : machines.startSite(name)
            processes[name] = process
            return process
        }
        let names = ["coordinator", "east", "west"]
        while done < kills {
            for name in names { _ = try alive(name) }
            Thread.sleep(forTimeInterval: Double.random(in: 0.05...1.2, using: &random))
            let name = names[Int.random(in: 0..<3, using: &random)]
            guard let process = processes[name], process.isRunning else {
                if name == "coordinator", processes[name]?.terminationStatus == 0 { break }
                continue
            }
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            done += 1
        }
        let last = try alive("coordinator")
        for name in ["east", "west"] { _ = try alive(name) }
        #expect(machines.wait(last) && last.terminationStatus == 0, "\(machines.log("coordinator"))")
        #expect(machines.wait(undisturbed) && undisturbed.terminationStatus == 0)
        for process in processes.values where process.isRunning { kill(process.processIdentifier, SIGKILL) }
        print("killed \(done) times")
        let mine = try machines.files(machines.coordinator.ledger, "runs/r")
        let theirs = try machines.files(whole.coordinator.ledger, "runs/r")
        #expect(Set(mine.keys) == Set(theirs.keys))
        #expect(mine["adapter.safetensors"] == theirs["adapter.safetensors"])
        for path in mine.keys where path.hasSuffix("/adapter.safetensors") {
            #expect(mine[path] == theirs[path], "\(path)")
        }
        for path in mine.keys where path.hasSuffix("/record.json") {
            let left = try machines.git(machines.coordinator.ledger, "show", "runs/r:\(path)")
            let right = try whole.git(whole.coordinator.ledger, "show", "runs/r:\(path)")
            #expect(Self.withoutCommitments(left) == Self.withoutCommitments(right), "\(path)")
        }
        #expect(try machines.coordinator.medrounds("verify", "r").code == 0)
        #expect(done > 0)
    }

    /// Nobody trains before a person, or the site's own bounds, approved what is asked; and the question has ten lines at most.
    @Test func aSiteAsksBeforeItTrains() throws {
        let machines = try Machines(accepts: false)
        let run = try machines.startCoordinator()
        defer { kill(run.processIdentifier, SIGKILL) }
        let end = Date().addingTimeInterval(60)
        var asked = try machines.once("east")
        _ = try machines.once("west")
        while !asked.out.contains("waits for a person's approval") && Date() < end {
            Thread.sleep(forTimeInterval: 0.3)
            asked = try machines.once("east")
        }
        #expect(
            asked.out.contains("8 records of 4 documents") && asked.out.contains("no differential privacy"),
            "\(asked.out)")
        #expect(asked.out.contains("with two sites, the other one can compute my adapter"))
        #expect(asked.out.split(separator: "\n").count <= 11)
        #expect(!FileManager.default.fileExists(atPath: "\(machines.siteLedger("east"))/refs/heads/runs/r.sites"))
        #expect(try machines.once("east", "--approve").out.contains("1 rounds uploaded"))
    }

    /// Two processes for one site: the second names the first and ends.
    @Test func aSecondProcessOfASiteEnds() throws {
        let machines = try Machines()
        let first = try machines.startSite("east")
        defer { kill(first.processIdentifier, SIGKILL) }
        Thread.sleep(forTimeInterval: 1)
        let second = try machines.once("east")
        #expect(second.code == 2 && second.err.contains("site.busy"), "\(second.err)")
        #expect(second.err.contains("process \(first.processIdentifier)"))
    }

    /// A site with another model is refused by name before anything is trained.
    @Test func anotherModelAtASiteIsRefused() throws {
        let machines = try Machines()
        try TinyGGUF.write(to: "\(machines.folder)/east/model.gguf", seed: 12)
        let run = try machines.startCoordinator()
        defer { kill(run.processIdentifier, SIGKILL) }
        var found = try machines.once("east")
        let end = Date().addingTimeInterval(60)
        while ["no call yet", "waits for the call"].contains(where: found.out.contains), Date() < end {
            found = try machines.once("east")
        }
        #expect(
            found.code == 4 && found.err.contains("run.part-differs") && found.err.contains("site east"), "\(found.err)"
        )
    }

    /// What comes damaged, or from somebody who may not send it, is refused and moves no line of a site; the whole message is taken then.
    @Test func whatIsNotOfTheProtocolIsRefused() throws {
        let machines = try Machines()
        let run = try machines.startCoordinator()
        let folder = "\(machines.folder)/mail/east/r/to-site"
        let path = "\(folder)/000001.bundle"
        let end = Date().addingTimeInterval(60)
        while !FileManager.default.fileExists(atPath: path) && Date() < end { Thread.sleep(forTimeInterval: 0.1) }
        kill(run.processIdentifier, SIGKILL)
        run.waitUntilExit()
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        let ledger = machines.siteLedger("east")
        var flipped = whole
        flipped[whole.count - 30] ^= 1
        for bytes in [
            whole.prefix(whole.count / 2), flipped, Data("# v2 git bundle\n".utf8), Data(repeating: 0x41, count: 5000),
        ] {
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            let refused = try machines.once("east")
            #expect(refused.code == 4 && refused.err.contains("bundle."), "\(refused.out)\(refused.err)")
            #expect(try machines.git(ledger, "for-each-ref", "refs/heads/runs").isEmpty)
            let left = try FileManager.default.contentsOfDirectory(atPath: ledger)
            #expect(!left.contains { $0.hasPrefix("incoming") })
        }
        try whole.write(to: URL(fileURLWithPath: path))
        #expect(try machines.once("east").out.contains("the part is sent"))
        // A line that is not the coordinator's to move at a site.
        let tip = try machines.git(ledger, "rev-parse", "runs/r.published")
        let line = "refs/heads/runs/r.sites/east"
        let foreign = "\(folder)/000900.bundle"
        _ = try machines.git(machines.coordinator.ledger, "update-ref", line, tip)
        _ = try machines.git(machines.coordinator.ledger, "bundle", "create", foreign, line)
        let refused = try machines.once("east")
        #expect(refused.code == 4 && refused.err.contains("may not move"), "\(refused.out)\(refused.err)")
        #expect(try machines.git(ledger, "for-each-ref", line).isEmpty)
    }
}
