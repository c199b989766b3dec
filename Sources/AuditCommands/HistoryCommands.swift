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
        let (commits, people) = try RunHistory.inOrder(of: name, ledger: ledger)
        if json {
            Console.result(
                raw: JSONValue.array(
                    commits.map { commit in
                        let signer = people.signer(of: commit.id)
                        return [
                            "commit": .string(commit.id.hex), "parents": .array(commit.parents.map { .string($0.hex) }),
                            "subject": .string(commit.subject), "time": .string(Self.utc(commit.time)),
                            "trailers": .object(
                                Dictionary(commit.trailers.map { ($0.key, .string($0.value)) }) { first, _ in first }),
                            "signed": .bool(commit.signature != nil),
                            "signer": commit.signature == nil ? .null : .string(signer.role),
                            "key": signer.key.map { .string($0) } ?? .null,
                        ]
                    }
                ).canonical)
            return
        }
        for commit in commits {
            let signer = commit.signature == nil ? "" : "  (\(people.signer(of: commit.id).role))"
            Console.result("\(commit.id.hex.prefix(9))  \(Self.utc(commit.time))  \(commit.subject)\(signer)")
        }
    }

    private func listRuns(_ ledger: Ledger) throws {
        let runs = try ledger.runs()
        if json {
            var rows: [(Int64, JSONValue)] = []
            for run in runs where try CommittedPlan.isThere(for: run, in: ledger) {
                let summary = try RunSummary(run: run, ledger: ledger)
                rows.append((summary.time, summary.json))
            }
            Console.result(raw: JSONValue.array(Self.newestFirst(rows)).canonical)
            return
        }
        var table = Table("run", "last commit", "steps", "rule", "rank", "seed", "sites", "rounds", "best F1", "set")
        var rows: [(Int64, [String])] = []
        for run in runs {
            guard try CommittedPlan.isThere(for: run, in: ledger) else {
                rows.append((.max, [run.name, "", "called"] + Array(repeating: "", count: 7)))
                continue
            }
            let overview = try RunOverview(run: run, ledger: ledger)
            let declaration = overview.plan.declaration
            let set = overview.plan.overrides.joined(separator: " ")
            rows.append(
                (
                    overview.time,
                    [
                        run.name, Self.utc(overview.time), "\(overview.steps.done)/\(overview.steps.planned)",
                        declaration.aggregation?.rule.name ?? "-", String(declaration.adapter.rank),
                        String(declaration.seed),
                        String(declaration.sites.count), String(declaration.rounds),
                        overview.bestStrict.map { Figures.fixed($0, 3) } ?? "-",
                        set.count > 60 ? "\(set.prefix(57))..." : set,
                    ]
                ))
        }
        for row in Self.newestFirst(rows) { table.add(row) }
        if runs.isEmpty {
            Console.result("the ledger holds no run yet")
        } else {
            table.lines.forEach(Console.result)
        }
    }

    /// By time, the newest first; those of one second in the order of their names.
    private static func newestFirst<Row>(_ rows: [(time: Int64, row: Row)]) -> [Row] {
        rows.enumerated().sorted { ($1.element.time, $0.offset) < ($0.element.time, $1.offset) }.map(\.element.row)
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
        let (commits, people) = try RunHistory.inOrder(of: name, ledger: ledger)
        if json {
            guard case .object(var members) = summary.json else { return }
            members["approvals"] = people.asksForApproval ? .array(people.latest.map(Self.json)) : .array([])
            members["approvals_required"] = .bool(people.isRequired)
            members["signers"] = .array(
                people.keys(of: commits).filter { $0.signer != .nobody }.map { row in
                    [
                        "role": .string(row.signer.role), "key": row.signer.key.map { .string($0) } ?? .null,
                        "commits": .integer(Int64(row.commits)), "first": .string(LogCommand.utc(row.first)),
                        "last": .string(LogCommand.utc(row.last)),
                    ]
                })
            members["reasons"] = .array(summary.reasonsForNothing.map { .string($0) })
            Console.result(raw: JSONValue.object(members).canonical)
        } else {
            SummaryPrinter.lines(summary).forEach(Console.result)
            SummaryPrinter.lines(people, commits).forEach(Console.result)
            for fault in try summary.contradictions() { Console.result("DOES NOT HOLD  \(fault)") }
            Console.result("")
            Console.result("Figures are as recorded; medrounds verify \(name) checks them.")
        }
    }

    private static func json(_ row: (site: SiteID, answer: RunPeople.Answer?)) -> JSONValue {
        [
            "site": .string(row.site.name), "answer": .string(row.answer?.status ?? "none"),
            "time": row.answer.map { .string(LogCommand.utc($0.commit.time)) } ?? .null,
            "commit": row.answer.map { .string($0.commit.id.hex) } ?? .null,
            "signer": row.answer.map { .string($0.signer.role) } ?? .null,
            "key": row.answer?.signer.key.map { .string($0) } ?? .null,
        ]
    }
}
