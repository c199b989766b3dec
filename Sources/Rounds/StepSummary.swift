// StepSummary: a step in a few words, from its record alone: what a commit's subject says of it, and what verification expects it to say.

import Faults
import Federation

package enum StepSummary {
    /// The subject of the commit of a step with that record.
    package static func subject(round: Int, step: String, owner: String?, of record: JSONValue) throws(Fault) -> String
    {
        try subject(round: round, step: step, owner: owner, RecordReader(record, path: "record.json"))
    }

    /// `round 1 train general: loss 2.31 -> 1.07 (48 records, 2 epochs)`. Throws where the record lacks a field.
    static func subject(
        round: Int, step: String, owner: String?, _ record: RecordReader
    ) throws(Fault) -> String {
        var lead = "round \(round) \(step)"
        if let owner { lead += " \(owner)" }
        if step == "aggregate" { lead += " \(try record.object("rule").text("name"))" }
        return "\(lead): \(try text(of: record, step: step))"
    }

    private static func text(of record: RecordReader, step: String) throws(Fault) -> String {
        switch step {
        case "train": try train(record)
        case "upload": try upload(record)
        case "score": try score(record)
        case "aggregate": try aggregate(record)
        default: try evaluate(record)
        }
    }

    private static func train(_ record: RecordReader) throws(Fault) -> String {
        guard try record.text("status") == "done" else {
            return "failed (\(try record.object("reason").text("code")))"
        }
        let loss = try record.object("loss")
        let epochs = try record.object("settings").int("epochs")
        return "loss \(Figures.fixed(try loss.double("first_tenth"), 2)) -> "
            + "\(Figures.fixed(try loss.double("last_tenth"), 2)) "
            + "(\(try record.int("records")) records, \(epochs) epoch\(epochs == 1 ? "" : "s"))"
    }

    private static func upload(_ record: RecordReader) throws(Fault) -> String {
        guard try record.text("status") == "sent" else {
            return "left out (\(try record.object("reason").text("code")))"
        }
        let (bytes, whole) = (try record.int("bytes"), try record.int("full_model_bytes"))
        return "\(Figures.bytes(bytes)) \(try record.text("precision")), "
            + "\(Figures.fixed(100 - 100 * Double(bytes) / Double(whole), 1))% less than the model"
    }

    private static func score(_ record: RecordReader) throws(Fault) -> String {
        var parts: [String] = []
        for row in try record.list("scores") {
            let site = try row.site("site")
            if let reason = row["left_out"]?.text {
                parts.append("\(site) left out (\(reason))")
            } else {
                parts.append("\(site) \(Figures.fixed(try row.double("loss"), 3))")
            }
        }
        return parts.isEmpty ? "nothing to score" : parts.joined(separator: ", ")
    }

    private static func aggregate(_ record: RecordReader) throws(Fault) -> String {
        var parts: [String] = []
        for row in try record.list("weights") {
            parts.append("\(try row.site("site")) \(Figures.fixed(try row.double("weight"), 3))")
        }
        for absence in try Absence.all(in: record) { parts.append("\(absence.site) absent") }
        return parts.joined(separator: ", ")
    }

    private static func evaluate(_ record: RecordReader) throws(Fault) -> String {
        func figures(_ card: RecordReader) throws(Fault) -> String {
            let micro = try card.object("micro")
            return "strict F1 \(Figures.fixed(try micro.object("strict").double("f1"), 3)), "
                + "lenient F1 \(Figures.fixed(try micro.object("lenient").double("f1"), 3))"
        }
        var parts: [String] = []
        if record["scores"] != nil { parts.append(try figures(record.object("scores"))) }
        if record["relation_scores"] != nil {
            parts.append("relations \(try figures(record.object("relation_scores").object("pairs")))")
        }
        return "\(parts.joined(separator: ", ")) (\(try record.int("records")) records)"
    }
}
