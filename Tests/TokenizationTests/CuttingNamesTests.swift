// The names of ways to cut text that a workflow may say are those that the tokenizer knows.

import Faults
import Federation
import Testing
import Tokenization

@Suite struct CuttingNamesTests {
    @Test func everyNameOfAWorkflowIsKnownToTheTokenizer() throws {
        for cutting in TextCutting.allCases { _ = try PreTokenizer(named: cutting.rawValue) }
        let unknown = try #require(throws: Fault.self) { _ = try PreTokenizer(named: "no-such-name") }
        for cutting in TextCutting.allCases { #expect(unknown.what.contains(cutting.rawValue), "\(cutting)") }
    }
}
