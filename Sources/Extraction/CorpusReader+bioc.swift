// BioC JSON: a collection of documents of passages, each with its offset, text, annotations and relations; also in the wrappers that public
// services use.

import Faults
import Federation

extension CorpusReader {
    /// Reads BioC JSON document by document. Passages are placed at their offsets in code points; gaps between them are filled with line
    /// ends.
    ///
    /// A collection, a list of collections or of documents, one document, an object of one of these, and several of them one after another
    /// are all read. Annotations may be in passages, in their sentences or in the document; relations have the nodes `head` and `modifier`,
    /// otherwise their two nodes in order. The type is the infon `type`; other infons may be anything.
    package static func bioc(_ bytes: [UInt8], file: String, reading: inout CorpusReading) -> [Document] {
        let bytes = withoutMark(bytes)
        let slices = JSONSlices(bytes)
        var found: [BioCPart] = []
        // An empty file is not a collection either.
        var next = slices.first() ?? bytes.count
        repeat {
            let place = next
            guard let group = slices.group(at: place),
                let parts = BioCPart.all(in: group, at: place, of: slices, depth: 0)
            else {
                reading.faults.add(
                    .bioc(
                        "the file is not a BioC collection: documents, each with an id and passages",
                        at: Place(file: file, line: slices.lines(of: [place]).last)))
                return []
            }
            found += parts
            guard let following = slices.first(from: group.end) else { break }
            next = following
        } while true
        let lines = slices.lines(of: found.map(\.range.lowerBound))
        var documents: [Document] = []
        for (index, part) in found.enumerated() {
            let place = Place(file: file, line: lines[index])
            reading.faults.document = "document \(index + 1)"
            defer { reading.faults.document = nil }
            guard part.isWhole else {
                reading.faults.add(.bioc("the file ends within document \(index + 1)", at: place))
                continue
            }
            if let document = biocDocument(Array(bytes[part.range]), at: place, &reading) { documents.append(document) }
        }
        return documents
    }

    private static func biocDocument(_ bytes: [UInt8], at line: Place, _ reading: inout CorpusReading) -> Document? {
        guard String(validating: bytes, as: UTF8.self) != nil else {
            reading.faults.add(.textNotUTF8("the document", at: line))
            return nil
        }
        let value: JSONValue
        do { value = try JSONValue(parsing: bytes, at: line) } catch {
            reading.faults.add(.bioc(error.what, at: line))
            return nil
        }
        guard value.members != nil else {
            reading.faults.add(.bioc("the document is not a JSON object", at: line))
            return nil
        }
        guard let id = value["id"]?.name, isDocumentID(id) else {
            reading.faults.add(.documentID(line.file ?? "", line: line.line))
            return nil
        }
        guard reading.claim(id) else {
            reading.faults.add(.duplicateDocument(id, file: line.file ?? "", line: line.line))
            return nil
        }
        reading.faults.document = id
        var document = BioCDocument(id: id, labels: reading.labels, line: line)
        return document.read(value, &reading)
    }
}

/// Where one document is in a file, in bytes.
private struct BioCPart {
    var range: Range<Int>
    /// False where the file ends before the document does.
    var isWhole: Bool

    /// The documents of a value; nil where the value is not a document and holds none. Wrappers are at most three deep.
    static func all(in group: JSONSlices.Group, at place: Int, of slices: JSONSlices, depth: Int) -> [BioCPart]? {
        guard depth < 4 else { return nil }
        func inner(_ place: Int) -> [BioCPart]? {
            slices.group(at: place).flatMap { all(in: $0, at: place, of: slices, depth: depth + 1) }
        }
        guard group.isObject else {
            var parts: [BioCPart] = []
            var isAny = false
            for part in group.parts {
                let found = inner(part.lowerBound)
                isAny = isAny || found != nil
                // A part among documents that is not a document counts as a bad document.
                parts += found ?? [BioCPart(range: part, isWhole: group.isClosed || part != group.parts.last)]
            }
            return isAny ? parts : nil
        }
        let members = group.parts.compactMap { slices.member($0) }
        if let list = members.first(where: { $0.name == "documents" }), let found = slices.group(at: list.value),
            !found.isObject
        {
            return found.parts.map { BioCPart(range: $0, isWhole: found.isClosed || $0 != found.parts.last) }
        }
        if members.contains(where: { $0.name == "passages" }) {
            return [BioCPart(range: place..<group.end, isWhole: group.isClosed)]
        }
        return members.lazy.compactMap { inner($0.value) }.first
    }
}

