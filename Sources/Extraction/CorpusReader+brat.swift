// The BRAT stand-off form: a .txt file beside an .ann file of T, R, E, A, M, N, # and * lines. Events bind their trigger to their arguments.

import Faults
import Federation

extension CorpusReader {
    /// Reads one BRAT pair; nil where its text cannot be used at all.
    package static func brat(
        id: String, text: [UInt8], annotation: [UInt8], file: String, labels: LabelMap = LabelMap(),
        faults: inout FaultList
    ) -> Document? {
        guard let scalars = scalars(text) else {
            faults.add(.notUTF8(String(file.dropLast(4)) + ".txt", document: id))
            return nil
        }
        guard Self.scalars(annotation) != nil else {
            faults.add(.notUTF8(file, document: id))
            return nil
        }
        var reading = BRATReading(document: Document(id: id, text: scalars), file: file, labels: labels)
        for (index, line) in lines(annotation).enumerated() where !line.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) {
            reading.read(line, number: index + 1, faults: &faults)
        }
        reading.resolve(faults: &faults)
        return reading.document
    }
}

/// One .ann file being read: mentions at once, relations and events once all mentions are known.
private struct BRATReading {
    var document: Document
    let file: String
    let labels: LabelMap
    private var ids: Set<String> = []
    private var mentions: [String: Int] = [:]
    /// Trigger of each event.
    private var triggers: [String: String] = [:]
    private var links: [(type: String, head: String, modifier: String, place: Place)] = []
    private var arguments: [(trigger: String, argument: String, place: Place)] = []
    /// Mentions that were refused for a fault of their own: a relation to one is not a second fault.
    private var refused: Set<String> = []
    private var attributes: [(attribute: Attribute, place: Place)] = []

    init(document: Document, file: String, labels: LabelMap) {
        self.document = document
        self.file = file
        self.labels = labels
    }

    mutating func read(_ line: ArraySlice<UInt8>, number: Int, faults: inout FaultList) {
        let fields = line.split(separator: 0x09, maxSplits: 2, omittingEmptySubsequences: false)
        let id = String(decoding: fields[0], as: UTF8.self)
        let kind = line.first.map { Unicode.Scalar($0) } ?? " "
        // Notes of annotators, equivalences and links to other vocabularies bear nothing that is extracted.
        if ["#", "*", "N"].contains(kind) { return }
        let isID = fields[0].count >= 2 && fields[0].count <= 20 && CorpusReader.number(fields[0].dropFirst()) != nil
        let place = Place(
            file: file, line: number, document: isID ? "\(document.id) \(id)" : "\(document.id) line \(number)")
        guard isID, ["T", "R", "E", "A", "M"].contains(kind), fields.count >= 2 else {
            faults.add(.annotationLine("the line is no annotation that BRAT knows", at: place))
            return
        }
        guard ids.insert(id).inserted else {
            faults.add(.duplicateAnnotation(at: place))
            return
        }
        let words = fields[1].split(separator: 0x20, omittingEmptySubsequences: true)
        switch kind {
        case "T":
            if !mention(id, fields, at: place, faults: &faults) { refused.insert(id) }
        case "R": relation(words, at: place, faults: &faults)
        case "A", "M":
            guard words.count == 2 || words.count == 3 else {
                faults.add(.annotationLine("an A line needs a name, an annotation and perhaps a value", at: place))
                return
            }
            let parts = words.map { String(decoding: $0, as: UTF8.self) }
            let value = parts.count == 3 ? parts[2] : nil
            attributes.append((Attribute(name: parts[0], target: parts[1], value: value), place))
        default: event(id, words, at: place, faults: &faults)
        }
    }

    private mutating func mention(
        _ id: String, _ fields: [ArraySlice<UInt8>], at place: Place, faults: inout FaultList
    ) -> Bool {
        let parts = fields[1].split(separator: 0x20, maxSplits: 1, omittingEmptySubsequences: true)
        guard fields.count == 3, parts.count == 2 else {
            faults.add(.annotationLine("a T line needs a type, offsets and the surface text", at: place))
            return false
        }
        var pairs: [(Int, Int)] = []
        for fragment in parts[1].split(separator: 0x3b, omittingEmptySubsequences: false) {
            let ends = fragment.split(separator: 0x20, omittingEmptySubsequences: true).map { CorpusReader.number($0) }
            guard ends.count == 2, let start = ends[0], let end = ends[1] else {
                faults.add(.annotationLine("the offsets are not pairs of numbers", at: place))
                return false
            }
            pairs.append((start, end))
        }
        let label = String(decoding: parts[0], as: UTF8.self)
        guard CorpusReader.accepts(pairs, length: document.text.count, at: place, faults: &faults) else { return false }
        let spans = pairs.map { $0.0..<$0.1 }
        let surface = String(decoding: fields[2], as: UTF8.self).unicodeScalars
        guard CorpusReader.surface(surface, isAt: spans, of: document.text) else {
            faults.add(.surface(at: place, mixedLineEnds: CorpusReader.hasMixedLineEnds(document.text)))
            return false
        }
        // A label that is passed over is as if it were not there, and so are relations to it.
        guard let type = labels.type(of: label) else { return false }
        // Last, and so only where the line is sound: the fault shows the label, which must not be a piece of a note gone astray.
        guard AnnotationType.all.contains(type) else {
            faults.add(.unknownType(type, at: place))
            return false
        }
        mentions[id] = document.entities.count
        document.entities.append(Entity(id: id, type: type, spans: spans))
        return true
    }

