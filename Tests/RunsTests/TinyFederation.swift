// TinyFederation: a temporary folder with a tiny model, notes, a template and a workflow, and the real program to run on it.

import Foundation
import TestSupport
import Testing

/// What a process printed and how it ended.
struct Finished {
    var code: Int32
    var out: String
    var err: String
}

/// One temporary federation; removed at the end of the test.
final class TinyFederation {
    let folder: String
    var workflow: String { "\(folder)/tiny.yaml" }
    var ledger: String { "\(folder)/rounds/ledger.git" }
    var work: String { "\(folder)/rounds/work" }

    init() throws {
        folder = NSTemporaryDirectory() + "medrounds-rounds-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try TinyGGUF.write(to: "\(folder)/tiny.gguf")
        try write(Self.template, to: "template.yaml")
        try write(Self.workflowText, to: "tiny.yaml")
        for (site, offset) in [("east", 0), ("west", 5), ("test", 3), ("validation", 7)] {
            for number in 0..<4 {
                let drug = ["aspirin", "insulin", "heparin", "codeine", "digoxin"][(number + offset) % 5]
                let problem = ["fever", "cough", "rash", "pain", "stroke"][(number * 2 + offset) % 5]
                let text = "\(problem) treated with \(drug).\nNo \(problem) at night.\n"
                let second = text.count - problem.count - " at night.\n".count
                let denial = "\(problem) treated with \(drug).\n".count
                let annotation = """
                    T1\tproblem 0 \(problem.count)\t\(problem)
                    T2\tdrug \(text.firstRange(of: drug)) \(text.firstRange(of: drug) + drug.count)\t\(drug)
                    T3\tproblem \(second) \(second + problem.count)\t\(problem)
                    T4\tnegation \(denial) \(denial + 2)\tNo
                    T5\ttemporal \(text.count - 10) \(text.count - 2)\tat night
                    R1\thasAttr Arg1:T3 Arg2:T4
                    R2\thasAttr Arg1:T3 Arg2:T5

                    """
                try write(text, to: "data/\(site)/n\(number).txt")
                try write(annotation, to: "data/\(site)/n\(number).ann")
            }
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func write(_ text: String, to path: String) throws {
        let url = URL(fileURLWithPath: "\(folder)/\(path)")
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
    }

    func replace(_ text: String, with other: String, in path: String = "tiny.yaml") throws {
        let before = try String(contentsOfFile: "\(folder)/\(path)", encoding: .utf8)
        try #require(before.contains(text))
        try write(before.replacingOccurrences(of: text, with: other), to: path)
    }

    /// Gives the workflow a second cohort, whose notes the site east has.
    func addCohortAtEast() throws {
        let final = "  final: {data: test, tasks: {ner: all}}"
        try replace(final, with: final + "\n  home: {site: east, data: test, tasks: {ner: all}}")
        try replace("cohorts: [final]", with: "cohorts: [final, home]")
    }

    /// Runs the program in the folder; `place` false leaves the default ledger and work folders out of the arguments.
    @discardableResult
    func medrounds(_ arguments: String...) throws -> Finished { try Self.run(Self.program, arguments, in: folder) }

    /// Runs the workflow.
    func run(_ more: String...) throws -> Finished {
        try Self.run(Self.program, ["run", "tiny.yaml"] + more, in: folder)
    }

    /// Runs stock git on the ledger.
    @discardableResult
    func git(_ arguments: String...) throws -> String {
        let finished = try Self.run("/usr/bin/env", ["git", "--git-dir", ledger] + arguments, in: folder)
        #expect(finished.code == 0, "git \(arguments): \(finished.err)")
        return finished.out.trimmingCharacters(in: .newlines)
    }

    /// The commit of a run's plan: the second on the main line, after the call.
    func plan(of run: String) throws -> String {
        let line = try git("rev-list", "--first-parent", "--reverse", "runs/\(run)").split(separator: "\n")
        return String(try #require(line.dropFirst().first))
    }

    /// Back to the plan, as if the run had stopped in its first round: the main line, what was published, and no site's line.
    func rewindToPlan(_ run: String) throws {
        try git("update-ref", "refs/heads/runs/\(run)", plan(of: run))
        let published = try git("rev-list", "--first-parent", "--reverse", "runs/\(run).published").split(
            separator: "\n")
        try git("update-ref", "refs/heads/runs/\(run).published", String(try #require(published.dropFirst().first)))
        for site in ["east", "west"] { try git("update-ref", "-d", "refs/heads/runs/\(run).sites/\(site)") }
    }

    /// The State-SHA256 of a ref, as stock git reads the trailer.
    func state(_ ref: String) throws -> String {
        try git("log", "-1", "--format=%(trailers:key=State-SHA256,valueonly)", ref).trimmingCharacters(
            in: .whitespacesAndNewlines)
    }

    /// Starts the workflow and kills it with SIGKILL when it has told of so many commits. False where it ended before.
    func runAndKill(afterCommits count: Int, _ arguments: String...) throws -> Bool {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Self.program)
        process.arguments = ["run", "tiny.yaml"] + arguments
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        let pipe = Pipe()
        process.standardError = pipe
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        var text = ""
        while true {
            let data = pipe.fileHandleForReading.availableData
            if data.isEmpty { break }
            text += String(decoding: data, as: UTF8.self)
            if text.split(separator: "\n").count(where: { $0.contains(" round ") }) >= count {
                kill(process.processIdentifier, SIGKILL)
                break
            }
        }
        process.waitUntilExit()
        return process.terminationReason == .uncaughtSignal
    }

    // MARK: The program

    /// The built program stands beside the test bundle.
    static let program: String = {
        let bundle = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().path
        let candidates = [bundle, "\(bundle)/.."].map { "\($0)/medrounds" }
        return candidates.first { FileManager.default.isExecutableFile(atPath: $0) } ?? "medrounds"
    }()

    /// Runs a program; `environment` is added to that of the tests.
    static func run(
        _ program: String, _ arguments: [String], in folder: String, environment: [String: String] = [:]
    ) throws -> Finished {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        // Files, not pipes: a full pipe would stop a program that prints much.
        let out = "\(NSTemporaryDirectory())/out-\(UUID().uuidString)"
        let err = out + ".err"
        _ = FileManager.default.createFile(atPath: out, contents: nil)
        _ = FileManager.default.createFile(atPath: err, contents: nil)
        defer {
            try? FileManager.default.removeItem(atPath: out)
            try? FileManager.default.removeItem(atPath: err)
        }
        process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: out))
        process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: err))
        process.standardInput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return Finished(
            code: process.terminationStatus, out: text(out), err: text(err))
    }

