// medrounds adapter: adapters out of runs, into and out of other programs' formats, and merged into their base model.

import AuditCommands
import ArgumentParser
import Faults
import Federation
import Foundation
import GitLedger
import ModelFiles
import ModelShelf
import RunRecords

struct AdapterCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "adapter", abstract: "Export, import, merge or describe an adapter.",
        subcommands: [ExportAdapter.self, ImportAdapter.self, MergeAdapter.self, DescribeAdapter.self])
}

/// The forms adapters are exported in.
enum AdapterForm: String, ExpressibleByArgument, CaseIterable {
    case peft, gguf
}

/// The base model of an adapter.
struct BaseOptions: ParsableArguments {
    @Option(help: "The base model: a catalogue name, a .gguf file or a model folder.", completion: .file())
    var model: String

    func open() throws -> ModelFile {
        try AdapterExchange.model(
            model, cache: Environment.cache, current: FileManager.default.currentDirectoryPath)
    }
}

struct ExportAdapter: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write a run's global adapter as a PEFT folder or as GGUF for llama.cpp.")

    @Argument(help: ArgumentHelp("The run.", valueName: "run"))
    var name: String
    @Option(help: "The round whose adapter is written (default: the newest).")
    var round: Int?
    @Option(help: "The folder (peft) or file (gguf) to write.", completion: .file())
    var to: String
    @Option(help: "peft or gguf.")
    var format: AdapterForm = .peft
    @Option(help: "The base model, needed for gguf.", completion: .file())
    var model: String?
    @OptionGroup var place: PlaceOptions

    func validate() throws {
        if format == .gguf, model == nil { throw ValidationError("--format gguf needs --model.") }
    }

    func run() throws {
        let (adapter, base) = try AdapterExchange.published(
            run: try runName(name), round: round, ledger: try Ledger.open(path: place.ledger))
        switch format {
        case .peft: try AdapterFolder.write(adapter, to: to, baseModel: base)
        case .gguf:
            let file = try AdapterExchange.model(
                model ?? "", cache: Environment.cache, current: FileManager.default.currentDirectoryPath)
            try AdapterGGUF.write(adapter, shape: file.shape, to: to)
        }
        Console.result("wrote \(to): rank \(adapter.configuration.rank), \(adapter.parameterCount) numbers")
    }
}

struct ImportAdapter: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract:
            "Read a PEFT folder or a GGUF adapter, check it against its base model and write it in either form.",
        discussion: """
            Ranks and alphas that differ between maps, and rank-stabilised scales, become one rank and one alpha: the adapter \
            computes the same.
            """)

    @Argument(help: "A PEFT folder or a .gguf adapter.", completion: .file())
    var adapter: String
    @OptionGroup var base: BaseOptions
    @Option(help: "The folder (peft) or file (gguf) to write.", completion: .file())
    var to: String
    @Option(help: "peft or gguf.")
    var format: AdapterForm = .peft

    func run() throws {
        let file = try base.open()
        let read = try AdapterExchange.read(adapter, for: file)
        switch format {
        case .peft: try AdapterFolder.write(read, to: to, baseModel: base.model)
        case .gguf: try AdapterGGUF.write(read, shape: file.shape, to: to)
        }
        Console.result("wrote \(to): rank \(read.configuration.rank), \(read.parameterCount) numbers")
    }
}

struct MergeAdapter: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "merge",
        abstract:
            "Write the base model with an adapter merged in: a GGUF file beside a GGUF base, a folder beside a folder.")

    @Argument(help: "A PEFT folder or a .gguf adapter.", completion: .file())
    var adapter: String
    @OptionGroup var base: BaseOptions
    @Option(help: "The file or folder to write; merged weights are float32.", completion: .file())
    var to: String

    func run() throws {
        let file = try base.open()
        try AdapterExchange.merge(try AdapterExchange.read(adapter, for: file), into: file, to: to)
        Console.result("wrote \(to)")
    }
}

struct DescribeAdapter: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "info", abstract: "Describe an adapter.")

    @Argument(help: "A PEFT folder or a .gguf adapter.", completion: .file())
    var adapter: String
    @OptionGroup var base: BaseOptions

    func run() throws {
        let read = try AdapterExchange.read(adapter, for: try base.open())
        let lora = read.configuration
        var table = Table("what", "value")
        table.add("rank", "\(lora.rank)")
        table.add("alpha", "\(lora.alpha)")
        table.add("scale", "\(lora.scale)")
        table.add("dropout", "\(lora.dropout)")
        table.add("maps", lora.targets.map(\.rawValue).joined(separator: ", "))
        table.add("tensors", "\(read.tensors.count)")
        table.add("numbers", "\(read.parameterCount)")
        table.add("upload", "\(2 * read.parameterCount) bytes in bf16, \(4 * read.parameterCount) in f32")
        table.lines.forEach(Console.result)
    }
}