    private mutating func relation(_ words: [ArraySlice<UInt8>], at place: Place, faults: inout FaultList) {
        let ends = words.dropFirst().map { reference($0) }
        guard words.count == 3, let first = ends[0], let second = ends[1],
            Set([first.role, second.role]) == ["Arg1", "Arg2"]
        else {
            faults.add(.annotationLine("an R line needs a type, Arg1 and Arg2", at: place))
            return
        }
        let (head, modifier) = first.role == "Arg1" ? (first.id, second.id) : (second.id, first.id)
        links.append((String(decoding: words[0], as: UTF8.self), head, modifier, place))
    }

    /// `E1<tab>Type:T1 Role:T2`: the trigger is the head; arguments that are modifiers become relations.
    private mutating func event(_ id: String, _ words: [ArraySlice<UInt8>], at place: Place, faults: inout FaultList) {
        let references = words.map { reference($0) }
        guard let first = references.first, let trigger = first, !references.contains(where: { $0 == nil }) else {
            faults.add(.annotationLine("an E line needs Type:trigger and Role:argument pairs", at: place))
            return
        }
        triggers[id] = trigger.id
        arguments.append((trigger.id, trigger.id, place))
        for argument in references.dropFirst() {
            if let argument { arguments.append((trigger.id, argument.id, place)) }
        }
    }

    private func reference(_ word: ArraySlice<UInt8>) -> (role: String, id: String)? {
        let halves = word.split(separator: 0x3a, omittingEmptySubsequences: false)
        guard halves.count == 2, !halves[0].isEmpty, !halves[1].isEmpty else { return nil }
        return (String(decoding: halves[0], as: UTF8.self), String(decoding: halves[1], as: UTF8.self))
    }

    /// Checks both ends of relations and events, now that every mention is known.
    mutating func resolve(faults: inout FaultList) {
        for link in links {
            let head = triggers[link.head] ?? link.head
            let modifier = triggers[link.modifier] ?? link.modifier
            if knows(head, at: link.place, faults: &faults), knows(modifier, at: link.place, faults: &faults) {
                guard let type = labels.type(of: link.type) else { continue }
                guard type == Relation.hasAttr else {
                    faults.add(.relationType(link.type, at: link.place))
                    continue
                }
                let relation = Relation(head: head, modifier: modifier)
                if let relation = link.type == type ? relation : turned(relation) {
                    document.relations.append(relation)
                }
            }
        }
        for (trigger, argument, place) in arguments {
            let target = triggers[argument] ?? argument
            guard knows(target, at: place, faults: &faults), target != trigger, let head = mentions[trigger],
                let modifier = mentions[target]
            else { continue }
            let relation = Relation(head: trigger, modifier: target)
            if AnnotationType.entities.contains(document.entities[head].type),
                AnnotationType.modifiers.contains(document.entities[modifier].type),
                !document.relations.contains(relation)
            {
                document.relations.append(relation)
            }
        }
        for (attribute, place) in attributes {
            guard ids.contains(attribute.target) else {
                faults.add(.relationEnd(attribute.target, at: place))
                continue
            }
            let target = triggers[attribute.target] ?? attribute.target
            if mentions[target] != nil {
                document.attributes.append(Attribute(name: attribute.name, target: target, value: attribute.value))
            }
        }
    }

    /// A relation of another guideline the way ours run, from an entity to its modifier; nil where it joins no such two.
    private func turned(_ relation: Relation) -> Relation? {
        func type(_ id: String) -> String { mentions[id].map { document.entities[$0].type } ?? "" }
        func binds(_ head: String, _ modifier: String) -> Bool {
            AnnotationType.entities.contains(type(head)) && AnnotationType.modifiers.contains(type(modifier))
        }
        if binds(relation.head, relation.modifier) { return relation }
        return binds(relation.modifier, relation.head)
            ? Relation(head: relation.modifier, modifier: relation.head) : nil
    }

    private func knows(_ id: String, at place: Place, faults: inout FaultList) -> Bool {
        if mentions[id] != nil { return true }
        if !refused.contains(id) { faults.add(.relationEnd(id, at: place)) }
        return false
    }
}
