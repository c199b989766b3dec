// AnnotationWriter: predicted mentions of a note as BRAT, as a JSON line or as rows of a table.

import Federation

/// Writes mentions of a document in the forms that `CorpusReader` reads, and as rows for a table.
///
/// The output holds text of the note: keep it beside the note, never in a ledger.
public enum AnnotationWriter {
    /// One row of a table.
    public struct Row: Sendable, Equatable {
        /// The mention's id.
        public var id: String
        /// The type.
        public var type: String
        /// The first code point.
        public var start: Int
        /// One past the last code point.
        public var end: Int
        /// The text of the mention on one line.
        public var text: String
        /// The ids of the heads that it is a modifier of.
        public var heads: [String]

        /// Makes a row.
        public init(id: String, type: String, start: Int, end: Int, text: String, heads: [String] = []) {
            self.heads = heads
            self.id = id
            self.type = type
            self.start = start
            self.end = end
            self.text = text
        }
    }

    /// The mentions of the predictions: those of a known type that have a place in the text, each once, in the order of the text, as T1,
    /// T2, ...
    public static func entities(of predictions: [Prediction], types: [String]) -> [Entity] {
        var seen: Set<Prediction> = []
        var placed: [(range: Range<Int>, type: Int)] = []
        for prediction in predictions where seen.insert(prediction).inserted {
            if let range = prediction.range, let type = types.firstIndex(of: prediction.type) {
                placed.append((range, type))
            }
        }
        placed.sort { left, right in
            (left.range.lowerBound, right.range.upperBound, left.type) < (
                right.range.lowerBound, left.range.upperBound, right.type
            )
        }
        return placed.enumerated().map {
            Entity(id: "T\($0.offset + 1)", type: types[$0.element.type], spans: [$0.element.range])
        }
    }

    /// The .ann file of a document: T, R, A and # lines. Line ends within a mention are written as blanks.
    ///
    /// `asMarked` holds, by id, the range that the model itself marked, for each mention whose boundaries were moved by rule.
    public static func brat(_ document: Document, asMarked: [String: Range<Int>] = [:]) -> String {
        var lines = document.entities.map { entity in
            let spans = entity.spans.map { "\($0.lowerBound) \($0.upperBound)" }.joined(separator: ";")
            return "\(entity.id)\t\(entity.type) \(spans)\t\(surface(entity, document))\n"
        }
        for (index, relation) in document.relations.enumerated() {
            lines.append("R\(index + 1)\t\(relation.type) Arg1:\(relation.head) Arg2:\(relation.modifier)\n")
        }
        for (index, attribute) in document.attributes.enumerated() {
            let value = attribute.value.map { " \($0)" } ?? ""
            lines.append("A\(index + 1)\t\(attribute.name) \(attribute.target)\(value)\n")
        }
        let moved = document.entities.filter { asMarked[$0.id] != nil }
        for (index, entity) in moved.enumerated() {
            guard let range = asMarked[entity.id] else { continue }
            lines.append(
                "#\(index + 1)\tAnnotatorNotes \(entity.id)\tas marked by the model: \(range.lowerBound) \(range.upperBound)\n"
            )
        }
        return lines.joined()
    }

    /// The document as one line of a .jsonl file, with its line end; keys in byte order. `asMarked` as in `brat`; it becomes the member
    /// `as_marked`.
    public static func jsonLine(_ document: Document, asMarked: [String: Range<Int>] = [:]) -> String {
        let entities = document.entities.map { entity -> JSONValue in
            var members: [String: JSONValue] = [
                "id": .string(entity.id), "type": .string(entity.type),
                "start": .integer(Int64(entity.hull.lowerBound)),
                "end": .integer(Int64(entity.hull.upperBound)), "text": .string(surface(entity, document)),
            ]
            if entity.spans.count > 1 {
                members["spans"] = .array(
                    entity.spans.map { .array([.integer(Int64($0.lowerBound)), .integer(Int64($0.upperBound))]) })
            }
            if let range = asMarked[entity.id] {
                members["as_marked"] = .array([.integer(Int64(range.lowerBound)), .integer(Int64(range.upperBound))])
            }
            return .object(members)
        }
        let relations = document.relations.map { relation -> JSONValue in
            .object([
                "type": .string(relation.type), "head": .string(relation.head), "modifier": .string(relation.modifier),
            ])
        }
        let line = JSONValue.object([
            "id": .string(document.id), "text": .string(String(scalars: document.text)), "entities": .array(entities),
            "relations": .array(relations),
        ])
        return compact(line) + "\n"
    }

    /// The mentions as rows.
    public static func rows(_ document: Document) -> [Row] {
        document.entities.map { entity in
            Row(
                id: entity.id, type: entity.type, start: entity.hull.lowerBound, end: entity.hull.upperBound,
                text: surface(entity, document),
                heads: document.relations.filter { $0.modifier == entity.id }.map(\.head))
        }
    }

    static func surface(_ entity: Entity, _ document: Document) -> String {
        let fragments = entity.spans.map { span in
            String(scalars: document.text[span].map { $0.isSpace ? " " : $0 })
        }
        return fragments.joined(separator: " ")
    }

    /// JSON without line ends: the canonical form of scalars, sorted keys.
    private static func compact(_ value: JSONValue) -> String {
        switch value {
        case .array(let elements): return "[" + elements.map(compact).joined(separator: ", ") + "]"
        case .object(let members):
            let keys = members.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            return "{"
                + keys.map { compact(.string($0)) + ": " + compact(members[$0] ?? .null) }.joined(separator: ", ") + "}"
        default: return String(value.canonicalText.unicodeScalars.dropLast())
        }
    }
}
