// The upload step: exactly what leaves a site, its bytes counted, and what the coordinator makes of it on arrival.

import Digests
import Faults
import Federation
import ModelFiles
import RunRecords

enum UploadStep {
    /// Rounds the trained adapter to the upload precision. One that failed to train or is not finite is left out with a reason.
    package static func compute(
        context: RunContext, round: Int, site: SiteID, precision: UploadPrecision, trainRecord: RecordReader,
        trained: Adapter?
    ) throws(Fault) -> StepOutput {
        let clock = StepClock()
        let folder = StepKind.upload.folder(round: round, owner: site.name)
        var record: [String: JSONValue] = [
            "step": .string(StepKind.upload.rawValue), "round": .integer(Int64(round)), "site": .string(site.name),
            "precision": .string(precision.rawValue),
        ]
        guard let trained else {
            let reason = try trainRecord.object("reason").text("code")
            return leftOut(record, folder, reason: reason, tensor: nil, clock.timing(threads: 1))
        }
        record["input"] = ["adapter_sha256": .string(try trainRecord.object("output").digest("adapter_sha256").hex)]
        if let tensor = trained.firstNonFiniteTensor {
            return leftOut(record, folder, reason: "adapter.not-finite", tensor: tensor, clock.timing(threads: 1))
        }
        let sent = trained.without(context.plan.declaration.frozen(in: round))
        let bytes = AdapterFile.bytes(of: sent, precision: precision)
        let whole = context.plan.inputs.model.parameters * precision.bytesPerNumber
        record["status"] = "sent"
        record["adapter_sha256"] = .string(Digest.sha256(bytes).hex)
        record["bytes"] = .integer(Int64(bytes.count))
        record["parameters"] = .integer(Int64(sent.parameterCount))
        record["full_model_bytes"] = .integer(Int64(whole))
        record["share_saved"] = .number(1 - Double(bytes.count) / Double(whole))
        return StepOutput(
            folder: folder, record: .object(record), files: [(RunPath.upload(round: round, site: site), bytes)],
            timing: clock.timing(threads: 1))
    }

    private static func leftOut(
        _ record: [String: JSONValue], _ folder: String, reason: String, tensor: String?, _ timing: JSONValue
    ) -> StepOutput {
        var record = record
        record["status"] = "left_out"
        record["reason"] = ["code": .string(reason)]
        if let tensor { record["reason"] = ["code": .string(reason), "tensor": .string(tensor)] }
        return StepOutput(folder: folder, record: .object(record), timing: timing)
    }
}
