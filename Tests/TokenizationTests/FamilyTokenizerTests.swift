// tokenizer.json of the families against the tokenizers library: Tests/TokenizationTests/Goldens/tokenizers.json says who made it.

import Faults
import Federation
import Foundation
import ModelFiles
import Testing
import Tokenization

@Suite struct FamilyTokenizerTests {
    private static let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("Goldens/tokenizers.json").path

    private func tokenizer(_ golden: JSONValue, _ variant: JSONValue) throws -> Tokenizer {
        let name = try #require(variant["base"]?.text)
        let base = try #require(golden[name])
        var model = try #require(base["model"]?.members)
        model["ignore_merges"] = variant["ignore_merges"] ?? false
        let json: JSONValue = [
            "model": .object(model), "added_tokens": base["added_tokens"] ?? .null,
            "normalizer": variant["normalizer"] ?? .null, "pre_tokenizer": variant["pre_tokenizer"] ?? .null,
        ]
        let stored = try TokenizerJSON.vocabulary(json, bytes: [], config: [:], path: "tokenizer.json")
        return try Tokenizer(
            BPEVocabulary(
                tokens: stored.tokens, tokenTypes: stored.tokenTypes, merges: stored.merges,
                preTokenizer: try PreTokenizer(named: stored.preTokenizer), composes: stored.composes,
                ignoresMerges: stored.ignoresMerges,
                byteFallback: stored.byteFallback.flatMap { BPEVocabulary.SpacePrefix(rawValue: $0) }))
    }

    @Test(arguments: ["gpt2", "llama3", "qwen2", "smollm", "llama2", "mistral"])
    func givesTheIdsOfTheLibrary(name: String) throws {
        let golden = try JSONValue(parsing: try contents(Self.path))
        let variant = try #require(golden["variants"]?.elements?.first { $0["name"]?.text == name })
        let tokenizer = try tokenizer(golden, variant)
        let cases = try #require(variant["cases"]?.elements)
        #expect(cases.count > 90)
        for pair in cases {
            let text = try #require(pair.elements?[0].text)
            let ids = try #require(pair.elements?[1].elements).compactMap { $0.int.map { Int32($0) } }
            #expect(tokenizer.encode(text) == ids, "\(name): \(text.debugDescription)")
        }
    }

    @Test func decodingGivesTheTextBack() throws {
        let golden = try JSONValue(parsing: try contents(Self.path))
        for variant in golden["variants"]?.elements ?? [] where variant["name"]?.text != "qwen2" {
            let tokenizer = try tokenizer(golden, variant)
            for text in ["Hb 9.1 g/dL, don't stop", "\u{4e2d}\u{6587} \u{1f9ec}", "line\r\n two  spaces"] {
                let decoded = tokenizer.decode(tokenizer.encode(text))
                // With a space before text, decoding shows it.
                #expect(decoded == text || decoded == " " + text)
            }
        }
    }

    @Test func namesTheConstructThatIsNotRead() throws {
        for (pattern, construct) in [
            (#"\p{Lu}+"#, #"\p{Lu}"#), (#"a(b)"#, "("), (#"\s+?x"#, "lazy"), (#"\d"#, #"\d"#), ("[a-z]+", "-"),
            ("a*", "nothing"),
            (#"(?=x)"#, "("), (#"(?:a(?:b))"#, "nested"), ("a{2", "brace"), ("[ab", "bracket"),
            (#"\s*\s*\s*x"#, "third"), ("", "nothing"),
            ("x{3,1}", "{3,1}"), ("(?i:a|b", "group"),
        ] {
            let fault = #expect(throws: Fault.self) { _ = try PreTokenizer(named: "split:" + pattern) }
            #expect(fault?.code == "tokenizer.unsupported-pattern")
            #expect(fault?.what.contains(construct) == true, "\(fault?.what ?? "")")
        }
    }

    @Test func cutsAllTextWhateverThePattern() throws {
        for name in ["llama-bpe", "qwen2", "gpt-2", "split:a"] {
            let cut = try PreTokenizer(named: name)
            for text in ["", "xxay", "a\r\n\u{301}\u{85}  12345 'LL", String(repeating: " ", count: 5000) + "x"] {
                #expect(cut.words(of: text).joined() == text)
            }
        }
        #expect(try PreTokenizer(named: "split:a").words(of: "xxayza") == ["xx", "a", "yz", "a"])
    }

    /// The floor is a sixth of the aim of 3 MB/s, so that a loaded machine does not fail it.
    @Test(arguments: ["llama3", "qwen2", "gpt2", "llama2"]) func encodesAtLeastHalfAMegabyteASecond(name: String) throws
    {
        let golden = try JSONValue(parsing: try contents(Self.path))
        let variant = try #require(golden["variants"]?.elements?.first { $0["name"]?.text == name })
        let tokenizer = try tokenizer(golden, variant)
        let bank = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../scripts/synthetic-notes/bank/harbour-ed.train.txt").path
        let text = String(repeating: String(decoding: try contents(bank), as: UTF8.self), count: 40)
        let clock = ContinuousClock()
        let seconds = clock.measure { _ = tokenizer.encode(text) } / .seconds(1)
        let rate = Double(text.utf8.count) / 1e6 / seconds
        print("\(name): \(text.utf8.count) bytes, \(rate) MB/s")
        #expect(rate > 0.5)
    }
}