/// One document while it is read.
private struct BioCDocument {
    private var intake: AnnotationIntake
    private let id: String
    private let line: Place
    private var text: [Unicode.Scalar] = []
    private var segments: [OffsetCounting.Segment] = []
    private var annotations: [(value: JSONValue, segment: Int?, scope: Int)] = []
    private var relations: [(value: JSONValue, scope: Int)] = []
    /// The number of the current passage, from 1; 0 for what belongs to the document.
    private var scope = 1
    /// The names that annotations got, by passage and id: ids that start again in every passage are made distinct.
    private var names: [Int: [String: String]] = [:]

    init(id: String, labels: LabelMap, line: Place) {
        self.id = id
        self.line = line
        intake = AnnotationIntake(id: id, text: [], labels: labels)
    }

    private func place(_ annotation: String) -> Place {
        Place(file: line.file, line: line.line, document: annotation.isEmpty ? id : "\(id) \(annotation)")
    }

    /// Nil where the text itself cannot be built.
    mutating func read(_ value: JSONValue, _ reading: inout CorpusReading) -> Document? {
        guard let passages = value["passages"]?.elements else {
            reading.faults.add(.bioc("the document has no list of passages", at: place("")))
            return nil
        }
        for passage in passages {
            guard passage.members != nil else {
                reading.faults.add(.bioc("a passage is not an object", at: place("")))
                return nil
            }
            let sentences = passage["sentences"]?.elements ?? []
            // Some writers put an empty text beside sentences.
            let hasText = passage["text"]?.text.map { !$0.isEmpty || sentences.isEmpty } ?? false
            for piece in hasText ? [passage] : sentences {
                guard append(piece, &reading) else { return nil }
            }
            if !hasText && sentences.isEmpty && passage["annotations"]?.elements?.isEmpty == false {
                reading.faults.add(.bioc("a passage with annotations has no text", at: place("")))
                return nil
            }
            let whole = hasText ? segments.count - 1 : nil
            collect(passage, segment: whole)
            for sentence in sentences { collect(sentence, segment: whole) }
            scope += 1
        }
        scope = 0
        collect(value, segment: nil)
        let labels = reading.labels
        intake = AnnotationIntake(id: id, text: text, labels: labels)
        if !segments.isEmpty { intake.segments = segments }
        for (index, annotation) in annotations.enumerated() {
            mention(annotation.value, number: index + 1, segment: annotation.segment, scope: annotation.scope, &reading)
        }
        for (index, relation) in relations.enumerated() {
            self.relation(relation.value, number: index + 1, scope: relation.scope, &reading)
        }
        intake.finish(faults: &reading.faults, tally: &reading.tally)
        return intake.document
    }

    private mutating func append(_ piece: JSONValue, _ reading: inout CorpusReading) -> Bool {
        guard let offset = piece["offset"]?.whole,
            let (first, isFar) = Optional(offset.subtractingReportingOverflow(text.count)),
            !isFar, first >= 0, offset <= CorpusReader.largestDocument
        else {
            let offset = piece["offset"]?.whole
            reading.faults.add(
                .bioc(
                    offset.map { "a passage begins at \($0), within the one before it or far beyond it" }
                        ?? "a passage has no offset", at: place("")))
            return false
        }
        text += Array(repeating: "\n", count: first)
        let start = text.count
        text += Array((piece["text"]?.text ?? "").unicodeScalars)
        segments.append(OffsetCounting.Segment(stated: offset, range: start..<text.count))
        return true
    }

    private mutating func collect(_ value: JSONValue, segment: Int?) {
        for annotation in value["annotations"]?.elements ?? [] { annotations.append((annotation, segment, scope)) }
        for relation in value["relations"]?.elements ?? [] { relations.append((relation, scope)) }
    }

