// The names of ways to cut text that a workflow may say are those that the tokenizer knows.

import Faults
import Federation
import ModelFiles
import Testing
import Tokenization

@Suite struct CuttingNamesTests {
    @Test func everyNameOfAWorkflowIsKnownToTheTokenizer() throws {
        for cutting in TextCutting.allCases { _ = try PreTokenizer(named: cutting.rawValue) }
        let unknown = try #require(throws: Fault.self) { _ = try PreTokenizer(named: "no-such-name") }
        for cutting in TextCutting.allCases { #expect(unknown.what.contains(cutting.rawValue), "\(cutting)") }
    }

    @Test func aFileThatSaysItIsNotOverruled() throws {
        func vocabulary(_ name: String) -> StoredVocabulary {
            StoredVocabulary(
                model: "gpt2", preTokenizer: name, tokens: ["a"], tokenTypes: [], merges: [], beginningID: nil,
                endID: nil,
                unknownID: nil, paddingID: nil, addsBeginning: false, addsEnd: false, addsSpacePrefix: false,
                chatTemplate: nil, beginningText: nil, endText: nil, json: nil)
        }
        let qwen = try vocabulary("").cut(as: .qwen2, path: "m.gguf")
        #expect(qwen.preTokenizer == "qwen2" && qwen.composes && !qwen.ignoresMerges)
        let llama = try vocabulary("").cut(as: .llamaBPE, path: "m.gguf")
        #expect(!llama.composes && llama.ignoresMerges)
        #expect(try vocabulary("smollm").cut(as: .smollm, path: "m.gguf") == vocabulary("smollm"))
        #expect(try vocabulary("").cut(as: nil, path: "m.gguf") == vocabulary(""))
        let fault = try #require(throws: Fault.self) { _ = try vocabulary("gpt-2").cut(as: .qwen2, path: "m.gguf") }
        #expect(fault.code == "tokenizer.two-pre-tokenizers" && fault.place?.file == "m.gguf")
    }
}
