// SummaryPrinter: a run's figures as tables.

import Federation
import Reports
import RunRecords

package enum SummaryPrinter {
    package static func lines(_ summary: RunSummary) -> [String] {
        var lines = [
            "run \(summary.run)  (\(summary.steps.done) of \(summary.steps.planned) steps on the main line, \(summary.isSigned ? "signed" : "not signed"))"
        ]
        if !summary.sites.isEmpty {
            var table = Table("round", "site", "records", "loss before", "loss after", "validation", "weight", "upload")
            for row in summary.sites {
                table.add(
                    String(row.round), row.site.name, String(row.records),
                    row.loss.map { Figures.fixed($0.first, 3) }
                        ?? (row.leftOut?.hasPrefix("absent") == true ? "-" : "failed"),
                    row.loss.map { Figures.fixed($0.last, 3) } ?? "-",
                    row.validationLoss.map { Figures.fixed($0, 3) } ?? "-",
                    row.leftOut.map { "left out: \($0)" } ?? weight(row),
                    row.bytes.map(Figures.bytes) ?? "-")
            }
            lines += [""] + table.lines
        }
        for exchange in summary.exchanges {
            lines.append(
                "round \(exchange.round) exchanged \(Figures.bytes(exchange.bytes)), "
                    + "\(Figures.fixed(100 * exchange.saved, 2))% less than exchanging the whole model")
        }
        for lost in summary.losses {
            lines.append(
                "round \(lost.round) lost \(Figures.fixed(100 * lost.share, 2))% of the mean of the products, "
                    + "and \(Figures.fixed(100 * lost.rounding, 2))% by rounding")
        }
        if !summary.cohorts.isEmpty { lines += [""] + self.lines(summary.cohorts) }
        return lines
    }

    /// The weight with its interval, where it has one.
    private static func weight(_ row: RunSummary.SiteRow) -> String {
        guard let weight = row.weight else { return "-" }
        let interval = row.interval.map { " [\(Figures.fixed($0.low, 2)), \(Figures.fixed($0.high, 2))]" }
        return Figures.fixed(weight, 4) + (interval ?? "")
    }

    /// The scores of cohorts; without the rounds where the rows do not belong to one.
    package static func lines(_ cohorts: [RunSummary.CohortRow], withRounds: Bool = true) -> [String] {
        // Columns of relations are shown only where a cohort asks for them.
        let hasRelations = cohorts.contains { $0.relations != nil }
        let header = (withRounds ? ["round"] : []) + ["cohort", "records", "strict F1", "lenient F1"]
        var table = Table(header + (hasRelations ? ["RE strict F1", "RE lenient F1"] : []))
        func figure(_ value: Double?) -> String { value.map { Figures.fixed($0, 3) } ?? "-" }
        for row in cohorts {
            var cells = withRounds ? [row.round == 0 ? "base" : String(row.round)] : []
            cells += [row.cohort, String(row.records), figure(row.strict), figure(row.lenient)]
            if hasRelations { cells += [figure(row.relations?.strict), figure(row.relations?.lenient)] }
            table.add(cells)
        }
        return table.lines
    }
}
