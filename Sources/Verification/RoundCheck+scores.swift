// What a score record says of its losses follows from those by record and from those of the merges.

import Faults
import Federation
import RunRecords

extension RoundCheck {
    /// Mean losses follow from the sums by record, and Shapley and Banzhaf values from the losses of all merges.
    func checkLosses(_ score: RecordReader, _ path: String) throws(Fault) -> [Fault] {
        var faults: [Fault] = []
        let labels = RoundScores.labels(of: score)
        if try labels.count != score.int("records") {
            faults.append(
                broken("verify.score", "\(labels.count) counts of labels for \(try score.int("records")) records", path)
            )
        }
        var scored: [RecordReader] = []
        for row in try score.list("scores") where row["left_out"] == nil {
            scored.append(row)
            let site = try row.site("site")
            let sums = row["losses"]?.elements?.compactMap(\.double) ?? []
            guard sums.count == labels.count, !sums.isEmpty else {
                faults.append(
                    broken("verify.score", "\(site) has \(sums.count) losses for \(labels.count) records", path))
                continue
            }
            let mean = RecordLosses(labels: labels, sums: sums).mean
            let stated = (try row.double("loss"), try row.int("label_tokens"))
            if stated != (mean, labels.reduce(0, +)) {
                faults.append(
                    broken("verify.score", "the loss of \(site) does not follow from its losses by record", path))
            }
        }
        guard declaration.scoring?.measure == .shapley else {
            if score["coalition_losses"] != nil {
                faults.append(
                    broken("verify.score", "losses of merges are recorded that the plan does not ask for", path))
            }
            return faults
        }
        let losses = score["coalition_losses"]?.elements?.compactMap(\.double) ?? []
        guard losses.count == 1 << scored.count, let values = CoalitionValues(losses.map { -$0 }) else {
            faults.append(
                broken("verify.score", "\(losses.count) losses of merges for \(scored.count) uploads", path))
            return faults
        }
        for (row, value) in zip(scored, zip(values.shapley, values.banzhaf)) {
            let stated = (try row.double("shapley"), try row.double("banzhaf"))
            if stated != value {
                faults.append(
                    broken(
                        "verify.score",
                        "the values of \(try row.site("site")) do not follow from the losses of the merges",
                        path))
            }
        }
        return faults
    }
}
