// Guesses of how an answer goes on: the rest of the input, the rest of a mark; and answers of the real model that they leave alone.

import Engine
import Extraction
import Faults
import Federation
import Foundation
import Identities
import LocalFiles
import ModelFiles
import ModelShelf
import Reports
import RunRecords
import Runs
import TestSupport
import Testing
import Tokenization
import Verification

@Suite struct CopyDraftTests {
    private static let path = baseModelPath ?? ""

    private static func tokenizer(_ file: ModelFile) throws -> Tokenizer {
        try Tokenizer(BPEVocabulary(#require(file.vocabulary)))
    }

    private static func record(_ text: String) -> Record {
        let scalars = Array(text.unicodeScalars)
        return Record(
            document: "note", task: .ner, types: ["problem", "drug"], range: 0..<scalars.count, text: scalars,
            prompt: "Mark what is named.\nInput: \(text)\nOutput: ", completion: text, gold: [], head: nil)
    }

    @Test(.needsBaseModel)
    func goesOnWithTheInputAndWithMarks() throws {
        let tokenizer = try Self.tokenizer(ModelFile.open(path: Self.path))
        let input = "Fever since Monday, no cough; started ibuprofen 400 mg."
        let draft = CopyDraft(tokenizer: tokenizer, records: [Self.record(input)])
        func guess(_ written: String, limit: Int = 30) -> String {
            tokenizer.decode(draft.guess(0, tokenizer.encode(written, specials: false), limit))
        }
        #expect(guess("") == input)
        #expect(guess("Fever since") == " Monday, no cough; started ibuprofen 400 mg.")
        #expect(guess("<span class=\"problem\">Fever</span> since Mon") == "day, no cough; started ibuprofen 400 mg.")
        #expect(guess("<") == "span class=\"problem\">" + input + "</span>")
        #expect(guess("<span class=\"d").hasPrefix("rug\">Fever since"))
        #expect(guess("<span class=\"problem\">Fever</").hasPrefix("span> since Monday"))
        #expect(
            guess("<span class=\"problem\">Fever since Monday, no <span class=\"drug\">cough").hasSuffix("mg.</span>"))
        // Where the answer leaves the input there is nothing to guess, until it comes back.
        #expect(guess("Pain in the chest") == "")
        #expect(guess("Pain. no cough; started").hasPrefix(" ibuprofen"))
        #expect(draft.guess(0, [], 3).count == 3)
        #expect(draft.guess(0, tokenizer.encode(input, specials: false), 5).isEmpty)
    }

    @Test(.needsBaseModel)
    func answersOfTheRealModelDoNotDependOnThem() throws {
        let file = try ModelFile.open(path: Self.path)
        let model = try LanguageModel(file)
        let tokenizer = try Self.tokenizer(file)
        // The synthetic notes that the project ships, as a prompt that makes the untrained model copy.
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("workflows/data/northfield/test")
        let notes = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".txt") }
            .sorted()
        let records = try notes.prefix(6).map { name in
            let text = try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
            let line = text.split(separator: "\n").first { $0.count > 40 } ?? "Fever and cough."
            var record = Self.record(String(line))
            record.prompt = "Repeat: a b c d\na b c d\nRepeat: fever and cough\nfever and cough\nRepeat: \(line)\n"
            return record
        }
        let prompts = records.map { tokenizer.encode($0.prompt, specials: false) }
        typealias Draft = (Int, [Int32], Int) -> [Int32]
        func answers(batch: Int, threads: Int, draft: Draft?) throws -> ([Generation], passes: Int) {
            var passes = 0
            let found = try generate(
                model, adapter: nil, prompts: prompts, maxNewTokens: 40, stop: [198], batchSize: batch,
                threads: threads,
                progress: { passes = $0.passes }, draft: draft)
            return (found, passes)
        }
        let copy = CopyDraft(tokenizer: tokenizer, records: records[...])
        let plain = try answers(batch: 1, threads: 2, draft: nil)
        #expect(try answers(batch: 1, threads: 2, draft: copy.guess).0 == plain.0)
        #expect(try answers(batch: 4, threads: 1, draft: copy.guess).0 == plain.0)
        // Guesses that are right save passes; those that are wrong now and then change nothing either.
        let known = try answers(batch: 1, threads: 2) { prompt, written, limit in
            var guess = Array(plain.0[prompt].tokens.dropFirst(written.count).prefix(limit))
            if written.count % 5 == 3, !guess.isEmpty { guess[guess.count - 1] ^= 1 }
            return guess
        }
        #expect(known.0 == plain.0)
        #expect(known.passes < plain.passes)
        #expect(plain.0.contains { $0.tokens.count > 10 })
    }
}
