// The faults of runs, worded once.

import Faults
import Federation

extension Fault {
    static func runExists(_ run: RunName) -> Fault {
        Fault(
            .usage, "run.exists", "the run \(run) is already in the ledger",
            mend: "Choose another --name, leave it out for the next free number, or go on with it by --resume.")
    }
    static func planChanged(_ run: RunName, _ differences: [String]) -> Fault {
        // What a setting changes in its turn, such as every commitment of a draw by another seed, is no news.
        let settings = differences.filter { !$0.hasPrefix("inputs.") && !$0.hasPrefix("overrides") }
        let told = settings.isEmpty ? differences : settings
        let rest = told.count > 12 ? "; and \(told.count - 12) more" : ""
        let listed =
            told.isEmpty
            ? "the committed plan was written by another version" : told.prefix(12).joined(separator: "; ") + rest
        return Fault(
            .usage, "run.plan-changed", "the plan changed since \(run) began: \(listed)",
            mend: "Undo the change, or start a new run without --resume.")
    }
    static func partDiffers(_ site: SiteID, _ difference: String) -> Fault {
        Fault(
            .model, "run.part-differs", "the site \(site) has \(difference)",
            mend: "Give the site the model, the template and the program that the call names; then let it answer again."
        )
    }
    static func runUnsigned(_ fact: String) -> Fault {
        Fault(
            .usage, "run.unsigned", "\(fact), and the coordinator has no key here",
            mend: "Name the folder of the keys with --keys, or make them with medrounds keys new.")
    }
    static func trainedAgainDiffers(_ site: SiteID, _ round: Int) -> Fault {
        Fault(
            .mismatch, "run.not-reproduced",
            "training site \(site) of round \(round) again did not give the committed record",
            mend: "Replay the run on the machine that trained it, and report this with both machines' processors.")
    }
    static func noRecords(_ owner: String, _ path: String) -> Fault {
        Fault(
            .data, "data.no-records", "\(owner) has no records", at: Place(file: path),
            mend: "Point it at annotated notes, or take it out of the workflow.")
    }
    static func tooFewRecords(_ owner: String, asked: Int, found: Int, _ path: String) -> Fault {
        Fault(
            .data, "data.too-few-records", "\(owner) asks for \(asked) records, but the notes give \(found)",
            at: Place(file: path), mend: "Lower records, or add validation notes.")
    }
    /// The run was asked to stop.
    public static func interrupted() -> Fault {
        Fault(
            .interrupted, "run.interrupted", "stopped as asked; every finished step is committed",
            mend: "Go on with the same command and --resume.")
    }
}
