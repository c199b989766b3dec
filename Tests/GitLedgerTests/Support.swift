// What the tests share: a temporary folder, stock git as a second opinion, and small drafts.

import Faults
import Federation
import Foundation
import GitLedger
import Testing

/// A temporary folder that is removed with the test.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("ledger-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var ledger: String { "\(path)/ledger.git" }

    func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
    }
}

/// A command's output, once it has ended.
struct Outcome {
    let status: Int32
    let output: [UInt8]
    let errors: String

    var text: String { String(decoding: output, as: UTF8.self) }
    var line: String { text.trimmingCharacters(in: .whitespacesAndNewlines) }
}

/// Runs a program found on the PATH, with no git configuration but the repository's own.
@discardableResult
func execute(
    _ program: String, _ arguments: [String], input: [UInt8] = [], environment extra: [String: String] = [:]
) throws -> Outcome {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [program] + arguments
    let own = ["GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "LC_ALL": "C"]
    process.environment = ProcessInfo.processInfo.environment.merging(own) { $1 }.merging(extra) { $1 }
    let folder = try TemporaryFolder()
    try Data(input).write(to: URL(fileURLWithPath: "\(folder.path)/in"))
    try Data().write(to: URL(fileURLWithPath: "\(folder.path)/err"))
    let output = Pipe()
    process.standardInput = try FileHandle(forReadingFrom: URL(fileURLWithPath: "\(folder.path)/in"))
    process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: "\(folder.path)/err"))
    process.standardOutput = output
    try process.run()
    let bytes = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    let errors = try String(contentsOfFile: "\(folder.path)/err", encoding: .utf8)
    return Outcome(status: process.terminationStatus, output: Array(bytes), errors: errors)
}

/// Runs stock git on a ledger.
@discardableResult
func git(_ ledger: String, _ arguments: String..., input: [UInt8] = []) throws -> Outcome {
    try execute("git", ["--git-dir=\(ledger)"] + arguments, input: input)
}

func runName(_ name: String = "demo-1") throws -> RunName { try #require(RunName(name)) }
func siteID(_ name: String) throws -> SiteID { try #require(SiteID(name)) }

let author = CommitAuthor(name: "MedRounds", email: "medrounds@localhost")

/// A draft with the trailers that every commit has.
func draft(
    _ line: LineRef, at expected: CommitID?, parents: [CommitID]? = nil, base: CommitID? = nil, round: Int = 1,
    step: String = "train", _ files: [(String, String)], subject: String = "round 1 train"
) -> CommitDraft {
    let parents = parents ?? [expected].compactMap { $0 }
    return CommitDraft(
        line: line, expectedTip: expected, parents: parents, base: base ?? parents.first,
        changes: files.map { FileChange(path: $0.0, bytes: Array($0.1.utf8)) }, subject: subject,
        trailers: [
            Trailer("Run", line.run?.name ?? "none"), Trailer("Round", "\(round)"), Trailer("Step", step),
            Trailer("Plan-SHA256", String(repeating: "a", count: 64)),
        ], author: author, time: 1_700_000_000 + Int64(round))
}

/// The code of the fault the body throws, or nil where it throws none.
func code(_ body: () throws(Fault) -> Void) -> String? {
    do {
        try body()
        return nil
    } catch {
        return error.code
    }
}

/// Every loose object's id and file.
func looseObjects(_ ledger: String) throws -> [(id: String, file: String)] {
    let files = FileManager.default
    var found: [(String, String)] = []
    for folder in try files.contentsOfDirectory(atPath: "\(ledger)/objects").sorted() where folder.count == 2 {
        for name in try files.contentsOfDirectory(atPath: "\(ledger)/objects/\(folder)").sorted() {
            found.append((folder + name, "\(ledger)/objects/\(folder)/\(name)"))
        }
    }
    return found
}

/// Replaces the content of a file that git left read-only.
func overwrite(_ file: String, _ bytes: [UInt8]) throws {
    try? FileManager.default.removeItem(atPath: file)
    try Data(bytes).write(to: URL(fileURLWithPath: file))
}

/// A small federation's graph: a first commit, two sites that train and upload from it, and the aggregate that merges both.
struct SmallRun {
    let run: RunName
    let start: CommitID
    let uploads: [CommitID]
    let aggregate: CommitID

    init(in ledger: Ledger, run name: String = "demo-1") throws {
        run = try runName(name)
        start = try ledger.commit(
            draft(
                .main(run), at: nil, round: 0, step: "plan",
                [("plan.json", "{}\n"), ("workflow.yaml", "version: 1\n")], subject: "plan \(name)"))
        var uploads: [CommitID] = []
        for name in ["discharge", "general"] {
            let line = LineRef.site(run, try siteID(name))
            let train = try ledger.commit(
                draft(
                    line, at: nil, parents: [start],
                    [
                        ("rounds/0001/train/\(name)/record.json", "{\"site\": \"\(name)\"}\n"),
                        ("rounds/0001/train/\(name)/timing.json", "{\"seconds\": 1}\n"),
                    ], subject: "round 1 train \(name): loss 2.31 -> 1.07"))
            uploads.append(
                try ledger.commit(
                    draft(
                        line, at: train, step: "upload",
                        [("rounds/0001/upload/\(name)/adapter.safetensors", "weights of \(name)")],
                        subject: "round 1 upload \(name)")))
        }
        self.uploads = uploads
        var merge = draft(
            .main(run), at: start, parents: [start] + uploads, base: start, step: "aggregate",
            [("adapter.safetensors", "the mean of both"), ("rounds/0001/aggregate/record.json", "{}\n")],
            subject: "round 1 aggregate")
        merge.taken = uploads.flatMap { upload in
            [
                TakenFolder(from: upload, path: "rounds/0001/train"),
                TakenFolder(from: upload, path: "rounds/0001/upload"),
            ]
        }
        aggregate = try ledger.commit(merge)
    }
}

extension Ledger {
    /// What a checker of runs would do first, through the public interface alone: each required trailer once, this run's name, the state of
    /// the tree, one root.
    func checkRun(_ run: RunName) throws(Fault) -> [Fault] {
        var tips: [CommitID] = []
        for line in try lines(of: run) {
            if let tip = try tip(line) { tips.append(tip) }
        }
        func fault(_ code: String, _ record: CommitRecord? = nil) -> Fault {
            Fault(.mismatch, code, "", at: Place(commit: record?.id.hex), mend: "")
        }
        guard try tip(.main(run)) != nil else { return [fault("ledger.no-such-run")] }
        let records: [CommitRecord]
        do { records = try ancestry(of: tips) } catch { return [error] }
        var faults: [Fault] = []
        if records.count(where: \.parents.isEmpty) != 1 { faults.append(fault("ledger.broken-chain")) }
        for record in records {
            for key in Ledger.requiredTrailers where record.trailers.count(where: { $0.key == key }) != 1 {
                faults.append(fault("ledger.trailer", record))
            }
            if record.trailer("Run").map({ $0 != run.name }) ?? false { faults.append(fault("ledger.trailer", record)) }
            guard let stated = record.trailer("State-SHA256") else { continue }
            do {
                if try stateDigest(of: record.id).hex != stated {
                    faults.append(fault("ledger.state-mismatch", record))
                }
            } catch {
                faults.append(error)
            }
        }
        return faults
    }
}
