// The upload step: exactly what leaves a site, its bytes counted, and what the coordinator makes of it on arrival.

import Digests
import Faults
import Federation
import ModelFiles

enum UploadStep {
    /// Rounds the trained adapter to the upload precision. One that failed to train or is not finite is left out with a reason.
    static func compute(
        context: RunContext, round: Int, site: SiteID, precision: UploadPrecision, trainRecord: RecordReader,
        trained: Adapter?
    ) throws(Fault) -> StepOutput {
        let clock = StepClock()
        let folder = StepPaths.folder(round: round, step: "upload", owner: site.name)
        var record: [String: JSONValue] = [
            "step": "upload", "round": .integer(Int64(round)), "site": .string(site.name),
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
        let bytes = AdapterFile.bytes(of: trained, precision: precision)
        let whole = context.plan.inputs.model.parameters * precision.bytesPerNumber
        record["status"] = "sent"
        record["adapter_sha256"] = .string(Digest.sha256(bytes).hex)
        record["bytes"] = .integer(Int64(bytes.count))
        record["parameters"] = .integer(Int64(trained.parameterCount))
        record["full_model_bytes"] = .integer(Int64(whole))
        record["share_saved"] = .number(1 - Double(bytes.count) / Double(whole))
        return StepOutput(
            folder: folder, record: .object(record), files: [(StepPaths.upload(round: round, site: site), bytes)],
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

    /// The uploads of a round as the coordinator holds them: bytes checked against their record, decoded, checked for shape
    /// and finiteness. One that fails a check is left out with the fault's code; a damaged ledger is thrown.
    ///
    /// `file` reads a path of a site's line, or of the merged tree.
    static func received(
        round: Int, sites: [SiteID], declaration: FederationDeclaration, sizes: BackboneSizes,
        scoreRecord: [UInt8]?,
        file: (SiteID, String) throws(Fault) -> [UInt8]?
    ) throws(Fault) -> (uploads: [ReceivedUpload], leftOut: [LeftOut]) {
        var losses: [SiteID: Double] = [:]
        var unscored: [SiteID: String] = [:]
        if let scoreRecord {
            let path = StepPaths.record(round: round, step: "score")
            for row in try RecordReader(parsing: scoreRecord, path: path).list("scores") {
                let site = try row.site("site")
                if let reason = row["left_out"]?.text {
                    unscored[site] = reason
                } else {
                    losses[site] = try row.double("loss")
                }
            }
        }
        var uploads: [ReceivedUpload] = []
        var leftOut: [LeftOut] = []
        for site in sites {
            let path = StepPaths.record(round: round, step: "upload", owner: site.name)
            let trainPath = StepPaths.record(round: round, step: "train", owner: site.name)
            guard let recordBytes = try file(site, path), let trainBytes = try file(site, trainPath) else {
                throw .missingFile(path, nil)
            }
            let record = try RecordReader(parsing: recordBytes, path: path)
            guard try record.text("status") == "sent" else {
                leftOut.append(LeftOut(site: site, reason: try record.object("reason").text("code")))
                continue
            }
            if let reason = unscored[site] {
                leftOut.append(LeftOut(site: site, reason: reason))
                continue
            }
            let blobPath = StepPaths.upload(round: round, site: site)
            guard let bytes = try file(site, blobPath) else { throw .missingFile(blobPath, nil) }
            let digest = Digest.sha256(bytes)
            guard digest == (try record.digest("adapter_sha256")) else {
                throw Fault(
                    .ledger, "upload.digest", "the upload's SHA-256 is not the recorded one", at: Place(file: blobPath),
                    mend: "Fetch the run again from a copy whose verification passes.")
            }
            do {
                let adapter = try AdapterFile.read(
                    bytes, sizes: sizes, configuration: declaration.adapter, path: blobPath)
                let records = try RecordReader(parsing: trainBytes, path: trainPath).int(declaration.sizeUnit.rawValue)
                var standing = UploadStanding(site: site, records: records, loss: losses[site])
                standing.unit = declaration.sizeUnit
                uploads.append(
                    ReceivedUpload(standing: standing, adapter: adapter, digest: digest, bytes: bytes.count))
            } catch let fault where fault.kind == .data || fault.kind == .model {
                leftOut.append(LeftOut(site: site, reason: fault.code))
            }
        }
        return (uploads, leftOut)
    }
}
