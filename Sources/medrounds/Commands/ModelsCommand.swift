// medrounds models: the base models known by name, and a probe for whoever compares implementations.

import AuditCommands
import ArgumentParser
import Faults
import Federation
import Foundation
import ModelShelf
import Reports
import RunRecords

struct ModelsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "models", abstract: "List, fetch, describe, check or probe base models.",
        subcommands: [ListModels.self, FetchModel.self, DescribeModel.self, CheckModel.self, ProbeModel.self],
        defaultSubcommand: ListModels.self)
}

struct ListModels: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the models a workflow may name.")

    func run() throws {
        var table = Table("model", "here", "SHA-256", "GB f32", "bf16", "nf4", "licence", "source")
        for model in try ModelCatalogue.models(cache: Environment.cache) {
            let here = FileManager.default.fileExists(atPath: "\(Environment.cache)/\(model.file)")
            let memory = [model.memory.f32, model.memory.bf16, model.memory.nf4].map {
                String(format: "%.2f", Double($0) / 1e9)
            }
            table.add(
                model.name, here ? "yes" : "no", model.digest.map { String($0.hex.prefix(12)) } ?? "-", memory[0],
                memory[1],
                memory[2], model.licence, model.source)
        }
        table.lines.forEach(Console.result)
    }
}

struct FetchModel: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fetch", abstract: "Fetch a model of the catalogue into the cache folder and check its digest.")

    @Argument(help: "A catalogue name.")
    var name: String

    func run() throws {
        let (path, wasHere) = try ModelCatalogue.fetch(name, cache: Environment.cache)
        Console.result(wasHere ? "\(path) is here already" : "fetched \(path)")
    }
}

struct DescribeModel: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "info", abstract: "Print a model's family, sizes and tokenizer, and what an adapter of it costs.")

    @Argument(help: "A catalogue name, a .gguf file or a model folder.", completion: .file())
    var model: String
    @Option(help: "The rank of the adapter.")
    var rank = 16

    func validate() throws {
        guard (1...2048).contains(rank) else { throw ValidationError("--rank takes a number from 1 to 2048.") }
    }

    func run() throws {
        let report = try ModelReport(
            model: model, cache: Environment.cache, current: FileManager.default.currentDirectoryPath)
        var table = Table("what", "value")
        for (name, value) in report.rows(rank: rank) { table.add(name, value) }
        table.lines.forEach(Console.result)
    }
}

struct CheckModel: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract:
            "Test a model shortly: tokens and back, finite logits, the perplexity of a paragraph. Exits with 5 on a failure."
    )

    @Argument(help: "A catalogue name, a .gguf file or a model folder.", completion: .file())
    var model: String
    @OptionGroup var machine: MachineOptions

    func run() throws {
        let report = try ModelReport(
            model: model, cache: Environment.cache, current: FileManager.default.currentDirectoryPath)
        let rows = try report.check(threads: machine.count)
        for row in rows { Console.result("\(row.holds ? "ok   " : "FAIL ") \(row.name)  (\(row.figure))") }
        if rows.contains(where: { !$0.holds }) { throw ExitCode(5) }
    }
}

struct ProbeModel: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe",
        abstract: "Print ids, mean cross-entropy, log-sum-exp and top logits of the last position as JSON.")

    @Argument(help: "A catalogue name, a .gguf file or a model folder.", completion: .file())
    var model: String
    @Option(help: "An adapter: a PEFT folder or a .gguf file.", completion: .file())
    var adapter: String?
    @Option(help: "The text.")
    var text: String?
    @Option(help: "Token ids with commas between.")
    var ids: String?
    @Option(help: "How many top logits.")
    var top = 10
    @OptionGroup var machine: MachineOptions

    func validate() throws {
        guard (text == nil) != (ids == nil) else { throw ValidationError("Give either --text or --ids.") }
        guard (0...100_000).contains(top) else { throw ValidationError("--top takes a number from 0 to 100000.") }
    }

    func run() throws {
        let probe = try ModelProbe(
            model: model, adapter: adapter, cache: Environment.cache, current: FileManager.default.currentDirectoryPath)
        let tokens: [Int32]
        if let ids {
            tokens = try ids.split(separator: ",").map { part in
                guard let id = Int32(part.trimmingCharacters(in: .whitespaces)) else {
                    throw ValidationError("\"\(part)\" is no token id.")
                }
                return id
            }
        } else {
            tokens = try probe.ids(of: text ?? "")
        }
        Console.result(raw: try probe.report(ids: tokens, top: top, threads: machine.count).canonical)
    }
}
