// Messages over ssh through a hub: the same bytes as in one process, and a hub's bad days.

import Foundation
import Testing

@Suite(
    .serialized, .enabled(if: Hub.isAvailable, "needs an sshd: none is installed, and its package cannot be fetched"))
struct HubTests {
    private func finish(_ machines: Machines, _ run: Process, _ sites: [Process]) {
        #expect(machines.wait(run), "\(machines.log("coordinator"))")
        #expect(run.terminationStatus == 0, "\(machines.log("coordinator"))")
        for process in sites { kill(process.processIdentifier, SIGKILL) }
    }

    private func wait(_ seconds: Double = 90, until isThere: () -> Bool) -> Bool {
        let end = Date().addingTimeInterval(seconds)
        while Date() < end {
            if isThere() { return true }
            Thread.sleep(forTimeInterval: 0.1)
        }
        return false
    }

    private func tip(_ repository: String, _ line: String) -> String? {
        try? TinyFederation.run(
            "/usr/bin/env", ["git", "--git-dir", repository, "rev-parse", "-q", "--verify", line], in: "/"
        )
        .out.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// The script that the README names, on a tiny model: it compares uploads, weights and adapters itself.
    @Test func theDemonstrationEndsWithTheSameBytes() throws {
        let tiny = try TinyFederation()
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().path
        let place = "\(tiny.folder)/demonstration"
        let shown = try TinyFederation.run(
            "/usr/bin/env",
            [
                "MEDROUNDS=\(TinyFederation.program)", "MEDROUNDS_DEMO=\(place)", "bash",
                "\(root)/scripts/federation-demo.sh", "--workflow", tiny.workflow,
            ], in: tiny.folder)
        #expect(shown.code == 0, "\(shown.out)\(shown.err)")
        #expect(shown.out.contains("3 processes (messages: ssh) and one process gave the same uploads"), "\(shown.out)")
        #expect(shown.out.contains("7 files, byte for byte"), "\(shown.out)")
        // A mailbox holds what one site may see, and nothing of the other.
        let refs = try TinyFederation.run(
            "/usr/bin/env", ["git", "--git-dir", "\(place)/hub/mail/east.git", "for-each-ref", "--format=%(refname)"],
            in: tiny.folder)
        #expect(
            refs.out.split(separator: "\n").sorted() == [
                "refs/heads/runs/federation.answers/east", "refs/heads/runs/federation.published",
                "refs/heads/runs/federation.sites/east",
            ])
    }

    /// The hub is gone for a while, comes back without one of its refs, and the run ends as if nothing had been.
    @Test func aHubMayBeGoneAndForget() throws {
        let whole = try TinyFederation()
        #expect(try whole.run("--name", "r").code == 0)
        let machines = try Machines(overSSH: true)
        let hub = try #require(machines.hub)
        let sites = try machines.sites.map { try machines.startSite($0) }
        let run = try machines.startCoordinator()
        #expect(wait { tip(hub.repository("east"), "refs/heads/runs/r.sites/east")?.count == 40 })
        hub.stop()
        #expect(wait { machines.log("coordinator").contains("cannot be reached") || !run.isRunning })
        for line in ["runs/r.sites/east", "runs/r.published"] {
            _ = try machines.git(hub.repository("east"), "update-ref", "-d", "refs/heads/\(line)")
        }
        Thread.sleep(forTimeInterval: 2)
        try hub.start()
        finish(machines, run, sites)
        #expect(
            try machines.files(machines.coordinator.ledger, "runs/r")["adapter.safetensors"]
                == machines.files(whole.ledger, "runs/r")["adapter.safetensors"])
        #expect(try machines.coordinator.medrounds("verify", "r").code == 0)
    }

    /// A stranger with the right to write a mailbox moves the published line: the site takes none of it, and the coordinator names the line.
    @Test func aRewrittenLineIsRefusedAtBothEnds() throws {
        let machines = try Machines(overSSH: true)
        let hub = try #require(machines.hub)
        let run = try machines.startCoordinator()
        defer { kill(run.processIdentifier, SIGKILL) }
        #expect(wait { tip(hub.repository("east"), "refs/heads/runs/r.published")?.count == 40 })
        #expect(try machines.once("east").out.contains("the part is sent"))
        let before = tip(machines.siteLedger("east"), "refs/heads/runs/r.published")
        // Another history: a commit without the call below it.
        let repository = hub.repository("east")
        let foreign = try TinyFederation.run(
            "/bin/sh",
            [
                "-c",
                "git --git-dir='\(repository)' -c user.name=x -c user.email=x@x commit-tree -m x $(git --git-dir='\(repository)' rev-parse runs/r.published^{tree})",
            ], in: machines.folder
        ).out.trimmingCharacters(in: .whitespacesAndNewlines)
        _ = try machines.git(repository, "update-ref", "refs/heads/runs/r.published", foreign)
        let refused = try machines.once("east")
        #expect(refused.code == 5 && refused.err.contains("bundle.rewrites"), "\(refused.out)\(refused.err)")
        #expect(tip(machines.siteLedger("east"), "refs/heads/runs/r.published") == before)
        // West sends its part: the coordinator goes on to the plan, and meets the foreign line.
        for _ in 0..<3 { _ = try machines.once("west") }
        #expect(machines.wait(run, seconds: 60) && run.terminationStatus == 5, "\(machines.log("coordinator"))")
        #expect(machines.log("coordinator").contains("mailbox.rewritten"), "\(machines.log("coordinator"))")
    }

    /// A host key that is not the pinned one, a key that the hub does not know, and an address with a password: each by name, and nothing is sent.
    @Test func whoIsNotKnownIsRefusedByName() throws {
        let machines = try Machines(overSSH: true)
        let hub = try #require(machines.hub)
        let path = "\(machines.folder)/east/site.yaml"
        let whole = try String(contentsOfFile: path, encoding: .utf8)
        let other = "SHA256:" + String(repeating: "A", count: 43)
        let cases = [
            (hub.hostKey, other, "mailbox.host-key", 1), (hub.hostKey, "SHA256:short", "mailbox.host-key", 3),
            ("\(hub.folder)/east", "\(hub.folder)/host_key", "mailbox.refused", 1),
            ("ssh://", "ssh://person:secret@", "mailbox.address", 3), ("ssh://", "git://", "mailbox.address", 3),
        ]
        for (old, new, code, exit) in cases {
            try whole.replacingOccurrences(of: old, with: new).write(toFile: path, atomically: true, encoding: .utf8)
            let refused = try machines.once("east")
            #expect(refused.code == exit && refused.err.contains(code), "\(refused.out)\(refused.err)")
            #expect(!refused.err.contains("secret"))
        }
        try whole.write(toFile: path, atomically: true, encoding: .utf8)
        #expect(try machines.once("east").out.contains("no call yet"))
        // known_hosts with the host's name hashed serves as well as a pinned key.
        let port = hub.address.split(separator: ":").last.map(String.init) ?? ""
        let key = try String(contentsOfFile: "\(hub.folder)/host_key.pub", encoding: .utf8)
        try "[127.0.0.1]:\(port) \(key)".write(toFile: "\(machines.folder)/hosts", atomically: true, encoding: .utf8)
        _ = try TinyFederation.run("/usr/bin/env", ["ssh-keygen", "-q", "-H", "-f", "hosts"], in: machines.folder)
        try whole.replacingOccurrences(of: "host_key: \"\(hub.hostKey)\"", with: "known_hosts: ../hosts")
            .write(toFile: path, atomically: true, encoding: .utf8)
        #expect(try machines.once("east").out.contains("no call yet"))
    }
}
