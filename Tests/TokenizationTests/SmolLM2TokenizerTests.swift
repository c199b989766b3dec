// The tokenizer of the real base model: goldens, round trips, speed.

import Faults
import Federation
import ModelFiles
import TestSupport
import Testing
import Tokenization

/// The mapping from a model file's vocabulary to a tokenizer's, as the runner does it.
func tokenizer(of stored: StoredVocabulary) throws -> Tokenizer {
    try Tokenizer(
        BPEVocabulary(
            tokens: stored.tokens, tokenTypes: stored.tokenTypes, merges: stored.merges,
            preTokenizer: try PreTokenizer(named: stored.preTokenizer), beginningID: stored.beginningID,
            endID: stored.endID, unknownID: stored.unknownID, paddingID: stored.paddingID))
}

@Suite(.needsBaseModel)
struct SmolLM2TokenizerTests {
    static let shared: Tokenizer? = {
        guard let path = baseModelPath, let file = try? ModelFile.open(path: path),
            let vocabulary = file.vocabulary
        else { return nil }
        return try? tokenizer(of: vocabulary)
    }()

    @Test func givesTheRecordedIds() throws {
        let tokenizer = try #require(Self.shared)
        var count = 0
        for line in SmolLM2Golden.lines.split(separator: "\n") {
            let pair = try #require(try JSONValue(parsing: Array(line.utf8)).elements)
            let text = try #require(pair[0].text)
            let ids = try #require(pair[1].elements).compactMap { $0.int.map { Int32($0) } }
            #expect(tokenizer.encode(text) == ids, "\(text)")
            #expect(tokenizer.decode(ids) == text)
            count += 1
        }
        #expect(count == 31)
    }

    @Test func namesItsSpecialTokens() throws {
        let tokenizer = try #require(Self.shared)
        #expect(tokenizer.vocabularySize == 49152)
        #expect(tokenizer.id(of: "<|endoftext|>") == 0 && tokenizer.id(of: "<|im_start|>") == 1)
        #expect(tokenizer.endOfTextID == 2 && tokenizer.id(of: "<|im_end|>") == 2 && tokenizer.beginningOfTextID == 1)
        #expect(tokenizer.encode("<|im_end|>", specials: false).count > 1)
        #expect(tokenizer.decode(tokenizer.encode("<|im_end|>", specials: false)) == "<|im_end|>")
    }

    /// SmolLM2's vocabulary lacks 21 bytes; 13 of them never occur in UTF-8, the others are these.
    private static func isRepresentable(_ scalar: Unicode.Scalar) -> Bool {
        ![0x04, 0x06, 0x13, 0x14, 0x16, 0x1d].contains(scalar.value) && !(0x40000..<0xc0000).contains(scalar.value)
    }

    @Test func decodesWhatItEncodes() throws {
        let tokenizer = try #require(Self.shared)
        var generator = SeededGenerator(state: 41)
        let ranges: [ClosedRange<UInt32>] = [
            0...0x7f, 0x20...0x7e, 0x20...0x7e, 0x80...0x24f, 0x300...0x36f, 0x370...0x6ff, 0x2000...0x206f,
            0x4e00...0x9fff, 0x1f300...0x1faff, 0...0x10ffff,
        ]
        let fixed = [
            "\r\n", " ", "  ", "\n\n", "👩‍⚕️", "e\u{301}", "🇩🇪", "'s", "<|im_start|>", "<span class=\"problem\">", "mg",
        ]
        for round in 0..<3_000 {
            var text = ""
            for _ in 0..<Int.random(in: 0...40, using: &generator) {
                if Bool.random(using: &generator) {
                    text += fixed.randomElement(using: &generator) ?? ""
                } else {
                    let range = ranges.randomElement(using: &generator) ?? 0...0x7f
                    let value = UInt32.random(in: range, using: &generator)
                    if let scalar = Unicode.Scalar(value), Self.isRepresentable(scalar) {
                        text.unicodeScalars.append(scalar)
                    }
                }
            }
            for specials in [true, false] {
                let ids = tokenizer.encode(text, specials: specials)
                #expect(tokenizer.decodeBytes(ids) == Array(text.utf8), "round \(round)")
            }
        }
    }

    @Test func everyScalarButTheRareOnesComesBack() throws {
        let tokenizer = try #require(Self.shared)
        for start in stride(from: UInt32(0), through: 0x10ffff, by: 4096) {
            var text = ""
            for value in start..<start + 4096 {
                if let scalar = Unicode.Scalar(value), Self.isRepresentable(scalar) {
                    text.unicodeScalars.append(scalar)
                }
            }
            #expect(tokenizer.decodeBytes(tokenizer.encode(text)) == Array(text.utf8), "U+\(String(start, radix: 16))")
        }
        #expect(tokenizer.encode("a\u{4}b") == tokenizer.encode("a") + tokenizer.encode("b"))
    }

    /// The aim is 3 MB/s on one core; only a tenth of it fails here, so that a busy machine does not.
    @Test func isNotSlow() throws {
        let tokenizer = try #require(Self.shared)
        var generator = SeededGenerator(state: 3)
        let words = [
            "patient", "denies", "chest pain", "142/88", "mg", "furosemide", "b.i.d.", "hypertension,", "\n", "q8h",
        ]
        let text = (0..<40_000).map { _ in words.randomElement(using: &generator) ?? "" }.joined(separator: " ")
        var count = 0
        let time = ContinuousClock().measure { count = tokenizer.encode(text).count }
        #expect(count > 40_000)
        #expect(time < .seconds(Double(text.utf8.count) / 300_000))
        // One word of a million letters: a quadratic merge would take hours.
        let word = ContinuousClock().measure {
            count = tokenizer.encode(String(repeating: "abcdefgh", count: 125_000)).count
        }
        #expect(word < .seconds(20))
    }
}

/// The tokenizer.json of a random model, made once with tokenizers 0.23, and a text with its ids.
@Suite struct TinyTokenizerTests {
    @Test(arguments: ["tiny-llama3"]) func givesTheRecordedIds(name: String) throws {
        let folder = "\(Fixtures.ownGoldens)/\(name)"
        let bytes = try contents("\(folder)/tokenizer.json")
        let stored = try TokenizerJSON.vocabulary(
            try JSONValue(parsing: bytes), bytes: bytes, config: [:], path: "\(folder)/tokenizer.json")
        let tokenizer = try tokenizer(of: stored)
        let golden = try JSONValue(parsing: try contents(folder + "/text.json"))
        let text = try #require(golden["text"]?.text)
        let ids = try #require(golden["ids"]?.elements).compactMap { $0.int.map { Int32($0) } }
        #expect(ids.count == 15)
        #expect(tokenizer.encode(text) == ids)
        #expect(tokenizer.decode(ids) == text)
    }
}
