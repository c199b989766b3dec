// ModelProbe: one text through a model, for anyone who compares with another implementation.

import Engine
import Extraction
import Faults
import Federation
import Foundation
import ModelFiles
import RunRecords
import Tokenization

/// Runs one text through a base model, with or without an adapter.
public struct ModelProbe {
    private let file: ModelFile
    private let model: LanguageModel
    private let adapter: Adapter?

    /// Opens the model (a catalogue name or a path) and an adapter, a PEFT folder or GGUF file.
    public init(model base: String, adapter adapterPath: String?, cache: String, current: String) throws(Fault) {
        let (path, _) = try ModelCatalogue.path(of: base, folder: current, cache: cache)
        file = try ModelFile.open(path: path)
        model = try LanguageModel(file)
        adapter = if let adapterPath { try AdapterExchange.read(adapterPath, for: file) } else { nil }
    }

    /// The ids of a text. Throws `model.no-tokenizer` and the tokenizer's faults.
    public func ids(of text: String) throws(Fault) -> [Int32] {
        guard let vocabulary = file.vocabulary else {
            throw Fault(
                .model, "model.no-tokenizer", "the model brings no tokenizer", at: Place(file: file.path),
                mend: "Give --ids instead of --text.")
        }
        return try Tokenizer(BPEVocabulary(vocabulary, at: Place(file: file.path))).encode(text)
    }

    /// Ids, mean cross-entropy, log-sum-exp and top logits of the last position as JSON.
    public func report(ids: [Int32], top: Int, threads: Int) throws(Fault) -> JSONValue {
        let probe = try Engine.probe(model, adapter: adapter, tokens: ids, threads: threads, top: top)
        return [
            "ids": .array(ids.map { .integer(Int64($0)) }),
            "mean_cross_entropy": probe.crossEntropy.map { .number($0) } ?? .null,
            "log_sum_exp": .number(Double(probe.logSumExp)),
            "top": .array(probe.top.map { ["id": .integer(Int64($0.token)), "logit": .number(Double($0.logit))] }),
        ]
    }
}

extension BPEVocabulary {
    /// The tokenizer's own form of what a model file at that place stores.
    public init(_ stored: StoredVocabulary, at place: Place? = nil) throws(Fault) {
        guard stored.model == "gpt2" || stored.model == "bpe" else {
            throw Fault(
                .model, "model.unsupported-tokenizer",
                "tokenizer model \(stored.model.prefix(40)) is not supported; byte-level BPE and BPE with byte fallback are",
                at: place,
                mend: "Use the model's Hugging Face folder, whose tokenizer.json holds the merges.")
        }
        let preTokenizer = try PreTokenizer(named: stored.preTokenizer, at: place)
        self.init(
            tokens: stored.tokens, tokenTypes: stored.tokenTypes, merges: stored.merges, preTokenizer: preTokenizer,
            beginningID: stored.beginningID, endID: stored.endID, unknownID: stored.unknownID,
            paddingID: stored.paddingID, composes: stored.composes, ignoresMerges: stored.ignoresMerges,
            byteFallback: stored.byteFallback.map { SpacePrefix(rawValue: $0) ?? .always })
    }
}
