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
            precision and recall are those of the strict F1.

            Examples:
              medrounds compare plain-1 plus-1 plus-2
              medrounds compare plain-1 plus-1 --csv > scores.csv
            """)

    @Argument(help: ArgumentHelp("The runs; the first is what the others are compared with.", valueName: "run"))
    var runs: [String]
    @OptionGroup var place: PlaceOptions
    @Flag(help: "Print a Markdown table of a row a run and a column a cohort.")
    var markdown = false
    @Flag(help: "Print JSON.")
    var json = false
    @Flag(help: "Print comma-separated values, a row a run, cohort and task.")
    var csv = false

    func validate() throws {
        if [markdown, json, csv].count(where: { $0 }) > 1 {
            throw ValidationError("--markdown, --json and --csv exclude each other.")
        }
    }

    func run() throws {
        let names = try runs.map(runName)
        let comparison = try ScoreComparison(runs: names, ledger: Ledger.open(path: place.ledger))
        if markdown {
            for task in ExtractionTask.allCases {
                printTable(comparison, names, task)
            }
            return
        }
        if json { return Console.result(raw: comparison.json.canonical) }
        if csv { return Console.result(raw: Array(comparison.csv.utf8)) }
        var table = Table(
            "cohort", "task", "run", "precision", "recall", "strict F1", "95%", "difference", "95%", "p", "lenient F1",
            "95%")
        for cell in comparison.cells {
            let difference = cell.strict.difference
            table.add(
                cell.cohort, cell.task.rawValue, cell.run.name, Figures.fixed(cell.strict.precision, 3),
                Figures.fixed(cell.strict.recall, 3), Figures.fixed(cell.strict.f1, 3),
                Self.words(cell.strict.interval), difference.map { Figures.fixed($0.observed, 3) } ?? "-",
                difference.map { Self.words($0.interval) } ?? "-",
                difference.map { Figures.fixed($0.noBetter, 3) } ?? "-", Figures.fixed(cell.lenient.f1, 3),
                Self.words(cell.lenient.interval))
        }
        table.lines.forEach(Console.result)
        guard comparison.cells.contains(where: { $0.run != names.first }) else { return }
        Console.result("difference: strict F1 less that of \(names[0]); p: the share of resamples without a gain")
        if comparison.hasUnpaired {
            Console.result(
                "-: the run scored other records than \(names[0]) (another seed, limit or corpus), so that no difference can be taken"
            )
        }
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
