// medrounds replay: exit 0 where every byte is the same, 5 where one is not.

import AuditCommands
import ArgumentParser
import Engine
import Faults
import Federation
import Foundation
import GitLedger
import Identities
import RunRecords
import Runs
import Verification

struct ReplayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay", abstract: "Recompute what a run committed and compare it byte by byte.",
        discussion: """
            With --site one site is audited alone: its notes and its commitment key are asked for, and no other site's.

            Examples:
              medrounds replay quickstart-1
              medrounds replay quickstart-1 --steps 20 --seed "4 2 6 1"
              medrounds replay quickstart-1 --level full --site northfield
            """)

    @Argument(help: ArgumentHelp("The run.", valueName: "run"))
    var runText: String
    @Option(help: "One round (default: all).")
    var round: Int?
    @Option(
        help:
            "aggregate: the averages, from the ledger alone; sampled: some training steps; full: every step, with model and notes (default: aggregate, with --steps sampled)."
    )
    var level: ReplayLevel?
    @Option(help: ArgumentHelp("For sampled: how many training steps to run again.", valueName: "count"))
    var steps: Int?
    @Option(
        help: ArgumentHelp(
            "For sampled: the auditor's seed, any text; it draws round, site and position. Choose it after the run.",
            valueName: "text"))
    var seed: String?
    @Option(
        help:
            "For sampled: who computes the steps a second time: openblas, an arithmetic by other people (default: ours, once)."
    )
    var arithmetic: Arithmetic = .ours
    @Option(help: "For sampled and full: the one site whose training and uploads are computed again.")
    var site: String?
    @Option(help: ArgumentHelp("For sampled and full elsewhere: the workflow file.", valueName: "path"))
    var workflow: String?
    @Option(help: ArgumentHelp("For sampled and full: the folder of the notes on this machine.", valueName: "path"))
    var dataRoot: String?
    @OptionGroup var place: PlaceOptions
    @OptionGroup var machine: MachineOptions
    @Flag(help: "Print no progress.")
    var quiet = false
    @Flag(help: "Print JSON.")
    var json = false

    private static func compared(_ step: ReplayedStep) -> String {
        let files = step.files == 1 ? "1 file" : "\(step.files) files"
        return (step.part == nil ? files : step.files == 0 ? "losses" : "losses and \(files)")
            + ", \(Figures.bytes(step.bytes))"
    }

    /// The level that the options mean.
    private var chosen: ReplayLevel { level ?? (steps == nil ? .aggregate : .sampled) }

    func validate() throws {
        if site != nil && chosen == .aggregate {
            throw ValidationError("--site belongs to --level sampled and full: averages are of all sites.")
        }
        guard chosen == .sampled else {
            if steps != nil || seed != nil || arithmetic != .ours {
                throw ValidationError("--steps, --seed and --arithmetic belong to --level sampled.")
            }
            return
        }
        guard let steps, (1...1_000_000).contains(steps) else {
            throw ValidationError("A sampled replay needs --steps, a number from 1 to 1000000.")
        }
        guard let seed, !seed.isEmpty, seed.utf8.count <= 1000, !seed.contains(where: \.isNewline) else {
            throw ValidationError(
                "A sampled replay needs --seed: one line that the site could not know, such as the throws of a die.")
        }
    }

    func run() throws {
        Interruption.watch()
        let ledger = try Ledger.open(path: place.ledger)
        let name = try runName(runText)
        let replayer = try Replayer(run: name, ledger: ledger)
        let console = Console(quiet: quiet)
        let progress = ProgressPrinter(console)
        let replayed: [ReplayedStep]
        switch chosen {
        case .aggregate:
            replayed = try replayer.aggregates(round: round)
        case .sampled, .full:
            var origin = try RunOrigin.of(
                name, workspace: place.workspace, workflow: workflow, cache: Environment.cache,
                current: FileManager.default.currentDirectoryPath, ledger: ledger)
            origin.dataRoot = dataRoot
            let site = try site.map { text in
                guard let site = SiteID(text) else { throw ValidationError("\"\(text)\" is no site name.") }
                return site
            }
            let context = try RunContext.load(
                origin, workspace: place.workspace, makesKeys: false, committed: replayer.plan, only: site,
                threads: machine.count,
                isInterrupted: { Interruption.requested },
                report: { progress.show($0) })
            if let steps, let seed {
                let sample = try replayer.draw(seed: seed, round: round, site: site)
                console.note(
                    "the seed draws round \(sample.round), site \(sample.site), after step \(sample.position)")
                replayed = [try replayer.sampled(sample, steps: steps, arithmetic: arithmetic, context: context)]
            } else {
                replayed = try replayer.full(round: round, site: site, context: context)
            }
        }
        progress.finish()
        let differs = replayed.contains { !$0.faults.isEmpty }
        if json {
            Console.result(
                raw: JSONValue.object([
                    "run": .string(name.name), "level": .string(chosen.rawValue), "same": .bool(!differs),
                    "steps": .array(
                        replayed.map { step in
                            var members: [String: JSONValue] = [
                                "round": .integer(Int64(step.round)), "step": .string(step.step.rawValue),
                                "owner": step.owner.map { .string($0) } ?? .null,
                                "bytes": .integer(Int64(step.bytes)), "faults": .array(step.faults.map(\.json)),
                            ]
                            members["part"] = step.part.map { .string($0) }
                            if !step.comparisons.isEmpty {
                                members["second_arithmetic"] = .array(step.comparisons.map { Self.json($0) })
                                members["bounds"] = step.bounds.map { Self.json($0) }
                            }
                            return .object(members)
                        }),
                ]).canonical)
        } else {
            for step in replayed {
                let owner = step.owner.map { " \($0)" } ?? ""
                let title = "round \(step.round) \(step.step)\(owner)\(step.part.map { ", \($0)" } ?? "")"
                Console.result(
                    "\(step.faults.isEmpty ? "same   " : "DIFFERS")  \(title)  (\(Self.compared(step)))"
                )
                if let line = arithmeticLine(step) { Console.result("         \(line)") }
                for fault in step.faults {
                    for line in fault.description.split(separator: "\n") { Console.result("        \(line)") }
                }
            }
            let count = "\(replayed.count) step\(replayed.count == 1 ? "" : "s")"
            Console.result("\(name): \(differs ? "the replay DIFFERS" : "\(count) replayed to the same bytes")")
        }
        if differs { throw ExitCode(5) }
    }
}

