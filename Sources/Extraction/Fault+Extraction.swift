// The faults of corpora and templates. A document is named by its id, an annotation by its id or line; never by its text.

import Faults
import Federation

extension Fault {
    private static let forms =
        "a folder of .txt and .ann pairs, a .jsonl file, a BioC .json file, or .bio or .conll files"

    static func corpusMissing(_ path: String) -> Fault {
        Fault(
            .data, "data.missing", "there is no readable corpus at this path", at: Place(file: path),
            mend: "Name \(forms).")
    }

    static func noDocuments(_ path: String, tally: CorpusTally = CorpusTally()) -> Fault {
        let others = tally.passedOver.map { "\($0.count) \($0.count == 1 ? "file" : "files") (\($0.reason))" }
        return Fault(
            .data, "data.no-documents",
            "there is no .ann, .txt or .bio file here"
                + (others.isEmpty ? "" : "; passed over: \(others.joined(separator: ", "))"),
            at: Place(file: path),
            mend: "Name the folder that holds the notes themselves (such as its train folder), or a .jsonl file.")
    }

    static func noneReadable(_ path: String, refused: Int) -> Fault {
        Fault(
            .data, "data.no-documents",
            "none of the \(refused) \(refused == 1 ? "document" : "documents") can be read, for the faults above",
            at: Place(file: path), mend: "Correct the faults above; medrounds data inspect counts them all by code.")
    }

    static func splits(_ path: String, names: [String]) -> Fault {
        Fault(
            .data, "data.no-documents",
            "the notes are in sub-folders that look like parts of a split: \(names.joined(separator: ", "))",
            at: Place(file: path),
            mend: "Name one of them: notes for training and for tests are not read as one corpus.")
    }

    static func otherForm(_ path: String, _ what: String, mend: String) -> Fault {
        Fault(.data, "data.other-form", what, at: Place(file: path), mend: mend)
    }

    static func sharedTask(_ path: String, document: String) -> Fault {
        Fault(
            .data, "data.pair",
            "the document has no .ann file, but .a1 or .a2 of a BioNLP shared task",
            at: Place(file: path, document: document),
            mend: "Join them in a copy of the folder, for every note: cat ID.a1 ID.a2 > ID.ann (skip a missing one).")
    }

    static func mixedForms(_ path: String) -> Fault {
        Fault(
            .data, "data.mixed-forms", "the folder holds both BRAT pairs and .bio files", at: Place(file: path),
            mend: "Keep one form in one folder.")
    }

    static func unpaired(_ path: String, document: String, missing ending: String) -> Fault {
        Fault(
            .data, "data.pair", "the document has no \(ending) file", at: Place(file: path, document: document),
            mend: ending == ".ann"
                ? "Add the .ann file; an empty one says that nothing is annotated."
                : "Add the text of the note, or remove its .ann file.")
    }

    static func unreadable(_ path: String, document: String?) -> Fault {
        Fault(
            .data, "data.unreadable", "the file cannot be read", at: Place(file: path, document: document),
            mend: "Check the file's permissions.")
    }

    static func notUTF8(_ path: String, document: String?) -> Fault {
        Fault(
            .data, "data.utf8", "the file is not valid UTF-8", at: Place(file: path, document: document),
            mend: "Convert the file to UTF-8; offsets count code points of the converted text.")
    }

    static func documentID(_ file: String, line: Int?) -> Fault {
        Fault(
            .data, "data.document-id", "a document id is not 1 to 200 printable characters",
            at: Place(file: file, line: line), mend: "Give every document a short id without control characters.")
    }

    static func duplicateDocument(_ id: String, file: String, line: Int?) -> Fault {
        Fault(
            .data, "data.duplicate-document", "the document id occurs twice",
            at: Place(file: file, line: line, document: id), mend: "Give every document an id of its own.")
    }

    static func annotationLine(_ reason: String, at place: Place) -> Fault {
        Fault(
            .data, "data.annotation-line", reason, at: place,
            mend: "Write the line as BRAT does: T1<tab>problem 3 9<tab>surface, or R1<tab>hasAttr Arg1:T1 Arg2:T2.")
    }

