// The score step: the coordinator's validation loss of the base model with each upload.

import Engine
import Faults
import Federation
import RunRecords

enum ScoreStep {
    /// Mean cross-entropy over the label tokens of the validation records, by upload in site order.
    package static func compute(
        context: RunContext, round: Int, measure: ScoreMeasure, received: ReceivedUploads, absent: [Absence]?
    ) throws(Fault) -> StepOutput {
        let clock = StepClock()
        let validation = try context.validation()
        let scorer = try Scorer(context.model(), sequences: validation.sequences, threads: context.threads)
        var rows: [JSONValue] = []
        for (index, upload) in received.uploads.enumerated() {
            try context.checkInterruption()
            let loss: Double
            let labelTokens: Int
            do throws(Fault) {
                let score = try scorer.score(received.adapter(of: index))
                loss = score.mean
                labelTokens = score.labels
                guard loss.isFinite else { throw .noScore(upload.standing.site) }
            } catch let fault where fault.cause == .notFinite {
                // Finite numbers can still be so large that the loss is not; such an upload has no influence to compute.
                rows.append(["site": .string(upload.standing.site.name), "left_out": .string(fault.code)])
                continue
            }
            rows.append([
                "site": .string(upload.standing.site.name), "loss": .number(loss),
                "label_tokens": .integer(Int64(labelTokens)), "adapter_sha256": .string(upload.digest.hex),
            ])
            context.report(
                .progressed(
                    done: index + 1, total: received.uploads.count, unit: "uploads",
                    detail: "loss \(Figures.fixed(loss, 3))"))
        }
        var record: [String: JSONValue] = [
            "step": .string(StepKind.score.rawValue), "round": .integer(Int64(round)),
            "measure": .string(measure.rawValue),
            "numerics": .string(context.plan.declaration.model.numerics.rawValue),
            "records": .integer(Int64(validation.count)),
            "validation_commitment": .string(validation.commitment.hex), "scores": .array(rows),
        ]
        record["absent"] = absent.map { .array($0.map(\.json)) }
        record["overlapping_documents"] = context.plan.inputs.overlapping(.validation, owner: "coordinator")
        return StepOutput(
            folder: StepKind.score.folder(round: round), record: .object(record),
            timing: clock.timing(threads: context.threads))
    }
}
