// The token form: one token and one tag in each line, an empty line between sentences; also the columns of CoNLL files.

import Faults
import Federation

extension CorpusReader {
    /// How the lines of a token file are built.
    enum TokenLines {
        /// Token, tab, tag: .bio files.
        case pairs
        /// Columns between tabs or blanks, the token first and the tag last; `-DOCSTART-`, `# newdoc` and similar lines begin a document:
        /// CoNLL files.
        case columns
    }

    /// Reads one .bio file. The document's text is its tokens joined by blanks, and its sentences joined by line ends.
    ///
    /// `B-x` begins a mention; `I-x` continues a mention of the same type, and begins one where none is open (IO and IOB1 files).
    package static func bio(id: String, lines bytes: [UInt8], file: String, reading: inout CorpusReading) -> Document? {
        tokens(id: id, lines: bytes, file: file, form: .pairs, reading: &reading).first
    }

    /// Reads a file of tokens. If it holds several documents, each gets the id and its number; a file that is not UTF-8 gives no document.
    static func tokens(
        id: String, lines bytes: [UInt8], file: String, form: TokenLines, reading: inout CorpusReading
    ) -> [Document] {
        let bytes = withoutMark(bytes)
        guard String(validating: bytes, as: UTF8.self) != nil else {
            reading.faults.add(.notUTF8(file, document: id))
            return []
        }
        var documents: [Document] = []
        var tokens = TokenDocument(id: id)
        var number = 0
        for (index, line) in lines(bytes).enumerated() {
            let place = Place(file: file, line: index + 1, document: "\(tokens.document.id) line \(index + 1)")
            if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) {
                tokens.endSentence()
                continue
            }
            if form == .columns, isComment(line) { continue }
            if form == .columns, beginsDocument(line) {
                if number > 0 || !tokens.document.text.isEmpty { documents.append(tokens.finished()) }
                number += 1
                let digits = String(number)
                tokens = TokenDocument(id: "\(id)-\(String(repeating: "0", count: max(0, 5 - digits.count)))\(digits)")
                reading.faults.document = tokens.document.id
                continue
            }
            tokens.read(line, form, at: place, &reading)
        }
        documents.append(tokens.finished())
        return documents
    }
}

extension CorpusReader {
    /// Lines that begin a document in CoNLL and similar files.
    private static func beginsDocument(_ line: ArraySlice<UInt8>) -> Bool {
        !line.contains(0x09)
            && ["-DOCSTART-", "###MEDLINE:", "# newdoc", "# doc_id ="].contains { line.starts(with: $0.utf8) }
            || line.starts(with: "-DOCSTART-".utf8)
    }

    /// `# name = value`, as in CoNLL-U; `# newdoc id = x` begins a document.
    private static func isComment(_ line: ArraySlice<UInt8>) -> Bool {
        line.starts(with: "# ".utf8) && !line.contains(0x09) && !beginsDocument(line)
            && String(decoding: line, as: UTF8.self).contains(" = ")
    }
}

/// One document while it is built from its tokens.
private struct TokenDocument {
    var document: Document
    private var open: (type: String, start: Int, end: Int)?
    private var endsSentence = false
    /// The label of a mention that continues although its label is unknown or passed over: it counts once.
    private var lastLabel: String?

    init(id: String) { document = Document(id: id, text: []) }

    mutating func endSentence() {
        close()
        lastLabel = nil
        endsSentence = true
    }

    mutating func finished() -> Document {
        close()
        return document
    }

    private mutating func close() {
        if let mention = open {
            let id = "T\(document.entities.count + 1)"
            document.entities.append(Entity(id: id, type: mention.type, spans: [mention.start..<mention.end]))
        }
        open = nil
    }

    mutating func read(
        _ line: ArraySlice<UInt8>, _ form: CorpusReader.TokenLines, at place: Place, _ reading: inout CorpusReading
    ) {
        let fields: [ArraySlice<UInt8>] =
            switch form {
            case .pairs: line.split(separator: 0x09, omittingEmptySubsequences: false)
            case .columns:
                line.contains(0x09)
                    ? line.split(separator: 0x09, omittingEmptySubsequences: false)
                    : line.split(separator: 0x20, omittingEmptySubsequences: true)
            }
        guard form == .pairs ? fields.count == 2 : fields.count >= 2, !fields[0].isEmpty,
            let token = CorpusReader.scalars(fields[0]), !token.allSatisfy(\.isSpace)
        else {
            reading.faults.add(.bioLine("the line is not one token, a tab and a tag", at: place))
            return
        }
        guard let tag = Tag(String(decoding: fields[fields.count - 1], as: UTF8.self), form) else {
            reading.faults.add(.bioLine("the tag is neither O nor B- or I- and a type", at: place))
            return
        }
        var type = ""
        if tag.part != .outside {
            let mapped = reading.labels.type(of: tag.label)
            let isName = mapped == nil || !tag.label.unicodeScalars.elementsEqual(token)
            let goesOn = tag.goesOn && lastLabel == tag.label
            if !goesOn { reading.tally.count(label: tag.label, isName: isName) }
            if mapped == nil && !goesOn { reading.tally.mappedAway += 1 }
            lastLabel = tag.part == .last ? nil : tag.label
            type = mapped ?? ""
            if !type.isEmpty && !AnnotationType.all.contains(type) {
                if !goesOn { reading.faults.add(unknownLabel: tag.label, isName: isName, at: place) }
                return
            }
        } else {
            lastLabel = nil
        }
        if !document.text.isEmpty { document.text.append(endsSentence ? "\n" : " ") }
        endsSentence = false
        let start = document.text.count
        document.text += token
        if type.isEmpty {
            close()
        } else if tag.goesOn, let mention = open, mention.type == type {
            open = (type, mention.start, document.text.count)
        } else {
            close()
            open = (type, start, document.text.count)
        }
        if tag.part == .last { close() }
    }
}

/// A tag: O, or a part of a mention and its label.
private struct Tag {
    enum Part { case outside, first, inner, last }

    var part: Part
    var goesOn: Bool
    var label: String

    /// B, I, O everywhere; in columns also E and L (last), M (inner), S and U (single), as IOBES and BILOU write them.
    init?(_ text: String, _ form: CorpusReader.TokenLines) {
        let scalars = Array(text.unicodeScalars)
        label = String(scalars: scalars.dropFirst(2))
        if text == "O" {
            (part, goesOn, label) = (.outside, false, "")
            return
        }
        guard scalars.count > 2, scalars[1] == "-" else { return nil }
        switch (scalars[0], form) {
        case ("B", _): (part, goesOn) = (.first, false)
        case ("I", _), ("M", .columns): (part, goesOn) = (.inner, true)
        case ("E", .columns), ("L", .columns): (part, goesOn) = (.last, true)
        case ("S", .columns), ("U", .columns): (part, goesOn) = (.last, false)
        default: return nil
        }
    }
}
