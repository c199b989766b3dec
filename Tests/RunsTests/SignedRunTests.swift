// Signed runs: stock git and ssh-keygen as second opinion, approvals, rotation, revocation, witnesses, and what a forger may try.

import Federation
import Foundation
import Testing

@Suite struct SignedRunTests {
    @Test func aSignedRunIsGoodForStockGitAndSSHKeygen() throws {
        let federation = try TinyFederation()
        try federation.makeKeys()
        let run = try federation.run("--set", "rounds=1", "--set", "signing=required")
        #expect(run.code == 0 && run.out.contains("main line, signed"), "\(run.err)")
        let verify = try federation.medrounds("verify", "tiny-1")
        #expect(verify.code == 0 && verify.out.contains("every commit is signed by an allowed key"), "\(verify.out)")

        try federation.write(try federation.git("show", "identities:allowed_signers") + "\n", to: "allowed")
        let allowed = "gpg.ssh.allowedSignersFile=\(federation.folder)/allowed"
        for (ref, count) in [("runs/tiny-1", 12), ("identities", 3)] {
            let lines = try federation.git("-c", allowed, "log", "--format=%G? %GS %s", ref).split(separator: "\n")
            #expect(lines.count == count && lines.allSatisfy { $0.hasPrefix("G ") }, "\(lines)")
        }
        #expect(
            try federation.git("-c", allowed, "log", "-1", "--format=%GS", "runs/tiny-1.sites/west") == "site:west")
        try federation.git("-c", allowed, "verify-commit", "runs/tiny-1")
        #expect(try federation.git("fsck", "--strict", "--no-dangling") == "")

