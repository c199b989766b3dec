// The JSON Lines form: one document a line, as design.md section 4 lays it out.

import Faults
import Federation

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension CorpusReader {
    /// Reads the lines of a .jsonl file; blank lines are skipped.
    package static func jsonLines(
        _ bytes: [UInt8], file: String, labels: LabelMap = LabelMap(), faults: inout FaultList
    ) -> [Document] {
        var documents: [Document] = []
        var ids: Set<String> = []
        for (index, line) in lines(bytes).enumerated() where !line.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) {
            let place = Place(file: file, line: index + 1)
            faults.document = "line \(index + 1)"
            defer { faults.document = nil }
            guard line.count <= largestDocument else {
                faults.add(
                    .tooLarge(file, document: "line \(index + 1)", bytes: line.count, limit: largestDocument))
                continue
            }
            guard scalars(line) != nil else {
                faults.add(
                    Fault(
                        .data, "data.utf8", "the line is not valid UTF-8", at: place, mend: "Convert the file to UTF-8."
                    ))
                continue
            }
            guard let value = try? JSONDecoder().decode(DocumentLine.self, from: Data(line)) else {
                faults.add(.jsonLine("the line is not one JSON object", at: place))
                continue
            }
            guard let id = value.id, isDocumentID(id) else {
                faults.add(.documentID(file, line: index + 1))
                continue
            }
            faults.document = id
            guard ids.insert(id).inserted else {
                faults.document = "line \(index + 1)"
                faults.add(.duplicateDocument(id, file: file, line: index + 1))
                continue
            }
            if let document = jsonDocument(
                value, id: id, at: place, labels: labels, faults: &faults)
            {
                documents.append(document)
            }
        }
        return documents
    }

    private static func jsonDocument(
        _ value: DocumentLine, id: String, at line: Place, labels: LabelMap, faults: inout FaultList
    ) -> Document? {
        func place(_ annotation: String) -> Place {
            Place(file: line.file, line: line.line, document: annotation.isEmpty ? id : "\(id) \(annotation)")
        }
        guard let text = value.text, let entities = value.entities else {
            faults.add(.jsonLine("the document needs a text and a list of entities", at: place("")))
            return nil
        }
        var document = Document(id: id, text: Array(text.unicodeScalars))
        var known: Set<String> = []
        var passedOver: Set<String> = []
        for (index, entity) in entities.enumerated() {
            guard let name = entity.id, isDocumentID(name), let label = entity.type,
                let pairs = spans(entity)
            else {
                faults.add(
                    .jsonLine("an entity needs an id, a type, a start and an end", at: place("entity \(index + 1)")))
                continue
            }
            let here = place(annotationName(name, or: "entity \(index + 1)"))
            guard known.insert(name).inserted else {
                faults.add(.duplicateAnnotation(at: here))
                continue
            }
            guard accepts(pairs, length: document.text.count, at: here, faults: &faults) else { continue }
            let spans = pairs.map { $0.0..<$0.1 }
            if let surface = entity.text, !Self.surface(surface.unicodeScalars, isAt: spans, of: document.text) {
                faults.add(.surface(at: here))
                continue
            }
            guard let type = labels.type(of: label) else {
                passedOver.insert(name)
                continue
            }
            guard AnnotationType.all.contains(type) else {
                faults.add(.unknownType(type, at: here))
                continue
            }
            document.entities.append(Entity(id: name, type: type, spans: spans))
        }
        if value.hasRelations {
            guard let relations = value.relations else {
                faults.add(.jsonLine("relations is not a list", at: place("")))
                return nil
            }
            for (index, relation) in relations.enumerated() {
                let here = place("relation \(index + 1)")
                guard let label = relation.type, let head = relation.head,
                    let modifier = relation.modifier
                else {
                    faults.add(.jsonLine("a relation needs a type, a head and a modifier", at: here))
                    continue
                }
                guard let type = labels.type(of: label) else { continue }
                guard type == Relation.hasAttr else {
                    faults.add(.relationType(label, at: here))
                    continue
                }
                if let missing = [head, modifier].first(where: { !known.contains($0) }) {
                    faults.add(.relationEnd(missing, at: here))
                } else if !passedOver.contains(head) && !passedOver.contains(modifier) {
                    document.relations.append(Relation(head: head, modifier: modifier))
                }
            }
        }
        return document
    }

    /// `spans: [[start, end], ...]` where the mention is discontinuous, else start and end; nil where neither can be read or both disagree.
    private static func spans(_ entity: MentionLine) -> [(Int, Int)]? {
        guard let start = entity.start, let end = entity.end else { return nil }
        guard entity.hasSpans else { return [(start, end)] }
        guard let spans = entity.spans, spans.allSatisfy({ $0.count == 2 }), let first = spans.first,
            let last = spans.last,
            first[0] == start, last[1] == end
        else { return nil }
        return spans.map { ($0[0], $0[1]) }
    }

    private static func annotationName(_ id: String, or place: String) -> String {
        Fault.label(id) == "`\(id)`" ? id : place
    }
}

/// One line as it stands: a member that is missing or of another type is nil, so that the reader words the fault.
private struct DocumentLine: Decodable {
    enum Key: CodingKey { case id, text, entities, relations }

    var id: String?
    var text: String?
    var entities: [MentionLine]?
    var relations: [RelationLine]?
    var hasRelations: Bool

    init(from decoder: any Decoder) throws {
        let members = try decoder.container(keyedBy: Key.self)
        id = try? members.decode(String.self, forKey: .id)
        text = try? members.decode(String.self, forKey: .text)
        entities = try? members.decode([MentionLine].self, forKey: .entities)
        relations = try? members.decode([RelationLine].self, forKey: .relations)
        hasRelations = members.contains(.relations)
    }
}

private struct MentionLine: Decodable {
    enum Key: CodingKey { case id, type, start, end, spans, text }

    var id: String?
    var type: String?
    var start: Int?
    var end: Int?
    var spans: [[Int]]?
    var hasSpans: Bool
    var text: String?

    init(from decoder: any Decoder) throws {
        let members = try? decoder.container(keyedBy: Key.self)
        id = try? members?.decode(String.self, forKey: .id)
        type = try? members?.decode(String.self, forKey: .type)
        start = try? members?.decode(Int.self, forKey: .start)
        end = try? members?.decode(Int.self, forKey: .end)
        hasSpans = members?.contains(.spans) ?? false
        spans = hasSpans ? try? members?.decode([[Int]].self, forKey: .spans) : nil
        text = members?.contains(.text) ?? false ? try? members?.decode(String.self, forKey: .text) : nil
    }
}

private struct RelationLine: Decodable {
    enum Key: CodingKey { case type, head, modifier }

    var type: String?
    var head: String?
    var modifier: String?

    init(from decoder: any Decoder) throws {
        let members = try? decoder.container(keyedBy: Key.self)
        type = try? members?.decode(String.self, forKey: .type)
        head = try? members?.decode(String.self, forKey: .head)
        modifier = try? members?.decode(String.self, forKey: .modifier)
    }
}
