// CorpusReader: reads annotated notes from a path and picks the form by what stands there; each form has a file of its own.

import Faults
import Federation

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Reads corpora of annotated notes.
public enum CorpusReader {
    /// Bytes of one document at most: a note of more is no note.
    static let largestDocument = 16_000_000

    /// A corpus as read.
    public struct Corpus: Sendable {
        /// The documents, sorted by the bytes of their ids.
        public var documents: [Document]
        /// The ids of those left out, with the fault that each showed first; empty unless faults were to be passed over.
        public var skipped: [(document: String, fault: Fault)]
    }

    /// Reads a folder of BRAT pairs, a .jsonl file, a BioC .json file or a folder of .bio files; documents come sorted by the bytes of their ids.
    ///
    /// All faults of the corpus are found at once (at most 50 are listed, the others counted). Codes: `data.missing`, `data.no-documents`,
    /// `data.mixed-forms`, `data.pair`, `data.unreadable`, `data.too-large`, `data.utf8`, `data.document-id`, `data.duplicate-document`,
    /// `data.annotation-line`, `data.duplicate-annotation`, `data.offset`, `data.fragments`, `data.surface`, `data.unknown-type`,
    /// `data.relation-type`, `data.relation-end`, `data.json-line`, `data.bio-line`, `data.bioc`, `data.more-faults`.
    public static func read(path: String, labels: LabelMap = LabelMap()) throws(FaultReport) -> [Document] {
        try corpus(path: path, labels: labels, badDocuments: .fail).documents
    }

    /// As `read`; with `.skip`, documents that cannot be read are left out and named. A corpus of which none is left is a fault either way.
    public static func corpus(
        path: String, labels: LabelMap, badDocuments: BadDocuments
    ) throws(FaultReport) -> Corpus {
        var faults = FaultList()
        var documents: [Document] = []
        if path.hasSuffix(".jsonl") || path.hasSuffix(".json") {
            if let bytes = bytes(path) {
                documents =
                    path.hasSuffix("l")
                    ? jsonLines(bytes, file: path, labels: labels, faults: &faults)
                    : bioc(bytes, file: path, labels: labels, faults: &faults)
                if documents.isEmpty && faults.faults.isEmpty { faults.add(.noDocuments(path)) }
            } else {
                faults.add(.corpusMissing(path))
            }
        } else if let names = try? FileManager.default.contentsOfDirectory(atPath: path) {
            documents = folder(path, names: names, labels: labels, faults: &faults)
        } else {
            faults.add(.corpusMissing(path))
        }
        var skipped: [(document: String, fault: Fault)] = []
        if badDocuments == .skip { skipped = faults.takeDocuments() }
        documents.removeAll { document in skipped.contains { $0.document == document.id } }
        if documents.isEmpty && !skipped.isEmpty { faults.add(.noDocuments(path)) }
        try faults.check(path: path)
        documents.sort { $0.id.utf8.lexicographicallyPrecedes($1.id.utf8) }
        return Corpus(documents: documents, skipped: skipped)
    }

    /// Reads one note without annotation; its id is the file's name without `.txt`. Codes: `data.unreadable`, `data.utf8`, `data.document-id`.
    public static func readNote(path: String) throws(Fault) -> Document {
        let name = path.utf8.split(separator: 0x2f).last.map { String($0) ?? "" } ?? ""
        let id = name.hasSuffix(".txt") ? String(name.dropLast(4)) : name
        guard isDocumentID(id) else { throw .documentID(path, line: nil) }
        guard let bytes = bytes(path) else { throw .unreadable(path, document: id) }
        guard bytes.count <= largestDocument else {
            throw .tooLarge(path, document: id, bytes: bytes.count, limit: largestDocument)
        }
        guard let text = scalars(bytes) else { throw .notUTF8(path, document: id) }
        return Document(id: id, text: text)
    }

