// SiteQuestion: what a site is asked to approve, in ten lines that a privacy officer understands.

import Federation
import ModelFiles
import RunRecords
import Workflows

/// What would leave the site, for whom, and how often.
public struct SiteQuestion: Sendable {
    /// The run.
    public let run: RunName
    /// At most ten lines.
    public let lines: [String]
    private let rounds: Int
    private let rank: Int
    private let bytes: Int

    init(_ file: SiteFile, run: RunName, committed: CommittedPlan, part: PlanPart?, coordinator: String?) {
        self.run = run
        let plan = committed.plan
        let declaration = plan.declaration
        let numbers = AdapterFile.expected(sizes: plan.inputs.model.sizes, configuration: declaration.adapter)
            .reduce(0) { $0 + $1.shape.reduce(1, *) }
        rounds = declaration.rounds
        rank = declaration.adapter.rank
        bytes = numbers * declaration.uploadPrecision.bytesPerNumber
        let notes = part?.datasets.filter { $0.role == .train } ?? []
        let records = notes.reduce(0) { $0 + $1.records }
        let documents = notes.reduce(0) { $0 + $1.documents }
        let cohorts = declaration.cohorts(at: file.site).compactMap { part?.cohort($0.id) }
        let others = declaration.sites.map(\.id).filter { $0 != file.site }.map(\.name)
        var lines = [
            "\(run): the coordinator asks \(file.site) to take part in \(declaration.name)",
            "my notes: \(records) records of \(documents) documents; they stay here, and so does every word of them",
            "what leaves: an adapter of \(Figures.bytes(bytes)) (rank \(rank)) after each of \(rounds) rounds, with its training losses",
            "and once: counts of records, documents and labels by type, and a keyed digest that stands for the notes",
            "who sees it: the coordinator. \(others.isEmpty ? "No other site takes part" : "The other sites (\(others.joined(separator: ", "))) see the mean of all adapters, my count of records and my digest")",
        ]
        if others.count == 1 {
            lines.append("with two sites, the other one can compute my adapter from the mean and its own")
        }
        if !cohorts.isEmpty {
            let words = cohorts.map { "\($0.owner) (\($0.records) records of \($0.documents) documents)" }
            lines.append(
                "also decoded here: \(words.joined(separator: ", ")); their text stays here, their scores leave as counts by document"
            )
        }
        lines.append("training: \(declaration.training?.epochs ?? 0) epochs a round of \(plan.inputs.model.name)")
        if let deadline = declaration.deadline {
            lines.append(
                "time: an upload that comes later than \(deadline.text) after a round's start is not part of the mean")
        }
        lines.append("privacy: no differential privacy; an adapter can hold traces of what it was trained on")
        if let coordinator { lines.append(coordinator) }
        lines.append("plan \(committed.digest.hex)")
        self.lines = lines
    }

    /// Whether the site's own bounds permit it without asking.
    func isWithin(_ bounds: SiteFile.Bounds?) -> Bool {
        guard let bounds else { return false }
        return rounds <= bounds.rounds && rank <= bounds.rank && bytes <= bounds.megabytes * 1_000_000
    }
}
