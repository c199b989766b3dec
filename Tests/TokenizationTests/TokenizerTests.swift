// The tokenizer on vocabularies built here: the pattern against a naive one, merging, special tokens, broken vocabularies.

import Faults
import TestSupport
import Testing
import Tokenization

/// The code of the fault that the call throws, or nil.
func code(_ body: () throws -> Void) -> String? {
    do {
        try body()
        return nil
    } catch {
        return (error as? Fault)?.code ?? "not a fault: \(error)"
    }
}

/// The byte-level alphabet, written out as GPT-2's `bytes_to_unicode` does.
let alphabet: [String] = {
    let printable = Array(33...126) + Array(161...172) + Array(174...255)
    var scalars = [UInt32](repeating: 0, count: 256)
    for byte in printable { scalars[byte] = UInt32(byte) }
    var next: UInt32 = 256
    for byte in 0..<256 where !printable.contains(byte) {
        scalars[byte] = next
        next += 1
    }
    return scalars.compactMap { Unicode.Scalar($0).map { String(Character($0)) } }
}()

@Suite struct TokenizerTests {
    /// All bytes, then one token for each merge, then the special tokens.
    private func vocabulary(merges: [String], specials: [String] = []) -> BPEVocabulary {
        var tokens = alphabet
        for merge in merges {
            let merged = merge.split(separator: " ").joined()
            if !tokens.contains(merged) { tokens.append(merged) }
        }
        let types = Array(repeating: Int32(1), count: tokens.count) + Array(repeating: Int32(3), count: specials.count)
        return BPEVocabulary(tokens: tokens + specials, tokenTypes: types, merges: merges, preTokenizer: .smollm)
    }

    private func tokens(_ text: String, _ vocabulary: BPEVocabulary, specials: Bool = true) throws -> [String] {
        try Tokenizer(vocabulary).encode(text, specials: specials).map { vocabulary.tokens[Int($0)] }
    }

    @Test func mergesTheLowestRankFirstAndTheLeftmostOfEqualOnes() throws {
        #expect(try tokens("abc", vocabulary(merges: ["b c", "a b"])) == ["a", "bc"])
        #expect(try tokens("abc", vocabulary(merges: ["a b", "b c"])) == ["ab", "c"])
        #expect(try tokens("aaaaa", vocabulary(merges: ["a a"])) == ["aa", "aa", "a"])
        #expect(try tokens("aaaaa", vocabulary(merges: ["a a", "aa aa", "aaaa a"])) == ["aaaaa"])
        #expect(try tokens("abab", vocabulary(merges: ["a b", "ab ab", "a b"])) == ["abab"])
        #expect(try tokens(" a", vocabulary(merges: ["Ġ a"])) == ["Ġa"])
    }

    /// Applies the merges that a word needs, one after another over all of it: slow, but clearly correct.
    private func naive(_ symbols: [String], ranks: [String: Int]) -> [String] {
        var symbols = symbols
        while true {
            var best: (rank: Int, at: Int)?
            for at in symbols.indices.dropLast() {
                if let rank = ranks[symbols[at] + " " + symbols[at + 1]], rank < best?.rank ?? .max {
                    best = (rank, at)
                }
            }
            guard let (_, at) = best else { return symbols }
            symbols.replaceSubrange(at...at + 1, with: [symbols[at] + symbols[at + 1]])
        }
    }

    @Test func mergesLikeTheNaiveWayInShortAndLongWords() throws {
        var generator = SeededGenerator(state: 5)
        // Random merges over three letters into short pieces, so that many of them compete for the same letters.
        var pieces = ["a", "b", "c"]
        var merges: [String] = []
        while merges.count < 150 {
            let left = try #require(pieces.randomElement(using: &generator))
            let right = try #require(pieces.randomElement(using: &generator))
            if left.utf8.count + right.utf8.count > 5 || merges.contains("\(left) \(right)") { continue }
            merges.append("\(left) \(right)")
            if !pieces.contains(left + right) { pieces.append(left + right) }
        }
        let vocabulary = vocabulary(merges: merges)
        let tokenizer = try Tokenizer(vocabulary)
        let ranks = Dictionary(uniqueKeysWithValues: merges.enumerated().map { ($1, $0) })
        for length in Array(1...60) + [120, 400] {
            for _ in 0..<(length > 48 ? 40 : 10) {
                let letters = (0..<length).map { _ in ["a", "b", "c"].randomElement(using: &generator) ?? "a" }
                let found = tokenizer.encode(letters.joined()).map { vocabulary.tokens[Int($0)] }
                #expect(found == naive(letters, ranks: ranks))
            }
        }
    }

