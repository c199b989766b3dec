// The JSON Lines form: one document in each line, read member by member.

import Faults
import Federation

extension CorpusReader {
    /// Reads the lines of a .jsonl file; blank lines are skipped. Members that are not named here may be anything, and null counts as
    /// missing.
    package static func jsonLines(_ bytes: [UInt8], file: String, reading: inout CorpusReading) -> [Document] {
        var documents: [Document] = []
        for (index, line) in lines(withoutMark(bytes)).enumerated()
        where !line.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) {
            let place = Place(file: file, line: index + 1)
            reading.faults.document = "line \(index + 1)"
            defer { reading.faults.document = nil }
            guard line.count <= largestDocument else {
                reading.faults.add(
                    .tooLarge(file, document: "line \(index + 1)", bytes: line.count, limit: largestDocument))
                continue
            }
            guard String(validating: line, as: UTF8.self) != nil else {
                reading.faults.add(.textNotUTF8("the line", at: place))
                continue
            }
            let value: JSONValue
            do { value = try JSONValue(parsing: Array(line), at: place) } catch {
                reading.faults.add(.jsonLine(error.what, at: place))
                continue
            }
            guard value.members != nil else {
                reading.faults.add(.jsonLine("the line is not one JSON object", at: place))
                continue
            }
            guard let id = value["id"]?.name, isDocumentID(id) else {
                reading.faults.add(.documentID(file, line: index + 1))
                continue
            }
            guard reading.claim(id) else {
                reading.faults.add(.duplicateDocument(id, file: file, line: index + 1))
                continue
            }
            reading.faults.document = id
            if let document = jsonDocument(value, id: id, at: place, &reading) { documents.append(document) }
        }
        return documents
    }

    private static func jsonDocument(
        _ value: JSONValue, id: String, at line: Place, _ reading: inout CorpusReading
    ) -> Document? {
        func place(_ annotation: String) -> Place {
            Place(file: line.file, line: line.line, document: annotation.isEmpty ? id : "\(id) \(annotation)")
        }
        guard let text = value["text"]?.text, let entities = value["entities"]?.elements else {
            reading.faults.add(.jsonLine("the document needs a text and a list of entities", at: place("")))
            return nil
        }
        var intake = AnnotationIntake(id: id, text: Array(text.unicodeScalars), labels: reading.labels)
        for (index, entity) in entities.enumerated() {
            let given = entity["id"]?.name
            let name = given ?? "entity \(index + 1)"
            let here = place(given.map { annotationName($0, or: "entity \(index + 1)") } ?? name)
            let label = entity["type"]?.name
            guard isDocumentID(name), entity.members != nil else {
                reading.faults.add(.jsonLine("an entity needs an id, a type, a start and an end", at: here))
                continue
            }
            guard intake.claim(name, at: here, faults: &reading.faults) else { continue }
            if let label, intake.passesOver(label, id: name, tally: &reading.tally) { continue }
            guard let label, let pairs = spans(entity) else {
                intake.refuse(mention: name)
                reading.faults.add(
                    .jsonLine("an entity needs an id, a type, a start and an end", at: place("entity \(index + 1)")))
                continue
            }
            intake.add(
                mention: name, label: label, pairs: pairs,
                surface: entity["text"]?.text.map { Array($0.unicodeScalars) }, at: here)
        }
        switch value["relations"] {
        case nil, .null?: break
        case .array(let relations)?:
            for (index, relation) in relations.enumerated() {
                let here = place("relation \(index + 1)")
                let label = relation["type"]?.name
                if let label, intake.passesOver(label, tally: &reading.tally) { continue }
                guard let label, let head = relation["head"]?.name, let modifier = relation["modifier"]?.name else {
                    reading.faults.add(.jsonLine("a relation needs a type, a head and a modifier", at: here))
                    continue
                }
                // The member names say which end is the head, whatever the label is called.
                intake.add(relation: label, head: head, modifier: modifier, mayTurn: false, at: here)
            }
        default:
            reading.faults.add(.jsonLine("relations is not a list", at: place("")))
            return nil
        }
        intake.finish(faults: &reading.faults, tally: &reading.tally)
        return intake.document
    }

    /// `spans: [[start, end], ...]` where the mention is discontinuous, otherwise start and end; nil where neither can be read or they
    /// disagree.
    private static func spans(_ entity: JSONValue) -> [(Int, Int)]? {
        let (start, end) = (entity["start"]?.int, entity["end"]?.int)
        switch entity["spans"] {
        case nil, .null?:
            guard let start, let end else { return nil }
            return [(start, end)]
        case .array(let list)?:
            var pairs: [(Int, Int)] = []
            for element in list {
                guard let ends = element.elements, ends.count == 2, let first = ends[0].int, let last = ends[1].int
                else {
                    return nil
                }
                pairs.append((first, last))
            }
            pairs.sort { $0 < $1 }
            guard let first = pairs.first, let last = pairs.last, start ?? first.0 == first.0, end ?? last.1 == last.1
            else { return nil }
            return pairs
        default: return nil
        }
    }

    private static func annotationName(_ id: String, or place: String) -> String {
        Fault.plain(id) ? id : place
    }
}
