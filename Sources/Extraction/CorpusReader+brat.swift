// The BRAT stand-off form: a .txt file beside an .ann file of T, R, E, A, M, N, # and * lines. Events bind their trigger to their arguments.

import Faults
import Federation

extension CorpusReader {
    /// Reads one BRAT pair; nil where its text cannot be used at all.
    package static func brat(
        id: String, text: [UInt8], annotation: [UInt8], file: String, reading: inout CorpusReading
    ) -> Document? {
        guard let scalars = scalars(text) else {
            reading.faults.add(.notUTF8(String(file.dropLast(4)) + ".txt", document: id))
            return nil
        }
        let annotation = withoutMark(annotation)
        guard String(validating: annotation, as: UTF8.self) != nil else {
            reading.faults.add(.notUTF8(file, document: id))
            return nil
        }
        var lines = BRATLines(
            intake: AnnotationIntake(id: id, text: scalars, labels: reading.labels), file: file, id: id)
        for (index, line) in Self.lines(annotation).enumerated() where !line.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) {
            lines.read(line, number: index + 1, &reading)
        }
        lines.intake.finish(faults: &reading.faults, tally: &reading.tally)
        return lines.intake.document
    }
}

/// One .ann file while it is read, line by line.
private struct BRATLines {
    var intake: AnnotationIntake
    let file: String
    let id: String

    mutating func read(_ line: ArraySlice<UInt8>, number: Int, _ reading: inout CorpusReading) {
        let fields = line.split(separator: 0x09, maxSplits: 2, omittingEmptySubsequences: false)
        let name = String(decoding: fields[0], as: UTF8.self)
        let kind = line.first.map { Unicode.Scalar($0) } ?? " "
        // Notes of annotators, equivalences and links to other vocabularies do not affect what is extracted.
        if ["#", "*", "N"].contains(kind) { return }
        let isID = Self.isReference(fields[0])
        let place = Place(file: file, line: number, document: isID ? "\(id) \(name)" : "\(id) line \(number)")
        guard isID, ["T", "R", "E", "A", "M"].contains(kind), fields.count >= 2 else {
            reading.faults.add(.annotationLine("the line is not an annotation of BRAT", at: place))
            return
        }
        guard intake.claim(name, at: place, faults: &reading.faults) else { return }
        let words = fields[1].split(separator: 0x20, omittingEmptySubsequences: true)
        switch kind {
        case "T": mention(name, words, fields, at: place, &reading)
        case "R": relation(words, at: place, &reading)
        case "A", "M": attribute(words, at: place, &reading)
        default: event(name, words, at: place, &reading)
        }
    }

    /// `Type 0 4;8 12`; the type may hold blanks: the offsets are the end of the field.
    private mutating func mention(
        _ name: String, _ words: [ArraySlice<UInt8>], _ fields: [ArraySlice<UInt8>], at place: Place,
        _ reading: inout CorpusReading
    ) {
        let tail = words.indices.reversed().prefix { words[$0].allSatisfy { (0x30...0x3b).contains($0) && $0 != 0x3a } }
        let places = tail.reversed().filter { $0 > 0 }
        guard
            let (pairs, head) = places.lazy.compactMap({ start in
                Self.pairs(words[start...]).map { ($0, start) }
            }).first
        else {
            // A type that is passed over is not judged, and the type alone is not enough to know any other line.
            let label = words.first.map { String(decoding: $0, as: UTF8.self) } ?? ""
            if intake.passesOver(label, id: name, tally: &reading.tally) { return }
            intake.refuse(mention: name)
            let isShort = fields.count < 3 || words.count < 2
            reading.faults.add(
                .annotationLine(
                    isShort
                        ? "a T line needs a type, offsets and the surface text"
                        : "the offsets are not pairs of numbers",
                    at: place))
            return
        }
        let label = words[..<head].map { String(decoding: $0, as: UTF8.self) }.joined(separator: " ")
        if intake.passesOver(label, id: name, tally: &reading.tally) { return }
        guard fields.count == 3 else {
            intake.refuse(mention: name)
            reading.faults.add(.annotationLine("a T line needs a type, offsets and the surface text", at: place))
            return
        }
        let surface = Array(String(decoding: fields[2], as: UTF8.self).unicodeScalars)
        intake.add(mention: name, label: label, pairs: pairs, surface: surface, at: place)
    }

