// SummaryPrinter: a run's figures as tables, and who approved and signed it.

import Federation
import GitLedger
import Reports
import RunRecords

package enum SummaryPrinter {
    package static func lines(_ summary: RunSummary) -> [String] {
        var lines = [
            "run \(summary.run)  (\(summary.steps.done) of \(summary.steps.planned) steps on the main line, \(summary.isSigned ? "signed" : "not signed"))"
        ]
        for out in summary.plan.inputs.leftOut {
            lines.append("\(out.site) takes no part: \(out.words) when the run began")
        }
        if !summary.sites.isEmpty {
            // The losses are means over the first and the last tenth of the steps.
            var table = Table(
                "round", "site", "records", "steps", "loss, first 10%", "last 10%", "validation", "weight", "upload")
            for row in summary.sites {
                table.add(
                    String(row.round), row.site.name, String(row.records), row.steps.map(String.init) ?? "-",
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
        let reasons = summary.reasonsForNothing
        if !reasons.isEmpty { lines += [""] + reasons }
        return lines
    }

    /// The weight with its interval, where it has one.
    private static func weight(_ row: RunSummary.SiteRow) -> String {
        guard let weight = row.weight else { return "-" }
        let interval = row.interval.map { " [\(Figures.fixed($0.low, 2)), \(Figures.fixed($0.high, 2))]" }
        return Figures.fixed(weight, 4) + (interval ?? "")
    }

    /// The scores of cohorts; without the rounds where they belong to none. Precision and recall are those of the strict F1; whole words is the
    /// strict F1 once each mention is moved to whole words and loses final punctuation, as `extract` does.
    package static func lines(_ cohorts: [RunSummary.CohortRow], withRounds: Bool = true) -> [String] {
        // Columns of relations are shown only where a cohort asks for them.
        let hasRelations = cohorts.contains { $0.relations != nil }
        let header =
            (withRounds ? ["round"] : []) + [
                "cohort", "records", "precision", "recall", "strict F1", "lenient F1", "whole words",
            ]
        var table = Table(header + (hasRelations ? ["RE strict F1", "RE lenient F1"] : []))
        func figure(_ value: Double?) -> String { value.map { Figures.fixed($0, 3) } ?? "-" }
        for row in cohorts {
            var cells = withRounds ? [row.round == 0 ? "base" : String(row.round)] : []
            cells += [
                row.place, String(row.records), figure(row.strictParts?.precision), figure(row.strictParts?.recall),
            ]
            cells += [figure(row.strict), figure(row.lenient), figure(row.wholeWords?.strict)]
            if hasRelations { cells += [figure(row.relations?.strict), figure(row.relations?.lenient)] }
            table.add(cells)
        }
        return table.lines
    }

    /// Who approved and who signed; nothing of a run that nobody signed and that asks for no approval.
    package static func lines(_ people: RunPeople, _ commits: [CommitRecord]) -> [String] {
        var lines: [String] = []
        if people.asksForApproval {
            var table = Table("site", "answer", "when", "signed by")
            for (site, answer) in people.latest {
                table.add(
                    site.name, answer?.status ?? "has not answered",
                    answer.map { LogCommand.utc($0.commit.time) } ?? "-",
                    answer?.signer.description ?? "-")
            }
            lines += [
                "", people.isRequired ? "approvals of the plan, required:" : "approvals of the plan, not required:",
            ]
            lines += table.lines
        }
        let keys = people.keys(of: commits).filter { $0.signer != .nobody }
        if !keys.isEmpty {
            var table = Table("signed by", "key", "commits", "first", "last")
            for row in keys {
                table.add(
                    row.signer.role, row.signer.key ?? "-", String(row.commits), LogCommand.utc(row.first),
                    LogCommand.utc(row.last))
            }
            lines += [""] + table.lines
        }
        return lines
    }
}
