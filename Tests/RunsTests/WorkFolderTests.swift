// What a run leaves on this machine: nothing where it fails, files that the owner alone can read, one process at a time, and a work folder that can
// be cleaned.

import Foundation
import Testing

@Suite struct WorkFolderTests {
    private func mode(_ path: String) throws -> Int {
        (try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int) ?? -1
    }

    private func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

    @Test func everythingOfTheWorkFolderIsTheOwnersAlone() throws {
        let federation = try TinyFederation()
        try federation.makeKeys()
        #expect(try federation.run("--set", "steps.train.checkpoint_every=1").code == 0)
        var files = 0
        for name in [""] + (try FileManager.default.subpathsOfDirectory(atPath: federation.work)) {
            let path = "\(federation.work)/\(name)"
            var isFolder: ObjCBool = false
            _ = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
            // The public half of a key is for everyone.
            if name.hasSuffix(".pub") { continue }
            #expect(try mode(path) == (isFolder.boolValue ? 0o700 : 0o600), "\(name)")
            files += isFolder.boolValue ? 0 : 1
        }
        // Keys, predictions, trained adapters, training states and the origin are among them.
        for part in ["tiny-1/predictions/0002-final.jsonl", "tiny-1/east/0001.safetensors", "tiny-1/origin.json"] {
            #expect(exists("\(federation.work)/\(part)"), "\(part)")
        }
        #expect(files > 15)
    }

    @Test func aFailedRunLeavesNoLedgerBehind() throws {
        let federation = try TinyFederation()
        for setting in ["model.base=nosuch.gguf", "signing=required", "sites.east.train=nowhere", "template=none.yaml"]
        {
            let failed = try federation.run("--set", setting)
            #expect(failed.code != 0)
            #expect(!exists(federation.ledger), "\(setting)")
        }
        let resumed = try federation.run("--resume")
        #expect(resumed.code == 4 && resumed.err.contains("ledger.missing") && !exists(federation.ledger))
        let readOnly = try federation.medrounds("run", "tiny.yaml", "--ledger", "/proc/none/ledger.git")
        #expect(readOnly.code == 4 && readOnly.err.contains("ledger.not-writable"), "\(readOnly.err)")
    }

    @Test func quietPrintsNothing() throws {
        let federation = try TinyFederation()
        let quiet = try federation.run("--set", "rounds=1", "--quiet")
        #expect(quiet.code == 0 && quiet.out.isEmpty && quiet.err.isEmpty, "\(quiet.out)\(quiet.err)")
        #expect(try federation.run("--set", "rounds=1", "--quiet", "--json").out.hasPrefix("{"))
    }