        let witness = try federation.medrounds("witness", "tiny-1")
        try federation.write(witness.out, to: "witness.json")
        #expect(
            try federation.medrounds("verify", "tiny-1", "--witness", "witness.json", "--trust", "allowed").code == 0)
        var members = try #require(try JSONValue(parsing: Array(witness.out.utf8)).members)
        try federation.write(try #require(members.removeValue(forKey: "signature")?.text) + "\n", to: "signature")
        try federation.write(JSONValue.object(members).canonicalText, to: "statement")
        let checked = try TinyFederation.run(
            "/bin/sh",
            [
                "-c",
                "ssh-keygen -Y verify -f allowed -I coordinator -n medrounds-witness -s signature < statement",
            ], in: federation.folder)
        #expect(checked.code == 0, "\(checked.out)\(checked.err)")
    }

    @Test func keysOfSSHKeygenAreTakenAndEncryptedOnesRefused() throws {
        let federation = try TinyFederation()
        let keys = "\(federation.work)/keys"
        try FileManager.default.createDirectory(atPath: keys, withIntermediateDirectories: true)
        func generate(_ name: String, _ arguments: String...) throws {
            let made = try TinyFederation.run(
                "/usr/bin/env", ["ssh-keygen", "-q", "-C", name, "-f", "\(keys)/\(name).ed25519"] + arguments,
                in: federation.folder)
            #expect(made.code == 0, "\(made.err)")
        }
        try generate("coordinator", "-t", "ed25519", "-N", "")
        try generate("site-east", "-t", "ed25519", "-N", "secret")
        try generate("site-west", "-t", "ecdsa", "-N", "")
        let allow = try federation.medrounds("keys", "allow", "coordinator", "\(keys)/coordinator.ed25519.pub")
        #expect(allow.code == 0, "\(allow.err)")
        #expect(try federation.medrounds("keys", "allow", "site:east", "\(keys)/site-east.ed25519.pub").code == 0)
        let other = try federation.medrounds("keys", "allow", "site:west", "\(keys)/site-west.ed25519.pub")
        #expect(other.code == 4 && other.err.contains("keys.bad-public-key"), "\(other.err)")
        let run = try federation.run()
        #expect(run.code == 4 && run.err.contains("keys.encrypted"), "\(run.err)")
        // Our own keys are as good to ssh-keygen.
        try FileManager.default.removeItem(atPath: "\(keys)/site-west.ed25519")
        try FileManager.default.removeItem(atPath: "\(keys)/site-west.ed25519.pub")
        let own = try federation.medrounds("keys", "new", "site:west")
        let read = try TinyFederation.run(
            "/usr/bin/env", ["ssh-keygen", "-y", "-f", "\(keys)/site-west.ed25519"], in: federation.folder)
        let stored = try String(contentsOfFile: "\(keys)/site-west.ed25519.pub", encoding: .utf8)
        #expect(read.out == stored, "\(read.err)")
        let print = try TinyFederation.run(
            "/usr/bin/env", ["ssh-keygen", "-l", "-f", "\(keys)/site-west.ed25519.pub"], in: federation.folder)
        let fingerprint = print.out.split(separator: " ").dropFirst().first.map(String.init) ?? "?"
        #expect(own.out.contains(fingerprint), "\(own.out) \(print.out)")
    }

    @Test func rotationKeepsOldCommitsGoodAndRevocationDoesNot() throws {
        let federation = try TinyFederation()
        try federation.makeKeys()
        #expect(try federation.run("--set", "rounds=1", "--name", "before").code == 0)
        let old = try federation.fingerprint("site-west")
        #expect(try federation.medrounds("keys", "rotate", "site:west").code == 0)
        #expect(try federation.fingerprint("site-west") != old)
        #expect(try federation.run("--set", "rounds=1", "--name", "after").code == 0)
        for run in ["before", "after"] {
            let verify = try federation.medrounds("verify", run)
            #expect(verify.code == 0, "\(verify.out)")
        }
        let list = try federation.medrounds("keys", "list")
        #expect(list.out.split(separator: "\n").count == 6, "\(list.out)")
        #expect(try federation.medrounds("keys", "revoke", old, "--from", "2020-01-01T00:00:00Z").code == 0)
        let before = try federation.medrounds("verify", "before")
        #expect(before.code == 5 && before.out.contains("was not valid for site:west"), "\(before.out)")
        #expect(try federation.medrounds("verify", "after").code == 0)
        // What was allowed cannot be taken away again unseen.
        try federation.git("update-ref", "refs/heads/identities", "identities~2")
        let after = try federation.medrounds("verify", "after")
        #expect(after.code == 5 && after.out.contains("is not among the allowed signers"), "\(after.out)")
    }

    @Test func anUnapprovedSiteDoesNotTrainAndIsToldWhatChanged() throws {
        let federation = try TinyFederation()
        try federation.makeKeys()
        let settings = ["--set", "rounds=1", "--set", "approvals=required"]
        func run(_ more: String...) throws -> Finished {
            try TinyFederation.run(
                TinyFederation.program, ["run", "tiny.yaml"] + settings + more, in: federation.folder)
        }
        let refused = try run()
        #expect(refused.code == 1 && refused.err.contains("run.not-approved"), "\(refused.err)")
        #expect(try federation.git("for-each-ref", "refs/heads/runs/tiny-1.sites") == "")
        #expect(try federation.medrounds("approve", "tiny-1", "--site", "north").code == 2)
        for site in ["east", "west"] {
            #expect(try federation.medrounds("approve", "tiny-1", "--site", site).code == 0)
        }
        #expect(try run("--name", "tiny-1", "--resume").code == 0)
        let verify = try federation.medrounds("verify", "tiny-1")
        #expect(verify.code == 0 && verify.out.contains("2 of 2 sites approved"), "\(verify.out)")

        let changed = try run("--set", "adapter.rank=3")
        #expect(changed.err.contains("adapter.rank: 2 -> 3"), "\(changed.err)")
        for site in ["east", "west"] {
            let approve = try federation.medrounds("approve", "tiny-2", "--site", site)
            #expect(approve.out.contains("since the approval of tiny-1"), "\(approve.out)")
        }
        #expect(try federation.medrounds("approve", "tiny-2", "--site", "west", "--withdraw").code == 0)
        let withdrawn = try run("--set", "adapter.rank=3", "--name", "tiny-2", "--resume")
        #expect(withdrawn.code == 1 && withdrawn.err.contains("west has withdrawn"), "\(withdrawn.err)")
        // An approval that is taken out of the ledger is missed.
        try federation.git("update-ref", "-d", "refs/heads/runs/tiny-1.answers/east")
        let missing = try federation.medrounds("verify", "tiny-1")
        #expect(missing.code == 5 && missing.out.contains("east trained without its approval"), "\(missing.out)")
    }

    @Test func aRolledBackOrRewrittenRunContradictsItsWitness() throws {
        let federation = try TinyFederation()
        try federation.makeKeys()
        #expect(try federation.run("--set", "rounds=1").code == 0)
        try federation.write(try federation.medrounds("witness", "tiny-1").out, to: "witness.json")
        #expect(try federation.medrounds("verify", "tiny-1", "--witness", "witness.json").code == 0)
        // Rolled back it is an unfinished run to whoever kept no statement.
        try federation.git("update-ref", "refs/heads/runs/tiny-1", "runs/tiny-1~1")
        #expect(try federation.medrounds("verify", "tiny-1").code == 0)
        let rolled = try federation.medrounds("verify", "tiny-1", "--witness", "witness.json")
        #expect(rolled.code == 5 && rolled.out.contains("does not descend from the witnessed tip"), "\(rolled.out)")
        // The same steps again, as by somebody who holds every key.
        #expect(try federation.run("--set", "rounds=1", "--name", "tiny-1", "--resume").code == 0)
        let again = try federation.medrounds("verify", "tiny-1", "--witness", "witness.json")
        #expect([0, 5].contains(again.code), "\(again.out)")
        try federation.replace("\"time\": 1", with: "\"time\": 2", in: "witness.json")
        let forged = try federation.medrounds("verify", "tiny-1", "--witness", "witness.json")
        #expect(forged.code == 5 && forged.out.contains("verify.witness"), "\(forged.out)")
    }

    /// Every part of a signed commit altered in every way a forger without keys has, at the tip of the main line and of a site's line.
    @Test func everyAlteredPartOfASignedCommitIsFound() throws {
        let federation = try TinyFederation()
        try federation.makeKeys()
        #expect(try federation.run("--set", "rounds=1").code == 0)
        #expect(try federation.run("--set", "rounds=1", "--set", "seed=6").code == 0)
        for ref in ["runs/tiny-1", "runs/tiny-1.sites/east"] {
            let tip = try federation.git("rev-parse", ref)
            let raw = try federation.git("cat-file", "commit", tip) + "\n"
            let parent = try federation.git("cat-file", "commit", "\(tip)~1") + "\n"
            var forged: [(what: String, commit: String)] = []
            let lines = raw.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            for (index, line) in lines.enumerated() where !line.isEmpty {
                var other = lines
                // A digit or letter in the middle of the line becomes another one; times, ids, trailers, signature lines.
                let place = line.index(line.startIndex, offsetBy: line.count / 2)
                let flip: Character =
                    line[place] == "1" ? "2" : line[place].isNumber ? "1" : line[place] == "a" ? "b" : "a"
                other[index].replaceSubrange(place...place, with: String(flip))
                forged.append(("line \(index): \(line.prefix(20))", other.joined(separator: "\n")))
            }
            let signature = try #require(raw.range(of: "gpgsig ")?.lowerBound)
            let end = try #require(raw.range(of: "-----END SSH SIGNATURE-----\n")?.upperBound)
            let others = try #require(parent.range(of: "gpgsig ")?.lowerBound)
            let othersEnd = try #require(parent.range(of: "-----END SSH SIGNATURE-----\n")?.upperBound)
            forged.append(("no signature", raw.replacingCharacters(in: signature..<end, with: "")))
            forged.append(
                (
                    "the parent's signature",
                    raw.replacingCharacters(in: signature..<end, with: parent[others..<othersEnd])
                ))
            forged.append(
                ("twice signed", raw.replacingCharacters(in: signature..<signature, with: raw[signature..<end])))
            let tree = try federation.git("rev-parse", "\(tip)~1^{tree}")
            forged.append(
                (
                    "the parent's tree",
                    raw.replacingOccurrences(of: try federation.git("rev-parse", "\(tip)^{tree}"), with: tree)
                ))
            let payload = raw.replacingCharacters(in: signature..<end, with: "")
            forged.append(("signed by another role", try federation.signed(payload, by: "site-west")))
            for (what, commit) in forged {
                try federation.write(commit, to: "commit")
                let made = try TinyFederation.run(
                    "/usr/bin/env",
                    [
                        "git", "--git-dir", federation.ledger, "hash-object", "-t", "commit", "-w", "--literally",
                        "commit",
                    ], in: federation.folder)
                // What git itself takes for no commit cannot be pushed; written straight into the ref it must be found all the same.
                let id = made.out.trimmingCharacters(in: .whitespacesAndNewlines)
                try federation.write(id + "\n", to: "rounds/ledger.git/refs/heads/\(ref)")
                let verify = try federation.medrounds("verify", "tiny-1")
                #expect([4, 5].contains(verify.code), "\(ref) \(what): \(verify.out)")
                #expect(
                    (verify.out + verify.err).contains(id), "\(ref) \(what) is not named: \(verify.out)\(verify.err)")
            }
            // Another run's line in its place, and a missing signers' line.
            try federation.git(
                "update-ref", "refs/heads/\(ref)", ref.replacingOccurrences(of: "tiny-1", with: "tiny-2"))
            #expect(try federation.medrounds("verify", "tiny-1").code != 0, "\(ref) replayed from another run")
            try federation.git("update-ref", "refs/heads/\(ref)", tip)
            #expect(try federation.medrounds("verify", "tiny-1").code == 0)
        }
        try federation.git("update-ref", "-d", "refs/heads/identities")
        #expect(try federation.medrounds("verify", "tiny-1").code == 5)
    }
}

