// medrounds models: the base models known by name, and a probe for whoever compares implementations.

import ArgumentParser
import Faults
import Federation
import Foundation
import Rounds

struct ModelsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "models", abstract: "List base models, or probe one.",
        subcommands: [ListModels.self, ProbeModel.self],
        defaultSubcommand: ListModels.self)
}

struct ListModels: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the models a workflow may name.")

    func run() throws {
        var table = Table("model", "here", "SHA-256", "source")
        for model in ModelCatalogue.models {
            let here = FileManager.default.fileExists(atPath: "\(Environment.cache)/\(model.file)")
            table.add(model.name, here ? "yes" : "no", String(model.digest.hex.prefix(12)), model.source)
        }
        table.lines.forEach(Console.result)
    }
}

struct ProbeModel: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe",
        abstract: "Print ids, mean cross-entropy, log-sum-exp and top logits of the last position as JSON.")

    @Argument(help: "A catalogue name, a .gguf file or a model folder.", completion: .file())
    var model: String
    @Option(help: ArgumentHelp("The folder of an adapter in PEFT's form.", valueName: "folder"), completion: .directory)
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
