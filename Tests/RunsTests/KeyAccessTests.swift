// Keys that a file does not simply hold: in stock ssh-agent, encrypted by stock ssh-keygen, or pinned in site.yaml; and agents that lie.

import Faults
import Federation
import Foundation
import Identities
import Testing

@Suite struct KeyAccessTests {
    /// Everything that signs, with the keys of coordinator and east in an agent alone; stock git and ssh-keygen find each signature good.
    @Test func keysThatAnAgentHoldsSignEverything() throws {
        let federation = try TinyFederation()
        try federation.makeKeys()
        let agent = try StockAgent(in: federation.folder)
        for name in ["coordinator", "site-east"] { try agent.take("\(federation.work)/keys/\(name).ed25519") }
        func medrounds(_ arguments: String...) throws -> Finished {
            try TinyFederation.run(
                TinyFederation.program, arguments, in: federation.folder, environment: agent.environment)
        }
        let settings = ["--set", "rounds=1", "--set", "signing=required", "--set", "approvals=required"]
        func run(_ more: String...) throws -> Finished {
            try TinyFederation.run(
                TinyFederation.program, ["run", "tiny.yaml"] + settings + more, in: federation.folder,
                environment: agent.environment)
        }
        let asked = try run()
        #expect(asked.code == 1 && asked.err.contains("run.not-approved"), "\(asked.err)")
        for site in ["east", "west"] {
            let approved = try medrounds("approve", "tiny-1", "--site", site)
            #expect(approved.code == 0, "\(approved.err)")
        }
        let resumed = try run("--name", "tiny-1", "--resume")
        #expect(resumed.code == 0 && resumed.out.contains("main line, signed"), "\(resumed.out)\(resumed.err)")
        let allowed = try medrounds("keys", "new", "approver:west")
        #expect(
            allowed.code == 0 && allowed.out.contains("approver:west may sign with"), "\(allowed.out)\(allowed.err)")
        let verify = try federation.medrounds("verify", "tiny-1")
        #expect(verify.code == 0 && verify.out.contains("every commit is signed by an allowed key"), "\(verify.out)")

        try federation.write(try federation.git("show", "identities:allowed_signers") + "\n", to: "allowed")
        let config = "gpg.ssh.allowedSignersFile=\(federation.folder)/allowed"
        for ref in ["runs/tiny-1", "runs/tiny-1.sites/east", "runs/tiny-1.answers/east", "identities"] {
            let lines = try federation.git("-c", config, "log", "--format=%G? %GS", ref).split(separator: "\n")
            #expect(!lines.isEmpty && lines.allSatisfy { $0.hasPrefix("G ") }, "\(ref): \(lines)")
        }
        try federation.git("-c", config, "verify-commit", "runs/tiny-1")
        let witness = try medrounds("witness", "tiny-1")
        var members = try #require(try JSONValue(parsing: Array(witness.out.utf8)).members)
        try federation.write(try #require(members.removeValue(forKey: "signature")?.text) + "\n", to: "signature")
        try federation.write(JSONValue.object(members).canonicalText, to: "statement")
        let checked = try TinyFederation.run(
            "/bin/sh",
            ["-c", "ssh-keygen -Y verify -f allowed -I coordinator -n medrounds-witness -s signature < statement"],
            in: federation.folder)
        #expect(checked.code == 0, "\(checked.out)\(checked.err)")

        // A key that the agent holds is replaced by one in a file.
        let rotated = try medrounds("keys", "rotate", "site:east")
        #expect(rotated.code == 0, "\(rotated.err)")
        #expect(FileManager.default.fileExists(atPath: "\(federation.work)/keys/site-east.ed25519"))

        // Without the agent, with one that is gone, and with one that holds no key: by name, and nothing is left unsigned instead.
        let more = ["run", "tiny.yaml", "--set", "rounds=1", "--name", "other"]
        for socket in ["", "\(federation.folder)/nothing", "\(federation.folder)/tiny.yaml", agent.socket] {
            if socket == agent.socket { try agent.add("-D") }
            let refused = try TinyFederation.run(
                TinyFederation.program, more, in: federation.folder, environment: ["SSH_AUTH_SOCK": socket])
            #expect(refused.code == 4 && refused.err.contains("keys.agent"), "\(socket): \(refused.err)")
            #expect(refused.err.contains("ssh-add"), "\(refused.err)")
        }
        #expect(try federation.git("for-each-ref", "refs/heads/runs/other*") == "")
    }

