// BioC JSON: a collection of documents of passages, each with its offset, text, annotations and relations.

import Faults
import Federation

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension CorpusReader {
    /// Reads a BioC JSON collection. Passages stand at their offsets in code points; gaps between them are filled with line ends.
    ///
    /// Annotations stand in passages, in their sentences or in the document; relations have the nodes `head` and `modifier`, else their two nodes
    /// in order. The type is the infon `type`.
    package static func bioc(
        _ bytes: [UInt8], file: String, labels: LabelMap = LabelMap(), faults: inout FaultList
    ) -> [Document] {
        guard scalars(bytes) != nil else {
            faults.add(.notUTF8(file, document: nil))
            return []
        }
        guard let collection = try? JSONDecoder().decode(BioCCollection.self, from: Data(bytes)) else {
            faults.add(
                .bioc("the file is no BioC collection: documents, each with an id and passages", at: Place(file: file)))
            return []
        }
        var documents: [Document] = []
        var ids: Set<String> = []
        for (index, value) in collection.documents.enumerated() {
            faults.document = "document \(index + 1)"
            defer { faults.document = nil }
            guard isDocumentID(value.id) else {
                faults.add(.documentID(file, line: nil))
                continue
            }
            guard ids.insert(value.id).inserted else {
                faults.add(.duplicateDocument(value.id, file: file, line: nil))
                continue
            }
            faults.document = value.id
            var reading = BioCReading(document: Document(id: value.id, text: []), file: file, labels: labels)
            if reading.read(value, faults: &faults) { documents.append(reading.document) }
        }
        return documents
    }
}

/// One document being read.
private struct BioCReading {
    var document: Document
    let file: String
    let labels: LabelMap
    private var known: Set<String> = []
    private var passedOver: Set<String> = []

    init(document: Document, file: String, labels: LabelMap) {
        self.document = document
        self.file = file
        self.labels = labels
    }

    private func place(_ annotation: String) -> Place {
        Place(file: file, document: annotation.isEmpty ? document.id : "\(document.id) \(annotation)")
    }

    /// False where the text itself cannot be put together.
    mutating func read(_ value: BioCDocument, faults: inout FaultList) -> Bool {
        for passage in value.passages {
            let pieces = passage.text.map { [BioCPassage(offset: passage.offset, text: $0)] } ?? passage.sentences ?? []
            for piece in pieces {
                guard piece.offset >= document.text.count, piece.offset <= CorpusReader.largestDocument else {
                    faults.add(.bioc("a passage begins at \(piece.offset), within the one before it", at: place("")))
                    return false
                }
                let gap = piece.offset - document.text.count
                document.text += Array(repeating: "\n", count: gap) + Array((piece.text ?? "").unicodeScalars)
            }
        }
        let inner = value.passages.flatMap { [$0] + ($0.sentences ?? []) }
        for annotation in inner.flatMap({ $0.annotations ?? [] }) + (value.annotations ?? []) {
            mention(annotation, faults: &faults)
        }
        for relation in inner.flatMap({ $0.relations ?? [] }) + (value.relations ?? []) {
            self.relation(relation, faults: &faults)
        }
        return true
    }

    private mutating func mention(_ value: BioCAnnotation, faults: inout FaultList) {
        let here = place(Fault.annotation(value.id) == value.id ? value.id : "entity \(known.count + 1)")
        guard known.insert(value.id).inserted else {
            faults.add(.duplicateAnnotation(at: here))
            return
        }
        guard let label = value.infons["type"], !value.locations.isEmpty else {
            faults.add(.bioc("an annotation needs the infon type and a location", at: here))
            return
        }
        let pairs = value.locations.sorted { $0.offset < $1.offset }.map { location in
            (location.offset, location.offset.addingReportingOverflow(location.length).partialValue)
        }
        guard CorpusReader.accepts(pairs, length: document.text.count, at: here, faults: &faults) else { return }
        let spans = pairs.map { $0.0..<$0.1 }
        if let text = value.text, !CorpusReader.surface(text.unicodeScalars, isAt: spans, of: document.text) {
            faults.add(.surface(at: here))
            return
        }
        guard let type = labels.type(of: label) else {
            passedOver.insert(value.id)
            return
        }
        guard AnnotationType.all.contains(type) else {
            faults.add(.unknownType(label, at: here))
            return
        }
        document.entities.append(Entity(id: value.id, type: type, spans: spans))
    }

    private func end(_ value: BioCRelation, role: String, or place: Int) -> String? {
        value.nodes.first { $0.role == role }?.refid
            ?? (value.nodes.count == 2 ? value.nodes[place].refid : nil)
    }

    private mutating func relation(_ value: BioCRelation, faults: inout FaultList) {
        let here = place(Fault.annotation(value.id) == value.id ? value.id : "relation \(document.relations.count + 1)")
        guard let label = value.infons["type"], let head = end(value, role: "head", or: 0),
            let modifier = end(value, role: "modifier", or: 1)
        else {
            faults.add(.bioc("a relation needs the infon type and the nodes head and modifier", at: here))
            return
        }
        guard let type = labels.type(of: label) else { return }
        guard type == Relation.hasAttr else {
            faults.add(.relationType(label, at: here))
            return
        }
        if let missing = [head, modifier].first(where: { !known.contains($0) }) {
            faults.add(.relationEnd(missing, at: here))
        } else if !passedOver.contains(head) && !passedOver.contains(modifier) {
            document.relations.append(Relation(head: head, modifier: modifier))
        }
    }
}

private struct BioCCollection: Decodable {
    var documents: [BioCDocument]
}

private struct BioCDocument: Decodable {
    var id: String
    var passages: [BioCPassage]
    var annotations: [BioCAnnotation]?
    var relations: [BioCRelation]?
}

private struct BioCPassage: Decodable {
    var offset: Int
    var text: String?
    var sentences: [BioCPassage]?
    var annotations: [BioCAnnotation]?
    var relations: [BioCRelation]?
}

private struct BioCAnnotation: Decodable {
    struct Location: Decodable {
        var offset: Int
        var length: Int
    }
    var id: String
    var infons: [String: String]
    var text: String?
    var locations: [Location]
}

private struct BioCRelation: Decodable {
    struct Node: Decodable {
        var refid: String
        var role: String
    }
    var id: String
    var infons: [String: String]
    var nodes: [Node]
}
