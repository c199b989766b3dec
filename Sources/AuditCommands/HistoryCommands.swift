// medrounds log and medrounds show: what the ledger holds, for people and for tools.

import ArgumentParser
import Faults
import Federation
import Foundation
import GitLedger
import Reports
import RunRecords

package struct LogCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "log", abstract: "List the runs of the ledger, or the commits of one.")

    @Argument(help: ArgumentHelp("The run; all runs where it is left out.", valueName: "run"))
    var runText: String?
    @OptionGroup var place: PlaceOptions
    @Flag(help: "Print JSON.")
    var json = false

    package init() {}

    package func run() throws {
        let ledger = try Ledger.open(path: place.ledger)
        guard let runText else { return try listRuns(ledger) }
        let name = try runName(runText)
        let commits = try RunHistory.commits(of: name, ledger: ledger)
        if json {
            Console.result(
                raw: JSONValue.array(
                    commits.map { commit in
                        [
                            "commit": .string(commit.id.hex), "parents": .array(commit.parents.map { .string($0.hex) }),
                            "subject": .string(commit.subject), "time": .string(Self.utc(commit.time)),
                            "trailers": .object(
                                Dictionary(commit.trailers.map { ($0.key, .string($0.value)) }) { first, _ in first }),
                            "signed": .bool(commit.signature != nil),
                        ]
                    }
                ).canonical)
            return
        }
        var text = ""
        for commit in commits {
            let time = Date(timeIntervalSince1970: TimeInterval(commit.time)).formatted(.iso8601)
            text += "\(commit.id.hex.prefix(9))  \(time)  \(commit.subject)\n"
        }
        Console.result(raw: Array(text.utf8))
    }

    private func listRuns(_ ledger: Ledger) throws {
        var table = Table("run", "steps", "seed", "sites", "rounds", "last commit")
        let runs = try ledger.runs()
        if json {
            var rows: [JSONValue] = []
            for run in runs { rows.append(try RunSummary(run: run, ledger: ledger).json) }
            Console.result(raw: JSONValue.array(rows).canonical)
            return
        }
        for run in runs {
            let overview = try RunOverview(run: run, ledger: ledger)
            let declaration = overview.plan.declaration
            table.add(
                run.name, "\(overview.steps.done)/\(overview.steps.planned)", String(declaration.seed),
                String(declaration.sites.count), String(declaration.rounds), String(overview.tip.prefix(9)))
        }
        if runs.isEmpty {
            Console.result("the ledger holds no run yet")
        } else {
            table.lines.forEach(Console.result)
        }
    }

    package static func utc(_ seconds: Int64) -> String {
        ISO8601DateFormatter().string(from: Date(timeIntervalSince1970: TimeInterval(seconds)))
    }
}

package struct ShowCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Print a run's figures, or one round's records.")

    @Argument(help: ArgumentHelp("The run.", valueName: "run"))
    var runText: String
    @Argument(help: "A round; its records are printed as committed.")
    var round: Int?
    @OptionGroup var place: PlaceOptions
    @Flag(help: "Print JSON.")
    var json = false

    package init() {}

    package func run() throws {
        let ledger = try Ledger.open(path: place.ledger)
        let name = try runName(runText)
        if let round {
            let records = try RunHistory.records(of: name, round: round, ledger: ledger)
            if json {
                Console.result(raw: JSONValue.object(records).canonical)
                return
            }
            for (path, record) in records.sorted(by: { $0.key < $1.key }) {
                Console.result(path)
                Console.result(record.canonicalText)
            }
            return
        }
        let summary = try RunSummary(run: name, ledger: ledger)
        if json {
            Console.result(raw: summary.json.canonical)
        } else {
            SummaryPrinter.lines(summary).forEach(Console.result)
        }
    }
}
