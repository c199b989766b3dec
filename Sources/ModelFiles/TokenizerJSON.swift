// TokenizerJSON: the BPE model of a Hugging Face tokenizer.json as a StoredVocabulary.

import Faults
import Federation

/// Reads the BPE model, the added tokens and the kind of pre-tokenizer of tokenizer.json.
enum TokenizerJSON {
    /// Throws `model.unsupported-feature`, `model.malformed`.
    static func vocabulary(_ json: JSONValue, bytes: [UInt8], config: JSONValue, path: String) throws(Fault)
        -> StoredVocabulary
    {
        guard let model = json["model"], let ids = model["vocab"]?.members, let merges = model["merges"]?.elements
        else {
            throw Fault.modelMalformed(path, "the model has no vocab or no merges")
        }
        if let type = model["type"]?.text, type != "BPE" {
            throw Fault.modelUnsupportedFeature(path, "tokenizer model \(Fault.shown(type)) is not supported; BPE is")
        }
        let added = json["added_tokens"]?.elements ?? []
        // Ids beyond this cannot come of a vocabulary without great gaps: the table would outgrow the file.
        let limit = 2 * (ids.count + added.count)
        var tokens: [String?] = []
        var types: [Int32] = []
        func set(_ id: Int, _ text: String, _ type: Int32) throws(Fault) {
            guard id >= 0, id < limit else {
                throw Fault.modelMalformed(path, "token id \(id) in a vocabulary of \(ids.count + added.count)")
            }
            while tokens.count <= id {
                tokens.append(nil)
                types.append(5)
            }
            if let other = tokens[id], other != text {
                throw Fault.modelMalformed(path, "token id \(id) stands for two tokens")
            }
            tokens[id] = text
            types[id] = type
        }
        for (text, value) in ids {
            guard let id = value.int else { throw Fault.modelMalformed(path, "a token id is no integer") }
            try set(id, text, 1)
        }
        for token in added {
            guard let id = token["id"]?.int, let text = token["content"]?.text else {
                throw Fault.modelMalformed(path, "an added token has no id or no content")
            }
            try set(id, text, token["special"]?.bool == true ? 3 : 4)
        }
        let count = tokens.count
        func id(_ key: String) -> Int32? {
            let value = config[key]?.int ?? config[key]?.elements?.first?.int
            return value.flatMap { (0..<count).contains($0) ? Int32(exactly: $0) : nil }
        }
        let unknown = model["unk_token"]?.text
        return StoredVocabulary(
            model: "gpt2", preTokenizer: preTokenizer(json["pre_tokenizer"]), tokens: tokens.map { $0 ?? "" },
            tokenTypes: types, merges: try mergeTexts(merges, path), beginningID: id("bos_token_id"),
            endID: id("eos_token_id"),
            unknownID: unknown.flatMap { tokens.firstIndex(of: $0) }.flatMap { Int32(exactly: $0) },
            paddingID: id("pad_token_id"), addsBeginning: false, addsEnd: false, addsSpacePrefix: false,
            chatTemplate: nil, json: bytes)
    }

    /// Merges as `left right`: old files write them so, newer ones as pairs.
    private static func mergeTexts(_ merges: [JSONValue], _ path: String) throws(Fault) -> [String] {
        var texts: [String] = []
        texts.reserveCapacity(merges.count)
        for merge in merges {
            if let text = merge.text {
                texts.append(text)
            } else if let pair = merge.elements, pair.count == 2, let left = pair[0].text, let right = pair[1].text {
                texts.append("\(left) \(right)")
            } else {
                throw Fault.modelMalformed(path, "a merge is neither a text nor a pair")
            }
        }
        return texts
    }

    /// `smollm` for digits apart and then the GPT-2 pattern; empty for any other kind, which stays in the JSON.
    private static func preTokenizer(_ json: JSONValue?) -> String {
        guard let json, json["type"] == "Sequence", let parts = json["pretokenizers"]?.elements, parts.count == 2,
            parts[0]["type"] == "Digits", parts[0]["individual_digits"] == true,
            parts[1]["type"] == "ByteLevel", parts[1]["add_prefix_space"] == false,
            (parts[1]["use_regex"] ?? true) == true
        else { return "" }
        return "smollm"
    }
}
