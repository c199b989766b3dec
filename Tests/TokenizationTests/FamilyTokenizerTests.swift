// tokenizer.json of the families against the tokenizers library: Tests/TokenizationTests/Goldens/tokenizers.json says how it was made.

import Faults
import Federation
import Foundation
import ModelFiles
import TestSupport
import Testing
import Tokenization

@Suite struct FamilyTokenizerTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
        "Goldens")
    private static let path = folder.appendingPathComponent("tokenizers.json").path

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
                // A tokenizer that puts a space before text shows it after decoding.
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
            ("x{3,1}", "{3,1}"), ("(?i:a|b", "group"), (#"a+b+c"#, "behind a second unbounded run"),
            (#"a*b{0,17}c"#, "behind a second"), (String(repeating: "a?", count: 7) + "b", "64 lengths"),
            ("a{0,15}b{0,15}c", "64 lengths"), (String(repeating: "a|", count: 3000) + "a", "4096 bytes"),
            (String(repeating: "(", count: 4000), "("), (String(repeating: "[", count: 4000), "in a bracket"),
            (String(repeating: "(?:", count: 1000), "nested"), ("a{99999999999999999999}", "quantifier"),
            ("a{9223372036854775807,}", "quantifier"), ("a{0,9223372036854775808}", "quantifier"),
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
        // The most expensive patterns that are accepted, on a text in which they match nowhere.
        for pattern in [#"[^x]+[^x]+"#, #"a+b*|\s*[\r\n]+|[^x]{1,16}[^x]?[^x]?x"#, #"[^x]+(?!a)x"#] {
            let cut = try PreTokenizer(named: "split:" + pattern)
            let text = String(repeating: "a", count: 4_000)
            #expect(cut.words(of: text).joined() == text, "\(pattern)")
        }
        #expect(try PreTokenizer(named: "split:a").words(of: "xxayza") == ["xx", "a", "yz", "a"])
    }

    /// The real notes beside the package, each once; otherwise the synthetic ones.
    private static func clinicalText() throws -> String {
        let data = folder.appendingPathComponent("../../../../shared/data/clinical").standardizedFileURL.path
        var text = ""
        for corpus in ["mtsamples-general", "mtsamples-discharge", "maccrobat"] {
            let notes = "\(data)/\(corpus)/train"
            for name in (try? FileManager.default.contentsOfDirectory(atPath: notes))?.sorted() ?? []
            where name.hasSuffix(".txt") { text += String(decoding: try contents("\(notes)/\(name)"), as: UTF8.self) }
        }
        let bank = folder.appendingPathComponent("../../../scripts/synthetic-notes/bank/harbour-ed.train.txt").path
        return text.isEmpty ? String(repeating: String(decoding: try contents(bank), as: UTF8.self), count: 40) : text
    }

    private func expectSpeed(_ tokenizer: Tokenizer, _ name: String) throws {
        let text = try Self.clinicalText()
        // Time of this thread, which other work on the machine does not increase.
        func seconds() -> Double {
            var time = timespec()
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
            return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
        }
        let rates = (0..<5).map { _ -> Double in
            let start = seconds()
            _ = tokenizer.encode(text)
            return Double(text.utf8.count) / 1e6 / (seconds() - start)
        }.sorted()
        print("\(name): \(text.utf8.count) bytes, \(rates[2]) MB/s a core, the middle of five")
        #expect(rates[4] >= 3)
    }

    @Test(arguments: ["llama3", "qwen2", "gpt2", "llama2", "mistral"]) func encodesThreeMegabytesASecond(name: String)
        throws
    {
        let golden = try JSONValue(parsing: try contents(Self.path))
        let variant = try #require(golden["variants"]?.elements?.first { $0["name"]?.text == name })
        try expectSpeed(try tokenizer(golden, variant), name)
    }

    @Test(.needsBaseModel)
    func encodesThreeMegabytesASecondWithTheBaseModel() throws {
        let path = try #require(baseModelPath)
        let stored = try #require(try ModelFile.open(path: path).vocabulary)
        for cutting in ["smollm", "llama-bpe", "qwen2"] {
            try expectSpeed(
                try Tokenizer(
                    BPEVocabulary(
                        tokens: stored.tokens, tokenTypes: stored.tokenTypes, merges: stored.merges,
                        preTokenizer: try PreTokenizer(named: cutting))), "SmolLM2's vocabulary, cut as \(cutting)")
        }
    }

    /// Where no merge joins two characters, texts are cut: the ids are those of merging the whole text.
    @Test(arguments: ["llama2", "mistral"]) func cuttingWhereNothingJoinsChangesNoID(name: String) throws {
        let golden = try JSONValue(parsing: try contents(Self.path))
        let variant = try #require(golden["variants"]?.elements?.first { $0["name"]?.text == name })
        let baseName = try #require(variant["base"]?.text)
        let base = try #require(golden[baseName]?["model"]?.members)
        let text = String(try Self.clinicalText().prefix(20_000)).replacingOccurrences(of: "<", with: "(")
        let found = try tokenizer(golden, variant).encode(text, specials: false)
        // One pass for each merge, in the order of ranks: the definition of BPE.
        var ids: [String: Int32] = [:]
        for (token, id) in try #require(base["vocab"]?.members) { ids[token] = id.int.map { Int32($0) } }
        var symbols: [String] = []
        let prefix = name == "llama2" || !text.hasPrefix(" ") ? "\u{2581}" : ""
        for scalar in (prefix + text.replacingOccurrences(of: " ", with: "\u{2581}")).unicodeScalars {
            let symbol = String(Character(scalar))
            symbols += ids[symbol] == nil ? symbol.utf8.map { String(format: "<0x%02X>", $0) } : [symbol]
        }
        for merge in try #require(base["merges"]?.elements) {
            let pair = merge.elements?.compactMap(\.text) ?? merge.text?.split(separator: " ").map(String.init) ?? []
            try #require(pair.count == 2)
            var merged: [String] = []
            for symbol in symbols {
                if symbol == pair[1], merged.last == pair[0] {
                    merged[merged.count - 1] += symbol
                } else {
                    merged.append(symbol)
                }
            }
            symbols = merged
        }
        #expect(found == symbols.compactMap { ids[$0] })
    }
}
