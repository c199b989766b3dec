// FaultList: the faults of one corpus, found together: the first ones in full, the others by code, and their consequences last.

import Faults
import Federation

/// The faults of one corpus. Faults of documents are kept apart from the others, because documents can be left out.
package struct FaultList {
    /// How many faults are listed in full.
    static let listed = 20

    private struct Entry {
        var fault: Fault
        var order: Int
        /// Whether the entry is replaced at the end by the fault that lists all labels of the corpus.
        var isLabel = false
    }

    /// The document that is being read: faults found in the meantime belong to it.
    var document: String?
    /// Labels that are not our types, with how often each occurs; and relation labels.
    private var unknown: [String: CorpusTally.Label] = [:]
    private var unknownRelations: [String: CorpusTally.Label] = [:]
    private var found = 0
    private var ofCorpus: [Entry] = []
    private var ofDocuments: [Entry] = []
    private var countsOfCorpus: [String: Int] = [:]
    private var countsOfDocuments: [String: Int] = [:]
    /// Each refused document with its first fault, in the order in which they were found.
    private(set) var refused: [(document: String, fault: Fault)] = []

    package init() {}

    /// Whether nothing was found.
    var isEmpty: Bool { found == 0 }
    /// Whether the current document was refused.
    var isRefused: Bool { document != nil && refused.last?.document == document }
    /// How many faults there are, by code.
    var counts: [String: Int] { countsOfCorpus.merging(countsOfDocuments, uniquingKeysWith: +) }

    mutating func add(_ fault: Fault) { add(fault, isLabel: false) }

    /// A mention's label that is not a type. All such labels of the corpus are listed once, together. `isName` is false where the label may
    /// be text of the note.
    mutating func add(unknownLabel label: String, isName: Bool, at place: Place) {
        let isFirst = unknown.isEmpty
        unknown[label, default: .init()].count += 1
        if isName { unknown[label]?.isName = true }
        note(.unknownType(label: isName ? label : "", at: place), isListed: isFirst)
    }

    /// A relation's label that is not ours; listed like those of mentions.
    mutating func add(unknownRelation label: String, at place: Place) {
        let isFirst = unknownRelations.isEmpty
        unknownRelations[label, default: .init(count: 0, isName: true)].count += 1
        note(.relationType(label, at: place), isListed: isFirst)
    }

    private mutating func note(_ fault: Fault, isListed: Bool) {
        if isListed { return add(fault, isLabel: true) }
        found += 1
        countsOfDocuments[fault.code, default: 0] += 1
        refuse(fault)
    }

    private mutating func add(_ fault: Fault, isLabel: Bool) {
        let entry = Entry(fault: fault, order: found, isLabel: isLabel)
        found += 1
        if document == nil {
            countsOfCorpus[fault.code, default: 0] += 1
            if ofCorpus.count < Self.listed { ofCorpus.append(entry) }
        } else {
            countsOfDocuments[fault.code, default: 0] += 1
            // The fault that lists all labels is always kept.
            if ofDocuments.count < Self.listed || isLabel { ofDocuments.append(entry) }
            refuse(fault)
        }
    }

    private mutating func refuse(_ fault: Fault) {
        if let document, refused.last?.document != document { refused.append((document, fault)) }
    }

    /// The first faults, then how many there are of each code; nil where nothing was found. Faults of documents are omitted where the
    /// documents are left out.
    func report(path: String, ofDocumentsToo: Bool, summary: Fault? = nil) -> FaultReport? {
        let entries = (ofDocumentsToo ? ofCorpus + ofDocuments : ofCorpus).sorted { $0.order < $1.order }
        var first = Array(entries.prefix(Self.listed))
        first += entries.dropFirst(Self.listed).filter(\.isLabel)
        var rest = ofDocumentsToo ? counts : countsOfCorpus
        for entry in first {
            // One fault lists all unknown labels.
            rest[entry.fault.code] = entry.isLabel ? nil : rest[entry.fault.code].map { $0 - 1 }
        }
        var faults = first.map { entry in
            guard entry.isLabel, let place = entry.fault.place else { return entry.fault }
            return entry.fault.code == "data.unknown-type"
                ? .unknownTypes(unknown, at: place) : .relationTypes(unknownRelations, at: place)
        }
        rest = rest.filter { $0.value > 0 }
        if !rest.isEmpty { faults.append(.moreFaults(rest, path: path)) }
        if let summary { faults.append(summary) }
        guard !faults.isEmpty else { return nil }
        var report = FaultReport(faults)
        report.documents = refused.count
        return report
    }

    /// Throws the collected faults, if there are any.
    package func check(path: String) throws(FaultReport) {
        if let report = report(path: path, ofDocumentsToo: true) { throw report }
    }
}
