// Leakage: documents that are in training and in validation or a test too, found by their text and refused.

import Faults
import Federation
import RunRecords
import Workflows

enum Leakage {
    /// How many documents a fault lists.
    private static let listed = 20

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
            for (document, other) in common.prefix(listed) {
                faults.append(
                    Fault(
                        .data, "data.overlap",
                        "the document is \(other.document) of \(other.owner), which trains on it; \(owner) has \(common.count) such documents",
                        at: Place(file: set.summaries.first?.path, document: document),
                        mend:
                            "Take it out of one of them, or write allow_overlap: true to have it counted and recorded.")
                )
            }
        }
        if !faults.isEmpty { throw FaultReport(faults) }
    }
}
