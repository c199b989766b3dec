// Upload: exactly what leaves a site, with its size in bytes.

import Faults

extension StepRules {
    static let upload = StepRules(
        kind: .upload, actor: .site, line: .site, owner: .site, parents: .train,
        files: recordFiles + [File(RunPath.adapter, in: .folder, .adapter, only: "where one was sent")],
        record: RecordShape(
            RecordShape.head(.upload, owner: .site) + [
                .init(
                    "precision", .word(UploadPrecision.allCases.map(\.rawValue)), .planned,
                    "the number format of the file"),
                .init("status", .word(["sent", "left_out"]), .recomputed, "whether a file left the site"),
                .init("reason", RecordShape.reasonOfTensor, .inside, .with("status", "left_out"), "if none, why"),
                .init(
                    "input",
                    .object(
                        RecordShape([
                            .init("adapter_sha256", .digest, .recomputed, "the trained adapter of the train record")
                        ])),
                    .inside, .optional("absent where training failed"), "what went in"),
                .init("adapter_sha256", .digest, .recomputed, .with("status", "sent"), "the file that left the site"),
                .init("bytes", .count(), .recomputed, .with("status", "sent"), "its length"),
                .init("parameters", .count(), .recomputed, .with("status", "sent"), "numbers in the adapter"),
                .init(
                    "full_model_bytes", .count(0...1 << 50), .recomputed, .with("status", "sent"),
                    "the whole model at the same precision"),
                .init(
                    "share_saved", .real(-1e12...1), .recomputed, .with("status", "sent"),
                    "1 - bytes / full_model_bytes"),
            ]),
        summary: { record throws(Fault) in
            guard try record.text("status") == "sent" else {
                return ": left out (\(try record.object("reason").text("code")))"
            }
            let (bytes, whole) = (try record.int("bytes"), try record.int("full_model_bytes"))
            return ": \(Figures.bytes(bytes)) \(try record.text("precision")), "
                + "\(Figures.fixed(100 - 100 * Double(bytes) / Double(max(1, whole)), 1))% less than the model"
        },
        recomputed: [
            "the file is byte for byte what writing its tensors at the plan's precision gives",
            "digest, length, shapes, finite values, counts and shares",
        ])
}
