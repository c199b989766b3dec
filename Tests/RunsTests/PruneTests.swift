// Pruning: old adapters go, every record, digest and signature stays verifiable, and what is gone otherwise is still found.

import Foundation
import Testing

@Suite struct PruneTests {
    @Test func aPrunedRunIsVerifiedAndSaysWhatIsGone() throws {
        let federation = try TinyFederation()
        try federation.makeKeys()
        #expect(try federation.run("--set", "rounds=4").code == 0)
        let state = try federation.state("runs/tiny-1")
        #expect(try federation.medrounds("ledger", "prune", "--keep", "0").code == 2)
        let show = try federation.medrounds("ledger", "prune", "--keep", "1", "--show")
        #expect(show.code == 0 && show.out.contains("8 adapters to prune"), "\(show.out)\(show.err)")
        let before = try federation.missing()
        #expect(before.isEmpty)

        let bundle = "\(federation.folder)/whole.bundle"
        #expect(try federation.medrounds("ledger", "export", bundle).code == 0)
        let pruned = try federation.medrounds("ledger", "prune", "--keep", "1")
        #expect(pruned.code == 0 && pruned.out.contains("8 adapters pruned"), "\(pruned.out)\(pruned.err)")
        // Stock git misses exactly what the ledger lists.
        let listed = try federation.git("show", "pruned:pruned").split(separator: "\n").map { String($0.prefix(40)) }
        #expect(try federation.missing() == Set(listed) && listed.count == 8)

        let verify = try federation.medrounds("verify", "tiny-1", "--json")
        let report = try #require(try JSONReport(verify.out))
        #expect(verify.code == 0, "\(verify.out)")
        for check in [
            "signatures", "states", "additions", "contents", "weights", "starts", "metrics", "release", "pruned",
        ] {
            #expect(report.status(check) == "holds", "\(check)")
        }
        for check in ["uploads", "aggregates"] { #expect(report.status(check) == "unproven", "\(check)") }
        #expect(verify.out.contains("8 adapters pruned, none missing"))
        let replay = try federation.medrounds("replay", "tiny-1")
        #expect(replay.code == 4 && replay.err.contains("ledger.pruned"), "\(replay.err)")
        #expect(try federation.medrounds("replay", "tiny-1", "--round", "4").code == 0)
        // Every command that needs what is gone says so; those that do not go on.
        for command in [
            ["explain", "tiny-1", "--round", "1"], ["diff", "tiny-1@1", "tiny-1@2"],
            ["replay", "tiny-1", "--level", "full"], ["replay", "tiny-1", "--round", "2"],
            ["adapter", "export", "tiny-1", "--round", "1", "--to", "adapter"],
        ] {
            let finished = try TinyFederation.run(TinyFederation.program, command, in: federation.folder)
            #expect(
                finished.code == 4 && finished.err.contains("was pruned from this ledger"),
                "\(command): \(finished.err)")
        }
        let page = try federation.medrounds("report", "tiny-1", "--output", "pruned.html")
        #expect(page.code == 0, "\(page.err)")
        let html = try String(contentsOfFile: "\(federation.folder)/pruned.html", encoding: .utf8)
        #expect(html.contains("8 adapters pruned, none missing"))
        for command in [["explain", "tiny-1", "--round", "4"], ["diff", "tiny-1@3", "tiny-1@4"], ["show", "tiny-1"]] {
            let finished = try TinyFederation.run(TinyFederation.program, command, in: federation.folder)
            #expect(finished.code == 0, "\(command): \(finished.err)")
        }
        #expect(try federation.medrounds("ledger", "prune", "--keep", "1").out.contains("0 adapters pruned"))

        let export = try federation.medrounds(
            "ledger", "export", "\(federation.folder)/pruned.bundle", "--run", "tiny-1")
        #expect(export.code == 4 && export.err.contains("ledger.pruned"), "\(export.err)")
        // A further run on the pruned ledger is what it was, and the bundle of before is whole.
        #expect(try federation.run("--set", "rounds=4", "--name", "again").code == 0)
        #expect(try federation.state("runs/again") == state)
        let copy = "\(federation.folder)/copy.git"
        #expect(try federation.medrounds("ledger", "import", bundle, "--ledger", copy).code == 0)
        #expect(try federation.medrounds("verify", "tiny-1", "--ledger", copy).code == 0)
        #expect(try federation.medrounds("replay", "tiny-1", "--ledger", copy).code == 0)
    }

