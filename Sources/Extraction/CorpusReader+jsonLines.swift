// The JSON Lines form: one document a line, as design.md section 4 lays it out.

import Faults
import Federation

extension CorpusReader {
    /// Reads the lines of a .jsonl file; blank lines are skipped.
    static func jsonLines(_ bytes: [UInt8], file: String, faults: inout FaultList) -> [Document] {
        var documents: [Document] = []
        var ids: Set<String> = []
        for (index, line) in lines(bytes).enumerated() where !line.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) {
            let place = Place(file: file, line: index + 1)
            guard scalars(line) != nil else {
                faults.add(
                    Fault(
                        .data, "data.utf8", "the line is not valid UTF-8", at: place, mend: "Convert the file to UTF-8."
                    ))
                continue
            }
            guard let value = try? JSONValue(parsing: Array(line), at: place), value.members != nil else {
                faults.add(.jsonLine("the line is not one JSON object", at: place))
                continue
            }
            guard let id = value["id"]?.text, isDocumentID(id) else {
                faults.add(.documentID(file, line: index + 1))
                continue
            }
            guard ids.insert(id).inserted else {
                faults.add(.duplicateDocument(id, file: file, line: index + 1))
                continue
            }
            if let document = jsonDocument(value, id: id, at: place, faults: &faults) { documents.append(document) }
        }
        return documents
    }

    private static func jsonDocument(
        _ value: JSONValue, id: String, at line: Place, faults: inout FaultList
    ) -> Document? {
        func place(_ annotation: String) -> Place {
            Place(file: line.file, line: line.line, document: annotation.isEmpty ? id : "\(id) \(annotation)")
        }
        guard let text = value["text"]?.text, let entities = value["entities"]?.elements else {
            faults.add(.jsonLine("the document needs a text and a list of entities", at: place("")))
            return nil
        }
        var document = Document(id: id, text: Array(text.unicodeScalars))
        var known: Set<String> = []
        for (index, entity) in entities.enumerated() {
            guard let name = entity["id"]?.text, isDocumentID(name), let type = entity["type"]?.text,
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
            guard AnnotationType.all.contains(type) else {
                faults.add(.unknownType(type, at: here))
                continue
            }
            guard accepts(pairs, length: document.text.count, at: here, faults: &faults) else { continue }
            let spans = pairs.map { $0.0..<$0.1 }
            if let surface = entity["text"]?.text, !Self.surface(surface.unicodeScalars, isAt: spans, of: document.text)
            {
                faults.add(.surface(at: here))
                continue
            }
            document.entities.append(Entity(id: name, type: type, spans: spans))
        }
        if let relations = value["relations"] {
            guard let relations = relations.elements else {
                faults.add(.jsonLine("relations is not a list", at: place("")))
                return nil
            }
            for (index, relation) in relations.enumerated() {
                let here = place("relation \(index + 1)")
                guard let type = relation["type"]?.text, let head = relation["head"]?.text,
                    let modifier = relation["modifier"]?.text
                else {
                    faults.add(.jsonLine("a relation needs a type, a head and a modifier", at: here))
                    continue
                }
                guard type == Relation.hasAttr else {
                    faults.add(.relationType(type, at: here))
                    continue
                }
                if let missing = [head, modifier].first(where: { !known.contains($0) }) {
                    faults.add(.relationEnd(missing, at: here))
                } else {
                    document.relations.append(Relation(head: head, modifier: modifier))
                }
            }
        }
        return document
    }

    /// `spans: [[start, end], ...]` where the mention is discontinuous, else start and end; nil where neither can be read or both disagree.
    private static func spans(_ entity: JSONValue) -> [(Int, Int)]? {
        guard let start = entity["start"]?.int, let end = entity["end"]?.int else { return nil }
        guard let list = entity["spans"] else { return [(start, end)] }
        var pairs: [(Int, Int)] = []
        for span in list.elements ?? [] {
            guard let ends = span.elements, ends.count == 2, let from = ends[0].int, let to = ends[1].int else {
                return nil
            }
            pairs.append((from, to))
        }
        guard let first = pairs.first, let last = pairs.last, first.0 == start, last.1 == end else { return nil }
        return pairs
    }

    private static func annotationName(_ id: String, or place: String) -> String {
        Fault.label(id) == "`\(id)`" ? id : place
    }
}
