// The tokenizer settings of a GGUF file as a StoredVocabulary.

import Faults
import Federation

extension GGUF {
    /// The tokenizer's data; nil where the file has none. Throws `model.missing-setting`, `model.malformed`,
    /// `model.setting-range`.
    func vocabulary() throws(Fault) -> StoredVocabulary? {
        guard let model = try text("tokenizer.ggml.model"), let tokens = try strings("tokenizer.ggml.tokens") else {
            return nil
        }
        let types = try integers("tokenizer.ggml.token_type") ?? []
        guard types.isEmpty || types.count == tokens.count else {
            throw Fault.modelMalformed(path, "\(types.count) token types for \(tokens.count) tokens")
        }
        let cutting = try text("tokenizer.ggml.pre") ?? ""
        let family = TextCutting(rawValue: cutting)
        let beginning = try tokenID("tokenizer.ggml.bos_token_id", tokens.count)
        let end = try tokenID("tokenizer.ggml.eos_token_id", tokens.count)
        return StoredVocabulary(
            model: model, preTokenizer: cutting, tokens: tokens, tokenTypes: types,
            merges: try strings("tokenizer.ggml.merges") ?? [],
            beginningID: beginning, endID: end,
            unknownID: try tokenID("tokenizer.ggml.unknown_token_id", tokens.count),
            paddingID: try tokenID("tokenizer.ggml.padding_token_id", tokens.count),
            addsBeginning: try flag("tokenizer.ggml.add_bos_token"), addsEnd: try flag("tokenizer.ggml.add_eos_token"),
            addsSpacePrefix: try flag("tokenizer.ggml.add_space_prefix"),
            composes: family?.composes ?? false, ignoresMerges: family?.ignoresMerges ?? false,
            chatTemplate: try text("tokenizer.chat_template"), beginningText: beginning.map { tokens[Int($0)] },
            endText: end.map { tokens[Int($0)] }, json: nil)
    }

    private func tokenID(_ key: String, _ count: Int) throws(Fault) -> Int32? {
        guard let id = try integer(key) else { return nil }
        guard let small = Int32(exactly: id), (0..<count).contains(id) else {
            throw Fault.modelSettingRange(path, key, "\(id)", "below the \(count) tokens of the vocabulary")
        }
        return small
    }
}
