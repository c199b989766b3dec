// Exactly once: killed at any instant, out of space, or run twice at once, a run ends in the state of one that was left alone.

import Foundation
import Testing

@Suite struct KillTests {
    /// scripts/kill-test.sh raises it to 200.
    private static let kills = ProcessInfo.processInfo.environment["MEDROUNDS_KILLS"].flatMap { Int($0) } ?? 12

    @Test func aRunKilledAtRandomInstantsEndsInTheSameState() throws {
        let federation = try TinyFederation()
        try federation.makeKeys()
        let start = Date()
        #expect(try federation.run("--name", "whole").code == 0)
        let length = Date().timeIntervalSince(start)
        let expected = try federation.state("runs/whole")
        var generator = SystemRandomNumberGenerator()
        var kills = 0
        var locks = 0
        var number = 0
        while kills < Self.kills {
            number += 1
            let name = "killed-\(number)"
            var isDone = false
            while !isDone {
                let exists = FileManager.default.fileExists(atPath: "\(federation.ledger)/refs/heads/runs/\(name)")
                let arguments = ["run", "tiny.yaml", "--quiet", "--name", name] + (exists ? ["--resume"] : [])
                let delay = kills < Self.kills ? Double.random(in: 0...length * 0.6, using: &generator) : nil
                let (code, wasKilled, errors) = try federation.runAndKill(arguments, after: delay)
                if wasKilled {
                    kills += 1
                } else if errors.contains("ledger.locked") {
                    // A kill between locking a ref and moving it: the fault names the file, and that nobody else writes is known here.
                    locks += 1
                    try federation.removeLocks()
                } else {
                    #expect(code == 0, "\(name): \(errors)")
                    isDone = true
                }
            }
            #expect(try federation.state("runs/\(name)") == expected, "\(name)")
            #expect(try federation.git("rev-list", "--count", "runs/\(name)") == "19", "\(name)")
        }
        print("\(kills) kills in \(number) runs, \(locks) stale locks")
        #expect(try federation.git("fsck", "--strict", "--no-dangling") == "")
        for run in Set([1, number, (number + 1) / 2]) {
            let verify = try federation.medrounds("verify", "killed-\(run)")
            #expect(verify.code == 0, "\(verify.out)")
        }
    }

    /// A limit on the size of files stands for a full disk: the first adapter does not fit.
    @Test func aRunThatCannotWriteSaysSoAndGoesOnLater() throws {
        let federation = try TinyFederation()
        #expect(try federation.run("--name", "whole").code == 0)
        let program = TinyFederation.program
        for blocks in [1, 4] {
            let name = "full-\(blocks)"
            let full = try TinyFederation.run(
                "/bin/bash",
                [
                    "-c",
                    "trap '' XFSZ; ulimit -f \(blocks); exec '\(program)' run tiny.yaml --name \(name) 2>/dev/null",
                ],
                in: federation.folder)
            #expect(full.code != 0, "\(blocks) blocks were enough")
            let exists = FileManager.default.fileExists(atPath: "\(federation.ledger)/refs/heads/runs/\(name)")
            let arguments = ["run", "tiny.yaml", "--name", name] + (exists ? ["--resume"] : [])
            let resumed = try TinyFederation.run(program, arguments, in: federation.folder)
            #expect(resumed.code == 0, "\(resumed.err)")
            #expect(try federation.state("runs/\(name)") == federation.state("runs/whole"))
        }
        #expect(try federation.git("fsck", "--strict", "--no-dangling") == "")
    }

    @Test func twoProcessesOnOneRunLoseNothing() throws {
        let federation = try TinyFederation()
        #expect(try federation.run("--name", "whole").code == 0)
        #expect(try federation.runAndKill(afterCommits: 1, "--name", "raced"))
        let racers = try (0..<2).map { _ in
            let process = Process()
            process.executableURL = URL(fileURLWithPath: TinyFederation.program)
            process.arguments = ["run", "tiny.yaml", "--name", "raced", "--resume", "--quiet"]
            process.currentDirectoryURL = URL(fileURLWithPath: federation.folder)
            process.standardError = FileHandle.nullDevice
            process.standardOutput = FileHandle.nullDevice
            try process.run()
            return process
        }
        for racer in racers { racer.waitUntilExit() }
        let resumed = try federation.run("--name", "raced", "--resume")
        #expect(resumed.code == 0, "\(resumed.err)")
        #expect(try federation.state("runs/raced") == federation.state("runs/whole"))
        #expect(try federation.git("rev-list", "--count", "runs/raced") == "19")
        #expect(try federation.medrounds("verify", "raced").code == 0)
    }
}

extension TinyFederation {
    /// Runs the program and kills it with SIGKILL after so many seconds, or not at all.
    fileprivate func runAndKill(_ arguments: [String], after delay: Double?) throws -> (
        code: Int32, wasKilled: Bool, errors: String
    ) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Self.program)
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        let errors = "\(folder)/errors"
        _ = FileManager.default.createFile(atPath: errors, contents: nil)
        process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: errors))
        process.standardOutput = FileHandle.nullDevice
        process.standardInput = FileHandle.nullDevice
        try process.run()
        if let delay {
            usleep(UInt32(delay * 1e6))
            kill(process.processIdentifier, SIGKILL)
        }
        process.waitUntilExit()
        return (
            process.terminationStatus, process.terminationReason == .uncaughtSignal,
            try String(contentsOfFile: errors, encoding: .utf8)
        )
    }

    fileprivate func removeLocks() throws {
        for path in try FileManager.default.subpathsOfDirectory(atPath: "\(ledger)/refs") where path.hasSuffix(".lock")
        {
            try FileManager.default.removeItem(atPath: "\(ledger)/refs/\(path)")
        }
    }
}