    private mutating func mention(
        _ value: JSONValue, number: Int, segment: Int?, scope: Int, _ reading: inout CorpusReading
    ) {
        let id = value["id"]?.name ?? "annotation \(number)"
        let here = place(Fault.annotation(id) == id ? id : "entity \(number)")
        let isTaken = names[scope]?[id] == nil && names.contains { $0.value[id] != nil }
        let name = isTaken ? "\(id) of passage \(scope)" : id
        names[scope, default: [:]][id] = name
        guard intake.claim(name, at: here, faults: &reading.faults) else { return }
        let label = value["infons"]?["type"]?.name
        if let label, intake.passesOver(label, id: name, tally: &reading.tally) { return }
        let pairs = value["locations"]?.elements?.map { location -> (Int, Int)? in
            guard let offset = location["offset"]?.whole, let length = location["length"]?.whole else { return nil }
            let (end, isFar) = offset.addingReportingOverflow(length)
            return (offset, isFar ? Int.max : end)
        }
        guard let label, let pairs, !pairs.isEmpty, !pairs.contains(where: { $0 == nil }) else {
            intake.refuse(mention: name)
            reading.faults.add(.bioc("an annotation needs the infon type and a location", at: here))
            return
        }
        let known = pairs.compactMap { $0 }
        intake.add(
            mention: name, label: label, pairs: known,
            surface: value["text"]?.text.map { Array($0.unicodeScalars) },
            segment: segment ?? self.segment(of: known[0].0), at: here)
    }

    /// The last passage that begins at or before the offset.
    private func segment(of offset: Int) -> Int {
        var (low, high) = (0, segments.count)
        while low < high {
            let middle = (low + high) / 2
            if segments[middle].stated <= offset { low = middle + 1 } else { high = middle }
        }
        return max(0, low - 1)
    }

    /// The annotation that a node refers to: one in its own passage, otherwise the only one with that id.
    private func name(of id: String, scope: Int) -> String {
        if let own = names[scope]?[id] { return own }
        let others = names.values.compactMap { $0[id] }
        return others.count > 1 ? "several of that id" : others.first ?? id
    }

    private mutating func relation(_ value: JSONValue, number: Int, scope: Int, _ reading: inout CorpusReading) {
        let id = value["id"]?.name ?? ""
        let here = place(Fault.annotation(id) == id ? id : "relation \(number)")
        let label = value["infons"]?["type"]?.name
        if let label, intake.passesOver(label, tally: &reading.tally) { return }
        let nodes = value["nodes"]?.elements ?? []
        func end(_ role: String, or place: Int) -> String? {
            let node = nodes.first { $0["role"]?.text == role } ?? (nodes.count == 2 ? nodes[place] : nil)
            return node?["refid"]?.name.map { name(of: $0, scope: scope) }
        }
        let isOurs = label.map { reading.labels.type(of: $0) == Relation.hasAttr } ?? true
        let (head, modifier) = (end("head", or: 0), end("modifier", or: 1))
        guard let label, !isOurs || head != nil && modifier != nil else {
            reading.faults.add(.bioc("a relation needs the infon type and the nodes head and modifier", at: here))
            return
        }
        let hasRoles = nodes.contains { $0["role"]?.text == "head" }
        intake.add(
            relation: label, head: head ?? "", modifier: modifier ?? "",
            mayTurn: label != Relation.hasAttr && !hasRoles, at: here)
    }
}

extension JSONValue {
    /// A name: text, or a whole number as text; nil for null and anything else.
    var name: String? {
        switch self {
        case .string(let text): text
        case .integer(let number): String(number)
        default: nil
        }
    }

    /// A whole number, also where it is written as 4.0 or in quotes.
    var whole: Int? {
        switch self {
        case .integer(let number): Int(number)
        case .number(let number): Int(exactly: number)
        case .string(let text): text.utf8.count <= 19 ? CorpusReader.number(Array(text.utf8)) : nil
        default: nil
        }
    }
}
