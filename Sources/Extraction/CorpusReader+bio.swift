// The token form: token TAB tag a line, an empty line between sentences; IOB2 and IO tags.

import Faults
import Federation

extension CorpusReader {
    /// Reads one .bio file. The document's text is its tokens joined by blanks, its sentences by line ends.
    ///
    /// `B-x` begins a mention; `I-x` goes on with one of the same type, and begins one where none is open (IO and IOB1 files).
    package static func bio(
        id: String, lines bytes: [UInt8], file: String, labels: LabelMap = LabelMap(), faults: inout FaultList
    ) -> Document? {
        guard scalars(bytes) != nil else {
            faults.add(.notUTF8(file, document: id))
            return nil
        }
        var document = Document(id: id, text: [])
        var open: (type: String, start: Int, end: Int)?
        var endsSentence = false
        func close() {
            if let mention = open {
                document.entities.append(
                    Entity(
                        id: "T\(document.entities.count + 1)", type: mention.type, spans: [mention.start..<mention.end])
                )
            }
            open = nil
        }
        for (index, line) in lines(bytes).enumerated() {
            let place = Place(file: file, line: index + 1, document: "\(id) line \(index + 1)")
            if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) {
                close()
                endsSentence = true
                continue
            }
            let fields = line.split(separator: 0x09, omittingEmptySubsequences: false)
            guard fields.count == 2, !fields[0].isEmpty, let token = scalars(fields[0]), !token.allSatisfy(\.isSpace)
            else {
                faults.add(.bioLine("the line is not one token, a tab and a tag", at: place))
                continue
            }
            var tag = String(decoding: fields[1], as: UTF8.self)
            let label = String(tag.unicodeScalars.dropFirst(2))
            guard tag == "O" || ((tag.hasPrefix("B-") || tag.hasPrefix("I-")) && !label.isEmpty) else {
                faults.add(.bioLine("the tag is neither O nor B- or I- and a type", at: place))
                continue
            }
            let type = labels.type(of: label) ?? ""
            if type.isEmpty { tag = "O" }
            guard tag == "O" || AnnotationType.all.contains(type) else {
                faults.add(.unknownType(type, at: place))
                continue
            }
            if !document.text.isEmpty { document.text.append(endsSentence ? "\n" : " ") }
            endsSentence = false
            let start = document.text.count
            document.text += token
            if tag == "O" {
                close()
            } else if tag.hasPrefix("I-"), let mention = open, mention.type == type {
                open = (type, mention.start, document.text.count)
            } else {
                close()
                open = (type, start, document.text.count)
            }
        }
        close()
        return document
    }
}
