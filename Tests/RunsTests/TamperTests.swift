// Tampering: one flipped bit in any object is found by verify; an altered record committed again under stock git as well.

import Digests
import Federation
import Foundation
import TestSupport
import Testing

@Suite struct TamperTests {
    @Test func oneFlippedBitInAnyObjectIsFound() throws {
        let federation = try TinyFederation()
        #expect(try federation.run("--set", "rounds=1").code == 0)
        let objects = try FileManager.default.subpathsOfDirectory(atPath: "\(federation.ledger)/objects").filter {
            path in
            path.split(separator: "/").last?.count == 38
        }.sorted()
        #expect(objects.count > 20)
        var unseen = 0
        for (index, object) in objects.enumerated() {
            let url = URL(fileURLWithPath: "\(federation.ledger)/objects/\(object)")
            let original = try Data(contentsOf: url)
            var flipped = original
            // Another place in each object, behind the two bytes of the zlib header.
            let place = 2 + (index * 7919) % max(1, flipped.count - 2)
            flipped[place] ^= 1 << UInt8(index % 8)
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: url.path)
            try flipped.write(to: url)
            let verify = try federation.medrounds("verify", "tiny-1")
            let id = object.replacingOccurrences(of: "/", with: "")
            if verify.code == 0 {
                // Deflate leaves up to seven bits unused at its end: stock git reads the same content then.
                let git = try TinyFederation.run(
                    "/usr/bin/env", ["git", "--git-dir", federation.ledger, "fsck", "--strict"], in: federation.folder)
                #expect(git.code == 0, "\(object) byte \(place) of \(original.count): git sees what verify does not")
                unseen += 1
            } else {
                #expect(
                    [4, 5].contains(verify.code) && (verify.out + verify.err).contains(id), "\(object): \(verify.out)")
            }
            try original.write(to: url)
        }
        #expect(unseen < objects.count / 4)
        #expect(try federation.medrounds("verify", "tiny-1").code == 0)
    }

    /// Rewrites one file of the tip with stock git, State-SHA256 left as it was or taken away: every case must fail.
    @Test(arguments: [
        ("plan.json", "\"seed\": 5", "\"seed\": 6"),
        ("workflow.yaml", "seed: 5", "seed: 6"),
        ("rounds/0001/aggregate/record.json", "\"weight\": 0.", "\"weight\": 0.1"),
        ("rounds/0001/train/east/record.json", "\"records\": ", "\"records\": 1"),
        ("rounds/0001/evaluate/final/record.json", "\"records\": ", "\"records\": 1"),
        ("rounds/0001/evaluate/final/record.json", "\"f1\": ", "\"f1\": 1"),
        ("rounds/0001/evaluate/final/record.json", "\"resamples\": ", "\"resamples\": 1"),
        ("rounds/0001/evaluate/final/record.json", "\"by_document\": [\"", "\"by_document\": [\"1"),
    ])
    func anAlteredRecordIsFound(path: String, from: String, to: String) throws {
        for forged in [false, true] { try alter(path, from, to, forged: forged) }
    }

    private func alter(_ path: String, _ from: String, _ to: String, forged: Bool) throws {
        let federation = try TinyFederation()
        #expect(try federation.run("--set", "rounds=1").code == 0)
        let text = try federation.git("show", "runs/tiny-1:\(path)") + "\n"
        try #require(text.contains(from))
        let range = try #require(text.range(of: from))
        try federation.write(text.replacingCharacters(in: range, with: to), to: "altered")
        let blob = try federation.git("hash-object", "-w", "--no-filters", "\(federation.folder)/altered")
        let index = "\(federation.folder)/index"
        func plumb(_ arguments: String...) throws -> String {
            let finished = try TinyFederation.run(
                "/usr/bin/env",
                [
                    "GIT_INDEX_FILE=\(index)", "GIT_AUTHOR_NAME=x", "GIT_AUTHOR_EMAIL=x@x", "GIT_COMMITTER_NAME=x",
                    "GIT_COMMITTER_EMAIL=x@x", "git", "--git-dir", federation.ledger,
                ] + arguments, in: federation.folder)
            #expect(finished.code == 0, "\(finished.err)")
            return finished.out.trimmingCharacters(in: .whitespacesAndNewlines)
        }
        _ = try plumb("read-tree", "runs/tiny-1")
        _ = try plumb("update-index", "--add", "--cacheinfo", "100644,\(blob),\(path)")
        let tree = try plumb("write-tree")
        var message = try federation.git("log", "-1", "--format=%B", "runs/tiny-1")
        if forged {
            // A careful forger computes the state of the altered tree anew.
            let old = try federation.state("runs/tiny-1")
            message = message.replacingOccurrences(of: old, with: try federation.recomputedState(of: tree))
        }
        let parent = try federation.git("rev-parse", "runs/tiny-1^")
        let commit = try plumb("commit-tree", tree, "-p", parent, "-m", message)
        _ = try plumb("update-ref", "refs/heads/runs/tiny-1", commit)
        let verify = try federation.medrounds("verify", "tiny-1")
        #expect([4, 5].contains(verify.code), "forged \(forged): \(verify.out)")
    }

    @Test func aRolledBackSiteLineAndAMissingStepAreFound() throws {
        let federation = try TinyFederation()
        #expect(try federation.run("--set", "rounds=1").code == 0)
        // The evaluation grafted onto the score, as if nothing had been aggregated.
        let tree = try federation.git("rev-parse", "runs/tiny-1^{tree}")
        let score = try federation.git("rev-parse", "runs/tiny-1~2")
        let message = try federation.git("log", "-1", "--format=%B", "runs/tiny-1")
        let made = try TinyFederation.run(
            "/usr/bin/env",
            [
                "GIT_AUTHOR_NAME=x", "GIT_AUTHOR_EMAIL=x@x", "GIT_COMMITTER_NAME=x", "GIT_COMMITTER_EMAIL=x@x", "git",
                "--git-dir",
                federation.ledger, "commit-tree", tree, "-p", score, "-m", message,
            ], in: federation.folder)
        try federation.git(
            "update-ref", "refs/heads/runs/tiny-1", made.out.trimmingCharacters(in: .whitespacesAndNewlines))
        let verify = try federation.medrounds("verify", "tiny-1")
        #expect(verify.code == 5)
        #expect(verify.out.contains("verify.order"), "\(verify.out)")
    }

    /// Every line moved to where it must not be: deleted, rolled back, replaced by another line or by one of another run.
    @Test func everyMovedRefIsFound() throws {
        let federation = try TinyFederation()
        try federation.makeKeys()
        #expect(try federation.run("--name", "one").code == 0)
        #expect(try federation.run("--name", "two", "--set", "seed=6").code == 0)
        try federation.write(try federation.medrounds("witness", "one").out, to: "witness.json")
        let refs = try federation.git(
            "for-each-ref", "--format=%(refname)", "refs/heads/runs/one", "refs/heads/runs/one.sites",
            "refs/heads/identities"
        )
        .split(separator: "\n").map(String.init)
        #expect(refs.count == 4)
        let all = try federation.git("for-each-ref", "--format=%(refname)").split(separator: "\n").map(String.init)
        var tried = 0
        for ref in refs {
            let tip = try federation.git("rev-parse", ref)
            var targets = all.filter { $0 != ref }
            targets += try federation.git("rev-list", "--max-count=8", "--skip=1", ref).split(separator: "\n").map(
                String.init)
            for target in targets {
                let id = try federation.git("rev-parse", target)
                if id == tip { continue }
                try federation.git("update-ref", ref, id)
                let verify = try federation.medrounds("verify", "one", "--witness", "witness.json")
                #expect([2, 4, 5].contains(verify.code), "\(ref) at \(target): \(verify.out)")
                tried += 1
            }
            try federation.git("update-ref", "-d", ref)
            let verify = try federation.medrounds("verify", "one", "--witness", "witness.json")
            #expect([2, 4, 5].contains(verify.code), "\(ref) deleted: \(verify.out)")
            try federation.git("update-ref", ref, tip)
        }
        #expect(tried > 30)
        #expect(try federation.medrounds("verify", "one", "--witness", "witness.json").code == 0)
    }

    @Test func aReplayWithAnotherModelIsRefused() throws {
        let federation = try TinyFederation()
        #expect(try federation.run("--set", "rounds=1", "--name", "one").code == 0)
        try TinyGGUF.write(to: "\(federation.folder)/tiny.gguf", seed: 12)
        let other = try federation.medrounds("replay", "one", "--level", "full")
        #expect(other.code == 5)
        #expect(other.err.contains("replay.other-plan") && other.err.contains("digest"), "\(other.err)")
    }

    @Test func aReplayNamesTheFirstDifferingTensor() throws {
        let federation = try TinyFederation()
        #expect(try federation.run("--set", "rounds=1", "--set", "steps.upload.precision=f32").code == 0)
        let merge = try federation.git("rev-parse", "runs/tiny-1~1")
        var adapter = try federation.bytes("adapter.safetensors", of: merge)
        // The last tensor by name is v_proj.lora_B of layer 1; its last float moves by four units in the last place.
        adapter[adapter.count - 4] ^= 4
        try federation.forge("runs/tiny-1", from: merge, ["adapter.safetensors": adapter])
        for command in ["replay", "verify"] {
            let found = try federation.medrounds(command, "tiny-1")
            #expect(found.code == 5, "\(found.out)")
            #expect(found.out.contains("layers.1.self_attn.v_proj.lora_B.weight"), "\(found.out)")
            #expect(found.out.contains("4 units in the last place"), "\(found.out)")
        }
        let full = try federation.medrounds("replay", "tiny-1", "--level", "full", "--quiet")
        #expect(full.code == 5 && full.out.contains("DIFFERS  round 1 aggregate"), "\(full.out)\(full.err)")
    }

    @Test func anUploadThatIsNotFiniteIsLeftOutWithItsReason() throws {
        let federation = try TinyFederation()
        // Stopped when both uploads are committed and nothing is scored yet; then east sends a NaN.
        var name = ""
        for attempt in 1...20 {
            name = "poisoned-\(attempt)"
            _ = try federation.runAndKill(afterCommits: 4, "--set", "rounds=1", "--name", name)
            // The kill may come late, when the scores are committed already.
            if try federation.git("rev-list", "--count", "runs/\(name)") == "4" { break }
        }
        try #require(try federation.git("rev-list", "--count", "runs/\(name)") == "4")
        let line = "runs/\(name).sites/east"
        let folder = "rounds/0001/upload/east"
        let tip = try federation.git("rev-parse", line)
        var adapter = try federation.bytes("\(folder)/adapter.safetensors", of: tip)
        adapter[adapter.count - 1] = 0x7f
        adapter[adapter.count - 2] = 0xc0
        let record = String(decoding: try federation.bytes("\(folder)/record.json", of: tip), as: UTF8.self)
        let honest = Digest.sha256(try federation.bytes("\(folder)/adapter.safetensors", of: tip)).hex
        try #require(record.contains(honest))
        let forged = record.replacingOccurrences(of: honest, with: Digest.sha256(adapter).hex)
        try federation.forge(
            line, from: tip, ["\(folder)/adapter.safetensors": adapter, "\(folder)/record.json": Array(forged.utf8)])
        let resumed = try federation.run("--set", "rounds=1", "--name", name, "--resume")
        #expect(resumed.code == 0, "\(resumed.err)")
        let aggregate = try federation.git("show", "runs/\(name):rounds/0001/aggregate/record.json")
        #expect(aggregate.contains("adapter.not-finite") && aggregate.contains("\"site\": \"east\""), "\(aggregate)")
        #expect(resumed.out.contains("left out: adapter.not-finite"), "\(resumed.out)")
        #expect(try federation.medrounds("verify", name).code == 0)
    }
}

