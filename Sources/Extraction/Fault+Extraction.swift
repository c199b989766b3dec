// The faults of corpora and templates. A document is named by its id, an annotation by its id or line; never by its text.

import Faults

extension Fault {
    static func corpusMissing(_ path: String) -> Fault {
        Fault(
            .data, "data.missing", "there is no readable corpus at this path", at: Place(file: path),
            mend: "Name a folder of .txt and .ann pairs, a .jsonl file or a folder of .bio files.")
    }

    static func noDocuments(_ path: String) -> Fault {
        Fault(
            .data, "data.no-documents", "no .ann, .txt or .bio file stands here", at: Place(file: path),
            mend: "Name the folder that holds the notes themselves (such as its train folder), or a .jsonl file.")
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
            .data, "data.offset", "span \(start) to \(end) is no part of a text of \(length) code points", at: place,
            mend: "Count offsets in Unicode code points, end exclusive, CRLF as two.")
    }

    static func fragments(at place: Place) -> Fault {
        Fault(
            .data, "data.fragments", "the fragments of the span overlap or are out of order", at: place,
            mend: "List the fragments in the order of the text, without overlap.")
    }

    static func surface(at place: Place, mixedLineEnds: Bool = false) -> Fault {
        Fault(
            .data, "data.surface", "the annotation's surface text is not the text at its offsets", at: place,
            mend: mixedLineEnds
                ? "The text has line ends of both kinds, as after a careless conversion: bring back the file that was annotated."
                : "Count offsets in Unicode code points of the very file, and do not change its line ends or encoding.")
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

    static func unknownType(_ type: String, at place: Place) -> Fault {
        Fault(
            .data, "data.unknown-type", "type \(label(type)) is none of the \(AnnotationType.all.count) known types",
            at: place, mend: "Use one of: \(AnnotationType.all.joined(separator: ", ")).")
    }

    static func relationType(_ type: String, at place: Place) -> Fault {
        Fault(
            .data, "data.relation-type", "relation type \(label(type)) is not \(Relation.hasAttr)", at: place,
            mend: "Use \(Relation.hasAttr), from the head to its modifier.")
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

    static func moreFaults(_ count: Int, path: String) -> Fault {
        Fault(
            .data, "data.more-faults", "\(count) more faults are not listed", at: Place(file: path),
            mend: "Mend those listed and read the corpus again.")
    }

    static func template(_ code: String, _ what: String, file: String, mend: String) -> Fault {
        Fault(.workflow, "template.\(code)", what, at: Place(file: file), mend: mend)
    }

    /// An annotation id as it may be shown: a capital letter and digits.
    static func annotation(_ id: String) -> String {
        let digits = id.utf8.dropFirst()
        let fit =
            (1...8).contains(digits.count) && digits.allSatisfy { (0x30...0x39).contains($0) }
            && id.utf8.first.map { (0x41...0x5a).contains($0) } == true
        return fit ? id : "an id (not shown)"
    }

    /// A label as it may be shown: letters, digits, `_`, `-` and `.`, at most 32; anything else might be text of a note.
    static func label(_ text: String) -> String {
        let fit =
            (1...32).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0)
                    || [0x2d, 0x2e, 0x5f].contains($0)
            }
        return fit ? "`\(text)`" : "(not shown)"
    }
}

/// The faults of one corpus, found together; keeps the first `capacity` and counts the others.
package struct FaultList {
    static let capacity = 50
    private(set) var faults: [Fault] = []
    private var more = 0
    /// The document that is being read: faults found meanwhile are its own.
    var document: String?
    private var byDocument: [(document: String, fault: Fault)] = []
    private var ofDocuments: Set<Int> = []

    package init() {}

    mutating func add(_ fault: Fault) {
        if let document {
            ofDocuments.insert(faults.count + more)
            if byDocument.last?.document != document { byDocument.append((document, fault)) }
        }
        if faults.count < Self.capacity { faults.append(fault) } else { more += 1 }
    }

    /// Takes out the faults of documents: the id of each document with its first fault, in the order in which they were found.
    mutating func takeDocuments() -> [(document: String, fault: Fault)] {
        defer { byDocument = [] }
        faults = faults.indices.filter { !ofDocuments.contains($0) }.map { faults[$0] }
        more -= ofDocuments.count { $0 >= Self.capacity }
        ofDocuments = []
        return byDocument
    }

    /// Throws what was collected, if anything was.
    package func check(path: String) throws(FaultReport) {
        guard !faults.isEmpty else { return }
        throw FaultReport(more == 0 ? faults : faults + [.moreFaults(more, path: path)])
    }
}
