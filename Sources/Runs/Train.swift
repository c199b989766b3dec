// The train step: one site's local epochs from the round's global adapter, and what its record says of them.

import Digests
import Engine
import Faults
import Federation
import ModelFiles
import RunRecords

enum TrainStep {
    /// Trains one site, from its newest checkpoint where `checkpoints` has one; nil keeps and reads none. A site whose training diverges gets a record with status `failed` and no adapter; anything else that
    /// goes wrong is thrown.
    package static func compute(
        context: RunContext, round: Int, site: SiteID, configuration: TrainingConfiguration, start: StartAdapter,
        checkpoints: CheckpointFolder?
    ) throws(Fault) -> StepOutput {
        let records = try context.records(of: site)
        let clock = StepClock()
        let folder = StepKind.train.folder(round: round, owner: site.name)
        var record: [String: JSONValue] = [
            "step": .string(StepKind.train.rawValue), "round": .integer(Int64(round)), "site": .string(site.name),
            "settings": context.settings(of: .train), "adapter": context.plan.declaration.json["adapter"] ?? .null,
            "numerics": .string(context.plan.declaration.model.numerics.rawValue),
            "seed": .string(String(context.plan.declaration.seed)),
            "input": [
                "adapter_sha256": .string(start.digest.hex), "dataset_commitment": .string(records.commitment.hex),
            ],
            "records": .integer(Int64(records.count)), "truncated_records": .integer(Int64(records.truncated)),
        ]
        let kept =
            configuration.checkpointEvery == nil
            ? nil : checkpoints?.newest(sizes: context.sizes, configuration: context.plan.declaration.adapter(of: site))
        var positions = kept?.positions ?? []
        if let kept { context.report(.noted("site \(site): going on after step \(kept.state.steps)")) }
        record["rank"] = context.plan.declaration.sites.first { $0.id == site }?.rank.map { .integer(Int64($0)) }
        record["frozen"] = context.plan.declaration.frozen(in: round).map { .string($0.rawValue) }
        if context.plan.declaration.sizeUnit == .labelTokens {
            record["label_tokens"] = .integer(Int64(context.plan.size(of: site)))
        }
        let outcome: TrainingOutcome
        do throws(Fault) {
            let job = try job(context: context, round: round, site: site, configuration: configuration, start: start)
            let total = records.count * configuration.epochs
            let keep = { (state: TrainingState) throws(Fault) in
                let bytes = TrainingStateFile.bytes(of: state)
                positions.append(CheckpointPosition(step: state.steps, digest: Digest.sha256(bytes)))
                try checkpoints?.keep(bytes, positions)
            }
            let tell = { (progress: TrainingProgress) throws(Fault) in
                try context.checkInterruption()
                context.report(
                    .progressed(
                        done: min(total, progress.step * total / progress.steps), total: total, unit: "records",
                        detail: "loss \(Figures.fixed(progress.loss, 3))"))
            }
            outcome = try train(job, from: kept?.state, progress: tell, checkpoint: keep)
        } catch let fault where fault.cause == .notFinite {
            record["status"] = "failed"
            record["reason"] = ["code": .string(fault.code)]
            return StepOutput(
                folder: folder, record: .object(record), timing: clock.timing(threads: context.threads))
        }
        let bytes = encode(outcome.adapter)
        let losses = outcome.losses
        let (first, last) = LossTenths.ends(of: losses)
        record["status"] = "done"
        record["steps"] = .integer(Int64(losses.count))
        record["tokens"] = .integer(Int64(outcome.tokens))
        record["loss"] = [
            "first_tenth": .number(first), "last_tenth": .number(last), "first_epoch": .number(outcome.firstEpochLoss),
            "last_epoch": .number(outcome.lastEpochLoss),
        ]
        record["step_losses"] = .array(losses.map { .number($0) })
        if configuration.checkpointEvery != nil { record["checkpoints"] = .array(positions.map(\.json)) }
        record["output"] = ["adapter_sha256": .string(Digest.sha256(bytes).hex), "precision": "f32"]
        let epochs = configuration.epochs
        // Of a training that went on from a checkpoint, the clock saw only a part.
        let rates =
            kept == nil ? ["records": Double(records.count * epochs), "tokens": Double(outcome.tokens)] : [:]
        return StepOutput(
            folder: folder, record: .object(record),
            timing: clock.timing(threads: context.threads, rates: rates), adapter: outcome.adapter)
    }

    /// What the engine is asked for.
    static func job(
        context: RunContext, round: Int, site: SiteID, configuration: TrainingConfiguration, start: StartAdapter
    ) throws(Fault) -> TrainingJob {
        TrainingJob(
            model: try context.model(), configuration: configuration, lora: context.plan.declaration.adapter(of: site),
            sequences: try context.records(of: site).sequences, start: start.adapter,
            seed: context.plan.declaration.seed, round: round, site: site.name, threads: context.threads)
    }

    /// The trained adapter as the work folder keeps it: float32 safetensors.
    static func encode(_ adapter: Adapter) -> [UInt8] { AdapterFile.bytes(of: adapter, precision: .f32) }

}