    /// An encrypted key signs through an agent that holds it; without one and without a terminal it is refused, with what helps.
    @Test func anEncryptedKeyIsOpenedByAnAgent() throws {
        let federation = try TinyFederation()
        try federation.makeKeys()
        let key = "\(federation.work)/keys/coordinator.ed25519"
        let agent = try StockAgent(in: federation.folder)
        defer { withExtendedLifetime(agent) {} }
        try agent.add(key)
        try federation.encrypt(key)
        let refused = try TinyFederation.run(
            TinyFederation.program, ["run", "tiny.yaml", "--set", "rounds=1"], in: federation.folder,
            environment: ["SSH_AUTH_SOCK": ""])
        #expect(refused.code == 4 && refused.err.contains("keys.encrypted"), "\(refused.err)")
        #expect(refused.err.contains("aes256-ctr") && refused.err.contains("ssh-add"), "\(refused.err)")
        let run = try TinyFederation.run(
            TinyFederation.program, ["run", "tiny.yaml", "--set", "rounds=1"], in: federation.folder,
            environment: agent.environment)
        #expect(run.code == 0 && run.out.contains("main line, signed"), "\(run.err)")
        #expect(try federation.medrounds("verify", "tiny-1").code == 0)
        // A key that others can read is refused whether or not it is encrypted and held.
        try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: key)
        let open = try TinyFederation.run(
            TinyFederation.program, ["keys", "new", "approver:west"], in: federation.folder,
            environment: agent.environment)
        #expect(open.code == 4 && open.err.contains("keys.open"), "\(open.err)")
        #expect(!FileManager.default.fileExists(atPath: "\(federation.work)/keys/approver-west.ed25519"))
    }

    /// On a terminal the passphrase is asked once, by ssh-add; what holds the key ends with the process.
    @Test func aPassphraseIsAskedOnceOnATerminal() throws {
        let federation = try TinyFederation()
        try federation.makeKeys()
        try federation.encrypt("\(federation.work)/keys/coordinator.ed25519")
        // What is typed before the question is thrown away, as for every passphrase; so it is typed again.
        let script = """
            (for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do sleep 1; echo secret; done) 2>/dev/null |
            SSH_AUTH_SOCK= script -qec "'\(TinyFederation.program)' keys new approver:west" /dev/null
            """
        let made = try TinyFederation.run("/bin/sh", ["-c", script], in: federation.folder)
        #expect(made.code == 0 && made.out.contains("approver:west may sign with"), "\(made.out)\(made.err)")
        #expect(made.out.components(separatedBy: "Enter passphrase").count == 2, "\(made.out)")
        let list = try federation.medrounds("keys", "list")
        #expect(list.out.contains("approver:west"), "\(list.out)")
    }

    /// An agent that closes, says another thing, names a length that no answer has, or makes a false signature is refused; one that is silent
    /// is given up after ten seconds.
    @Test func agentsThatLieAreRefused() throws {
        let folder = NSTemporaryDirectory() + "medrounds-agents-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func text(_ bytes: [UInt8]) -> [UInt8] { [0, 0, 0, UInt8(bytes.count)] + bytes }
        func message(_ bytes: [UInt8]) -> [UInt8] { text(bytes) }
        let key = SSHPrivateKey()
        let zeros = text(Array("ssh-ed25519".utf8)) + text([UInt8](repeating: 0, count: 64))
        let short = text(Array("ssh-ed25519".utf8)) + text([1, 2, 3])
        let answers: [(String, [UInt8])] = [
            ("nothing", []), ("half a length", [0, 0]), ("no length", [0, 0, 0, 0]),
            ("2 GB", [0x7f, 0xff, 0xff, 0xff, 14]), ("4 GB", [0xff, 0xff, 0xff, 0xff]),
            ("a cut answer", [0, 0, 0, 90, 14, 0]), ("a failure", message([5])), ("another answer", message([200])),
            ("4 billion keys", message([12, 0xff, 0xff, 0xff, 0xff])), ("a cut list", message([12, 0, 0, 0, 2])),
            ("no signature", message([14])), ("a long signature", message([14, 0xff, 0xff, 0xff, 0xff])),
            ("a short signature", message([14] + text(short))), ("a false signature", message([14] + text(zeros))),
        ]
        for (what, bytes) in answers {
            let liar = try FalseAgent(bytes, in: folder)
            defer { withExtendedLifetime(liar) {} }
            let agent = SSHAgent(liar.socket)
            let signer = SSHSigner(key.publicKey, in: agent)
            #expect(faultCode { () throws(Fault) in _ = try agent.keys() } == "keys.agent", "\(what)")
            #expect(
                faultCode { () throws(Fault) in _ = try signer.signature(of: [1, 2, 3]) } == "keys.agent", "\(what)")
        }
        let long = SSHAgent(folder + "/" + String(repeating: "a", count: 200))
        #expect(faultCode { () throws(Fault) in _ = try long.keys() } == "keys.agent")
        let stopped = try StockAgent(in: folder)
        defer { withExtendedLifetime(stopped) {} }
        kill(stopped.pid, SIGSTOP)
        let silent = SSHAgent(stopped.socket)
        let start = ProcessInfo.processInfo.systemUptime
        #expect(faultCode { () throws(Fault) in _ = try silent.keys() } == "keys.agent")
        #expect(9...60 ~= ProcessInfo.processInfo.systemUptime - start)
    }
}

