// medrounds plan: what a workflow says once model and notes are opened, before anything runs.

import AuditCommands
import ArgumentParser
import Federation
import Foundation
import RunRecords
import Runs

struct PlanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Resolve a workflow with its model and notes, and print the plan a run would commit.",
        discussion: """
            First what a person has to know of it, then every setting. --all adds the digests and counts of model and notes.

            Examples:
              medrounds plan workflows/quickstart.yaml
              medrounds plan workflows/quickstart.yaml --set adapter.rank=8 --no-forecast
            """)

    @OptionGroup var source: WorkflowOptions
    @OptionGroup var place: PlaceOptions
    @OptionGroup var machine: MachineOptions
    @Flag(help: "Print plan.json as a run would commit it.")
    var json = false
    @Flag(help: "Print the digests and counts of model and notes too.")
    var all = false
    @Flag(help: "Leave out what training will take here, which runs a few layers to find out.")
    var noForecast = false

    func run() throws {
        let origin = RunOrigin(
            workflow: source.workflow, overrides: source.overrides, cache: Environment.cache,
            current: FileManager.default.currentDirectoryPath)
        let context = try RunContext.load(
            origin, workspace: place.workspace, threads: machine.count, isInterrupted: { false }, report: { _ in })
        if json {
            Console.result(raw: context.plan.json.canonical)
            return
        }
        PlanBrief.lines(context.plan).forEach(Console.result)
        Console.result("")
        var table = Table("setting", "value")
        for row in context.plan.rows where all || !row.key.hasPrefix("inputs.") { table.add(row.key, row.value) }
        table.lines.forEach(Console.result)
        guard !noForecast, let forecast = try TrainingForecast(context) else { return }
        Console.result("")
        Console.result("Training expected here, with \(machine.count) threads (no part of the plan):")
        var sites = Table("site", "steps a round", "a step", "a round", "memory")
        for site in forecast.sites {
            sites.add(
                site.site.name, "\(site.steps)", Units.seconds(site.secondsPerStep),
                Units.seconds(site.secondsPerStep * Double(site.steps)), Units.gigabytes(site.memory.total))
        }
        sites.lines.forEach(Console.result)
    }
}
