// The aggregate step: weights from sizes and scores, the weighted average of the uploads, and what the exchange cost.

import Digests
import Faults
import Federation
import ModelFiles
import Workflows

package enum AggregateStep {
    /// Weighs and combines the uploads of one round. Throws `aggregate.nobody-left` where none can be used.
    package static func compute(
        plan: Plan, aggregation: Aggregation, round: Int, received: ReceivedUploads, absent: [Absence]?,
        late: [LateUpload]? = nil, clock: StepClock, threads: Int
    ) throws(Fault) -> StepOutput {
        let declaration = plan.declaration
        let (precision, model) = (declaration.uploadPrecision, plan.inputs.model)
        let (combined, evidence) = try aggregation.combine(
            received, isLast: round == declaration.rounds, precision: precision)
        let bytes = AdapterFile.bytes(of: combined, precision: precision)
        let published = try AdapterFile.read(
            bytes, sizes: model.sizes, configuration: combined.configuration, path: RunPath.global)
        let digest = Digest.sha256(bytes)

        let intervals = aggregation.intervals(of: received.standings, seed: declaration.seed, round: round)
        var rows: [JSONValue] = []
        for (index, (upload, weight)) in zip(received.uploads, evidence.weights).enumerated() {
            var row: [String: JSONValue] = [
                "site": .string(upload.standing.site.name),
                upload.standing.unit.rawValue: .integer(Int64(upload.standing.records)),
                "weight": .number(weight.weight), "adapter_sha256": .string(upload.digest.hex),
                "bytes": .integer(Int64(upload.bytes)),
            ]
            row["loss"] = upload.standing.loss.map { .number($0) }
            row["interval"] = intervals.map { [.number($0[index].low), .number($0[index].high)] }
            row["cosine"] = evidence.cosines.map { .number($0[index]) }
            row["kept"] = evidence.kept.map { .number($0[index]) }
            rows.append(.object(row))
        }
        let folder = StepKind.aggregate.folder(round: round)
        var record: [String: JSONValue] = [
            "step": .string(StepKind.aggregate.rawValue), "round": .integer(Int64(round)),
            "rule": .object(rule(aggregation)),
            "averaging": .string(aggregation.averaging),
            "weights": .array(rows), "lost": lost(evidence.lost),
            "left_out": .array(received.leftOut.map { ["site": .string($0.site.name), "reason": .string($0.reason)] }),
            "exchange": exchange(
                uploaded: received.uploads.map(\.bytes), published: bytes.count,
                receivers: received.uploads.count + received.leftOut.count,
                precision: precision, modelParameters: model.parameters),
            "output": [
                "adapter_sha256": .string(digest.hex), "bytes": .integer(Int64(bytes.count)),
                "precision": .string(precision.rawValue),
            ],
        ]
        if aggregation.rule.needsLosses, let found = aggregation.evidence(of: received.standings) {
            var spread: [String: JSONValue] = [
                "reliability": .number(found.reliability), "spread": .number(found.spread),
            ]
            spread["standard_error"] = found.error.map { .number($0) }
            record["influence"] = .object(spread)
        }
        // Only with a quorum, so that records of runs without one stay what they were.
        record["absent"] = absent.map { .array($0.map(\.json)) }
        record["quorum"] = declaration.quorum.map { .integer(Int64($0)) }
        record["late"] = late.map { .array($0.map(\.json)) }
        // Uploads of finite numbers can have products and sums that are not.
        guard JSONValue.object(record).isFinite else {
            throw Fault(
                .failed, "aggregate.not-finite", "round \(round): a number of the aggregate's record is not finite",
                at: Place(file: StepKind.aggregate.record(round: round)),
                mend:
                    "Look at the uploads' losses with medrounds show, and lower the learning rate of the site that diverged."
            )
        }
        return StepOutput(
            folder: folder, record: .object(record),
            files: [(RunPath.global, bytes)],
            timing: clock.timing(threads: threads),
            adapter: published)
    }

    /// Name, formula and settings of the rule; what is not asked for is left out.
    private static func rule(_ aggregation: Aggregation) -> [String: JSONValue] {
        var fields: [String: JSONValue] = [
            "name": .string(aggregation.rule.name), "formula": .string(aggregation.formula),
        ]
        if case .fedMedLoRAPlus(let temperature, let size) = aggregation.rule {
            fields["temperature"] = .number(temperature)
            fields["size"] = .bool(size)
        }
        if aggregation.temperatureUnit != .nats {
            fields["temperature_in"] = .string(aggregation.temperatureUnit.rawValue)
        }
        if aggregation.shrinks { fields["shrink"] = true }
        if aggregation.product != .mean { fields["product"] = .string(aggregation.product.rawValue) }
        if aggregation.refactor != .none { fields["refactor"] = .string(aggregation.refactor.rawValue) }
        if aggregation.robust != .none { fields["robust"] = .string(aggregation.robust.rawValue) }
        if aggregation.rotates { fields["rotate"] = true }
        fields["clip"] = aggregation.clip.map { .number($0) }
        fields["ridge"] = aggregation.ridge.map { .number($0) }
        return fields
    }

    /// What the published adapter lost of the weighted mean of the products, over all maps and by kind.
    private static func lost(_ loss: CombinationLoss) -> JSONValue {
        func shares(_ squares: LostSquares) -> JSONValue {
            ["share": .number(squares.lostShare), "rounding": .number(squares.roundingShare)]
        }
        return [
            "all": shares(loss.all),
            "maps": .object(
                Dictionary(loss.kinds.map { ($0.kind, shares($0.squares)) }) { first, _ in first }),
        ]
    }

    /// The bytes of the round's exchange beside what exchanging the whole model at the same precision would cost.
    private static func exchange(
        uploaded: [Int], published: Int, receivers: Int, precision: UploadPrecision, modelParameters: Int
    ) -> JSONValue {
        let up = uploaded.reduce(0, +)
        let down = published * receivers
        let wholeModel = modelParameters * precision.bytesPerNumber
        let whole = wholeModel * (uploaded.count + receivers)
        return [
            "uploaded_bytes": .integer(Int64(up)), "downloaded_bytes": .integer(Int64(down)),
            "full_model_bytes": .integer(Int64(whole)),
            "share_saved": .number(whole > 0 ? 1 - Double(up + down) / Double(whole) : 0),
        ]
    }
}
