// Tokenizer: BPE from text to ids and back, byte-level or with bytes as fallback.

import Faults
import Foundation

/// A BPE tokenizer.
public struct Tokenizer: Sendable {
    /// The number of ids.
    public let vocabularySize: Int
    /// The token that begins a text, if the vocabulary names one. `encode` never adds it.
    public let beginningOfTextID: Int32?
    /// The token that ends a text or turn, if the vocabulary names one. `encode` never adds it.
    public let endOfTextID: Int32?
    /// The token for padding, if the vocabulary names one.
    public let paddingID: Int32?
    /// How text is cut before merging.
    public let preTokenizer: PreTokenizer

    private let table: MergeTable
    /// The id of each byte; -1 where the vocabulary lacks it.
    private let byteIDs: [Int32]
    /// The bytes of all tokens, one after another; token i starts at `starts[i]` and ends at `starts[i + 1]`.
    private let tokenBytes: [UInt8]
    private let starts: [Int]
    /// Control and added tokens by text.
    private let specials: [String: Int32]
    private let matcher: SpecialMatcher
    private let isControl: [Bool]
    private let composes: Bool
    /// The id of each token that is taken whole; empty where only merges decide.
    private let wholeWords: [[UInt8]: Int32]
    private let fallback: CharacterIDs?
    /// What merges can join, where texts are cut by it: only with byte fallback.
    private let joined: JoinedPairs?

    /// Builds the tables; the place is for faults. Throws `tokenizer.malformed`.
    public init(_ vocabulary: BPEVocabulary, at place: Place? = nil) throws(Fault) {
        let tokens = vocabulary.tokens
        guard !tokens.isEmpty, Int32(exactly: tokens.count) != nil else {
            throw Fault.tokenizerMalformed("a vocabulary of \(tokens.count) tokens", place: place)
        }
        guard vocabulary.tokenTypes.isEmpty || vocabulary.tokenTypes.count == tokens.count else {
            throw Fault.tokenizerMalformed(
                "\(vocabulary.tokenTypes.count) token types for \(tokens.count) tokens", place: place)
        }
        var ids: [String: Int32] = [:]
        ids.reserveCapacity(tokens.count)
        var specials: [String: Int32] = [:]
        var isControl = [Bool](repeating: false, count: tokens.count)
        var bytes: [UInt8] = []
        var starts = [0]
        starts.reserveCapacity(tokens.count + 1)
        for (index, token) in tokens.enumerated() {
            let raw = vocabulary.tokenTypes.isEmpty ? 1 : vocabulary.tokenTypes[index]
            guard let type = BPEVocabulary.TokenType(rawValue: raw) else {
                throw Fault.tokenizerMalformed("token \(index) has the unknown type \(raw)", place: place)
            }
            switch type {
            case .control, .userDefined:
                guard !token.isEmpty, specials.updateValue(Int32(index), forKey: token) == nil else {
                    throw Fault.tokenizerMalformed("special token \(index) is empty or occurs twice", place: place)
                }
                isControl[index] = type == .control
                bytes += token.utf8
            case .normal, .byte, .unknown:
                guard ids.updateValue(Int32(index), forKey: token) == nil else {
                    throw Fault.tokenizerMalformed("token \(index) occurs twice", place: place)
                }
                if vocabulary.byteFallback != nil {
                    bytes += CharacterIDs.bytes(of: token)
                    break
                }
                guard ByteAlphabet.append(token, to: &bytes) else {
                    throw Fault.tokenizerMalformed("token \(index) leaves the byte-level alphabet", place: place)
                }
            case .unused: break
            }
            starts.append(bytes.count)
        }
        table = try Self.table(vocabulary.merges, ids: ids, place: place)
        if let prefix = vocabulary.byteFallback {
            let characters = try CharacterIDs(ids, prefix: prefix, place: place)
            fallback = characters
            // A character that is left out makes its neighbours adjacent, which the pairs do not cover.
            joined = characters.isComplete ? JoinedPairs(vocabulary.merges) : nil
        } else {
            fallback = nil
            joined = nil
        }
        var wholeWords: [[UInt8]: Int32] = [:]
        if vocabulary.ignoresMerges {
            for (index, token) in tokens.enumerated() where ids[token] == Int32(index) {
                wholeWords[Array(bytes[starts[index]..<starts[index + 1]])] = Int32(index)
            }
        }
        self.wholeWords = wholeWords
        composes = vocabulary.composes
        byteIDs = ByteAlphabet.scalars.map { ids[String(Character($0))] ?? -1 }
        for id in [vocabulary.beginningID, vocabulary.endID, vocabulary.paddingID] {
            if let id, !tokens.indices.contains(Int(id)) {
                throw Fault.tokenizerMalformed("special id \(id) in a vocabulary of \(tokens.count)", place: place)
            }
        }
        vocabularySize = tokens.count
        beginningOfTextID = vocabulary.beginningID
        endOfTextID = vocabulary.endID
        paddingID = vocabulary.paddingID
        preTokenizer = vocabulary.preTokenizer
        tokenBytes = bytes
        self.starts = starts
        self.specials = specials
        matcher = SpecialMatcher(specials)
        self.isControl = isControl
    }