    private static func pairs(_ words: ArraySlice<ArraySlice<UInt8>>) -> [(Int, Int)]? {
        var pairs: [(Int, Int)] = []
        let field = Array(words.joined(separator: [0x20]))
        for fragment in field.split(separator: 0x3b, omittingEmptySubsequences: false) {
            let ends = fragment.split(separator: 0x20, omittingEmptySubsequences: true).map { CorpusReader.number($0) }
            guard ends.count == 2, let start = ends[0], let end = ends[1] else { return nil }
            pairs.append((start, end))
        }
        return pairs
    }

    /// `Type Arg1:T1 Arg2:T2`; a type of another guideline may have other roles.
    private mutating func relation(_ words: [ArraySlice<UInt8>], at place: Place, _ reading: inout CorpusReading) {
        let label = words.first.map { String(decoding: $0, as: UTF8.self) } ?? ""
        if intake.passesOver(label, tally: &reading.tally) { return }
        let ends = words.dropFirst().map { reference($0) }
        guard ends.count >= 2, let first = ends[0], let second = ends[1] else {
            reading.faults.add(.annotationLine("an R line needs a type, Arg1 and Arg2", at: place))
            return
        }
        let isOurs = label == Relation.hasAttr
        let isPlain = ends.count == 2 && Set([first.role, second.role]) == ["Arg1", "Arg2"]
        guard isPlain || !isOurs && (ends.count == 2 || reading.labels.type(of: label) != Relation.hasAttr) else {
            reading.faults.add(.annotationLine("an R line needs a type, Arg1 and Arg2", at: place))
            return
        }
        let isTurned = first.role == "Arg2" && second.role == "Arg1"
        intake.add(
            relation: label, head: isTurned ? second.id : first.id, modifier: isTurned ? first.id : second.id,
            mayTurn: !isOurs, at: place)
    }

    /// `Name T1 value`: both names and values may hold blanks.
    private mutating func attribute(_ words: [ArraySlice<UInt8>], at place: Place, _ reading: inout CorpusReading) {
        guard let target = words.indices.first(where: { $0 > 0 && Self.isReference(words[$0]) }) else {
            let label = words.first.map { String(decoding: $0, as: UTF8.self) } ?? ""
            if reading.labels.type(of: label) == nil { return }
            reading.faults.add(.annotationLine("an A line needs a name, an annotation and perhaps a value", at: place))
            return
        }
        func text(_ words: ArraySlice<ArraySlice<UInt8>>) -> String {
            words.map { String(decoding: $0, as: UTF8.self) }.joined(separator: " ")
        }
        let value = text(words[(target + 1)...])
        intake.add(
            attribute: Attribute(
                name: text(words[..<target]), target: text(words[target...target]), value: value.isEmpty ? nil : value),
            at: place)
    }

    /// `E1<tab>Type:T1 Role:T2`: the trigger is the head; arguments that are modifiers become relations.
    private mutating func event(
        _ name: String, _ words: [ArraySlice<UInt8>], at place: Place, _ reading: inout CorpusReading
    ) {
        let references = words.map { reference($0) }
        guard let first = references.first, let trigger = first, !references.contains(where: { $0 == nil }) else {
            let label = words.first.map { String(decoding: $0.prefix { $0 != 0x3a }, as: UTF8.self) } ?? ""
            if intake.passesOver(label, id: name, tally: &reading.tally) { return }
            reading.faults.add(.annotationLine("an E line needs Type:trigger and Role:argument pairs", at: place))
            return
        }
        // A relation may name the event, so its trigger is kept even where the event itself is passed over.
        let isPassedOver = reading.labels.type(of: trigger.role) == nil
        intake.add(
            event: name, trigger: trigger.id,
            arguments: isPassedOver ? [] : references.dropFirst().compactMap { $0?.id }, at: place)
    }

    private func reference(_ word: ArraySlice<UInt8>) -> (role: String, id: String)? {
        let halves = word.split(separator: 0x3a, omittingEmptySubsequences: false)
        guard halves.count == 2, !halves[0].isEmpty, !halves[1].isEmpty else { return nil }
        return (String(decoding: halves[0], as: UTF8.self), String(decoding: halves[1], as: UTF8.self))
    }

    /// A letter and a number.
    private static func isReference(_ word: ArraySlice<UInt8>) -> Bool {
        (2...20).contains(word.count) && word.first.map { (0x41...0x5a).contains($0) } == true
            && CorpusReader.number(word.dropFirst()) != nil
    }
}
