// The tokenizer of the real base model: goldens, round trips, speed.

import Faults
import Federation
import ModelFiles
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

@Suite(.enabled(if: Fixtures.baseModel != nil, "the base model is not in the cache: set MEDROUNDS_MODEL"))
struct SmolLM2TokenizerTests {
    static let shared: Tokenizer? = {
        guard let path = Fixtures.baseModel, let file = try? ModelFile.open(path: path),
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
}