    private static func table(_ merges: [String], ids: [String: Int32], place: Place?) throws(Fault) -> MergeTable {
        guard Int32(exactly: merges.count) != nil else {
            throw Fault.tokenizerMalformed("\(merges.count) merges", place: place)
        }
        var table = MergeTable(capacity: merges.count)
        for (rank, merge) in merges.enumerated() {
            let text = merge.utf8
            guard let space = text.firstIndex(of: 0x20) else {
                throw Fault.tokenizerMalformed("merge \(rank) has no space", place: place)
            }
            let left = String(merge[..<space])
            let right = String(merge[text.index(after: space)...])
            guard let leftID = ids[left], let rightID = ids[right], let merged = ids[left + right] else {
                throw Fault.tokenizerMalformed("merge \(rank) names a token that the vocabulary lacks", place: place)
            }
            table.insert(left: leftID, right: rightID, rank: rank, merged: merged)
        }
        return table
    }

    /// The id of a special or added token such as `<|im_end|>`; nil where the vocabulary has no such token.
    public func id(of special: String) -> Int32? { specials[special] }

    /// Whether the id is a special token, which has no text.
    public func isSpecial(_ id: Int32) -> Bool { isControl.indices.contains(Int(id)) && isControl[Int(id)] }

    // MARK: Text to ids

    /// The ids of a text. Nothing is added before or after it.
    ///
    /// Special tokens written out in the text, such as `<|im_start|>`, become their ids unless `specials` is false. Bytes
    /// that the vocabulary has no token for are left out: SmolLM2 lacks six control characters (U+0004, 06, 13, 14, 16,
    /// 1D) and the lead bytes F1 and F2 of U+40000 to U+BFFFF, where no character is assigned.
    public func encode(_ text: String, specials: Bool = true) -> [Int32] {
        encode(text, specials: specials, plain: 0..<0)
    }

    /// The ids of a text; in the range `plain`, of UTF-8 offsets, no special token is recognised, nor one that partly overlaps the range.
    public func encode(_ text: String, plain: Range<Int>) -> [Int32] { encode(text, specials: true, plain: plain) }

    private func encode(_ text: String, specials: Bool, plain: Range<Int>) -> [Int32] {
        var text = text
        return text.withUTF8 { bytes in
            var out: [Int32] = []
            out.reserveCapacity(bytes.count / 3 + 8)
            if fallback != nil || composes && bytes.contains(where: { $0 >= 0xcc }) {
                encodePieces(bytes, specials: specials, plain: plain, into: &out)
                return out
            }
            var encoder = encoder(bytes)
            var start = 0
            if specials {
                var position = 0
                while let match = matcher.next(in: bytes, from: position, plain: plain) {
                    encoder.encode(start..<match.start, into: &out)
                    out.append(match.id)
                    start = match.end
                    position = match.end
                }
            }
            encoder.encode(start..<bytes.count, into: &out)
            return out
        }
    }

    private func encoder(_ bytes: UnsafeBufferPointer<UInt8>) -> SpanEncoder {
        SpanEncoder(
            bytes, preTokenizer, table: table, byteIDs: byteIDs, wholeWords: wholeWords, characters: fallback,
            joined: joined)
    }

    /// The pieces between special tokens, each converted to the text that merging starts from.
    private func encodePieces(
        _ bytes: UnsafeBufferPointer<UInt8>, specials: Bool, plain: Range<Int>, into out: inout [Int32]
    ) {
        func encode(_ span: Range<Int>) {
            guard !span.isEmpty else { return }
            var piece = Array(bytes[span])
            if composes {
                piece = Array(String(decoding: piece, as: UTF8.self).precomposedStringWithCanonicalMapping.utf8)
            }
            if let fallback { piece = fallback.marked(piece, isFirst: span.lowerBound == 0) }
            piece.withUnsafeBufferPointer {
                var encoder = encoder($0)
                encoder.encode(0..<$0.count, into: &out)
            }
        }
        var start = 0
        while specials, let match = matcher.next(in: bytes, from: start, plain: plain) {
            encode(start..<match.start)
            out.append(match.id)
            start = match.end
        }
        encode(start..<bytes.count)
    }

    // MARK: Ids to text

