// The faults of a run that the ledger does not hold, and of a file that the run's tree does not hold.

import Faults
import Federation

extension Fault {
    /// `run.missing`: the ledger holds no such run; the fault names some runs that it holds.
    public static func runMissing(_ run: RunName, known: [RunName]) -> Fault {
        let names = known.map(\.name).sorted().prefix(8).joined(separator: ", ")
        return Fault(
            .usage, "run.missing", "the ledger holds no run \(run)",
            mend: known.isEmpty ? "Start one with medrounds run." : "Name one of: \(names).")
    }
    /// `run.not-planned`: the sites were called, and their parts are not all there yet.
    public static func runNotPlanned(_ run: RunName) -> Fault {
        Fault(
            .usage, "run.not-planned", "\(run) has called its sites and has no plan yet",
            mend: "Go on with it: medrounds run FILE --name \(run) --resume.", cause: .notPlanned)
    }
    /// `ledger.missing-file`: a commit of the run lacks a file that it must have.
    public static func missingFile(_ path: String, _ commit: String?) -> Fault {
        Fault(
            .ledger, "ledger.missing-file", "the run has no such file", at: Place(file: path, commit: commit),
            mend: "Fetch the run again from a copy whose verification passes.")
    }
}
