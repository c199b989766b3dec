// AdapterScoring: an adapter from anywhere scored on a workflow's cohorts, the way a run's evaluation scores, without a run.

import Digests
import Engine
import Faults
import Federation
import ModelFiles
import ModelShelf
import Reports
import RunRecords

extension RunContext {
    /// Scores an adapter on every cohort that the workflow evaluates.
    ///
    /// - Parameter path: a PEFT folder or a .gguf adapter of the workflow's base model, of any rank; nil: the base model alone.
    /// - Returns: the record that an evaluation would commit, by cohort in the workflow's order. Nothing is written.
    public func score(adapter path: String?) throws(Fault) -> [RunSummary.CohortRow] {
        let adapter: StartAdapter?
        if let path {
            let read = try AdapterExchange.read(path, for: file)
            adapter = StartAdapter(
                adapter: read, digest: Digest.sha256(AdapterFile.bytes(of: read, precision: .f32)))
        } else {
            adapter = nil
        }
        var rows: [RunSummary.CohortRow] = []
        for step in plan.declaration.steps {
            guard case .evaluate(let configuration) = step else { continue }
            // What a site on another machine scores is not here.
            for cohort in configuration.cohorts where cohorts[cohort] != nil {
                report(.started(round: 0, step: .evaluate, owner: cohort.name))
                let output = try EvaluateStep.compute(
                    context: self, round: 0, cohort: cohort, configuration: configuration, adapter: adapter,
                    predictions: nil)
                rows.append(
                    try RunSummary.CohortRow(
                        round: 0, cohort: cohort.name, record: RecordReader(output.record, path: output.folder)))
            }
        }
        guard !rows.isEmpty else {
            throw Fault(
                .usage, "score.no-cohort", "the workflow evaluates nothing",
                mend: "Give it cohorts and an evaluate step.")
        }
        return rows
    }
}
