// medrounds bench: real training steps on random weights of a known shape, for whoever wonders what a model needs.

import AuditCommands
import ArgumentParser
import Engine
import Federation
import Foundation
import Reports
import RunRecords
import Runs

extension Numerics: ExpressibleByArgument {}
extension BenchmarkShape: ExpressibleByArgument {
    /// The name in any letters: models are called SmolLM2-135M where people write of them.
    public init?(argument: String) { self.init(rawValue: argument.lowercased()) }
}

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Time training steps on random four-bit weights of a model's shape, and estimate the whole model.",
        discussion: "Rank 16 on all seven maps. Runs two models of different depth, so that a layer's share is known.",
        subcommands: [BenchShape.self, BenchSequences.self], defaultSubcommand: BenchShape.self)
}

struct BenchShape: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "shape", abstract: "Time steps of a shape.")

    @Option(help: "The shape: \(BenchmarkShape.allCases.map(\.rawValue).joined(separator: ", ")).")
    var shape = BenchmarkShape.smolLM2
    @Option(help: "How many layers really run (default: all).")
    var layers: Int?
    @Option(help: "exact or fast.")
    var numerics = Numerics.exact
    @Option(help: "Records of a batch.")
    var batch = 4
    @Option(help: "Tokens of a record.")
    var length = 256
    @Option(help: "Dropout of the adapter.")
    var dropout = 0.05
    @Option(help: "Measured steps; one more comes first.")
    var steps = 3
    @Flag(help: "Layers keep their inputs only and run again in the backward pass.")
    var checkpointActivations = false
    @OptionGroup var machine: MachineOptions

    func validate() throws {
        let whole = shape.shape.layerCount
        if let layers, !(1...whole).contains(layers) {
            throw ValidationError("--layers takes a number from 1 to \(whole) for \(shape.rawValue).")
        }
        guard (1...4096).contains(batch), (2...8192).contains(length), (1...1000).contains(steps) else {
            throw ValidationError("--batch, --length or --steps is out of range.")
        }
    }

    func run() throws {
        let found = try ShapeBenchmark(
            shape, layers: layers ?? shape.shape.layerCount, numerics: numerics, batch: batch, length: length,
            dropout: dropout, checkpointing: checkpointActivations, steps: steps, threads: machine.count)
        let whole = found.time.seconds(layers: found.wholeLayers)
        var table = Table("figure", "value")
        table.add("processor", "\(Machine.processorName), \(machine.count) threads")
        table.add(
            "work",
            "\(shape.rawValue), Q4_0 weights, \(numerics.rawValue), batch \(batch) x \(length), dropout \(dropout)"
                + (checkpointActivations ? ", activations checkpointed" : ""))
        table.add("layers that ran", "\(found.layers) of \(found.wholeLayers)")
        table.add(
            "step that ran", "\(Units.seconds(found.seconds)), \(Units.rate(found.tokens, found.seconds)) tokens/s")
        table.add("of it a layer / the rest", "\(Units.seconds(found.time.layer)) / \(Units.seconds(found.time.base))")
        table.add(
            "memory expected / peak of the process",
            "\(Units.gigabytes(found.memory.total)) / \(Units.gigabytes(found.peakMemory))")
        table.add("whole model, step", "\(Units.seconds(whole)), \(Units.rate(found.tokens, whole)) tokens/s")
        table.add("whole model, memory", Units.memory(found.wholeMemory))
        let limit = 24_000_000_000
        table.add(
            "on a machine with 24 GB and no GPU",
            found.wholeMemory.total < limit * 9 / 10
                ? "trains; \(Units.gigabytes(limit - found.wholeMemory.total)) left"
                : "does not fit: use --checkpoint-activations, a smaller batch or shorter records")
        table.lines.forEach(Console.result)
    }
}

/// Token ids of a site's records as JSON, so that another trainer can be given the very same; they are the notes' text, so
/// they stay where they are written.
struct BenchSequences: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sequences",
        abstract: "Print the token ids of a site's records, for a comparison with another trainer.",
        shouldDisplay: false)

    @OptionGroup var source: WorkflowOptions
    @OptionGroup var place: PlaceOptions
    @Option(help: "The site.")
    var site: String

    func run() throws {
        let origin = RunOrigin(
            workflow: source.workflow, overrides: source.overrides, cache: Environment.cache,
            current: FileManager.default.currentDirectoryPath)
        let context = try RunContext.load(
            origin, workspace: place.workspace, threads: 1, isInterrupted: { false }, report: { _ in })
        guard let site = SiteID(site), let records = try context.sequences(of: site) else {
            throw ValidationError("The workflow has no site \"\(site)\".")
        }
        Console.result(raw: records.canonical)
    }
}

/// Figures as people read them.
enum Units {
    static func seconds(_ value: Double) -> String {
        value < 1
            ? String(format: "%.0f ms", value * 1000)
            : value < 120
                ? String(format: "%.2f s", value)
                : String(format: "%.1f min", value / 60)
    }
    static func rate(_ count: Int, _ seconds: Double) -> String { String(format: "%.1f", Double(count) / seconds) }
    static func gigabytes(_ bytes: Int) -> String { String(format: "%.2f GB", Double(bytes) / 1e9) }
    static func memory(_ memory: TrainingMemory) -> String {
        "\(gigabytes(memory.total)) (activations \(gigabytes(memory.activations)), scratch \(gigabytes(memory.scratch)), "
            + "adapter \(gigabytes(memory.adapter)), weights \(gigabytes(memory.weights)))"
    }
}
