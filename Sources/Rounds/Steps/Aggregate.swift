// The aggregate step: weights from sizes and scores, the weighted average of the uploads, and what the exchange cost.

import Digests
import Faults
import Federation
import ModelFiles
import Workflows

/// One upload as the coordinator holds it.
struct ReceivedUpload {
    var standing: UploadStanding
    /// The adapter as decoded from the uploaded bytes.
    var adapter: Adapter
    /// The digest of the uploaded bytes.
    var digest: Digest
    /// How many bytes were uploaded.
    var bytes: Int
}

/// A site whose upload cannot be used this round.
struct LeftOut: Equatable {
    var site: SiteID
    /// The code of the fault that kept it out.
    var reason: String
}

enum AggregateStep {
    /// Weighs and averages the uploads of one round. Throws `aggregate.nobody-left` where none can be used.
    static func compute(
        rule: AggregationRule, round: Int, uploads: [ReceivedUpload], leftOut: [LeftOut], absent: [Absence]?,
        quorum: Int?, precision: UploadPrecision, model: ModelSummary, clock: StepClock, threads: Int
    ) throws(Fault) -> StepOutput {
        let weights = try rule.weights(of: uploads.map(\.standing))
        let ordered = uploads.sorted { $0.standing.site < $1.standing.site }
        let mean = try Adapter.average(zip(ordered, weights).map { ($0.adapter, $1.weight) })
        let bytes = AdapterFile.bytes(of: mean, precision: precision)
        let published = try AdapterFile.read(
            bytes, sizes: model.sizes, configuration: mean.configuration, path: StepPaths.global)
        let digest = Digest.sha256(bytes)

        let rows = zip(ordered, weights).map { upload, weight -> JSONValue in
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
        let folder = StepPaths.folder(round: round, step: "aggregate")
        var record: [String: JSONValue] = [
            "step": "aggregate", "round": .integer(Int64(round)), "rule": .object(ruleFields),
            "averaging": "A and B apart, in site order, sums in double precision, rounded once",
            "weights": .array(rows),
            "left_out": .array(leftOut.map { ["site": .string($0.site.name), "reason": .string($0.reason)] }),
            "exchange": exchange(
                uploaded: ordered.map(\.bytes), published: bytes.count, receivers: ordered.count + leftOut.count,
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
            files: [(StepPaths.global, bytes)],
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

extension UploadPrecision {
    /// Bytes of one number.
    var bytesPerNumber: Int {
        switch self {
        case .f32: 4
        case .bf16: 2
        }
    }
}

/// Figures in subjects and tables: fixed places, a point, no locale.
package enum Figures {
    /// The number with so many places, rounded to nearest.
    package static func fixed(_ value: Double, _ places: Int) -> String {
        guard value.isFinite else { return value.isNaN ? "nan" : "inf" }
        var scale = 1.0
        for _ in 0..<places { scale *= 10 }
        let scaled = (abs(value) * scale).rounded()
        guard scaled < 9e15 else { return "\(value)" }
        let whole = Int64(scaled)
        let unit = Int64(scale)
        let sign = value < 0 && whole != 0 ? "-" : ""
        guard places > 0 else { return "\(sign)\(whole)" }
        let fraction = String(whole % unit)
        return "\(sign)\(whole / unit)." + String(repeating: "0", count: places - fraction.count) + fraction
    }

    /// Bytes as a person reads them: `9.8 MB`.
    package static func bytes(_ count: Int) -> String {
        switch count {
        case ..<1000: "\(count) B"
        case ..<1_000_000: fixed(Double(count) / 1e3, 1) + " kB"
        case ..<1_000_000_000: fixed(Double(count) / 1e6, 1) + " MB"
        default: fixed(Double(count) / 1e9, 2) + " GB"
        }
    }

    /// Seconds as a person reads them: `48 s`, `3 min 05 s`.
    package static func seconds(_ seconds: Double) -> String {
        let whole = Int(max(0, seconds).rounded())
        if whole < 60 { return "\(whole) s" }
        let rest = whole % 60
        if whole < 3600 { return "\(whole / 60) min \(rest < 10 ? "0" : "")\(rest) s" }
        let minutes = whole / 60 % 60
        return "\(whole / 3600) h \(minutes < 10 ? "0" : "")\(minutes) min"
    }
}