    @Test func whatIsMissingAndNotListedIsFound() throws {
        let federation = try TinyFederation()
        try federation.makeKeys()
        #expect(try federation.run("--set", "rounds=3").code == 0)
        let tip = try federation.git("rev-parse", "runs/tiny-1")
        func remove(_ path: String) throws -> (blob: String, bytes: Data, url: URL) {
            let blob = try federation.git("rev-parse", "\(tip):\(path)")
            let url = URL(fileURLWithPath: "\(federation.ledger)/objects/\(blob.prefix(2))/\(blob.dropFirst(2))")
            let bytes = try Data(contentsOf: url)
            try FileManager.default.removeItem(at: url)
            return (blob, bytes, url)
        }
        #expect(try federation.medrounds("ledger", "prune", "--keep", "1").code == 0)
        #expect(try federation.medrounds("verify", "tiny-1").code == 0)
        for path in ["rounds/0003/upload/east/adapter.safetensors", "rounds/0001/train/east/record.json"] {
            let gone = try remove(path)
            let verify = try federation.medrounds("verify", "tiny-1")
            #expect(verify.code == 5 && verify.out.contains(gone.blob), "\(path): \(verify.out)")
            try gone.bytes.write(to: gone.url)
        }
        #expect(try federation.medrounds("verify", "tiny-1").code == 0)
        // The list says another SHA-256: no state that was signed follows from it. And nobody signed the list.
        let list = try federation.git("show", "pruned:pruned") + "\n"
        let digest = try #require(list.split(separator: " ").dropFirst().first)
        try federation.write(list.replacingOccurrences(of: digest, with: String(repeating: "0", count: 64)), to: "list")
        let script = """
            set -e; export GIT_DIR='\(federation.ledger)' GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x@x GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x@x
            tree=$(printf '100644 blob %s\\tpruned\\n' $(git hash-object -w list) | git mktree)
            git update-ref refs/heads/pruned $(git commit-tree $tree -p pruned -m x)
            """
        #expect(try TinyFederation.run("/bin/sh", ["-c", script], in: federation.folder).code == 0)
        let forged = try federation.medrounds("verify", "tiny-1")
        #expect(
            forged.code == 5 && forged.out.contains("verify.state") && forged.out.contains("verify.pruned"),
            "\(forged.out)")
    }

    @Test func checksOverNothingSaySo() throws {
        let federation = try TinyFederation()
        #expect(try federation.runAndKill(afterCommits: 1, "--name", "begun"))
        // Back to the plan alone, whatever was committed before the kill came.
        try federation.rewindToPlan("begun")
        let verify = try federation.medrounds("verify", "begun", "--json")
        let report = try #require(try JSONReport(verify.out))
        #expect(verify.code == 0, "\(verify.out)")
        for check in ["uploads", "presence", "weights", "aggregates", "starts", "metrics"] {
            #expect(report.status(check) == "unproven", "\(check)")
        }
        #expect(verify.out.contains("nothing to check yet"))
    }
}

/// What `verify --json` printed.
private struct JSONReport {
    private let checks: [[String: Any]]

    init?(_ text: String) throws {
        guard let whole = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any],
            let checks = whole["checks"] as? [[String: Any]]
        else { return nil }
        self.checks = checks
    }

    func status(_ id: String) -> String? { checks.first { $0["id"] as? String == id }?["status"] as? String }
}

extension TinyFederation {
    /// The objects that stock git misses.
    fileprivate func missing() throws -> Set<String> {
        let found = try Self.run(
            "/usr/bin/env", ["git", "--git-dir", ledger, "fsck", "--full", "--no-dangling"], in: folder)
        return Set(
            found.out.split(separator: "\n").filter { $0.hasPrefix("missing blob ") }.map { String($0.suffix(40)) })
    }
}
