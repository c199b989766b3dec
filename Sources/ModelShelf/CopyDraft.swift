// CopyDraft: how an answer probably goes on. It is the input with marks, so the guess is the rest of the input from where the answer
// stands in it, after the rest of a mark that has begun. The engine drops what is not the greedy choice: a guess costs time at worst.

import Extraction
import Federation
import Tokenization

/// Guesses the continuations of the answers to some records.
public struct CopyDraft {
    private let tokenizer: Tokenizer
    /// The input of each record as it is to be copied, UTF-8.
    private let inputs: [[UInt8]]
    private let types: [[[UInt8]]]

    private static let opening = Array("<span class=\"".utf8)
    private static let openingEnd = Array("\">".utf8)
    private static let closing = Array("</span>".utf8)

    /// Guesses for the answers to these records, prompts being counted from the slice's first.
    public init(tokenizer: Tokenizer, records: ArraySlice<Record>) {
        self.tokenizer = tokenizer
        inputs = records.map { Array(Markup.plain($0.text).utf8) }
        types = records.map { $0.types.map { Array($0.utf8) } }
    }

    /// At most `limit` tokens that may follow what was written.
    public func guess(_ prompt: Int, _ written: [Int32], _ limit: Int) -> [Int32] {
        let input = inputs[prompt]
        let answer = Answer(tokenizer.decodeBytes(written), input: input, types: types[prompt])
        guard let place = answer.place else { return [] }
        // A token is seldom longer than eight bytes; a word cut off at the end is as good as none.
        let end = min(input.count, place + 8 * limit + 16)
        var text = answer.rest + input[place..<end]
        if end == input.count, answer.depth > 0 { text += Self.closing }
        return Array(tokenizer.encode(String(decoding: text, as: UTF8.self), specials: false).prefix(limit))
    }

    /// What has been written, read as text with marks.
    private struct Answer {
        /// The byte of the input that comes next; nil where the answer left the input.
        var place: Int?
        /// Marks open at the end.
        var depth = 0
        /// The rest of a mark that is written in part.
        var rest: [UInt8] = []

        init(_ written: [UInt8], input: [UInt8], types: [[UInt8]]) {
            var at = 0
            var copied = 0
            var last = types.first ?? []
            var text: [UInt8] = []
            while at < written.count {
                let left = written[at...]
                if left.starts(with: CopyDraft.closing) {
                    depth = max(0, depth - 1)
                    at += CopyDraft.closing.count
                } else if left.starts(with: CopyDraft.opening) {
                    let name = left.dropFirst(CopyDraft.opening.count)
                    let end = name.firstIndex { $0 == CopyDraft.openingEnd[0] } ?? written.count
                    let type = Array(name[..<end])
                    if end + 1 < written.count {
                        depth += 1
                        last = type
                        at = end + 2
                    } else {
                        let whole = last.starts(with: type) ? last : types.first { $0.starts(with: type) } ?? type
                        let tag = CopyDraft.opening + whole + CopyDraft.openingEnd
                        rest = Array(tag.dropFirst(left.count))
                        depth += 1
                        break
                    }
                } else if CopyDraft.closing.starts(with: left), left.count > 1 || depth > 0 {
                    rest = Array(CopyDraft.closing.dropFirst(left.count))
                    depth = max(0, depth - 1)
                    break
                } else if CopyDraft.opening.starts(with: left), left.count > 1 || !input[copied...].starts(with: left) {
                    rest = (CopyDraft.opening + last + CopyDraft.openingEnd).suffix(
                        from: left.count
                    ).map { $0 }
                    depth += 1
                    break
                } else {
                    text.append(written[at])
                    if copied < input.count, input[copied] == written[at] {
                        copied += 1
                    } else {
                        copied = CopyDraft.found(text, in: input) ?? copied
                    }
                    at += 1
                }
            }
            place = text.isEmpty || CopyDraft.agrees(text, input, copied) ? copied : nil
        }
    }

    /// Whether the last bytes of the text are those before a place of the input.
    private static func agrees(_ text: [UInt8], _ input: [UInt8], _ place: Int) -> Bool {
        let tail = text.suffix(4)
        return place >= tail.count && input[place - tail.count..<place].elementsEqual(tail)
    }

    /// Where the input goes on after the last eight bytes of the text, nil where they do not stand in it.
    private static func found(_ text: [UInt8], in input: [UInt8]) -> Int? {
        let tail = text.suffix(8)
        guard tail.count == 8, input.count >= 8 else { return nil }
        return (8...input.count).first { input[$0 - 8..<$0].elementsEqual(tail) }
    }
}