    private static func folder(_ path: String, names: [String], labels: LabelMap, faults: inout FaultList) -> [Document]
    {
        let names = names.filter { !$0.hasPrefix(".") }
        func stems(_ ending: String) -> Set<String> {
            Set(names.filter { $0.hasSuffix(ending) }.map { String($0.dropLast(ending.count)) })
        }
        let annotated = stems(".ann")
        let texts = stems(".txt")
        let tagged = stems(".bio")
        if !tagged.isEmpty && !annotated.isEmpty { faults.add(.mixedForms(path)) }
        let isBRAT = tagged.isEmpty
        var documents: [Document] = []
        for id in (isBRAT ? annotated.union(texts) : tagged).sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) })
        {
            let file = "\(path)/\(id)"
            guard isDocumentID(id) else {
                faults.add(.documentID(path, line: nil))
                continue
            }
            faults.document = id
            defer { faults.document = nil }
            if isBRAT {
                guard texts.contains(id) else {
                    faults.add(.unpaired("\(file).ann", document: id, missing: ".txt"))
                    continue
                }
                guard annotated.contains(id) else {
                    faults.add(.unpaired("\(file).txt", document: id, missing: ".ann"))
                    continue
                }
                guard let text = load("\(file).txt", id, &faults), let annotation = load("\(file).ann", id, &faults)
                else {
                    continue
                }
                if let document = brat(
                    id: id, text: text, annotation: annotation, file: "\(file).ann", labels: labels, faults: &faults)
                {
                    documents.append(document)
                }
            } else if let lines = load("\(file).bio", id, &faults) {
                if let document = bio(id: id, lines: lines, file: "\(file).bio", labels: labels, faults: &faults) {
                    documents.append(document)
                }
            }
        }
        if documents.isEmpty && faults.faults.isEmpty { faults.add(.noDocuments(path)) }
        return documents
    }

    private static func load(_ path: String, _ id: String, _ faults: inout FaultList) -> [UInt8]? {
        let loaded = bytes(path)
        guard let loaded else {
            faults.add(.unreadable(path, document: id))
            return nil
        }
        guard loaded.count <= largestDocument else {
            faults.add(.tooLarge(path, document: id, bytes: loaded.count, limit: largestDocument))
            return nil
        }
        return loaded
    }

    private static func bytes(_ path: String) -> [UInt8]? {
        FileManager.default.contents(atPath: path).map { Array($0) }
    }

    /// The code points of UTF-8, or nil where the bytes are not valid UTF-8. A byte order mark stays: it is a code point of the file.
    static func scalars(_ bytes: some Sequence<UInt8>) -> [Unicode.Scalar]? {
        String(validating: bytes, as: UTF8.self).map { Array($0.unicodeScalars) }
    }

    /// The lines of a file without their ends (LF or CRLF).
    static func lines(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] {
        bytes.split(separator: 0x0a, omittingEmptySubsequences: false).map { $0.last == 0x0d ? $0.dropLast() : $0 }
    }

    /// Whether lines end in CRLF here and in LF there.
    static func hasMixedLineEnds(_ text: [Unicode.Scalar]) -> Bool {
        var kinds: Set<Bool> = []
        for index in text.indices where text[index] == "\n" { kinds.insert(index > 0 && text[index - 1] == "\r") }
        return kinds.count == 2
    }

    static func isDocumentID(_ id: String) -> Bool {
        (1...200).contains(id.utf8.count) && id.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7f }
    }

    /// A number written in digits alone.
    static func number(_ digits: some Collection<UInt8>) -> Int? {
        guard !digits.isEmpty, digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int(String(decoding: digits, as: UTF8.self))
    }

    /// Checks fragments against the text; adds a fault and returns false where one is no part of it.
    static func accepts(_ spans: [(Int, Int)], length: Int, at place: Place, faults: inout FaultList) -> Bool {
        for (start, end) in spans where start < 0 || start >= end || end > length {
            faults.add(.offset(start, end, length: length, at: place))
            return false
        }
        for (before, after) in zip(spans, spans.dropFirst()) where after.0 < before.1 {
            faults.add(.fragments(at: place))
            return false
        }
        return true
    }

    /// Whether the fragments, joined by a blank, read as the surface text, white space aside: BRAT writes a line end within a mention as a blank.
    static func surface(_ surface: some Sequence<Unicode.Scalar>, isAt spans: [Range<Int>], of text: [Unicode.Scalar])
        -> Bool
    {
        var there: [Unicode.Scalar] = []
        for span in spans { there += text[span] + [" "] }
        return words(there) == words(surface)
    }

    private static func words(_ scalars: some Sequence<Unicode.Scalar>) -> [[Unicode.Scalar]] {
        scalars.split(omittingEmptySubsequences: true) { $0.isSpace }.map { Array($0) }
    }
}