/// The same with hospitals on machines of their own.
@Suite(.serialized) struct KeysOnSeveralMachinesTests {
    /// Coordinator and east sign through an agent, west with a file; east has pinned the coordinator's key, west trusts the first list that came.
    @Test func aFederationSignsThroughAgents() throws {
        let machines = try Machines()
        try machines.makeKeys()
        let agent = try StockAgent(in: machines.folder)
        defer { withExtendedLifetime(agent) {} }
        try agent.take("\(machines.coordinator.work)/keys/coordinator.ed25519")
        try agent.take(machines.key("east"))
        machines.environment = agent.environment
        try machines.pin(try machines.coordinatorLine())
        let sites = try machines.sites.map { try machines.startSite($0) }
        defer { for process in sites { kill(process.processIdentifier, SIGKILL) } }
        let run = try machines.startCoordinator()
        #expect(machines.wait(run) && run.terminationStatus == 0, "\(machines.log("coordinator"))")
        let verify = try machines.coordinator.medrounds("verify", "r")
        #expect(verify.code == 0 && verify.out.contains("every commit is signed by an allowed key"), "\(verify.out)")
        let allowed = try machines.git(machines.coordinator.ledger, "show", "identities:allowed_signers")
        try machines.coordinator.write(allowed + "\n", to: "allowed")
        let config = "gpg.ssh.allowedSignersFile=\(machines.folder)/allowed"
        for line in ["runs/r", "runs/r.published", "runs/r.sites/east"] {
            _ = try machines.git(machines.coordinator.ledger, "-c", config, "verify-commit", line)
        }
        func trusts(_ site: String) throws -> Int {
            let log = try String(contentsOfFile: "\(machines.folder)/\(site)/site.log", encoding: .utf8)
            return log.components(separatedBy: "is trusted, as the first one that came").count - 1
        }
        #expect(try trusts("east") == 0 && trusts("west") == 1)
    }

    /// A call that another key signed, or none, is refused by a site that pinned the coordinator's; nothing of it stays, and with the right key it is
    /// taken.
    @Test(arguments: [true, false]) func aCallOfSomebodyElseIsRefused(isSigned: Bool) throws {
        let machines = try Machines(accepts: false)
        if isSigned { try machines.makeKeys() }
        let other = "SHA256:" + String(repeating: "A", count: 43)
        try machines.pin("SHA256:short")
        let bad = try machines.once("east")
        #expect(bad.code == 3 && bad.err.contains("keys.bad-pin"), "\(bad.err)")
        try machines.pin(other)
        let run = try machines.startCoordinator()
        defer { kill(run.processIdentifier, SIGKILL) }
        let end = Date().addingTimeInterval(60)
        while machines.messages("east") == 0 && Date() < end { Thread.sleep(forTimeInterval: 0.1) }
        let refused = try machines.once("east")
        #expect(refused.code == 5 && refused.err.contains("keys.other-coordinator"), "\(refused.out)\(refused.err)")
        #expect(refused.err.contains(isSigned ? "signed by SHA256:" : "is not signed"), "\(refused.err)")
        #expect(try machines.git(machines.siteLedger("east"), "for-each-ref", "refs/heads/runs").isEmpty)
        guard isSigned else { return }
        let fingerprint = try machines.coordinator.fingerprint("coordinator")
        try machines.pin("[\"\(other)\", \"\(fingerprint)\"]")
        #expect(try machines.once("east").out.contains("the part is sent"))
        // A key that is written into site.yaml later is compared with what came before.
        try machines.pin(other)
        let late = try machines.once("east")
        #expect(late.code == 5 && late.err.contains("keys.other-coordinator"), "\(late.out)\(late.err)")
        // What the question says of the key.
        try machines.pin(fingerprint)
        var asked = try machines.once("east")
        _ = try machines.once("west")
        while !asked.out.contains("waits for a person's approval") && Date() < end {
            Thread.sleep(forTimeInterval: 0.3)
            asked = try machines.once("east")
        }
        #expect(asked.out.contains("the coordinator signs with \(fingerprint), as site.yaml says"), "\(asked.out)")
        #expect(asked.out.split(separator: "\n").count <= 11)
        var asksWest = try machines.once("west")
        while !asksWest.out.contains("waits for a person's approval") && Date() < end {
            Thread.sleep(forTimeInterval: 0.3)
            asksWest = try machines.once("west")
        }
        #expect(asksWest.out.contains("the first list of signers that came is trusted"), "\(asksWest.out)")
    }

