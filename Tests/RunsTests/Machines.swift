// Machines: one coordinator and two sites as processes of their own, each in its own folder, with messages in folders between them.

import Foundation
import Testing

/// A federation over three folders that stand for three machines. The coordinator's folder holds no notes of a site.
final class Machines {
    let coordinator: TinyFederation
    let folder: String
    var sites = ["east", "west"]
    /// Over which messages travel; nil for folders.
    let hub: Hub?
    /// Added to the environment of every process.
    var environment: [String: String] = [:]

    /// With `scoring` the notes of the cohort are at that site.
    init(
        workflow changes: [(String, String)] = [], accepts: Bool = true, overSSH: Bool = false,
        scoring scorer: String? = nil
    ) throws {
        coordinator = try TinyFederation()
        folder = coordinator.folder
        try coordinator.replace("east: {train: east, tasks: {ner: all}}", with: "east: {remote: true}")
        try coordinator.replace(
            "west: {train: west, tasks: {ner: [problem, drug]}, limit: 5}", with: "west: {remote: true}")
        if let scorer {
            try coordinator.replace(
                "final: {data: test, tasks: {ner: all}}", with: "final: {site: \(scorer)}")
        }
        for (old, new) in changes { try coordinator.replace(old, with: new) }
        hub = overSSH ? try Hub(in: "\(folder)/hub", sites: sites) : nil
        var mailboxes = "east: mail/east\nwest: mail/west\n"
        if let hub {
            mailboxes = ""
            for site in sites {
                let lines = hub.mailbox(site, key: "coordinator").map { "\($0): \"\($1)\"" }
                mailboxes += "\(site): {\(lines.joined(separator: ", "))}\n"
            }
        }
        try coordinator.write(mailboxes, to: "mailboxes.yaml")
        let notes = [
            "east": "train: notes\ntasks: {ner: all}", "west": "train: notes\ntasks: {ner: [problem, drug]}\nlimit: 5",
        ]
        for site in sites {
            try FileManager.default.createDirectory(atPath: "\(folder)/\(site)", withIntermediateDirectories: true)
            try FileManager.default.moveItem(atPath: "\(folder)/data/\(site)", toPath: "\(folder)/\(site)/notes")
            try FileManager.default.copyItem(atPath: "\(folder)/tiny.gguf", toPath: "\(folder)/\(site)/model.gguf")
            let accept = accepts ? "\naccept: {rounds: 5, rank: 4, megabytes: 1}" : ""
            var mailbox = "mailbox: ../mail/\(site)"
            if let hub {
                mailbox = hub.mailbox(site, key: site).map { "\($0 == "address" ? "mailbox" : $0): \"\($1)\"" }
                    .joined(separator: "\n")
            }
            try coordinator.write(
                "version: 1\nsite: \(site)\n\(mailbox)\nmodel: model.gguf\n\(notes[site] ?? "")\(accept)\n"
                    + (site == scorer ? "cohorts: {final: {data: held-back, tasks: {ner: all}}}\n" : ""),
                to: "\(site)/site.yaml")
            if site == scorer {
                try FileManager.default.moveItem(
                    atPath: "\(folder)/data/test", toPath: "\(folder)/\(site)/held-back")
            }
        }
    }

    func start(_ arguments: [String], in folder: String, log: String) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: TinyFederation.program)
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let path = "\(self.folder)/\(log)"
        if !FileManager.default.fileExists(atPath: path) {
            _ = FileManager.default.createFile(atPath: path, contents: nil)
        }
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        handle.seekToEndOfFile()
        process.standardOutput = handle
        process.standardError = handle
        process.standardInput = FileHandle.nullDevice
        try process.run()
        return process
    }

    func startSite(_ site: String, _ more: String...) throws -> Process {
        try start(["site", "run", "site.yaml"] + more, in: "\(folder)/\(site)", log: "\(site).log")
    }

    func startCoordinator(_ more: String...) throws -> Process {
        try start(["run", "tiny.yaml", "--name", "r"] + more, in: folder, log: "coordinator.log")
    }

    func once(_ site: String, _ more: String...) throws -> Finished {
        try TinyFederation.run(
            TinyFederation.program, ["site", "run", "site.yaml", "--once"] + more, in: "\(folder)/\(site)",
            environment: environment)
    }

    func log(_ name: String) -> String { (try? String(contentsOfFile: "\(folder)/\(name).log", encoding: .utf8)) ?? "" }

    /// Runs the coordinator and all sites to the end of two rounds. The sites take the last adapter, then go on waiting until they are ended.
    func runToTheEnd() throws {
        let processes = try sites.map { try startSite($0) }
        defer { for process in processes where process.isRunning { kill(process.processIdentifier, SIGKILL) } }
        let run = try startCoordinator()
        #expect(wait(run), "\(log("coordinator"))")
        #expect(run.terminationStatus == 0, "\(log("coordinator"))")
        for (process, site) in zip(processes, sites) {
            let end = Date().addingTimeInterval(30)
            while !log(site).contains("finished: 2 rounds") && Date() < end { Thread.sleep(forTimeInterval: 0.1) }
            #expect(log(site).contains("finished: 2 rounds"), "\(log(site))")
            kill(process.processIdentifier, SIGTERM)
            #expect(wait(process, seconds: 20))
        }
    }

    /// Waits for a process; ends it, and is false, where it takes longer than the seconds.
    @discardableResult
    func wait(_ process: Process, seconds: Double = 120) -> Bool {
        let end = Date().addingTimeInterval(seconds)
        while process.isRunning && Date() < end { Thread.sleep(forTimeInterval: 0.05) }
        if process.isRunning {
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            return false
        }
        return true
    }

    func git(_ ledger: String, _ arguments: String...) throws -> String {
        let finished = try TinyFederation.run("/usr/bin/env", ["git", "--git-dir", ledger] + arguments, in: folder)
        #expect(finished.code == 0, "git \(arguments): \(finished.err)")
        return finished.out.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    func siteLedger(_ site: String) -> String { "\(folder)/\(site)/ledger.git" }

    /// Every object of a ledger, reachable or not.
    func objects(_ ledger: String) throws -> Set<String> {
        let list = try git(ledger, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)")
        return Set(list.split(separator: "\n").map(String.init))
    }

    /// The blobs of a commit by path.
    func files(_ ledger: String, _ commit: String) throws -> [String: String] {
        var files: [String: String] = [:]
        for line in try git(ledger, "ls-tree", "-r", "--full-tree", commit).split(separator: "\n") {
            let parts = line.split(separator: "\t")
            files[String(parts[1])] = String(parts[0].split(separator: " ")[2])
        }
        return files
    }
}
