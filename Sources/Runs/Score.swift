// The score step: the coordinator's validation loss of the base model with each upload, and with the merges of all subsets of them.

import Engine
import Faults
import Federation
import RunRecords

enum ScoreStep {
    /// Mean cross-entropy over the label tokens of the validation records, by upload in site order.
    package static func compute(
        context: RunContext, round: Int, scoring: ScoreConfiguration, received: ReceivedUploads, absent: [Absence]?
    ) throws(Fault) -> StepOutput {
        let clock = StepClock()
        let validation = try context.validation()
        let scorer = try Scorer(context.model(), sequences: validation.sequences, threads: context.threads)
        var rows: [[String: JSONValue]] = []
        var scored: [(row: Int, upload: Int)] = []
        var labels: [Int] = []
        for (index, upload) in received.uploads.enumerated() {
            try context.checkInterruption()
            let losses: RecordLosses
            do throws(Fault) {
                let score = try scorer.score(received.adapter(of: index))
                losses = RecordLosses(labels: score.sequenceLabels, sums: score.sequences)
                guard losses.mean.isFinite else { throw .noScore(upload.standing.site) }
            } catch let fault where fault.cause == .notFinite {
                // Finite numbers can still be so large that the loss is not; such an upload has no influence to compute.
                rows.append(["site": .string(upload.standing.site.name), "left_out": .string(fault.code)])
                continue
            }
            labels = losses.labels
            scored.append((rows.count, index))
            rows.append([
                "site": .string(upload.standing.site.name), "loss": .number(losses.mean),
                "losses": .array(losses.sums.map { .number($0) }),
                "label_tokens": .integer(Int64(losses.labels.reduce(0, +))),
                "adapter_sha256": .string(upload.digest.hex),
            ])
            context.report(
                .progressed(
                    done: index + 1, total: received.uploads.count, unit: "uploads",
                    detail: "loss \(Figures.fixed(losses.mean, 3))"))
        }
        // Where no upload could be scored, the counts are still those of the records.
        if labels.isEmpty { labels = validation.sequences.map { $0.tokens.count - $0.lossStart } }
        var record: [String: JSONValue] = [
            "step": .string(StepKind.score.rawValue), "round": .integer(Int64(round)),
            "measure": .string(scoring.measure.rawValue), "loss_on": .string(scoring.lossOn.rawValue),
            "numerics": .string(context.plan.declaration.model.numerics.rawValue),
            "records": .integer(Int64(validation.count)), "labels": .array(labels.map { .integer(Int64($0)) }),
            "validation_commitment": .string(validation.commitment.hex),
        ]
        if scoring.measure == .shapley {
            let losses = try coalitionLosses(context, received, scored.map(\.upload), scorer)
            record["coalition_losses"] = .array(losses.map { .number($0) })
            if let values = CoalitionValues(losses.map { -$0 }) {
                for (place, (shapley, banzhaf)) in zip(scored, zip(values.shapley, values.banzhaf)) {
                    rows[place.row]["shapley"] = .number(shapley)
                    rows[place.row]["banzhaf"] = .number(banzhaf)
                }
            }
        }
        record["scores"] = .array(rows.map { .object($0) })
        record["absent"] = absent.map { .array($0.map(\.json)) }
        record["overlapping_documents"] = context.plan.inputs.overlapping(.validation, owner: "coordinator")
        return StepOutput(
            folder: StepKind.score.folder(round: round), record: .object(record),
            timing: clock.timing(threads: context.threads))
    }

    /// The loss of the size-weighted merge of every subset of the uploads; bit k of a subset's place is the k-th of them. The empty one is the
    /// adapter that the round began with.
    private static func coalitionLosses(
        _ context: RunContext, _ received: ReceivedUploads, _ uploads: [Int], _ scorer: Scorer
    ) throws(Fault) -> [Double] {
        let adapters = try uploads.map { (upload) throws(Fault) in try received.adapter(of: upload) }
        let sizes = uploads.map { received.uploads[$0].standing.records }
        var losses: [Double] = []
        for subset in 0..<(1 << adapters.count) {
            try context.checkInterruption()
            let members = adapters.indices.filter { subset & (1 << $0) != 0 }
            let merged =
                members.isEmpty
                ? try received.start()
                : Adapter.mean(of: members.map { adapters[$0] }, sizes: members.map { sizes[$0] })
            losses.append(try scorer.score(merged).mean)
            context.report(
                .progressed(
                    done: subset + 1, total: 1 << adapters.count, unit: "merges",
                    detail: "loss \(Figures.fixed(losses[subset], 3))"))
        }
        return losses
    }
}
