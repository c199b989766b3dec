// medrounds score: an adapter from anywhere on a workflow's cohorts, outside the ledger.

import AuditCommands
import ArgumentParser
import Federation
import Foundation
import RunRecords
import Runs

struct ScoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "score",
        abstract: "Score an adapter from anywhere, such as PEFT, on a workflow's cohorts, without a run.",
        discussion: "Prompts, decoding and measures are those of the workflow's evaluate steps. Nothing is committed.")

    @OptionGroup var source: WorkflowOptions
    @Option(help: "A PEFT folder or a .gguf adapter (default: the base model alone).", completion: .file())
    var adapter: String?
    @OptionGroup var place: PlaceOptions
    @OptionGroup var machine: MachineOptions
    @Flag(help: "Print no progress.")
    var quiet = false
    @Flag(help: "Print the records that an evaluation would commit, as JSON.")
    var json = false

    func run() throws {
        Interruption.watch()
        let progress = ProgressPrinter(Console(quiet: quiet))
        let origin = RunOrigin(
            workflow: source.workflow, overrides: source.overrides, cache: Environment.cache,
            current: FileManager.default.currentDirectoryPath)
        let context = try RunContext.load(
            origin, workspace: place.workspace, threads: machine.count, isInterrupted: { Interruption.requested },
            report: { progress.show($0) })
        let rows = try context.score(adapter: adapter)
        progress.finish()
        if json {
            Console.result(raw: JSONValue.array(rows.map(\.record)).canonical)
        } else {
            SummaryPrinter.lines(rows, withRounds: false).forEach(Console.result)
        }
    }
}
