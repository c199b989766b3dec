// Train: one site trains the round's adapter on its own records; the adapter stays at the site, and its digest is committed.

import Faults

extension StepRules {
    static let train = StepRules(
        kind: .train, actor: .site, line: .site, owner: .site, parents: .publishAndBefore, files: recordFiles,
        record: RecordShape(
            RecordShape.head(.train, owner: .site) + [
                .init("settings", .ofPlan, .planned, "the train step's settings as plan.json writes them"),
                .init("adapter", .ofPlan, .planned, "rank, alpha, dropout, targets"),
                .init(
                    "numerics", .word(Numerics.allCases.map(\.rawValue)), .planned,
                    "the class of numerics that computed it"),
                .init("seed", .seed, .planned, "the workflow's seed, as text"),
                .init(
                    "input",
                    .object(
                        RecordShape([
                            .init(
                                "adapter_sha256", .digest, .recomputed,
                                "the adapter it started from: as published, or in round 1 the initial one in float32"),
                            .init("dataset_commitment", .digest, .planned, "the site's records"),
                        ])), .inside, "what went in"),
                .init("records", .count(), .planned, "records trained on"),
                .init("truncated_records", .count(), .planned, "records whose input was cut to `max_length`"),
                .init(
                    "label_tokens", .count(), .planned, .optional("only where sizes count in `label_tokens`"),
                    "tokens that the loss covers, over all records"),
                .init(
                    "rank", .count(1...2048), .planned, .optional("only where the site has a rank of its own"),
                    "the rank of the site's adapter"),
                .init(
                    "frozen", .word(Adapter.Matrix.allCases.map(\.rawValue)), .planned,
                    .optional("only where a round trains one factor"), "the factor that the round left as it was"),
                .init("status", .word(["done", "failed"]), .recomputed, "`failed` where training diverged"),
                .init("reason", RecordShape.reason, .inside, .with("status", "failed"), "why it failed"),
                .init(
                    "steps", .count(1...Count.range.upperBound), .recomputed, .with("status", "done"), "optimiser steps"
                ),
                .init(
                    "tokens", .count(1...Count.range.upperBound), .claimed, .with("status", "done"),
                    "tokens of all records over all epochs"),
                .init(
                    "loss",
                    .object(
                        RecordShape([
                            .init(
                                "first_tenth", .real(RecordShape.loss), .recomputed,
                                "mean of the first tenth of the step losses, in nats"),
                            .init("last_tenth", .real(RecordShape.loss), .recomputed, "mean of the last tenth"),
                            .init(
                                "first_epoch", .real(RecordShape.loss), .claimed,
                                "mean over the labels of the first epoch"),
                            .init(
                                "last_epoch", .real(RecordShape.loss), .claimed,
                                "mean over the labels of the last epoch"),
                        ])), .inside, .with("status", "done"), "the loss in four figures"),
                .init(
                    "step_losses", .list(.real(RecordShape.loss)), .claimed, .with("status", "done"),
                    "the loss of every step, before its update"),
                .init(
                    "checkpoints",
                    .list(
                        .object(
                            RecordShape([
                                .init("step", .count(1...Count.range.upperBound), .recomputed, "steps done"),
                                .init("state_sha256", .digest, .claimed, "the digest of the state file there"),
                            ]))), .inside, .optional("only with `checkpoint_every`"),
                    "the training states that were kept"),
                .init(
                    "output",
                    .object(
                        RecordShape([
                            .init("adapter_sha256", .digest, .claimed, "the trained adapter as float32 safetensors"),
                            .init("precision", .word(["f32"]), .recomputed, "always float32"),
                        ])), .inside, .with("status", "done"), "what came out"),
            ]),
        summary: { record throws(Fault) in
            guard try record.text("status") == "done" else {
                return ": failed (\(try record.object("reason").text("code")))"
            }
            let loss = try record.object("loss")
            let epochs = try record.object("settings").int("epochs")
            return ": loss \(Figures.fixed(try loss.double("first_tenth"), 2)) -> "
                + "\(Figures.fixed(try loss.double("last_tenth"), 2)) "
                + "(\(try record.int("records")) records, \(epochs) epoch\(epochs == 1 ? "" : "s"))"
        },
        recomputed: [
            "settings, seed, numerics and record counts are those of the plan",
            "the start is the adapter that the round before published",
            "steps, checkpoints and the losses of the tenths",
        ])
}
