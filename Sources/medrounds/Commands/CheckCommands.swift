// medrounds verify and medrounds replay: exit 0 where everything holds, 5 where something does not.

import ArgumentParser
import Faults
import Federation
import Foundation
import GitLedger
import Rounds

struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Check a run's history without training again: no model, notes or network needed.")

    @Argument(help: ArgumentHelp("The run.", valueName: "run"))
    var runText: String
    @OptionGroup var place: PlaceOptions
    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        let ledger = try Ledger.open(path: place.ledger)
        let report = try Verifier(run: runName(runText), ledger: ledger).report()
        if json {
            Console.result(raw: Self.json(report).canonical)
        } else {
            for check in report.checks {
                Console.result("\(check.holds ? "ok  " : "FAIL")  \(check.claim)  (\(check.evidence))")
                for fault in check.faults {
                    for line in fault.description.split(separator: "\n") { Console.result("        \(line)") }
                }
            }
            let state =
                report.steps.done == report.steps.planned
                ? "complete" : "\(report.steps.done) of \(report.steps.planned) steps"
            Console.result(
                "\(report.run) at \(report.tip.prefix(9)): \(report.holds ? "every check holds" : "NOT VERIFIED"), \(state), "
                    + (report.isSigned ? "signatures are carried but not yet checked" : "commits are not signed"))
        }
        if !report.holds { throw ExitCode(5) }
    }

    private static func json(_ report: VerificationReport) -> JSONValue {
        [
            "run": .string(report.run.name), "tip": .string(report.tip), "holds": .bool(report.holds),
            "signed": .bool(report.isSigned),
            "steps": ["done": .integer(Int64(report.steps.done)), "planned": .integer(Int64(report.steps.planned))],
            "checks": .array(
                report.checks.map { check in
                    [
                        "claim": .string(check.claim), "evidence": .string(check.evidence), "holds": .bool(check.holds),
                        "faults": .array(check.faults.map(\.json)),
                    ]
                }),
        ]
    }
}

struct ReplayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay", abstract: "Recompute what a run committed and compare it byte by byte.")

    @Argument(help: ArgumentHelp("The run.", valueName: "run"))
    var runText: String
    @Option(help: "One round (default: all).")
    var round: Int?
    @Option(help: "aggregate: the averages, from the ledger alone; full: every step, with model and notes.")
    var level: ReplayLevel = .aggregate
    @Option(help: ArgumentHelp("For --level full elsewhere than where it ran: the workflow file.", valueName: "path"))
    var workflow: String?
    @Option(help: ArgumentHelp("For --level full: the folder of the notes on this machine.", valueName: "path"))
    var dataRoot: String?
    @OptionGroup var place: PlaceOptions
    @OptionGroup var machine: MachineOptions
    @Flag(help: "Print faults only.")
    var quiet = false
    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        Interruption.watch()
        let ledger = try Ledger.open(path: place.ledger)
        let name = try runName(runText)
        let replayer = try Replayer(run: name, ledger: ledger)
        let console = Console(quiet: quiet)
        let progress = ProgressPrinter(console)
        let steps: [ReplayedStep]
        switch level {
        case .aggregate:
            steps = try replayer.aggregates(round: round)
        case .full:
            var origin = try RunOrigin.of(
                name, workspace: place.workspace, workflow: workflow, cache: Environment.cache, ledger: ledger)
            origin.dataRoot = dataRoot
            let context = try RunContext.load(
                origin, workspace: place.workspace, makesKeys: false, threads: machine.count,
                isInterrupted: { Interruption.requested },
                report: { progress.show($0) })
            steps = try replayer.full(round: round, context: context)
        }
        progress.finish()
        let differs = steps.contains { !$0.faults.isEmpty }
        if json {
            Console.result(
                raw: JSONValue.object([
                    "run": .string(name.name), "level": .string(level.rawValue), "same": .bool(!differs),
                    "steps": .array(
                        steps.map { step in
                            [
                                "round": .integer(Int64(step.round)), "step": .string(step.step),
                                "owner": step.owner.map { .string($0) } ?? .null,
                                "bytes": .integer(Int64(step.bytes)), "faults": .array(step.faults.map(\.json)),
                            ]
                        }),
                ]).canonical)
        } else {
            for step in steps {
                let title = "round \(step.round) \(step.step)\(step.owner.map { " \($0)" } ?? "")"
                Console.result(
                    "\(step.faults.isEmpty ? "same   " : "DIFFERS")  \(title)  (\(step.files) files, \(Figures.bytes(step.bytes)))"
                )
                for fault in step.faults {
                    for line in fault.description.split(separator: "\n") { Console.result("        \(line)") }
                }
            }
            Console.result(
                "\(name): \(differs ? "the replay DIFFERS" : "\(steps.count) steps replayed to the same bytes")")
        }
        if differs { throw ExitCode(5) }
    }
}

extension ReplayLevel: ExpressibleByArgument {}

extension Fault {
    /// The fault for `--json`.
    var json: JSONValue {
        var members: [String: JSONValue] = ["code": .string(code), "what": .string(what), "mend": .string(mend)]
        if let place { members["place"] = .string(place.description) }
        return .object(members)
    }
}
