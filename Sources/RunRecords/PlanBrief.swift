// PlanBrief: a plan in the ten lines that a person who decides on it reads first.

import Federation
import ModelFiles
import Workflows

/// What a plan asks for and what leaves a site, in words.
public enum PlanBrief {
    /// The lines; with a site, of its own notes alone.
    public static func lines(_ plan: Plan, site: SiteID? = nil) -> [String] {
        let declaration = plan.declaration
        var rows: [(String, String)] = [("workflow", declaration.name), ("base model", plan.inputs.model.name)]
        for one in declaration.sites.map(\.id) where site == nil || site == one {
            for set in plan.inputs.datasets where set.role == .train && set.owner == one.name {
                rows.append(
                    (
                        site == nil ? "notes of \(one)" : "your notes",
                        "\(set.records) records of \(set.documents) documents, from \(set.path)"
                    ))
            }
        }
        for out in plan.inputs.leftOut { rows.append(("left out", "\(out.site): \(out.words)")) }
        rows.append(("rounds", "\(declaration.rounds), with \(declaration.sites.count) sites"))
        if let quorum = declaration.quorum, let deadline = declaration.deadline {
            rows.append(
                ("waiting", "\(deadline.text) for answers and in each round; then on with \(quorum) sites or more"))
        }
        if let training = declaration.training {
            rows.append(
                (
                    "training",
                    "\(training.epochs) epochs a round at \(training.learningRate), \(training.batchSize) records a step"
                ))
        }
        if let aggregation = declaration.aggregation { rows.append(("aggregation", aggregation.rule.name)) }
        rows += leaving(plan)
        for set in plan.inputs.datasets where set.role != .train {
            let place = CohortID(set.owner).flatMap { set.role == .test ? declaration.site(of: $0) : nil }
            if let site, let place, site != place { continue }
            rows.append(
                (
                    "\(set.role.rawValue) of \(set.owner)",
                    "\(set.records) records of \(set.documents) documents"
                        + (place.map { ", decoded at \($0); its scores leave it as counts by document" } ?? "")
                ))
        }
        let width = rows.map(\.0.count).max() ?? 0
        return rows.map { name, value in name + String(repeating: " ", count: width - name.count + 2) + value }
    }

    /// What leaves a site, who sees it, and what protects it.
    private static func leaving(_ plan: Plan) -> [(String, String)] {
        let declaration = plan.declaration
        guard declaration.training != nil else { return [] }
        let numbers = AdapterFile.expected(sizes: plan.inputs.model.sizes, configuration: declaration.adapter).reduce(0)
        {
            $0 + $1.shape.reduce(1, *)
        }
        let bytes = Figures.bytes(numbers * declaration.uploadPrecision.bytesPerNumber)
        var rows = [
            (
                "leaves a site",
                "each round an adapter of \(bytes) (rank \(declaration.adapter.rank), \(declaration.uploadPrecision.rawValue)), and the loss of every step"
            ),
            ("never leaves", "text of notes; the ledger holds counts and keyed commitments of them"),
            ("who sees it", "the coordinator, and everyone who can read the ledger"),
        ]
        if declaration.sites.count == 2 {
            rows.append(("with two sites", "each can compute the other's adapter from the average and its own"))
        }
        rows.append(("privacy", "no noise is added: no differential privacy is claimed"))
        return rows
    }
}