    /// The pattern word by word, directly from its definition, over an array of scalars.
    private func naiveWords(_ text: String) -> [String] {
        func kind(_ scalar: Unicode.Scalar) -> Character {
            switch scalar.properties.generalCategory {
            case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: "L"
            case .decimalNumber, .letterNumber, .otherNumber: "N"
            default: scalar.properties.isWhitespace ? "S" : "O"
            }
        }
        var pieces: [[Unicode.Scalar]] = [[]]
        for scalar in text.unicodeScalars {
            if kind(scalar) == "N" { pieces += [[scalar], []] } else { pieces[pieces.count - 1].append(scalar) }
        }
        var words: [String] = []
        for piece in pieces {
            var rest = piece[...]
            while let first = rest.first {
                let contraction = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"].first {
                    rest.starts(with: $0.unicodeScalars)
                }
                let afterSpace = first == " " ? rest.dropFirst() : rest
                let spaces = rest.prefix { kind($0) == "S" }
                var length: Int
                if let contraction {
                    length = contraction.unicodeScalars.count
                } else if let next = afterSpace.first, kind(next) != "S" {
                    length = (rest.count - afterSpace.count) + afterSpace.prefix { kind($0) == kind(next) }.count
                } else if spaces.count == rest.count || spaces.count == 1 {
                    length = spaces.count
                } else {
                    length = spaces.count - 1
                }
                length = max(length, 1)
                words.append(String(String.UnicodeScalarView(rest.prefix(length))))
                rest = rest.dropFirst(length)
            }
        }
        return words
    }

    @Test func cutsWordsAsThePatternSays() {
        #expect(
            PreTokenizer.smollm.words(of: "BP 142/88's   we'll  \n x=  7 ½ 'S\u{3000}é\u{301}")
                == [
                    "BP", " ", "1", "4", "2", "/", "8", "8", "'s", "  ", " we", "'ll", "  \n", " x", "=", "  ", "7",
                    " ",
                    "½", " '", "S", "\u{3000}", "é", "\u{301}",
                ].map { $0 })
        #expect(PreTokenizer.smollm.words(of: "").isEmpty)
        var generator = SeededGenerator(state: 9)
        let scalars: [Unicode.Scalar] = [
            " ", " ", " ", "\n", "\r", "\t", "'", "s", "t", "r", "e", "v", "l", "d", "m", "A", "1", "½", "Ⅷ", "٣", ".",
            "-",
            "é", "\u{301}", "中", "😀", "\u{a0}", "\u{3000}", "\u{85}", "\u{200b}", "\u{0}", "ß", "\u{10ffff}",
        ]
        for _ in 0..<20_000 {
            let count = Int.random(in: 0...12, using: &generator)
            let text = String(
                String.UnicodeScalarView((0..<count).map { _ in scalars.randomElement(using: &generator) ?? " " }))
            let words = PreTokenizer.smollm.words(of: text)
            #expect(words.map { Array($0.unicodeScalars) } == naiveWords(text).map { Array($0.unicodeScalars) })
        }
    }

    @Test func recognisesSpecialTokensTheLongestFirst() throws {
        let vocabulary = vocabulary(merges: [], specials: ["<a>", "<a>b", "é"])
        #expect(try tokens("x<a>by<a><a", vocabulary) == ["x", "<a>b", "y", "<a>", "<", "a"])
        #expect(try tokens("<a>é", vocabulary) == ["<a>", "é"])
        #expect(try tokens("<a>", vocabulary, specials: false) == ["<", "a", ">"])
        let tokenizer = try Tokenizer(vocabulary)
        let id = try #require(tokenizer.id(of: "<a>b"))
        #expect(id == 257 && tokenizer.isSpecial(id) && !tokenizer.isSpecial(65) && !tokenizer.isSpecial(-1))
        #expect(tokenizer.id(of: "a") == nil)
        #expect(tokenizer.decode([97, id, 98, 256]) == "a<a>bb<a>")
        #expect(tokenizer.decode([97, id, 98, 256], specials: false) == "ab")
        #expect(tokenizer.decode([-1, 259, .max, .min, 97]) == "a")
        #expect(tokenizer.decodeBytes([0xf0, 0x9f]) == [0xf0, 0x9f])
        #expect(tokenizer.decode([0xf0, 0x9f, 97]) == "\u{fffd}a")
    }

    @Test func leavesOutBytesWithoutAToken() throws {
        var vocabulary = vocabulary(merges: [])
        vocabulary.tokens[Int(UInt8(ascii: "z"))] = "unused"
        vocabulary.tokenTypes[Int(UInt8(ascii: "z"))] = 5
        #expect(try tokens("z xzy z", vocabulary) == ["Ġ", "x", "y", "Ġ"])
    }

    @Test func refusesBrokenVocabularies() throws {
        func codeOf(_ change: (inout BPEVocabulary) -> Void) -> String? {
            var vocabulary = vocabulary(merges: ["a b"], specials: ["<s>"])
            change(&vocabulary)
            return code { _ = try Tokenizer(vocabulary) }
        }
        #expect(codeOf { _ in } == nil)
        #expect(codeOf { $0.tokens = [] } == "tokenizer.malformed")
        #expect(codeOf { $0.tokenTypes.removeLast() } == "tokenizer.malformed")
        #expect(codeOf { $0.tokenTypes[3] = 7 } == "tokenizer.malformed")
        #expect(codeOf { $0.tokens[3] = "a" } == "tokenizer.malformed")
        #expect(codeOf { $0.tokens[3] = "中" } == "tokenizer.malformed")
        #expect(codeOf { $0.tokens[257] = "" } == "tokenizer.malformed")
        #expect(codeOf { $0.merges = ["ab"] } == "tokenizer.malformed")
        #expect(codeOf { $0.merges = [""] } == "tokenizer.malformed")
        #expect(codeOf { $0.merges = [" "] } == "tokenizer.malformed")
        #expect(codeOf { $0.merges = ["a b c"] } == "tokenizer.malformed")
        #expect(codeOf { $0.merges = ["a c"] } == "tokenizer.malformed")
        #expect(codeOf { $0.endID = 258 } == "tokenizer.malformed")
        #expect(codeOf { $0.beginningID = -1 } == "tokenizer.malformed")
        let fault = try #require(throws: Fault.self) {
            _ = try PreTokenizer(named: "tekken", at: Place(file: "m.gguf"))
        }
        #expect(fault.code == "tokenizer.unknown-pre-tokenizer" && fault.what.contains("tekken"))
        #expect(fault.place?.file == "m.gguf")
        let absent = try #require(throws: Fault.self) { _ = try PreTokenizer(named: "", at: Place(file: "m.gguf")) }
        #expect(absent.code == "tokenizer.no-pre-tokenizer" && absent.place?.file == "m.gguf")
        #expect(absent.what.contains("tokenizer.ggml.pre") && absent.mend.contains("--pre-tokenizer"))
        let hostile = try #require(throws: Fault.self) {
            _ = try PreTokenizer(named: "a\u{1b}\u{9b}\u{202e}" + String(repeating: "b", count: 1_000_000))
        }
        #expect(
            hostile.what.unicodeScalars.allSatisfy { ![.control, .format].contains($0.properties.generalCategory) })
        #expect(hostile.what.utf8.count < 300)
    }
}