extension ReplayCommand {
    /// The largest differences of the steps that were computed twice, each beside its bound.
    private func arithmeticLine(_ step: ReplayedStep) -> String? {
        guard let bounds = step.bounds else { return nil }
        func largest(_ what: String, _ value: (ArithmeticComparison) -> Double, _ bound: Double) -> String {
            "\(what) \(Float(step.comparisons.map(value).max() ?? 0)) (bound \(Float(bound)))"
        }
        return "\(step.comparisons.count) steps again by \(arithmetic.rawValue), largest relative differences: "
            + [
                largest("loss", \.lossDifference, bounds.loss),
                largest("gradient's norm", \.gradientNormDifference, bounds.gradientNorm),
                largest("gradient", \.gradient, bounds.gradient), largest("update", \.update, bounds.update),
            ].joined(separator: ", ")
    }

    private static func json(_ bounds: ArithmeticBounds) -> JSONValue {
        [
            "loss": .number(bounds.loss), "gradient_norm": .number(bounds.gradientNorm),
            "gradient": .number(bounds.gradient), "update": .number(bounds.update),
        ]
    }

    private static func json(_ comparison: ArithmeticComparison) -> JSONValue {
        [
            "step": .integer(Int64(comparison.step + 1)), "loss": .number(comparison.lossDifference),
            "gradient_norm": .number(comparison.gradientNormDifference), "gradient": .number(comparison.gradient),
            "update": .number(comparison.update),
        ]
    }
}

extension ReplayLevel: ExpressibleByArgument {}
extension Arithmetic: ExpressibleByArgument {}
