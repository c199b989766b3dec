// Deadlines over processes of their own: a round goes on without a late site, its upload is noted and averaged by nobody, a site without a part
// is left out of the plan, and below the quorum everybody is waited for.

import Federation
import Foundation
import RunRecords
import Testing
import Verification

@Suite(.serialized) struct DeadlineTests {
    /// Long enough for two short processes on a machine that does much else.
    private static let seconds = 15

    private func machines(rounds: Int = 2, quorum: Int = 1, seconds: Int = DeadlineTests.seconds) throws -> Machines {
        try Machines(workflow: [
            ("rounds: 2\n", "rounds: \(rounds)\nquorum: \(quorum)\ndeadline: \(seconds)s\n")
        ])
    }

    @discardableResult
    private func eventually(seconds: Double = 90, _ condition: () throws -> Bool) rethrows -> Bool {
        let end = Date().addingTimeInterval(seconds)
        while Date() < end {
            if try condition() { return true }
            Thread.sleep(forTimeInterval: 0.1)
        }
        return false
    }

    private func mail(_ machines: Machines, _ site: String, _ way: String, _ number: Int) -> String {
        "\(machines.folder)/mail/\(site)/r/\(way)/00000\(number).bundle"
    }

    private func hasMail(_ machines: Machines, _ number: Int, _ sites: [String]) -> Bool {
        eventually {
            sites.allSatisfy { FileManager.default.fileExists(atPath: mail(machines, $0, "to-site", number)) }
        }
    }

    private func record(_ machines: Machines, _ path: String) throws -> JSONValue {
        try JSONValue(
            parsing: Array(try machines.git(machines.coordinator.ledger, "show", "runs/r:\(path)").utf8))
    }

    /// Both sites send their parts and train round 1 while no coordinator looks; the message of west is kept back. The coordinator that goes
    /// on then, with the clock of the one before.
    private func keepBackAnUpload(_ machines: Machines) throws -> (run: Process, keptBack: String) {
        let first = try machines.startCoordinator()
        #expect(hasMail(machines, 1, machines.sites))
        for site in machines.sites { #expect(try machines.once(site).out.contains("the part is sent")) }
        #expect(hasMail(machines, 2, machines.sites), "\(machines.log("coordinator"))")
        kill(first.processIdentifier, SIGKILL)
        first.waitUntilExit()
        for site in machines.sites {
            let once = try machines.once(site)
            #expect(once.out.contains("1 rounds uploaded"), "\(once.out)\(once.err)")
        }
        let keptBack = "\(machines.folder)/kept-back.bundle"
        try FileManager.default.moveItem(atPath: mail(machines, "west", "from-site", 2), toPath: keptBack)
        return (try machines.startCoordinator("--resume"), keptBack)
    }

    @Test func aLateUploadIsNotedAndNeverAveraged() throws {
        let machines = try machines()
        let (run, keptBack) = try keepBackAnUpload(machines)
        defer { kill(run.processIdentifier, SIGKILL) }
        // Round 1 is published when the deadline is over.
        #expect(hasMail(machines, 3, machines.sites), "\(machines.log("coordinator"))")
        #expect(machines.log("coordinator").contains("round 1 goes on with 1 uploads, without west"))
        try FileManager.default.moveItem(atPath: keptBack, toPath: mail(machines, "west", "from-site", 2))
        for site in ["west", "east"] {
            let once = try machines.once(site)
            #expect(once.out.contains("2 rounds uploaded"), "\(once.out)\(once.err)")
        }
        #expect(machines.wait(run) && run.terminationStatus == 0, "\(machines.log("coordinator"))")

        let first = try record(machines, "rounds/0001/aggregate/record.json")
        #expect(first["weights"]?.elements?.map { $0["site"]?.text } == ["east"])
        #expect(
            first["absent"] == [["site": "west", "step": "train", "reason": "upload.late", "attempts": 1]], "\(first)")
        #expect(first["late"] == [])
        let second = try record(machines, "rounds/0002/aggregate/record.json")
        #expect(second["weights"]?.elements?.map { $0["site"]?.text } == ["east", "west"])
        #expect(second["absent"] == [] && second["late"] == [["site": "west", "round": 1]], "\(second)")
        let ledger = machines.coordinator.ledger
        for path in try machines.files(ledger, "runs/r").keys where path.hasPrefix("rounds/0001/") {
            #expect(!path.contains("/west/"), "\(path)")
        }

        // The times are those that the coordinator saw, over the kill.
        let waiting = try #require(try record(machines, "rounds/0001/aggregate/timing.json")["waiting"])
        #expect(waiting["arrived"]?.elements?.map { $0["site"]?.text } == ["east"], "\(waiting)")
        func time(_ key: String) throws -> Date {
            try #require(ISO8601DateFormatter().date(from: waiting[key]?.text ?? ""))
        }
        let seconds = try time("ended").timeIntervalSince(time("started"))
        #expect(seconds >= Double(Self.seconds - 1), "\(waiting)")

        // West went on from what was published, on its own line.
        let parents = try machines.git(ledger, "log", "-1", "--format=%P", "runs/r.sites/west~1").split(separator: " ")
        try #require(parents.count == 2)
        #expect(try machines.git(ledger, "rev-parse", "runs/r.published~1") == String(parents[0]))
        #expect(
            try machines.git(ledger, "log", "-1", "--format=%s", String(parents[1])).hasPrefix("round 1 upload west"))