extension TinyFederation {
    /// Keys of the coordinator and both sites, allowed in the ledger.
    func makeKeys() throws {
        for role in ["coordinator", "site:east", "site:west"] {
            let made = try medrounds("keys", "new", role)
            #expect(made.code == 0, "\(made.err)")
        }
    }

    func fingerprint(_ name: String) throws -> String {
        let print = try Self.run(
            "/usr/bin/env", ["ssh-keygen", "-l", "-f", "\(work)/keys/\(name).ed25519.pub"], in: folder)
        return print.out.split(separator: " ").dropFirst().first.map(String.init) ?? ""
    }

    /// A commit's content signed by ssh-keygen with another key of the work folder.
    fileprivate func signed(_ payload: String, by name: String) throws -> String {
        try write(payload, to: "payload")
        try? FileManager.default.removeItem(atPath: "\(folder)/payload.sig")
        let made = try Self.run(
            "/usr/bin/env", ["ssh-keygen", "-Y", "sign", "-n", "git", "-f", "\(work)/keys/\(name).ed25519", "payload"],
            in: folder)
        #expect(made.code == 0, "\(made.err)")
        let signature = try String(contentsOfFile: "\(folder)/payload.sig", encoding: .utf8)
            .trimmingCharacters(in: .newlines).replacingOccurrences(of: "\n", with: "\n ")
        let body = try #require(payload.range(of: "\n\n"))
        return payload.replacingCharacters(in: body, with: "\ngpgsig \(signature)\n\n")
    }
}