    static func duplicateAnnotation(at place: Place) -> Fault {
        Fault(
            .data, "data.duplicate-annotation", "the annotation id occurs twice in its document", at: place,
            mend: "Give every annotation of a document an id of its own.")
    }

    static func offset(_ start: Int, _ end: Int, length: Int, at place: Place) -> Fault {
        Fault(
            .data, "data.offset", "span \(start) to \(end) is outside a text of \(length) code points", at: place,
            mend: "Count offsets in Unicode code points, end exclusive, CRLF as two.")
    }

    static func blankSpan(_ start: Int, _ end: Int, at place: Place) -> Fault {
        Fault(
            .data, "data.offset", "span \(start) to \(end) covers only white space", at: place,
            mend: "Remove the annotation, or correct its offsets.")
    }

    static func fragments(at place: Place) -> Fault {
        Fault(
            .data, "data.fragments", "the fragments of the span overlap", at: place,
            mend: "List every fragment once, without overlap.")
    }

    static func surface(_ verdict: SurfaceWitness.Verdict, at place: Place) -> Fault {
        let isNear: (shift: Int, way: String)? =
            if case .elsewhere(let shift) = verdict { (shift, shift > 0 ? "further on" : "back") } else { nil }
        let found =
            switch isNear {
            case (0, _)?: "; it begins there, but ends elsewhere"
            case (let shift, let way)?: "; it is \(shift.magnitude) code points \(way)"
            case nil: " and shares nothing with it"
            }
        return Fault(
            .data, "data.surface", "the annotation's surface text is not the text at its offsets\(found)", at: place,
            mend: isNear == nil
                ? "Count offsets in Unicode code points of this exact file, and do not change its line ends or encoding."
                : "Correct the offsets of this annotation: no other way of counting explains them.")
    }

    static func counting(
        _ counting: OffsetCounting, wrong: Int, explained: Int, of all: Int, mixedLineEnds: Bool, at place: Place
    ) -> Fault {
        Fault(
            .data, "data.surface",
            "\(wrong) of \(all) surface texts are not the text at their offsets; \(explained) of \(all) are, if offsets \(counting.description)",
            at: place, mend: counting.mend(mixedLineEnds: mixedLineEnds))
    }

    static func textNotUTF8(_ what: String, at place: Place) -> Fault {
        Fault(.data, "data.utf8", "\(what) is not valid UTF-8", at: place, mend: "Convert the file to UTF-8.")
    }

    static func tooLarge(_ path: String, document: String?, bytes: Int, limit: Int) -> Fault {
        Fault(
            .data, "data.too-large", "the document has \(bytes) bytes, more than \(limit)",
            at: Place(file: path, document: document),
            mend: "Split what was joined: one document is one note, not a whole archive.")
    }

    static func bioc(_ reason: String, at place: Place) -> Fault {
        Fault(
            .data, "data.bioc", reason, at: place,
            mend: "Write BioC JSON: documents of passages, each with offset, text, annotations and relations.")
    }

    /// The label of one mention; empty where it may be text of the note.
    static func unknownType(label: String, at place: Place) -> Fault {
        Fault(
            .data, "data.unknown-type",
            "type \(LabelName.quoted(label)) is none of the \(AnnotationType.all.count) known types",
            at: place, mend: mapping(["\(LabelName.isFit(label) ? label : "LABEL")"], target: "problem"))
    }

    /// All labels of a corpus that are not types, in one fault at the place of the first.
    static func unknownTypes(_ labels: [String: CorpusTally.Label], at place: Place) -> Fault {
        let shown = CorpusTally.sorted(labels)
        let total = labels.values.reduce(0) { $0 + $1.count }
        return Fault(
            .data, "data.unknown-type",
            "\(total) \(total == 1 ? "mention has a label that is" : "mentions have labels that are") none of the \(AnnotationType.all.count) known types: \(list(shown))",
            at: place,
            mend: mapping(shown.map(\.label).filter { $0 != LabelName.hidden }, target: "problem")
                + " Types are: \(AnnotationType.all.joined(separator: ", ")).")
    }

