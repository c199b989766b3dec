// checkpoint_every: a train step killed inside goes on from its newest checkpoint to the same state; without it nothing changes.

import Foundation
import Testing

@Suite struct CheckpointTests {
    /// Three steps an epoch at east and at west.
    private static let long = ["--set", "steps.train.epochs=3", "--set", "steps.train.checkpoint_every=2"]

    private func run(_ federation: TinyFederation, _ more: [String]) throws -> Finished {
        try TinyFederation.run(TinyFederation.program, ["run", "tiny.yaml"] + more, in: federation.folder)
    }

    @Test func recordsPositionsAndChangesNothingElse() throws {
        let federation = try TinyFederation()
        #expect(try federation.run("--name", "plain", "--set", "steps.train.epochs=3").code == 0)
        let kept = try run(federation, Self.long + ["--name", "kept"])
        #expect(kept.code == 0, "\(kept.err)")
        let plan = try federation.git("show", "runs/plain:plan.json")
        #expect(!plan.contains("checkpoint_every"))
        let path = "rounds/0001/train/east/record.json"
        let plain = try federation.git("show", "runs/plain:\(path)")
        let record = try federation.git("show", "runs/kept:\(path)")
        #expect(!plain.contains("checkpoints"))
        #expect(record.contains("\"checkpoints\"") && record.contains("\"state_sha256\""))
        let adapter = "adapter.safetensors"
        #expect(
            try federation.git("rev-parse", "runs/plain:\(adapter)")
                == federation.git("rev-parse", "runs/kept:\(adapter)"))
        #expect(try federation.medrounds("verify", "kept").code == 0)
        let full = try federation.medrounds("replay", "kept", "--level", "full", "--quiet")
        #expect(full.code == 0, "\(full.out)")
    }

    /// What a kill leaves: the checkpoints, and no commit. Taken from a whole run, cut back to each position.
    @Test func goesOnFromEachPositionToTheSameState() throws {
        let federation = try TinyFederation()
        #expect(try run(federation, Self.long + ["--name", "whole"]).code == 0)
        let expected = try federation.state("runs/whole")
        let folder = "\(federation.work)/whole/east/0001.checkpoints"
        let files = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix("tensors") }
        #expect(files.count >= 3)
        for (index, file) in files.sorted().enumerated() {
            let name = "again-\(index)"
            // The plan commit alone: the run was killed inside its first train step.
            let again = try run(federation, Self.long + ["--name", name])
            #expect(again.code == 0)
            try federation.rewindToPlan(name)
            let mine = "\(federation.work)/\(name)/east/0001.checkpoints"
            // Newer files are torn, as a failing disk would leave them.
            for newer in files.sorted().dropFirst(index + 1) {
                try federation.truncate("rounds/work/\(name)/east/0001.checkpoints/\(newer)", to: 999)
            }
            #expect(FileManager.default.fileExists(atPath: "\(mine)/\(file)"))
            let resumed = try run(federation, Self.long + ["--name", name, "--resume"])
            #expect(resumed.code == 0, "\(resumed.err)")
            #expect(resumed.err.contains("site east: going on after step \(2 * (index + 1))"), "\(resumed.err)")
            #expect(try federation.state("runs/\(name)") == expected)
        }
    }

    @Test func killedInsideATrainStepEndsInTheSameState() throws {
        let federation = try TinyFederation()
        let long = ["--set", "steps.train.epochs=60", "--set", "steps.train.checkpoint_every=20", "--set", "rounds=1"]
        #expect(try run(federation, long + ["--name", "whole"]).code == 0)
        let expected = try federation.state("runs/whole")
        var wentOn = 0
        for (number, wanted) in [1, 2, 4, 6].enumerated() {
            let name = "killed-\(number)"
            let process = Process()
            process.executableURL = URL(fileURLWithPath: TinyFederation.program)
            process.arguments = ["run", "tiny.yaml", "--name", name] + long
            process.currentDirectoryURL = URL(fileURLWithPath: federation.folder)
            process.standardError = FileHandle.nullDevice
            process.standardOutput = FileHandle.nullDevice
            try process.run()
            let folder = "\(federation.work)/\(name)/east/0001.checkpoints"
            let deadline = Date(timeIntervalSinceNow: 20)
            while process.isRunning, Date() < deadline {
                let files = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
                if files.count(where: { $0.hasSuffix("tensors") }) >= wanted { break }
                usleep(500)
            }
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            let resumed = try run(federation, long + ["--name", name, "--resume"])
            #expect(resumed.code == 0, "\(resumed.err)")
            if resumed.err.contains("going on after step") { wentOn += 1 }
            #expect(try federation.state("runs/\(name)") == expected)
        }
        #expect(wentOn > 0)
    }

    @Test func checkpointsOfAnotherTrainingAreNotUsed() throws {
        let federation = try TinyFederation()
        #expect(try run(federation, Self.long + ["--name", "same"]).code == 0)
        // The ledger is gone, the work folder is not; the same name now means another plan.
        try FileManager.default.removeItem(atPath: federation.ledger)
        let other = Self.long + ["--set", "seed=6"]
        let stale = try run(federation, other + ["--name", "same"])
        #expect(stale.code == 0)
        #expect(!stale.err.contains("going on after step"), "\(stale.err)")
        #expect(try run(federation, other + ["--name", "fresh"]).code == 0)
        #expect(try federation.state("runs/same") == federation.state("runs/fresh"))
    }
}
