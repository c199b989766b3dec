// The aggregate step: weights from sizes and scores, the weighted average of the uploads, and what the exchange cost.

import Digests
import Faults
import Federation
import ModelFiles
import Workflows

package enum AggregateStep {
    /// Weighs and averages the uploads of one round. Throws `aggregate.nobody-left` where none can be used.
    package static func compute(
        rule: AggregationRule, round: Int, received: ReceivedUploads, absent: [Absence]?, quorum: Int?,
        precision: UploadPrecision, model: ModelSummary, clock: StepClock, threads: Int
    ) throws(Fault) -> StepOutput {
        let (mean, evidence) = try rule.combine(received)
        let bytes = AdapterFile.bytes(of: mean, precision: precision)
        let published = try AdapterFile.read(
            bytes, sizes: model.sizes, configuration: mean.configuration, path: RunPath.global)
        let digest = Digest.sha256(bytes)

        let rows = zip(received.uploads, evidence.weights).map { upload, weight -> JSONValue in
            var row: [String: JSONValue] = [
                "site": .string(upload.standing.site.name),
                upload.standing.unit.rawValue: .integer(Int64(upload.standing.records)),
                "weight": .number(weight.weight), "adapter_sha256": .string(upload.digest.hex),
                "bytes": .integer(Int64(upload.bytes)),
            ]
            if let loss = upload.standing.loss { row["loss"] = .number(loss) }
            return .object(row)
        }
        var ruleFields: [String: JSONValue] = ["name": .string(rule.name), "formula": .string(rule.formula)]
        if case .fedMedLoRAPlus(let temperature, let size) = rule {
            ruleFields["temperature"] = .number(temperature)
            ruleFields["size"] = .bool(size)
        }
        let folder = StepKind.aggregate.folder(round: round)
        var record: [String: JSONValue] = [
            "step": .string(StepKind.aggregate.rawValue), "round": .integer(Int64(round)), "rule": .object(ruleFields),
            "averaging": .string(AggregationRule.averaging),
            "weights": .array(rows),
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
        // Only with a quorum, so that records of runs without one stay what they were.
        record["absent"] = absent.map { .array($0.map(\.json)) }
        record["quorum"] = quorum.map { .integer(Int64($0)) }
        return StepOutput(
            folder: folder, record: .object(record),
            files: [(RunPath.global, bytes)],
            timing: clock.timing(threads: threads),
            adapter: published)
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
