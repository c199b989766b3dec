// CommitMessage: subject, body and trailers as git's own tools read them.

import Faults

enum CommitMessage {
    /// The message of the draft with the given trailers. Faults: ledger.invalid-message.
    static func write(_ draft: CommitDraft, trailers: [Trailer]) throws(Fault) -> String {
        func require(_ holds: Bool, _ fact: String) throws(Fault) {
            if !holds { throw .ledgerInvalidMessage(fact, on: draft.line) }
        }
        try require(isLine(draft.subject), "the subject is not one line of text without white space at its ends")
        for line in draft.body.split(separator: "\n", omittingEmptySubsequences: false) {
            try require(line.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f }, "the body holds a control character")
            // git interpret-trailers takes such a line as the start of a patch and reads no further.
            try require(!line.hasPrefix("---"), "a line of the body starts with ---")
        }
        for trailer in trailers {
            try require(isKey(trailer.key), "`\(trailer.key)` is not a trailer key")
            try require(isLine(trailer.value), "the trailer \(trailer.key) is not one line of text")
        }
        for part in [draft.author.name, draft.author.email] {
            try require(
                isLine(part) && !part.contains("<") && !part.contains(">"), "the author is not a name and an address")
        }
        try require(draft.time >= 0, "the time \(draft.time) is before 1970")
        let body = String(decoding: trimmed(Array(draft.body.utf8)[...]), as: UTF8.self)
        let paragraphs = [draft.subject] + (body.isEmpty ? [] : [body])
        return (paragraphs + [trailers.map { "\($0.key): \($0.value)" }.joined(separator: "\n") + "\n"])
            .joined(separator: "\n\n")
    }

    /// Whether `write` would accept what a commit says: no control character, and git reads every part back as the same part.
    static func isWritable(_ record: CommitRecord) -> Bool {
        guard isLine(record.subject), !record.trailers.isEmpty else { return false }
        let lines = record.body.utf8.split(separator: 0x0a, omittingEmptySubsequences: false)
        return lines.allSatisfy { $0.allSatisfy { $0 >= 0x20 && $0 != 0x7f } && !$0.starts(with: "---".utf8) }
            && [record.author.name, record.author.email].allSatisfy {
                isLine($0) && !$0.contains("<") && !$0.contains(">")
            }
    }

    /// Splits a message into its parts. The last paragraph holds the trailers if every line of it is one and it is not the subject.
    static func read(_ message: ArraySlice<UInt8>) -> (subject: String, body: String, trailers: [Trailer]) {
        let lines = trimmed(message).split(separator: 0x0a, omittingEmptySubsequences: false)
        let subject = lines.first.map { String(decoding: $0, as: UTF8.self) } ?? ""
        var rest = lines.dropFirst()
        var trailers: [Trailer] = []
        if let gap = rest.lastIndex(where: \.isEmpty) {
            let parsed = rest[(gap + 1)...].map(trailer)
            if parsed.allSatisfy({ $0 != nil }) {
                trailers = parsed.compactMap { $0 }
                rest = rest[..<gap]
            }
        }
        let body = trimmed(ArraySlice(rest.joined(separator: [0x0a])))
        return (subject, String(decoding: body, as: UTF8.self), trailers)
    }

    private static func trailer(_ bytes: ArraySlice<UInt8>) -> Trailer? {
        guard let colon = bytes.firstIndex(of: 0x3a) else { return nil }
        let key = String(decoding: bytes[..<colon], as: UTF8.self)
        let value = String(decoding: bytes[(colon + 1)...].drop { $0 == 0x20 }, as: UTF8.self)
        return isKey(key) && isLine(value) ? Trailer(key, value) : nil
    }

    private static func isKey(_ key: String) -> Bool {
        !key.isEmpty
            && key.utf8.allSatisfy {
                $0 == 0x2d || (0x30...0x39).contains($0) || (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0)
            }
    }

    private static func isLine(_ text: String) -> Bool {
        let bytes = text.utf8
        return !bytes.isEmpty && bytes.first != 0x20 && bytes.last != 0x20
            && bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7f }
    }

    /// The bytes without line ends at the start and the end.
    private static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        guard let first = bytes.firstIndex(where: { $0 != 0x0a }), let last = bytes.lastIndex(where: { $0 != 0x0a })
        else { return [] }
        return bytes[first...last]
    }
}