extension TinyFederation {
    /// Stock git with an index file of its own and a fixed person.
    fileprivate func plumb(_ arguments: String...) throws -> String {
        let finished = try Self.run(
            "/usr/bin/env",
            [
                "GIT_INDEX_FILE=\(folder)/index", "GIT_AUTHOR_NAME=x", "GIT_AUTHOR_EMAIL=x@x", "GIT_COMMITTER_NAME=x",
                "GIT_COMMITTER_EMAIL=x@x", "git", "--git-dir", ledger,
            ] + arguments, in: folder)
        #expect(finished.code == 0, "git \(arguments): \(finished.err)")
        return finished.out.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// The bytes of a file of a commit.
    fileprivate func bytes(_ path: String, of commit: String) throws -> [UInt8] {
        let made = try Self.run(
            "/bin/sh", ["-c", "git --git-dir '\(ledger)' cat-file blob '\(commit):\(path)' > blob"], in: folder)
        #expect(made.code == 0)
        return Array(FileManager.default.contents(atPath: "\(folder)/blob") ?? Data())
    }

    /// Puts a commit in the place of a ref's tip: its tree with other files, its parents and message, its state computed anew.
    fileprivate func forge(_ ref: String, from commit: String, _ files: [String: [UInt8]]) throws {
        _ = try plumb("read-tree", commit)
        for (path, bytes) in files {
            try writeBytes(bytes, to: "forged")
            let blob = try plumb("hash-object", "-w", "--no-filters", "\(folder)/forged")
            _ = try plumb("update-index", "--add", "--cacheinfo", "100644,\(blob),\(path)")
        }
        let tree = try plumb("write-tree")
        let message = try git("log", "-1", "--format=%B", commit).replacingOccurrences(
            of: state(commit), with: recomputedState(of: tree))
        let parents = try git("log", "-1", "--format=%P", commit).split(separator: " ").flatMap { ["-p", String($0)] }
        let date = try git("log", "-1", "--format=%ct +0000", commit)
        let people = ["AUTHOR", "COMMITTER"].flatMap {
            ["GIT_\($0)_NAME=MedRounds", "GIT_\($0)_EMAIL=medrounds@localhost", "GIT_\($0)_DATE=\(date)"]
        }
        let made = try Self.run(
            "/usr/bin/env", people + ["git", "--git-dir", ledger, "commit-tree", tree] + parents + ["-m", message],
            in: folder)
        #expect(made.code == 0)
        _ = try plumb("update-ref", "refs/heads/\(ref)", made.out.trimmingCharacters(in: .whitespacesAndNewlines))
    }

    /// State-SHA256 of a tree by stock git and the layout of docs/ledger.md.
    fileprivate func recomputedState(of tree: String) throws -> String {
        var lines = ""
        for entry in try git("ls-tree", tree).split(separator: "\n") {
            let halves = entry.split(separator: "\t", maxSplits: 1)
            let (mode, name) = (halves[0].split(separator: " "), String(halves[1]))
            let id = String(mode[2])
            if mode[1] == "tree" {
                let inner = try recomputedState(of: id)
                if inner != Digest.sha256("").hex { lines += "\(inner) folder \(name)\n" }
            } else if name != "timing.json" {
                let copy = "\(folder)/blob"
                let made = try Self.run(
                    "/bin/sh", ["-c", "git --git-dir '\(ledger)' cat-file blob \(id) > '\(copy)'"], in: folder)
                #expect(made.code == 0)
                let bytes = Array(FileManager.default.contents(atPath: copy) ?? Data())
                lines += "\(Digest.sha256(bytes)) \(bytes.count) \(name)\n"
            }
        }
        return Digest.sha256(lines).hex
    }
}