    static func relationType(_ type: String, at place: Place) -> Fault {
        Fault(
            .data, "data.relation-type", "relation type \(LabelName.quoted(type)) is not \(Relation.hasAttr)",
            at: place,
            mend: mapping([type].filter(LabelName.isFit), target: Relation.hasAttr))
    }

    /// All relation labels of a corpus that are not ours, in one fault at the place of the first.
    static func relationTypes(_ labels: [String: CorpusTally.Label], at place: Place) -> Fault {
        let shown = CorpusTally.sorted(labels)
        let total = labels.values.reduce(0) { $0 + $1.count }
        return Fault(
            .data, "data.relation-type",
            "\(total) \(total == 1 ? "relation has a type that is" : "relations have types that are") not \(Relation.hasAttr): \(list(shown))",
            at: place, mend: mapping(shown.map(\.label).filter { $0 != LabelName.hidden }, target: nil))
    }

    private static func list(_ labels: [(label: String, count: Int)]) -> String {
        let shown = labels.prefix(40).map { "\($0.label) \($0.count)" }.joined(separator: ", ")
        return labels.count > 40 ? "\(shown), and \(labels.count - 40) more" : shown
    }

    /// How labels of another guideline are mapped: with labels of this corpus, quoted where YAML or a shell needs quotes.
    private static func mapping(_ labels: [String], target: String?) -> String {
        let (first, other) = (labels.first ?? "LABEL", labels.count > 1 ? labels[1] : nil)
        func quoted(_ label: String) -> String { plain(label) ? label : "\"\(label)\"" }
        var yaml = ["\(quoted(first)): \(target ?? "null")"]
        var options = ["--label \(quoted("\(first)=\(target ?? "")"))"]
        if let other {
            yaml.append("\(quoted(other)): null")
            options.append("--label \(quoted("\(other)="))")
        }
        return
            "Map each label to a type, or to null to pass over it: labels: {\(yaml.joined(separator: ", "))} in the workflow, "
            + "\(options.joined(separator: " ")) for medrounds data."
    }

    static func relationEnd(_ id: String, at place: Place) -> Fault {
        Fault(
            .data, "data.relation-end", "the relation names \(annotation(id)), which the document does not have",
            at: place,
            mend: "Let both ends of a relation be ids of entities of the same document.")
    }

    static func jsonLine(_ reason: String, at place: Place) -> Fault {
        Fault(
            .data, "data.json-line", reason, at: place,
            mend:
                "Write one object a line: id, text, entities [id, type, start, end], relations [type, head, modifier].")
    }

    static func bioLine(_ reason: String, at place: Place) -> Fault {
        Fault(
            .data, "data.bio-line", reason, at: place,
            mend: "Write token<tab>tag with the tag O, B-type or I-type, and an empty line between sentences.")
    }

    static func moreFaults(_ counts: [String: Int], path: String) -> Fault {
        let total = counts.values.reduce(0, +)
        let codes = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\($0.key) \($0.value)" }
        return Fault(
            .data, "data.more-faults",
            "\(total) more \(total == 1 ? "fault is" : "faults are") not listed: \(codes.joined(separator: ", "))",
            at: Place(file: path), mend: "Correct those listed and read the corpus again.")
    }

    static func template(_ code: String, _ what: String, file: String, mend: String) -> Fault {
        Fault(.workflow, "template.\(code)", what, at: Place(file: file), mend: mend)
    }

    /// An annotation id in a form that may be shown: a capital letter and digits.
    static func annotation(_ id: String) -> String {
        let digits = id.utf8.dropFirst()
        let fit =
            (1...8).contains(digits.count) && digits.allSatisfy { (0x30...0x39).contains($0) }
            && id.utf8.first.map { (0x41...0x5a).contains($0) } == true
        return fit ? id : "an id (not shown)"
    }

    /// Whether a name needs no quotes: letters, digits, `_`, `-` and `.` of ASCII, at most 32.
    static func plain(_ text: String) -> Bool {
        (1...32).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0)
                    || [0x2d, 0x2e, 0x3d, 0x5f].contains($0)
            }
    }
}
