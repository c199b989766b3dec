// Leakage: documents that are in training and in validation or a test too, found by their text and refused.

import Faults
import Federation
import RunRecords
import Workflows

enum Leakage {
    /// How many documents a fault names.
    private static let listed = 3

    /// Refuses a validation or test document that a site trains on (`data.overlap`); where that is allowed it is told and counted in the summary of
    /// its source. Documents are the same where their text is, white space and case aside.
    static func check(
        training: [(owner: String, set: RecordSet)], held: [(owner: String, set: RecordSet)], allowed: Bool,
        summaries: inout [DatasetSummary], report: (RunEvent) -> Void
    ) throws(FaultReport) {
        var trained: [Digest: (owner: String, document: String)] = [:]
        for (owner, set) in training {
            for (document, print) in set.prints where trained[print] == nil { trained[print] = (owner, document) }
        }
        guard !trained.isEmpty else { return }
        var faults: [Fault] = []
        for (owner, set) in held {
            let common = set.prints.compactMap { entry in
                trained[entry.print].map { (document: entry.document, other: $0) }
            }
            guard !common.isEmpty else { continue }
            if allowed {
                report(
                    .noted(
                        "\(owner): \(common.count) of \(set.prints.count) documents are in training too, as the workflow allows"
                    ))
                if let first = set.summaries.first,
                    let place = summaries.firstIndex(where: { $0.role == first.role && $0.owner == first.owner })
                {
                    summaries[place].overlapping = common.count
                }
                continue
            }
            // One slip, such as the training folder named as test, makes every document a fault: one fault with a few names says it.
            guard let first = common.first else { continue }
            let names = common.prefix(listed).map { "\($0.document) is \($0.other.document) of \($0.other.owner)" }
            faults.append(
                Fault(
                    .data, "data.overlap",
                    "\(common.count) of \(set.prints.count) documents of \(owner) are trained on: \(names.joined(separator: ", "))"
                        + (common.count > listed ? ", ..." : ""),
                    at: Place(file: set.summaries.first?.path, document: first.document),
                    mend:
                        "Take them out of one of the two, or write allow_overlap: true to have them counted and recorded."
                ))
        }
        if !faults.isEmpty { throw FaultReport(faults) }
    }
}
