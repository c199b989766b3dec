// Why an evaluation found nothing: the last scores of a run that are 0.000, told with the counts of their records and with how
// long the sites trained.

import Faults
import Federation
import RunRecords

extension RunSummary {
    /// One line for each cohort whose last strict F1 of mentions is zero, as `show` and the end of a run print it.
    public var reasonsForNothing: [String] {
        var last: [String: CohortRow] = [:]
        for row in cohorts { last[row.cohort] = row }
        return last.sorted { $0.key < $1.key }.compactMap { cohort, row in
            guard let strict = row.strict, Figures.fixed(strict, 3) == "0.000" else { return nil }
            return "\(cohort) scores \(Figures.fixed(strict, 3)): " + reason(row)
        }
    }

    /// How long the site that trained longest trained, up to a round.
    private func steps(through round: Int) -> Int {
        var sums: [SiteID: Int] = [:]
        for row in sites where row.round <= round { sums[row.site, default: 0] += row.steps ?? 0 }
        return sums.values.max() ?? 0
    }

    private func reason(_ row: CohortRow) -> String {
        let micro = row.record["scores"]?["micro"]?["strict"]
        func count(_ key: String) -> Int { micro?[key]?.int ?? 0 }
        let predicted = count("true_positives") + count("false_positives")
        let gold = count("true_positives") + count("false_negatives")
        if gold == 0 { return "its notes have no mention to find" }
        var parts = ["\(predicted) mention\(predicted == 1 ? "" : "s") predicted of \(gold)"]
        let generation = row.record["generation"]
        let answers = generation?["records"]?.int ?? 0
        if let loops = generation?["cut_in_a_loop"]?.int, loops > 0 {
            parts.append("\(loops) of \(answers) answers ran in circles")
        }
        if let long = generation?["cut_at_max_new_tokens"]?.int, 2 * long > answers {
            parts.append("\(long) of \(answers) answers did not end within max_new_tokens")
        }
        return parts.joined(separator: ", ") + ": " + cause(row, predicted: predicted, gold: gold)
    }

    private func cause(_ row: CohortRow, predicted: Int, gold: Int) -> String {
        guard row.round > 0, let training = plan.declaration.training else {
            return "the base model was not trained to mark mentions"
        }
        let steps = steps(through: row.round)
        // Runs that mark well took 50 steps or more, and rates that add up to 0.02; measured on notes, not derived.
        if steps < 50 || Double(steps) * training.learningRate < 0.02 {
            return "\(steps) step\(steps == 1 ? "" : "s") at \(training.learningRate) are too few; "
                + "raise epochs, rounds, the notes or learning_rate"
        }
        if let lenient = row.lenient, lenient > 0 {
            return "the places are right and the boundaries are not; see medrounds errors \(run) --cohort \(row.cohort)"
        }
        return "see what it wrote with medrounds errors \(run) --cohort \(row.cohort)"
    }
}

extension RunSummary {
    /// Evaluations whose figures do not follow from their own counts; `verify` looks at far more.
    public func contradictions() throws(Fault) -> [String] {
        var found: [String] = []
        for row in cohorts {
            let reader = RecordReader(row.record, path: "record.json")
            if let fault = try CohortScores.recheck(reader, seed: plan.declaration.seed, cohort: row.cohort) {
                found.append("round \(row.round) evaluate \(row.cohort): \(fault)")
            }
        }
        return found
    }
}
