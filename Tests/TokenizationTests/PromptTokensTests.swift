// How special tokens appear in prompts: a rendered chat template gives the ids that transformers gives, and a plain range gives none.

import ChatTemplates
import Faults
import Federation
import Foundation
import ModelFiles
import TestSupport
import Testing
import Tokenization

@Suite struct PromptTokensTests {
    private static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().path

    private func messages(_ example: JSONValue) throws -> [ChatTemplate.Message] {
        try #require(example["messages"]?.elements).map {
            ChatTemplate.Message(role: try #require($0["role"]?.text), content: try #require($0["content"]?.text))
        }
    }

    /// The template is in the base model's file as well, and its ids are those of transformers.
    @Test(.needsBaseModel)
    func givesTheIdsOfTransformers() throws {
        let path = try #require(baseModelPath)
        let stored = try #require(try ModelFile.open(path: path).vocabulary)
        let golden = try JSONValue(
            parsing: try contents(Self.tests + "/ChatTemplatesTests/Goldens/chat.json"))
        #expect(stored.chatTemplate == golden["chat_template"]?.text)
        let template = try ChatTemplate(
            try #require(stored.chatTemplate), beginning: stored.beginningText, end: stored.endText)
        let tokenizer = try Tokenizer(
            BPEVocabulary(
                tokens: stored.tokens, tokenTypes: stored.tokenTypes, merges: stored.merges,
                preTokenizer: try PreTokenizer(named: stored.preTokenizer)))
        for example in try #require(golden["cases"]?.elements) {
            let text = try template.text(
                of: messages(example), addsGenerationPrompt: example["add_generation_prompt"] == true)
            #expect(tokenizer.encode(text).map { Int($0) } == example["ids"]?.elements?.compactMap(\.int))
        }
    }

    @Test func readsNoSpecialTokenInOrIntoAPlainRange() throws {
        let tokens = ["a", "b", "<", ">", "<b>", "b<"]
        let tokenizer = try Tokenizer(
            BPEVocabulary(tokens: tokens, tokenTypes: [1, 1, 1, 1, 3, 3], merges: [], preTokenizer: .smollm))
        #expect(tokenizer.encode("a<b>a") == [0, 4, 0])
        #expect(tokenizer.encode("<b><b><b>", plain: 3..<6) == [4, 2, 1, 3, 4])
        // One token that begins before the range and one that ends after it.
        #expect(tokenizer.encode("<b>a", plain: 2..<4) == [2, 1, 3, 0])
        #expect(tokenizer.encode("ab<b>", plain: 0..<2) == [0, 1, 4])
        #expect(tokenizer.encode("ab<", plain: 0..<0) == [0, 5])
    }
}
