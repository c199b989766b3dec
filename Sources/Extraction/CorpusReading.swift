// CorpusReading: the state while a corpus is read: the label map, the faults, the counts, and the ids that are taken.

import Federation

/// The state of reading one corpus.
package struct CorpusReading {
    let labels: LabelMap
    /// The faults found so far.
    package var faults = FaultList()
    /// What was counted so far.
    var tally = CorpusTally()
    private var ids: Set<[UInt8]> = []

    /// Nothing read yet.
    package init(labels: LabelMap = LabelMap()) { self.labels = labels }

    /// Whether the id is new. Composed and decomposed names count as different, as they do in the ledger's bytes.
    mutating func claim(_ id: String) -> Bool { ids.insert(Array(id.utf8)).inserted }
}