    /// A file as text; bytes that are no UTF-8, as in a binary adapter, become replacement characters.
    private static func text(_ path: String) -> String {
        String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
    }

    private static let template = """
        version: 1
        name: tiny
        end: "<|im_end|>"
        layout: |
          {task} {types}
          In: {input}
          Out:
        tasks:
          ner:
            instruction: "Mark"
            types:
              - {name: problem, definition: "ill"}
              - {name: treatment, definition: "care"}
              - {name: test, definition: "exam"}
              - {name: drug, definition: "pill"}
          re:
            instruction: "Bind"
            types:
              - {name: negation, heads: [problem], definition: "no"}
              - {name: temporal, heads: [problem, drug], definition: "when"}
        """

    private static let workflowText = """
        version: 1
        name: tiny
        seed: 5
        data_root: data
        model: {base: tiny.gguf}
        adapter: {rank: 2, alpha: 4, dropout: 0.1}
        template: template.yaml
        sites:
          east: {train: east, tasks: {ner: all}}
          west: {train: west, tasks: {ner: [problem, drug]}, limit: 5}
        coordinator: {validation: validation, records: 3}
        cohorts:
          final: {data: test, tasks: {ner: all}}
        rounds: 2
        steps:
          - train: {epochs: 1, batch_size: 2, learning_rate: 1e-3}
          - upload: {precision: bf16}
          - score: {measure: validation_loss}
          - aggregate: {rule: fed-medlora-plus}
          - evaluate: {cohorts: [final], when: last_round, max_new_tokens: 8}

        """
}

extension String {
    /// The offset of the first occurrence.
    fileprivate func firstRange(of text: String) -> Int {
        range(of: text).map { distance(from: startIndex, to: $0.lowerBound) } ?? -1
    }
}
