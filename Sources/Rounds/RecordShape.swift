// RecordShape: which fields the files of a run may have, and must. docs/design.md says what they mean; a field that nobody knows could
// say anything, and one that is missing is claimed by nobody.

import Federation

enum RecordShape {
    /// Fields by their paths: `[]` stands for every element of a list, `*` for the name of a type or task, and `**` for whatever is there,
    /// where all of it is compared with the plan.
    private struct Fields {
        var required: [String]
        var optional: [String] = []
    }

    private static let counts = ["true_positives", "false_positives", "false_negatives", "precision", "recall", "f1"]

    private static func below(_ prefix: String, _ fields: [String]) -> [String] { fields.map { "\(prefix).\($0)" } }

    private static let card: [String] =
        ["task", "records", "foreign_class", "not_annotated", "nowhere"]
        + ["strict", "lenient"].flatMap { below("types.*.\($0)", counts) + ["macro_f1.\($0)"] }
        + ["strict", "exact", "lenient", "overlap"].flatMap { below("micro.\($0)", counts) }
        + below(
            "markup_faults", ["unclosed", "stray_close", "unknown_type", "malformed_tag", "truncated_tag", "empty"])
    private static let drawn =
        [
            "by_document[]", "intervals.level", "intervals.resamples", "intervals.unit", "intervals.strict[]",
            "intervals.lenient[]",
        ]

    private static let absences = ["absent[]"] + below("absent[]", ["site", "step", "reason", "attempts"])

    private static func fields(_ step: String, of json: JSONValue) -> Fields? {
        switch step {
        case "train":
            let begun = [
                "step", "round", "site", "settings.**", "adapter.**", "numerics", "seed", "input.adapter_sha256",
                "input.dataset_commitment", "records", "truncated_records", "status",
            ]
            if json["status"]?.text == "failed" {
                return Fields(required: begun + ["reason.code", "reason.what"], optional: ["label_tokens"])
            }
            return Fields(
                required: begun + [
                    "steps", "tokens", "loss.first_tenth", "loss.last_tenth", "loss.first_epoch", "loss.last_epoch",
                    "step_losses[]", "output.adapter_sha256", "output.precision",
                ], optional: ["label_tokens", "checkpoints[]", "checkpoints[].step", "checkpoints[].state_sha256"])
        case "upload":
            let begun = ["step", "round", "site", "precision", "status"]
            if json["status"]?.text == "left_out" {
                return Fields(required: begun + ["reason.code"], optional: ["reason.tensor", "input.adapter_sha256"])
            }
            return Fields(
                required: begun + [
                    "input.adapter_sha256", "adapter_sha256", "bytes", "parameters", "full_model_bytes", "share_saved",
                ])
        case "score":
            return Fields(
                required: ["step", "round", "measure", "records", "validation_commitment", "scores[]"],
                optional: below("scores[]", ["site", "loss", "label_tokens", "adapter_sha256", "left_out"]) + absences
                    + ["overlapping_documents"])
        case "aggregate":
            return Fields(
                required: ["step", "round", "rule.name", "rule.formula", "averaging", "weights[]", "left_out[]"]
                    + below("exchange", ["uploaded_bytes", "downloaded_bytes", "full_model_bytes", "share_saved"])
                    + below("output", ["adapter_sha256", "bytes", "precision"]),
                optional: ["rule.temperature", "rule.size", "quorum"] + absences
                    + below(
                        "weights[]", ["site", "records", "label_tokens", "loss", "weight", "adapter_sha256", "bytes"])
                    + below("left_out[]", ["site", "reason"]))
        case "evaluate":
            var fields = Fields(
                required: [
                    "step", "round", "cohort", "settings.max_new_tokens", "settings.decoding", "settings.heads",
                    "input.adapter_sha256", "input.dataset_commitment", "records", "documents", "truncated_records",
                    "generation.records", "generation.new_tokens", "generation.cut_at_max_new_tokens",
                    "generation.cut_in_a_loop", "predictions_commitment",
                ],
                optional: ["overlapping_documents"]
                    + ["strict", "lenient"].flatMap { below("published_counting.*.\($0)", counts) })
            if json["scores"] != nil { fields.required += below("scores", card + drawn) }
            if json["relation_scores"] != nil {
                fields.required +=
                    ["relation_scores.heads"] + below("relation_scores.pairs", card + drawn)
                    + below("relation_scores.modifiers_alone", card)
            }
            return fields
        default: return nil
        }
    }

    private static let timing = Fields(
        required: ["started", "seconds", "threads", "peak_memory_bytes", "processor"],
        optional: [
            "program_sha256", "program_source", "records_per_second", "tokens_per_second", "new_tokens_per_second",
        ])

    /// What is wrong with the fields of the file at a path such as `rounds/0001/train/general/record.json`; nil where nothing is.
    static func flaw(of json: JSONValue, at path: String) -> String? {
        let parts = path.split(separator: "/").map(String.init)
        guard parts.count >= 4, let file = parts.last else { return nil }
        let (step, owner) = (parts[2], parts.count > 4 ? parts[3] : nil)
        let isTiming = file == "timing.json"
        guard let fields = isTiming ? timing : fields(step, of: json) else { return "no step is called \(step)" }
        if !isTiming {
            let named = json[step == "evaluate" ? "cohort" : "site"]?.text
            if json["step"]?.text != step || json["round"]?.int != Int(parts[1]) || named != owner {
                return "step, round and owner are not those of its path"
            }
        }
        var found: Set<String> = []
        collect(json, "", into: &found)
        let known = Set(fields.required + fields.optional)
        let open = known.filter { $0.hasSuffix(".**") }.map { String($0.dropLast(2)) }
        for field in found.sorted() where !known.contains(field) && !open.contains(where: field.hasPrefix) {
            return "it has no field \(field)"
        }
        for field in fields.required.sorted() where !found.contains(field) {
            if field.hasSuffix(".**") {
                if found.contains(where: { $0.hasPrefix(field.dropLast(2)) }) { continue }
            }
            // A list may be empty, and a cohort may annotate nothing.
            if field.contains("*."), json["scores"]?["types"]?.members?.isEmpty == true { continue }
            return "the field \(field) is missing"
        }
        return nil
    }

    /// The paths of all values that are no objects; of a list itself `name[]`.
    private static func collect(_ value: JSONValue, _ path: String, into found: inout Set<String>) {
        switch value {
        case .object(let members):
            let isOpen = path.hasSuffix("types") || path == "published_counting"
            for (name, member) in members {
                collect(member, (path.isEmpty ? "" : "\(path).") + (isOpen ? "*" : name), into: &found)
            }
        case .array(let elements):
            found.insert("\(path)[]")
            for case .object(let members) in elements {
                for (name, member) in members { collect(member, "\(path)[].\(name)", into: &found) }
            }
            if elements.contains(where: { $0.elements != nil }) { found.insert("\(path)[][]") }
        default: found.insert(path)
        }
    }
}
