// TokenizerJSON: a Hugging Face tokenizer.json as a StoredVocabulary: BPE model, added tokens, normaliser, pre-tokenizer.

import Faults
import Federation

/// Reads the BPE model, the added tokens and the kind of pre-tokenizer of tokenizer.json.
package enum TokenizerJSON {
    /// Throws `model.unsupported-feature`, `model.malformed`.
    package static func vocabulary(_ json: JSONValue, bytes: [UInt8], config: JSONValue, path: String) throws(Fault)
        -> StoredVocabulary
    {
        guard let model = json["model"], let ids = model["vocab"]?.members, let merges = model["merges"]?.elements
        else {
            throw Fault.modelMalformed(path, "the model has no vocab or no merges")
        }
        if let type = model["type"]?.text, type != "BPE" {
            throw Fault.modelUnsupportedFeature(path, "tokenizer model \(Fault.shown(type)) is not supported; BPE is")
        }
        for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
            if let text = model[key]?.text, !text.isEmpty {
                throw Fault.modelUnsupportedFeature(path, "tokenizer setting \(key) is not supported")
            }
        }
        let added = json["added_tokens"]?.elements ?? []
        // A larger id can only come from a vocabulary with large gaps: the table would be larger than the file.
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
                throw Fault.modelMalformed(path, "token id \(id) is given to two tokens")
            }
            tokens[id] = text
            types[id] = type
        }
        for (text, value) in ids {
            guard let id = value.int else { throw Fault.modelMalformed(path, "a token id is not an integer") }
            try set(id, text, 1)
        }
        for token in added {
            guard let id = token["id"]?.int, let text = token["content"]?.text else {
                throw Fault.modelMalformed(path, "an added token has no id or no content")
            }
            for key in ["single_word", "lstrip", "rstrip"] where token[key] == true {
                throw Fault.modelUnsupportedFeature(path, "\(key) of added token \(id) is not supported")
            }
            try set(id, text, token["special"]?.bool == true ? 3 : 4)
        }
        let count = tokens.count
        func id(_ key: String) -> Int32? {
            let value = config[key]?.int ?? config[key]?.elements?.first?.int
            return value.flatMap { (0..<count).contains($0) ? Int32(exactly: $0) : nil }
        }
        let unknown = model["unk_token"]?.text
        var cutting = Cutting(isFallback: model["byte_fallback"] == true, path: path)
        try cutting.read(normalizer: json["normalizer"] ?? .null)
        try cutting.read(preTokenizer: json["pre_tokenizer"] ?? .null)
        return StoredVocabulary(
            model: cutting.isFallback ? "bpe" : "gpt2", preTokenizer: cutting.preTokenizer,
            tokens: tokens.map { $0 ?? "" },
            tokenTypes: types, merges: try mergeTexts(merges, path), beginningID: id("bos_token_id"),
            endID: id("eos_token_id"),
            unknownID: unknown.flatMap { tokens.firstIndex(of: $0) }.flatMap { Int32(exactly: $0) },
            paddingID: id("pad_token_id"), addsBeginning: opensWithSpecial(json["post_processor"]), addsEnd: false,
            addsSpacePrefix: false, composes: cutting.composes, ignoresMerges: model["ignore_merges"] == true,
            byteFallback: cutting.isFallback ? cutting.prefix : nil, chatTemplate: nil, json: bytes)
    }

    /// Merges as `left right`: old files write them like this, newer ones as pairs.
    private static func mergeTexts(_ merges: [JSONValue], _ path: String) throws(Fault) -> [String] {
        var texts: [String] = []
        texts.reserveCapacity(merges.count)
        for merge in merges {
            if let text = merge.text {
                texts.append(text)
            } else if let pair = merge.elements, pair.count == 2, let left = pair[0].text, let right = pair[1].text {
                texts.append("\(left) \(right)")
            } else {
                throw Fault.modelMalformed(path, "a merge is neither text nor a pair")
            }
        }
        return texts
    }

    /// Whether the post-processor puts a special token before a single text.
    private static func opensWithSpecial(_ json: JSONValue?) -> Bool {
        let parts = json?["type"] == "Sequence" ? json?["processors"]?.elements ?? [] : [json ?? .null]
        return parts.contains { part in
            part["type"] == "TemplateProcessing" && part["single"]?.elements?.first?["SpecialToken"] != nil
        }
    }

    /// How the file prepares text for merging.
    private struct Cutting {
        let isFallback: Bool
        let path: String
        var composes = false
        var prefix = "never"
        var preTokenizer = ""

        init(isFallback: Bool, path: String) {
            self.isFallback = isFallback
            self.path = path
        }

        private func refused(_ part: String, _ type: JSONValue?) -> Fault {
            Fault.modelUnsupportedFeature(
                path, "\(part) \(Fault.shown(type?.text ?? "without a type")) is not supported")
        }

        /// NFC; with byte fallback also a mark for every space and a mark before the text.
        mutating func read(normalizer json: JSONValue) throws(Fault) {
            guard json != .null else { return }
            let type = json["type"]
            if type == "Sequence" {
                for part in json["normalizers"]?.elements ?? [] {
                    guard part["type"] != "Sequence" else { throw refused("nested normalizer", part["type"]) }
                    try read(normalizer: part)
                }
            } else if type == "NFC" {
                composes = true
            } else if isFallback, type == "Prepend", json["prepend"] == "\u{2581}" {
                prefix = "unconditional"
            } else if isFallback, type == "Replace", json["pattern"]?["String"] == " ", json["content"] == "\u{2581}" {
                return
            } else {
                throw refused("normalizer", type)
            }
        }

        mutating func read(preTokenizer json: JSONValue) throws(Fault) {
            if isFallback {
                preTokenizer = "whole"
                guard json != .null else { return }
                guard json["type"] == "Metaspace", json["replacement"] == "\u{2581}", json["split"] == false else {
                    throw refused("pre-tokenizer", json["type"])
                }
                prefix = json["prepend_scheme"]?.text ?? (json["add_prefix_space"] == false ? "never" : "always")
                return
            }
            let parts = json["type"] == "Sequence" ? json["pretokenizers"]?.elements ?? [] : [json]
            guard let last = parts.last, last["type"] == "ByteLevel", last["add_prefix_space"] != true else {
                throw refused("pre-tokenizer", parts.last?["type"])
            }
            let usesPattern = (last["use_regex"] ?? true) == true
            if parts.count == 1, usesPattern {
                preTokenizer = "gpt-2"
            } else if parts.count == 2, usesPattern, parts[0]["type"] == "Digits", parts[0]["individual_digits"] == true
            {
                preTokenizer = "smollm"
            } else if parts.count == 2, !usesPattern, parts[0]["type"] == "Split",
                parts[0]["behavior"] == "Isolated", parts[0]["invert"] != true,
                let pattern = parts[0]["pattern"]?["Regex"]?.text
            {
                preTokenizer = "split:\(pattern)"
            } else {
                let types = parts.map { Fault.shown($0["type"]?.text ?? "?") }.joined(separator: ", ")
                throw Fault.modelUnsupportedFeature(
                    path, "the pre-tokenizers \(types) with these settings are not supported")
            }
        }
    }
}