    /// The key for ssh: refused where others can read it, and where it is encrypted and no agent holds it.
    @Test(.enabled(if: Hub.isAvailable)) func theKeyOfAMailboxIsHeldToTheSameRules() throws {
        let machines = try Machines(overSSH: true)
        let hub = try #require(machines.hub)
        let key = "\(hub.folder)/east"
        machines.environment = ["SSH_AUTH_SOCK": ""]
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: key)
        let open = try machines.once("east")
        #expect(open.code == 4 && open.err.contains("keys.open"), "\(open.err)")
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: key)
        #expect(try machines.once("east").out.contains("no call yet"))
        let agent = try StockAgent(in: machines.folder)
        defer { withExtendedLifetime(agent) {} }
        try agent.add(key)
        try machines.coordinator.encrypt(key)
        let encrypted = try machines.once("east")
        #expect(encrypted.code == 4 && encrypted.err.contains("keys.encrypted"), "\(encrypted.err)")
        machines.environment = agent.environment
        let opened = try machines.once("east")
        #expect(opened.out.contains("no call yet"), "\(opened.out)\(opened.err)")
        try FileManager.default.removeItem(atPath: key)
        let alone = try machines.once("east")
        #expect(alone.out.contains("no call yet"), "\(alone.out)\(alone.err)")
    }
}

/// The code of the fault that a call throws; nil where it throws none.
private func faultCode(_ call: () throws(Fault) -> Void) -> String? {
    do throws(Fault) { try call() } catch { return error.code }
    return nil
}

extension TinyFederation {
    /// Gives a key file a passphrase, as ssh-keygen does by default.
    func encrypt(_ path: String) throws {
        let made = try Self.run(
            "/usr/bin/env", ["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", path], in: folder)
        try #require(made.code == 0, "\(made.out)\(made.err)")
    }
}

extension Machines {
    func key(_ site: String) -> String { "\(folder)/\(site)/work/keys/site-\(site).ed25519" }

    /// Keys of the coordinator and of each site, each on its own machine, allowed by the coordinator.
    func makeKeys() throws {
        #expect(try coordinator.medrounds("keys", "new", "coordinator").code == 0)
        for site in sites {
            let made = try coordinator.medrounds("keys", "new", "site:\(site)", "--keys", "\(site)/work/keys")
            #expect(made.code == 0, "\(made.err)")
            let allowed = try coordinator.medrounds("keys", "allow", "site:\(site)", key(site) + ".pub")
            #expect(allowed.code == 0, "\(allowed.err)")
        }
    }

    /// The coordinator's public key line.
    func coordinatorLine() throws -> String {
        try String(contentsOfFile: "\(coordinator.work)/keys/coordinator.ed25519.pub", encoding: .utf8)
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Writes the coordinator's key into the site.yaml of east.
    func pin(_ key: String) throws {
        let path = "\(folder)/east/site.yaml"
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
            .filter { !$0.hasPrefix("coordinator_key") }
        let text = (lines + ["coordinator_key: \(key)"]).joined(separator: "\n") + "\n"
        try coordinator.write(text, to: "east/site.yaml")
    }

    /// How many messages the coordinator has sent to a site.
    func messages(_ site: String) -> Int {
        let names = try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/mail/\(site)/r/to-site")
        return (names ?? []).count { $0.hasSuffix(".bundle") }
    }
}
