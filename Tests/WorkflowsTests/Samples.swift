// Samples: the workflow texts that the tests share, and how they read them.

import Faults
import Federation
import Workflows

enum Samples {
    /// The example of docs/workflow-format.md, comments included.
    static let example = """
        version: 1
        name: fed-medlora-plus
        summary: Influence-aware federated LoRA over two hospitals
        seed: 17
        model:   {base: smollm2-135m-instruct, weights: stored, numerics: exact}   # base: a known name, .gguf or folder
        adapter: {rank: 16, alpha: 64, dropout: 0.05, targets: all-linear}
        template: clinical-extraction
        sites:
          general:   {train: data/general/train, tasks: {ner: all, re: all}, limit: 200}    # drawn by the seed
          discharge: {train: data/discharge/train, tasks: {ner: [problem, drug]}}
        coordinator: {validation: data/validation, records: 5}
        cohorts:
          general-test: {data: data/general/test, tasks: {ner: all, re: all}}
        rounds: 2
        steps:
          - train: {epochs: 2, batch_size: 4, learning_rate: 2e-4, warmup_ratio: 0.05, schedule: cosine, max_length: 800}
          - upload: {precision: bf16}
          - score: {measure: validation_loss}
          - aggregate: {rule: fed-medlora-plus}
          - evaluate: {cohorts: [general-test], when: last_round}

        """

    /// Only what must be present.
    static let least = """
        version: 1
        name: least
        model: {base: m}
        sites:
          general: {train: data/a}
        rounds: 1
        steps:
          - train
          - upload
          - aggregate: {rule: fed-medlora}

        """

    /// `least` with one text replaced by another.
    static func least(_ old: String, _ new: String) -> String {
        precondition(least.contains(old))
        return least.split(separator: old, omittingEmptySubsequences: false).joined(separator: new)
    }

    static func read(_ text: String, set: [String] = []) throws(FaultReport) -> FederationDeclaration {
        try read(Array(text.utf8), set: set)
    }

    static func read(_ bytes: [UInt8], set: [String] = []) throws(FaultReport) -> FederationDeclaration {
        var overrides: [Override] = []
        for text in set { overrides.append(try Override(parsing: text)) }
        return try WorkflowReader.read(bytes: bytes, file: "w.yaml", overrides: overrides)
    }

    /// `code line:column` of every fault; empty where the text can be read.
    static func faults(_ text: String, set: [String] = []) -> [String] { faults(Array(text.utf8), set: set) }

    static func faults(_ bytes: [UInt8], set: [String] = []) -> [String] {
        do {
            _ = try read(bytes, set: set)
            return []
        } catch {
            return error.faults.map { fault in
                let place = [fault.place?.line, fault.place?.column].compactMap { $0.map(String.init) }
                return ([fault.code.replacingPrefix("workflow.")] + [place.joined(separator: ":")])
                    .joined(separator: " ")
            }
        }
    }
}

extension String {
    fileprivate func replacingPrefix(_ prefix: String) -> String {
        hasPrefix(prefix) ? String(dropFirst(prefix.count)) : self
    }
}