    @Test func aSecondProcessIsToldOfTheFirst() throws {
        let federation = try TinyFederation()
        #expect(try federation.run("--set", "rounds=1", "--name", "taken").code == 0)
        // A process that holds the run, as one does that works on it.
        let holder = Process()
        holder.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        holder.arguments = [
            "python3", "-c",
            "import fcntl,os,sys; f=open(sys.argv[1],'r+'); fcntl.flock(f,fcntl.LOCK_EX); f.truncate(0); f.write(f'{os.getpid()}\\n'); f.flush(); print('held',flush=True); sys.stdin.read()",
            "\(federation.work)/taken/running",
        ]
        let (input, output) = (Pipe(), Pipe())
        holder.standardInput = input
        holder.standardOutput = output
        try holder.run()
        #expect(String(decoding: output.fileHandleForReading.availableData, as: UTF8.self).hasPrefix("held"))
        let second = try federation.run("--set", "rounds=1", "--name", "taken", "--resume")
        #expect(
            second.code == 2 && second.err.contains("run.busy")
                && second.err.contains("another process works on taken (pid \(holder.processIdentifier))"),
            "\(second.err)")
        let prune = try federation.medrounds("ledger", "prune", "--keep", "1")
        let trained = try federation.medrounds("ledger", "prune", "--trained")
        #expect(trained.code == 0 && trained.out.contains("taken: under way"), "\(trained.out)")
        #expect(exists("\(federation.work)/taken/east/0001.safetensors"))
        #expect(prune.code == 0, "nothing of one round is old: \(prune.err)")
        #expect(try federation.run("--name", "two", "--set", "seed=6").code == 0)
        let busy = try federation.medrounds("ledger", "prune", "--keep", "1")
        #expect(
            busy.code == 4 && busy.err.contains("ledger.kept") && busy.err.contains("taken is under way"), "\(busy.err)"
        )
        input.fileHandleForWriting.closeFile()
        holder.waitUntilExit()
        #expect(try federation.run("--set", "rounds=1", "--name", "taken", "--resume").code == 0)
        #expect(try federation.medrounds("ledger", "prune", "--keep", "1").code == 0)
    }

    @Test func trainedAdaptersAndStatesArePrunedAndMadeAgain() throws {
        let federation = try TinyFederation()
        #expect(try federation.run("--set", "steps.train.checkpoint_every=1").code == 0)
        let shown = try federation.medrounds("ledger", "prune", "--trained", "--show")
        #expect(shown.code == 0 && shown.out.contains("to remove"), "\(shown.err)")
        #expect(exists("\(federation.work)/tiny-1/west/0002.safetensors"))
        #expect(try federation.medrounds("ledger", "prune", "--trained", "--keep", "1").code == 0)
        #expect(!exists("\(federation.work)/tiny-1/west/0001.safetensors"))
        #expect(exists("\(federation.work)/tiny-1/west/0002.safetensors"))
        #expect(try federation.medrounds("ledger", "prune", "--trained").code == 0)
        #expect(!exists("\(federation.work)/tiny-1/west/0002.safetensors"))
        #expect(!exists("\(federation.work)/tiny-1/west/0002.checkpoints"))
        #expect(exists("\(federation.work)/tiny-1/predictions/0002-final.jsonl"))
        #expect(try federation.medrounds("verify", "tiny-1").code == 0)
        #expect(try federation.medrounds("replay", "tiny-1", "--level", "full", "--quiet").code == 0)
        #expect(try federation.medrounds("ledger", "prune").code == 2)
    }

    @Test func aPrivateKeyThatOthersCanReadIsRefused() throws {
        let federation = try TinyFederation()
        try federation.makeKeys()
        let key = "\(federation.work)/keys/site-west.ed25519"
        for mode in [0o644, 0o640, 0o604, 0o602] {
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: key)
            let refused = try federation.run("--set", "rounds=1")
            #expect(
                refused.code == 4 && refused.err.contains("keys.open") && refused.err.contains(String(mode, radix: 8)),
                "\(refused.err)")
        }
        // OpenSSH refuses the same file.
        try federation.write("x", to: "message")
        let ssh = try TinyFederation.run(
            "/usr/bin/env", ["ssh-keygen", "-Y", "sign", "-n", "test", "-f", key, "message"], in: federation.folder)
        #expect(ssh.code != 0, "\(ssh.err)")
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: key)
        #expect(try federation.run("--set", "rounds=1").code == 0)
    }

    @Test func aClockFarFromTheLedgersIsTold() throws {
        let federation = try TinyFederation()
        #expect(try federation.run("--set", "rounds=1").code == 0)
        let now = try federation.run("--set", "rounds=1")
        #expect(!now.err.contains("clock"), "\(now.err)")
        // Another line whose commit is dated two days ahead, as by a machine with a fast clock.
        let raw = try federation.git("cat-file", "commit", "runs/tiny-1")
        let time = try #require(Int(try federation.git("log", "-1", "--format=%ct", "runs/tiny-1")))
        for (shift, words) in [
            (2 * 86_400, "one of the two clocks is wrong"), (-3 * 86_400, "go on if the ledger rested"),
        ] {
            try federation.write(
                raw.replacingOccurrences(of: " \(time) ", with: " \(time + shift) ") + "\n", to: "commit")
            let id = try federation.git("hash-object", "-t", "commit", "-w", "\(federation.folder)/commit")
            let refs = try federation.git("for-each-ref", "--format=%(refname)", "refs/heads/runs").split(
                separator: "\n")
            for ref in refs { try federation.git("update-ref", "-d", String(ref)) }
            try federation.git("update-ref", "refs/heads/runs/other-1", id)
            let told = try federation.run("--set", "rounds=1", "--name", "next")
            #expect(told.code == 0 && told.err.contains(words), "\(told.err)")
        }
    }
}