    /// The bytes of the ids; special tokens are written out unless `specials` is false. Ids outside the vocabulary give nothing.
    public func decodeBytes(_ ids: some Sequence<Int32>, specials: Bool = true) -> [UInt8] {
        var out: [UInt8] = []
        for id in ids {
            let index = Int(id)
            guard index >= 0, index < vocabularySize, specials || !isControl[index] else { continue }
            out += tokenBytes[starts[index]..<starts[index + 1]]
        }
        return out
    }

    /// The text of the ids, as `decodeBytes`; bytes that are not UTF-8 become U+FFFD.
    public func decode(_ ids: some Sequence<Int32>, specials: Bool = true) -> String {
        String(decoding: decodeBytes(ids, specials: specials), as: UTF8.self)
    }
}

/// Finds special tokens in text: the leftmost one; of several at the same place, the longest.
private struct SpecialMatcher: Sendable {
    /// Longest first.
    private var candidates: [(bytes: [UInt8], id: Int32)] = []
    private var isFirst = [Bool](repeating: false, count: 256)

    init(_ specials: [String: Int32]) {
        for (text, id) in specials {
            let bytes = Array(text.utf8)
            candidates.append((bytes, id))
            if let first = bytes.first { isFirst[Int(first)] = true }
        }
        candidates.sort { ($1.bytes.count, $0.id) < ($0.bytes.count, $1.id) }
    }

    func next(
        in bytes: UnsafeBufferPointer<UInt8>, from start: Int, plain: Range<Int>
    ) -> (start: Int, end: Int, id: Int32)? {
        for position in start..<bytes.count where isFirst[Int(bytes[position])] {
            for (text, id) in candidates where text.count <= bytes.count - position {
                if position < plain.upperBound && position + text.count > plain.lowerBound { continue }
                var length = 0
                while length < text.count && bytes[position + length] == text[length] { length += 1 }
                if length == text.count { return (position, position + length, id) }
            }
        }
        return nil
    }
}

/// Encodes spans of one text, and remembers where in it a word occurred before and which ids it gave.
private struct SpanEncoder {
    /// A word that occurred before: its place in the text, and its ids' place in the output.
    private struct Known {
        var start = 0
        var length = 0
        var idStart = 0
        var idCount = 0
    }

    private let bytes: UnsafeBufferPointer<UInt8>
    private let byteIDs: [Int32]
    private let scanner: WordScanner
    private var merger: WordMerger
    /// Direct-mapped: a newer word replaces an older one in the same slot.
    private var known: [Known]

    private let wholeWords: [[UInt8]: Int32]
    private let characters: CharacterIDs?

    init(
        _ bytes: UnsafeBufferPointer<UInt8>, _ preTokenizer: PreTokenizer, table: MergeTable, byteIDs: [Int32],
        wholeWords: [[UInt8]: Int32], characters: CharacterIDs?, joined: JoinedPairs?
    ) {
        self.bytes = bytes
        self.byteIDs = byteIDs
        self.wholeWords = wholeWords
        self.characters = characters
        scanner = WordScanner(bytes, preTokenizer, joined: joined)
        merger = WordMerger(table)
        var slots = 64
        while slots < 16384 && slots < bytes.count / 4 { slots *= 2 }
        known = Array(repeating: Known(), count: slots)
    }

    mutating func encode(_ span: Range<Int>, into out: inout [Int32]) {
        var start = span.lowerBound
        while start < span.upperBound {
            let end = scanner.wordEnd(from: start, limit: span.upperBound)
            encodeWord(start, end, into: &out)
            start = end
        }
    }

    private mutating func encodeWord(_ start: Int, _ end: Int, into out: inout [Int32]) {
        let length = end - start
        if length == 1, characters == nil {
            let id = byteIDs[Int(bytes[start])]
            if id >= 0 { out.append(id) }
            return
        }
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for index in start..<end { hash = (hash ^ UInt64(bytes[index])) &* 0x100_0000_01b3 }
        let slot = Int(truncatingIfNeeded: (hash ^ hash >> 32) & UInt64(known.count - 1))
        let entry = known[slot]
        if entry.length == length && same(entry.start, start, length) {
            for index in entry.idStart..<entry.idStart + entry.idCount { out.append(out[index]) }
            return
        }
        merger.ids.removeAll(keepingCapacity: true)
        if let characters {
            characters.append(scanner, start..<end, to: &merger.ids)
            merger.merge()
        } else if !wholeWords.isEmpty, let id = wholeWords[Array(bytes[start..<end])] {
            merger.ids.append(id)
        } else {
            for index in start..<end {
                let id = byteIDs[Int(bytes[index])]
                if id >= 0 { merger.ids.append(id) }
            }
            merger.merge()
        }
        known[slot] = Known(start: start, length: length, idStart: out.count, idCount: merger.ids.count)
        out += merger.ids
    }

    private func same(_ first: Int, _ second: Int, _ length: Int) -> Bool {
        for index in 0..<length where bytes[first + index] != bytes[second + index] { return false }
        return true
    }
}
