// medrounds explain: why each site has its weight in a round, and what the round would have been without it.

import AuditCommands
import ArgumentParser
import Faults
import Federation
import Foundation
import GitLedger
import Reports
import RunRecords
import Runs

struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Say why each site has its weight in a round, and what the global adapter would be without it.")

    @Argument(help: ArgumentHelp("The run.", valueName: "run"))
    var runText: String
    @Option(help: "The round.")
    var round: Int
    @Option(help: ArgumentHelp("One site (default: all).", valueName: "site"))
    var site: String?
    @Flag(help: "Compute the validation loss without each site as well: needs the base model and the notes.")
    var losses = false
    @Option(help: ArgumentHelp("For --losses elsewhere than where it ran: the workflow file.", valueName: "path"))
    var workflow: String?
    @Option(help: ArgumentHelp("For --losses: the folder of the notes on this machine.", valueName: "path"))
    var dataRoot: String?
    @OptionGroup var place: PlaceOptions
    @OptionGroup var machine: MachineOptions
    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        Interruption.watch()
        let ledger = try Ledger.open(path: place.ledger)
        let name = try runName(runText)
        let site = try site.map { text in
            guard let site = SiteID(text) else { throw ValidationError("\"\(text)\" is no site name.") }
            return site
        }
        var context: RunContext?
        if losses {
            var origin = try RunOrigin.of(
                name, workspace: place.workspace, workflow: workflow, cache: Environment.cache,
                current: FileManager.default.currentDirectoryPath, ledger: ledger)
            origin.dataRoot = dataRoot
            context = try RunContext.load(
                origin, workspace: place.workspace, makesKeys: false,
                committed: CommittedPlan(of: name, in: ledger).plan,
                threads: machine.count,
                isInterrupted: { Interruption.requested }, report: { _ in })
        }
        let explanation: WeightExplanation
        if let context {
            explanation = try WeightExplanation(
                run: name, round: round, site: site, ledger: ledger, loss: context.validationLoss(of: name, in: ledger))
        } else {
            explanation = try WeightExplanation(run: name, round: round, site: site, ledger: ledger)
        }
        if json {
            Console.result(raw: explanation.json.canonical)
        } else {
            Self.lines(explanation).forEach(Console.result)
        }
    }

    private static func lines(_ explanation: WeightExplanation) -> [String] {
        func figure(_ value: Double) -> String { WeightExplanation.figure(value) }
        func percent(_ share: Double) -> String { "\(Figures.fixed(100 * share, 2))%" }
        var lines = [
            "\(explanation.run) round \(explanation.round): \(explanation.rule.name), \(explanation.aggregation.formula)",
            "lost of the mean of the products: \(percent(explanation.lost.share)); "
                + "by rounding to the published precision: \(percent(explanation.lost.rounding))",
        ]
        if explanation.rule.needsLosses, let evidence = explanation.evidence {
            lines.append(
                "losses differ by \(figure(evidence.spread)) nats (standard deviation), "
                    + "their standard error is \(evidence.error.map(figure) ?? "unknown"): "
                    + "\(percent(evidence.reliability)) of the differences' variance is more than noise")
        }
        if case .fedMedLoRAPlus(let temperature, _) = explanation.rule, let least = explanation.leastLoss {
            lines.append(
                "temperature \(figure(temperature)); the least loss \(figure(least)) is subtracted from each, "
                    + "which changes no weight")
        }
        if let loss = explanation.loss {
            lines.append("validation loss with the published global adapter: \(figure(loss)) nats a token")
        }
        for row in explanation.rows {
            lines += ["", "\(row.site): weight \(figure(row.weight))", "  \(explanation.sentence(row))"]
            if row.weight != row.recorded { lines.append("  RECORDED AS \(row.recorded): verify will say so") }
            lines.append(
                "  size        n = \(row.records) records; by size alone the weight would be \(figure(row.bySize))")
            if let loss = row.loss, let influence = row.influence {
                lines.append(
                    "  loss        L = \(figure(loss)) nats a token on the validation records; "
                        + "influence \(figure(influence))")
            }
            lines.append("  in numbers  w = \(explanation.formula(row))")
            if let interval = row.interval {
                lines.append("  interval    \(figure(interval.low)) to \(figure(interval.high)) at 95%")
            }
            if let cosine = row.cosine {
                lines.append("  direction   cosine \(figure(cosine)) with the weighted mean of all changes")
            }
            guard let without = row.without else {
                lines.append("  without it  nobody would have been left: the round would have failed")
                continue
            }
            let weights = without.weights.map { "\($0.site) \(figure($0.weight))" }.joined(separator: ", ")
            lines.append("  without it  weights \(weights)")
            let relative = without.norm.global > 0 ? 100 * without.norm.difference / without.norm.global : 0
            lines.append(
                "              global weight change differs by norm \(figure(without.norm.difference)), "
                    + "\(Figures.fixed(relative, 1))% of its norm \(figure(without.norm.global))")
            let loss = without.loss.map(figure) ?? "not computed (--losses needs model and notes)"
            lines.append("              validation loss \(loss)")
        }
        for left in explanation.leftOut { lines += ["", "\(left.site): left out (\(left.reason)), no weight"] }
        return lines
    }
}
