// Tokenizers of random vocabularies over unusual text: every plane of Unicode, long runs, cuts within a cluster.

import Faults
import Foundation
import Tokenization

/// Encodes and decodes `cases` texts and returns how many there were.
func tokenizers(seed: UInt64, cases: Int) throws(Fault) -> Int {
    for index in 0..<cases {
        var numbers = CaseNumbers(seed: seed, case: 1_000_000 + index)
        let tokenizer = try randomTokenizer(&numbers)
        let text = text(&numbers)
        let ids = tokenizer.encode(text, specials: numbers.below(2) == 0)
        _ = tokenizer.decodeBytes(ids)
        _ = tokenizer.decode(numbers.tokens(50, below: 1 << 20).map { $0 - 1000 })
    }
    return cases
}

/// Letters, and merges of tokens that exist already.
private func randomTokenizer(_ numbers: inout CaseNumbers) throws(Fault) -> Tokenizer {
    var tokens = (0x21..<0x7f).compactMap { Unicode.Scalar($0).map { String(Character($0)) } }
    tokens += (0xa1..<0x17f).compactMap { Unicode.Scalar($0).map { String(Character($0)) } }
    var merges: [String] = []
    for _ in 0..<numbers.one(of: [0, 1, 300]) {
        let (left, right) = (numbers.one(of: tokens), numbers.one(of: tokens))
        guard left.count + right.count < 40, !tokens.contains(left + right) else { continue }
        tokens.append(left + right)
        merges.append("\(left) \(right)")
    }
    tokens.append("<|end|>")
    var types = [Int32](repeating: 1, count: tokens.count)
    types[tokens.count - 1] = 3
    return try Tokenizer(
        BPEVocabulary(
            tokens: tokens, tokenTypes: types, merges: merges,
            preTokenizer: PreTokenizer(named: numbers.one(of: ["smollm", "whole"])), composes: numbers.below(2) == 0,
            ignoresMerges: numbers.below(2) == 0))
}

private func text(_ numbers: inout CaseNumbers) -> String {
    var text = ""
    for _ in 0..<numbers.one(of: [0, 1, 5, 80]) {
        switch numbers.below(5) {
        case 0:
            text += String(
                repeating: numbers.one(of: ["a", " ", "'", "\u{301}", "\n", "9"]), count: numbers.below(300))
        case 1: text += "<|end|>"
        case 2: text += numbers.one(of: ["'s", "\r\n", "1234", "\u{0}", "\u{200d}", "\u{1f468}\u{200d}\u{1f469}"])
        default:
            for _ in 0..<numbers.below(30) {
                if let scalar = Unicode.Scalar(UInt32(numbers.below(0x110000))) { text.unicodeScalars.append(scalar) }
            }
        }
    }
    return text
}
