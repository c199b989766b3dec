// Sampled replay: the seed draws a place, the steps there come out the same, and a divergence is named by step, tensor and ulps.

import Digests
import Federation
import Foundation
import Testing

@Suite struct ReplaySampleTests {
    private static let path = "rounds/0001/train/east/record.json"

    private func federation() throws -> TinyFederation {
        let federation = try TinyFederation()
        let run = try federation.run(
            "--set", "rounds=1", "--set", "steps.train.epochs=2", "--set", "steps.train.checkpoint_every=2")
        #expect(run.code == 0, "\(run.err)")
        return federation
    }

    private func sample(_ federation: TinyFederation, _ seed: Int, steps: String = "2") throws -> Finished {
        try federation.medrounds("replay", "tiny-1", "--steps", steps, "--seed", "\(seed)", "--quiet")
    }

    /// A seed that draws east after two steps.
    private func seed(_ federation: TinyFederation) throws -> Int {
        for seed in 0..<200 {
            let out = try sample(federation, seed)
            if (out.out + out.err).contains("east, steps 3 to 4") { return seed }
        }
        Issue.record("no seed draws east after step 2")
        return 0
    }

    @Test func everySeedReplaysToTheSameBits() throws {
        let federation = try federation()
        var drawn: Set<String> = []
        for seed in 0..<12 {
            let replay = try sample(federation, seed, steps: seed % 2 == 0 ? "3" : "100")
            #expect(replay.code == 0, "\(replay.out)\(replay.err)")
            #expect(replay.out == (try sample(federation, seed, steps: seed % 2 == 0 ? "3" : "100").out))
            drawn.insert(String(replay.out.prefix { $0 != "(" }))
        }
        #expect(drawn.count > 4)
        #expect(try federation.medrounds("replay", "tiny-1", "--steps", "2").code == 2)
        #expect(try federation.medrounds("replay", "tiny-1", "--level", "full", "--seed", "1").code == 2)
    }

    @Test func saysThatACheckpointIsGoneOrAnother() throws {
        let federation = try federation()
        let seed = try seed(federation)
        let file = "rounds/work/tiny-1/east/0001.checkpoints/0000002.safetensors"
        var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(federation.folder)/\(file)")))
        bytes[bytes.count / 2] ^= 1
        try federation.writeBytes(bytes, to: file)
        let other = try sample(federation, seed)
        #expect(other.code == 5 && other.err.contains("replay.checkpoint"), "\(other.err)")
        try FileManager.default.removeItem(atPath: "\(federation.folder)/\(file)")
        let gone = try sample(federation, seed)
        #expect(gone.code == 4 && gone.err.contains("replay.no-checkpoint"), "\(gone.err)")
        #expect(gone.err.contains("after step 2"))
    }

    @Test func namesTheFirstStepThatDiverges() throws {
        let federation = try federation()
        // Both losses after the position are forged; the first of them must be named.
        try federation.forge(Self.path) { text in
            let record = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
            let losses = try #require(record["step_losses"] as? [Double])
            return text.replacingOccurrences(of: "\(losses[2])", with: "\(losses[2].nextUp)").replacingOccurrences(
                of: "\(losses[3])", with: "\(losses[3].nextUp)")
        }
        let replay = try sample(federation, seed(federation))
        #expect(replay.code == 5, "\(replay.err)")
        #expect(replay.out.contains("step 3 is the first that differs"), "\(replay.out)")
        #expect(replay.out.contains(", 1 units in the last place of float64"), "\(replay.out)")
        let full = try federation.medrounds("replay", "tiny-1", "--level", "full", "--quiet")
        #expect(full.code == 5 && full.out.contains("step 3 is the first that differs"), "\(full.out)")
    }

    @Test func namesTheTensorThatDiverges() throws {
        let federation = try federation()
        // One bit of the state after step 4, in the file and in the record: a site that lies consistently.
        let file = "rounds/work/tiny-1/east/0001.checkpoints/0000004.safetensors"
        var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(federation.folder)/\(file)")))
        let before = Digest.sha256(bytes).hex
        let header = (0..<8).reduce(0) { $0 | Int(bytes[$1]) << (8 * $1) }
        bytes[8 + header + 4] ^= 1
        try federation.writeBytes(bytes, to: file)
        try federation.forge(Self.path) { $0.replacingOccurrences(of: before, with: Digest.sha256(bytes).hex) }
        let replay = try sample(federation, seed(federation))
        #expect(replay.code == 5, "\(replay.err)")
        #expect(replay.out.contains("the state after step 4 is not the recorded one"), "\(replay.out)")
        #expect(replay.out.contains("adapter, element 1") && replay.out.contains("1 units in the last place"))
        #expect(replay.out.contains("lora_A.weight"), "\(replay.out)")
    }
}

extension TinyFederation {
    /// Rewrites one file of the aggregate commit of tiny-1 with stock git and lets the main line end there.
    func forge(_ path: String, _ change: (String) throws -> String) throws {
        let tip = try git("rev-parse", "runs/tiny-1~1")
        let text = try git("show", "\(tip):\(path)") + "\n"
        let changed = try change(text)
        try #require(changed != text)
        try write(changed, to: "forged")
        let blob = try git("hash-object", "-w", "--no-filters", "\(folder)/forged")
        func plumb(_ arguments: [String]) throws -> String {
            let finished = try Self.run(
                "/usr/bin/env",
                [
                    "GIT_INDEX_FILE=\(folder)/forged.index", "GIT_AUTHOR_NAME=x", "GIT_AUTHOR_EMAIL=x@x",
                    "GIT_COMMITTER_NAME=x", "GIT_COMMITTER_EMAIL=x@x", "git", "--git-dir", ledger,
                ] + arguments, in: folder)
            #expect(finished.code == 0, "\(finished.err)")
            return finished.out.trimmingCharacters(in: .whitespacesAndNewlines)
        }
        _ = try plumb(["read-tree", tip])
        _ = try plumb(["update-index", "--add", "--cacheinfo", "100644,\(blob),\(path)"])
        let parents = try git("log", "-1", "--format=%P", tip).split(separator: " ").flatMap { ["-p", String($0)] }
        let message = try git("log", "-1", "--format=%B", tip)
        let commit = try plumb(["commit-tree", plumb(["write-tree"])] + parents + ["-m", message])
        try git("update-ref", "refs/heads/runs/tiny-1", commit)
    }
}
