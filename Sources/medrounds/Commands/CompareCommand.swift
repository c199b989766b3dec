// medrounds compare: runs side by side on the cohorts they share, with intervals and paired differences.

import AuditCommands
import ArgumentParser
import Extraction
import Federation
import GitLedger
import Reports

struct CompareCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compare",
        abstract:
            "Print the scores of runs side by side, with 95% intervals and paired differences from the first run.",
        discussion: """
            Intervals and differences come from documents drawn anew with the workflow's seed; they need the ledger alone.
            A difference stands only where both runs scored the same records. p is the share of resamples without a gain.
            """)

    @Argument(help: ArgumentHelp("The runs; the first is what the others are compared with.", valueName: "run"))
    var runs: [String]
    @OptionGroup var place: PlaceOptions
    @Flag(help: "Print a Markdown table of a row a run and a column a cohort.")
    var markdown = false

    func run() throws {
        let names = try runs.map(runName)
        let comparison = try ScoreComparison(runs: names, ledger: Ledger.open(path: place.ledger))
        if markdown {
            for task in ExtractionTask.allCases {
                printTable(comparison, names, task)
            }
            return
        }
        var table = Table(
            "cohort", "task", "run", "strict F1", "95%", "difference", "95%", "p", "lenient F1", "95%")
        for cell in comparison.cells {
            let difference = cell.strict.difference
            table.add(
                cell.cohort, cell.task.rawValue, cell.run.name, Figures.fixed(cell.strict.f1, 3),
                Self.words(cell.strict.interval), difference.map { Figures.fixed($0.observed, 3) } ?? "-",
                difference.map { Self.words($0.interval) } ?? "-",
                difference.map { Figures.fixed($0.noBetter, 3) } ?? "-", Figures.fixed(cell.lenient.f1, 3),
                Self.words(cell.lenient.interval))
        }
        table.lines.forEach(Console.result)
    }

    private func printTable(_ comparison: ScoreComparison, _ names: [RunName], _ task: ExtractionTask) {
        let cells = comparison.cells.filter { $0.task == task }
        var cohorts: [String] = []
        for cell in cells where !cohorts.contains(cell.cohort) { cohorts.append(cell.cohort) }
        guard !cohorts.isEmpty else { return }
        Console.result("| \(task.rawValue): strict (lenient) F1 | \(cohorts.joined(separator: " | ")) |")
        Console.result("| --- |" + String(repeating: " --- |", count: cohorts.count))
        for name in names {
            let row = cohorts.map { cohort -> String in
                guard let cell = cells.first(where: { $0.run == name && $0.cohort == cohort }) else { return "-" }
                return "\(Figures.fixed(cell.strict.f1, 3)) [\(Self.words(cell.strict.interval))] "
                    + "(\(Figures.fixed(cell.lenient.f1, 3)))"
            }
            Console.result("| \(name.name) | \(row.joined(separator: " | ")) |")
        }
        Console.result("")
    }

    private static func words(_ interval: Interval) -> String {
        "\(Figures.fixed(interval.low, 3)) to \(Figures.fixed(interval.high, 3))"
    }
}
