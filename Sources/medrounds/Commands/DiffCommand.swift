// medrounds diff: two runs, or two rounds of one, side by side.

import AuditCommands
import ArgumentParser
import Faults
import Federation
import Foundation
import GitLedger
import Reports
import RunRecords

struct DiffCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Compare two runs, or two rounds as RUN@ROUND: plans, weights, metrics and adapters.")

    @Argument(help: ArgumentHelp("RUN or RUN@ROUND; without a round the last one.", valueName: "left"))
    var left: String
    @Argument(help: ArgumentHelp("RUN or RUN@ROUND.", valueName: "right"))
    var right: String
    @OptionGroup var place: PlaceOptions
    @Flag(help: "Print the difference of the adapters layer by layer.")
    var layers = false
    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        let moments = try [left, right].map { text in
            guard let moment = RunMoment(text) else {
                throw ValidationError("\"\(text)\" is neither RUN nor RUN@ROUND.")
            }
            return moment
        }
        let comparison = try RunComparison(
            moments[0], moments[1], ledger: try Ledger.open(path: place.ledger))
        if json {
            Console.result(raw: comparison.json.canonical)
        } else {
            lines(comparison).forEach(Console.result)
        }
    }

    private func lines(_ comparison: RunComparison) -> [String] {
        func number(_ value: Double) -> String { Self.number(value) }
        let names = (comparison.left.description, comparison.right.description)
        var lines = ["plan"]
        lines += comparison.plan.isEmpty ? ["  the same"] : comparison.plan.map { "  \($0)" }
        for (title, figures) in [("sites", comparison.sites), ("metrics", comparison.metrics)] {
            lines += ["", title]
            if figures.isEmpty { lines.append("  none in these rounds") }
            var table = Table("figure", names.0, names.1, "change")
            for figure in figures {
                let change: String
                if let left = figure.left, let right = figure.right {
                    change = left == right ? "same" : (right > left ? "+" : "") + number(right - left)
                } else {
                    change = "-"
                }
                table.add(figure.name, figure.left.map(number) ?? "-", figure.right.map(number) ?? "-", change)
            }
            if !figures.isEmpty { lines += table.lines.map { "  \($0)" } }
        }
        lines += ["", "global adapter"]
        switch comparison.adapters {
        case (let left?, let right?) where left == right:
            lines.append("  the same bits, SHA-256 \(left.hex.prefix(12))")
        case (let left?, let right?):
            lines.append("  SHA-256 \(left.hex.prefix(12)) and \(right.hex.prefix(12))")
            if comparison.layers.isEmpty { lines.append("  of models of different sizes: not comparable") }
        default: lines.append("  one side has none")
        }
        guard !comparison.layers.isEmpty, comparison.adapters.left != comparison.adapters.right else { return lines }
        func whole(_ norm: (LayerNorms) -> Double) -> Double {
            comparison.layers.reduce(0) { $0 + norm($1) * norm($1) }.squareRoot()
        }
        let (left, right, difference) = (whole(\.left), whole(\.right), whole(\.difference))
        lines.append(
            "  norm of the weight change (alpha / rank) B A: \(number(left)) and \(number(right)); of the difference \(number(difference))"
                + (left > 0 ? ", \(Figures.fixed(100 * difference / left, 1))% of the first" : ""))
        guard layers else { return lines + ["  --layers prints it layer by layer"] }
        var table = Table("layer", names.0, names.1, "difference")
        for row in comparison.layers {
            table.add(String(row.layer), number(row.left), number(row.right), number(row.difference))
        }
        lines += table.lines.map { "  \($0)" }
        return lines
    }

    private static func number(_ value: Double) -> String { WeightExplanation.figure(value) }
}
