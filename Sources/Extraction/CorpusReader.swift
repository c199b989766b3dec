// CorpusReader: reads annotated notes from a path and chooses the form by what is there; each form has a file of its own.

import Faults
import Federation

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Reads corpora of annotated notes.
public enum CorpusReader {
    /// The most bytes of one document: a larger file is not a note.
    static let largestDocument = 16_000_000

    /// A corpus as read.
    public struct Corpus: Sendable {
        /// The documents, sorted by the bytes of their ids.
        public var documents: [Document]
        /// The ids of the documents that were left out, each with its first fault; empty unless faults may be skipped.
        public var skipped: [(document: String, fault: Fault)]
        /// What else the reader found: labels as they are written, surfaces that differ, files that were passed over.
        public var tally = CorpusTally()
    }

    /// Reads a folder of BRAT pairs, a .jsonl file, a BioC .json file or a folder of .bio files; documents come sorted by the bytes of their ids.
    ///
    /// All faults of the corpus are found at once (the first 20 are listed, the others are counted by code). Codes: `data.missing`,
    /// `data.other-form`, `data.no-documents`, `data.mixed-forms`, `data.pair`, `data.unreadable`, `data.too-large`, `data.utf8`,
    /// `data.document-id`, `data.duplicate-document`, `data.annotation-line`, `data.duplicate-annotation`, `data.offset`, `data.fragments`,
    /// `data.surface`, `data.unknown-type`, `data.relation-type`, `data.relation-end`, `data.json-line`, `data.bio-line`, `data.bioc`,
    /// `data.more-faults`.
    public static func read(path: String, labels: LabelMap = LabelMap()) throws(FaultReport) -> [Document] {
        try corpus(path: path, labels: labels, badDocuments: .fail).documents
    }

    /// As `read`; with `.skip`, documents that cannot be read are left out and named. A corpus without any readable document is a fault in
    /// both cases: the faults of its documents come first, then the fault that none is left.
    public static func corpus(
        path: String, labels: LabelMap, badDocuments: BadDocuments
    ) throws(FaultReport) -> Corpus {
        let survey = survey(path: path, labels: labels)
        let isEmpty = survey.corpus.documents.isEmpty
        let isSkipping = badDocuments == .skip && !isEmpty
        let report = survey.faults.report(
            path: path, ofDocumentsToo: !isSkipping,
            summary: badDocuments == .skip && isEmpty ? survey.summary : nil)
        if let report { throw report }
        return survey.corpus
    }

    /// A corpus for a first look, whatever is wrong with it: the documents that can be read, those that cannot, and every fault.
    public struct Survey: Sendable {
        /// The documents that can be read; the others are in `skipped`.
        public var corpus: Corpus
        let faults: FaultList
        let path: String

        /// The first faults in full, then the others by code, then, if so, that no document is left; nil where there is no fault.
        public var report: FaultReport? {
            faults.report(path: path, ofDocumentsToo: true, summary: corpus.documents.isEmpty ? summary : nil)
        }

        var summary: Fault? {
            corpus.skipped.isEmpty ? nil : .noneReadable(path, refused: corpus.skipped.count)
        }
    }

    /// Reads what can be read and collects the rest; throws nothing.
    public static func survey(path: String, labels: LabelMap = LabelMap()) -> Survey {
        var reading = CorpusReading(labels: labels)
        var documents = documents(path, &reading)
        let skipped = reading.faults.refused
        if documents.isEmpty && reading.faults.isEmpty { reading.faults.add(.noDocuments(path, tally: reading.tally)) }
        let refused = Set(skipped.map { Array($0.document.utf8) })
        documents.removeAll { refused.contains(Array($0.id.utf8)) }
        documents.sort { $0.id.utf8.lexicographicallyPrecedes($1.id.utf8) }
        reading.tally.faults = reading.faults.counts
        reading.tally.documents = documents.count + skipped.count
        let corpus = Corpus(documents: documents, skipped: skipped, tally: reading.tally)
        return Survey(corpus: corpus, faults: reading.faults, path: path)
    }

    /// Reads one file; a fault is added where that fails. A note must not be as large as the limit, but a whole collection may be.
    static func load(_ path: String, _ id: String?, limit: Int = largestDocument, _ reading: inout CorpusReading)
        -> [UInt8]?
    {
        let loaded = bytes(path)
        guard let loaded else {
            reading.faults.add(.unreadable(path, document: id))
            return nil
        }
        guard loaded.count <= limit else {
            reading.faults.add(.tooLarge(path, document: id, bytes: loaded.count, limit: limit))
            return nil
        }
        return loaded
    }

    static func bytes(_ path: String) -> [UInt8]? {
        FileManager.default.contents(atPath: path).map { Array($0) }
    }

    /// The bytes after a byte order mark, which does not belong to an annotation file. In a note's text, the mark is a code point of it.
    static func withoutMark(_ bytes: [UInt8]) -> [UInt8] {
        bytes.starts(with: [0xef, 0xbb, 0xbf]) ? Array(bytes.dropFirst(3)) : bytes
    }

    /// The code points of UTF-8, or nil where the bytes are not valid UTF-8. A byte order mark stays: it is a code point of the file.
    static func scalars(_ bytes: some Sequence<UInt8>) -> [Unicode.Scalar]? {
        String(validating: bytes, as: UTF8.self).map { Array($0.unicodeScalars) }
    }

    /// The lines of a file without their ends (LF or CRLF).
    static func lines(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] {
        bytes.split(separator: 0x0a, omittingEmptySubsequences: false).map { $0.last == 0x0d ? $0.dropLast() : $0 }
    }

    /// Whether some lines end in CRLF and others in LF.
    static func hasMixedLineEnds(_ text: [Unicode.Scalar]) -> Bool {
        var kinds: Set<Bool> = []
        for index in text.indices where text[index] == "\n" { kinds.insert(index > 0 && text[index - 1] == "\r") }
        return kinds.count == 2
    }

    static func isDocumentID(_ id: String) -> Bool {
        (1...200).contains(id.utf8.count) && id.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7f }
    }

    /// A number written only in digits.
    static func number(_ digits: some Collection<UInt8>) -> Int? {
        guard !digits.isEmpty, digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int(String(decoding: digits, as: UTF8.self))
    }
}