        let verify = try machines.coordinator.medrounds("verify", "r")
        #expect(
            verify.code == 0 && verify.out.contains("1 absences, each recorded; 1 uploads came later"), "\(verify.out)")
        let own = try machines.coordinator.medrounds("verify", "r", "--ledger", machines.siteLedger("west"))
        #expect(own.code == 0, "\(own.out)")
        let replay = try machines.coordinator.medrounds("replay", "r", "--level", "aggregate", "--quiet")
        #expect(replay.code == 0, "\(replay.out)\(replay.err)")

        // A coordinator that does not name the late upload is found.
        try machines.coordinator.makeKeys()
        let forger = try Forger(machines.coordinator, run: "r")
        let index = try #require(forger.history.firstIndex { $0.kind == .aggregate && $0.round == 2 })
        func aggregates() throws -> VerificationCheck {
            let checks = try forger.verify().checks
            return try #require(checks.first { $0.id == "aggregates" })
        }
        #expect(try aggregates().holds)
        try forger.recommit(from: index) { path, bytes in
            guard path == "rounds/0002/aggregate/record.json", var members = try JSONValue(parsing: bytes).members
            else {
                return nil
            }
            members["late"] = []
            return JSONValue.object(members).canonical
        }
        #expect(try !aggregates().holds)
    }

    @Test func aLateUploadOfTheLastRoundIsTakenOntoItsLine() throws {
        let machines = try machines(rounds: 1)
        let (run, keptBack) = try keepBackAnUpload(machines)
        #expect(machines.wait(run) && run.terminationStatus == 0, "\(machines.log("coordinator"))")
        try FileManager.default.moveItem(atPath: keptBack, toPath: mail(machines, "west", "from-site", 2))
        #expect(try machines.once("west").out.contains("finished: 1 rounds"))
        let status = try TinyFederation.run(
            TinyFederation.program, ["site", "status", "site.yaml"], in: "\(machines.folder)/west")
        #expect(status.code == 0 && status.out.contains("too late for the mean"), "\(status.out)\(status.err)")
        let tip = try machines.git(machines.coordinator.ledger, "rev-parse", "runs/r")
        let again = try machines.startCoordinator("--resume")
        #expect(machines.wait(again) && again.terminationStatus == 0, "\(machines.log("coordinator"))")
        let line = try machines.git(machines.coordinator.ledger, "log", "-1", "--format=%s", "runs/r.sites/west")
        #expect(line.hasPrefix("round 1 upload west"))
        #expect(try machines.git(machines.coordinator.ledger, "rev-parse", "runs/r") == tip)
        let verify = try machines.coordinator.medrounds("verify", "r")
        #expect(verify.code == 0, "\(verify.out)")
    }

    @Test func aSiteWithoutAPartIsLeftOut() throws {
        let machines = try machines()
        let east = try machines.startSite("east")
        defer { kill(east.processIdentifier, SIGKILL) }
        let run = try machines.startCoordinator()
        #expect(machines.wait(run) && run.terminationStatus == 0, "\(machines.log("coordinator"))")
        #expect(machines.log("coordinator").contains("left out, since no part came: west"))
        let plan = try record(machines, "plan.json")
        #expect(
            plan["inputs"]?["left_out"] == [["site": "west", "reason": "part.late", "documents": 0]], "\(plan)")
        #expect(plan["workflow"]?["sites"]?.members?.keys.sorted() == ["east"])
        let verify = try machines.coordinator.medrounds("verify", "r")
        #expect(verify.code == 0, "\(verify.out)")
        // What west learns: the plan, and no adapter.
        let once = try machines.once("west")
        #expect(once.code == 0 && once.out.contains("left out of this run"), "\(once.out)\(once.err)")
        let status = try TinyFederation.run(
            TinyFederation.program, ["site", "status", "site.yaml"], in: "\(machines.folder)/west")
        #expect(status.code == 0 && status.out.contains("left out of this run"), "\(status.out)\(status.err)")
        let files = try machines.files(machines.siteLedger("west"), "runs/r.published")
        #expect(files["plan.json"] != nil && files["adapter.safetensors"] == nil, "\(files.keys.sorted())")
        let own = try machines.coordinator.medrounds("verify", "r", "--ledger", machines.siteLedger("west"))
        #expect(own.code == 0, "\(own.out)")
        // The plan is the one that it was made without west.
        let again = try machines.startCoordinator("--resume")
        #expect(machines.wait(again) && again.terminationStatus == 0, "\(machines.log("coordinator"))")
    }

    @Test func belowTheQuorumEverybodyIsWaitedFor() throws {
        let machines = try machines(quorum: 2, seconds: 2)
        let east = try machines.startSite("east")
        defer { kill(east.processIdentifier, SIGKILL) }
        let run = try machines.startCoordinator()
        let isTold = eventually {
            machines.log("coordinator").contains("deadline over, below quorum; late: west")
        }
        #expect(isTold, "\(machines.log("coordinator"))")
        #expect(run.isRunning)
        kill(run.processIdentifier, SIGINT)
        #expect(machines.wait(run, seconds: 20) && run.terminationStatus == 130, "\(machines.log("coordinator"))")
        #expect(
            machines.log("coordinator").contains("r can go on with: medrounds run tiny.yaml --name r --resume"),
            "\(machines.log("coordinator"))")
        let west = try machines.startSite("west")
        defer { kill(west.processIdentifier, SIGKILL) }
        let again = try machines.startCoordinator("--resume")
        #expect(machines.wait(again) && again.terminationStatus == 0, "\(machines.log("coordinator"))")
        for round in 1...2 {
            let aggregate = try record(machines, "rounds/000\(round)/aggregate/record.json")
            #expect(aggregate["absent"] == [] && aggregate["late"] == [])
        }
        #expect(try machines.coordinator.medrounds("verify", "r").code == 0)
    }
}
