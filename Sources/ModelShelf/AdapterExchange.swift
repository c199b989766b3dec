// AdapterExchange: adapters from runs, PEFT folders and GGUF files, and to them. Formats are left to ModelFiles.

import Engine
import Faults
import Federation
import Foundation
import GitLedger
import ModelFiles
import RunRecords

/// Brings adapters in and out.
public enum AdapterExchange {
    /// The global adapter that a run published last, or in that round, and the name of its base model.
    public static func published(
        run: RunName, round: Int?, ledger: Ledger
    ) throws -> (adapter: Adapter, base: String) {
        let committed = try CommittedPlan(of: run, in: ledger)
        var commit: CommitID? = committed.tip
        if let round {
            commit = try ledger.firstParents(from: committed.tip).last {
                $0.kind == .aggregate && $0.round == round
            }?.id
        }
        guard let commit, let bytes = try ledger.file(RunPath.global, of: commit) else {
            throw Fault(
                .usage, "run.no-round",
                "the run \(run) has published no adapter\(round.map { " in round \($0)" } ?? " yet")",
                mend: "Name a round that ended, or let the run go on with --resume.")
        }
        let plan = committed.plan
        let adapter = try plan.publishedAdapter(
            bytes, path: "\(commit.hex.prefix(9)):\(RunPath.global)")
        return (adapter, plan.inputs.model.name)
    }

    /// Opens a base model by catalogue name or path.
    public static func model(_ base: String, cache: String, current: String) throws(Fault) -> ModelFile {
        try ModelFile.open(path: try ModelCatalogue.path(of: base, folder: current, cache: cache).path)
    }

    /// Reads a PEFT folder or a GGUF adapter for a model.
    public static func read(_ path: String, for model: ModelFile) throws(Fault) -> Adapter {
        path.hasSuffix(".gguf")
            ? try AdapterGGUF.read(path: path, shape: model.shape)
            : try AdapterFolder.read(path, sizes: model.shape.sizes)
    }

    /// Writes the model with the adapter merged in: a GGUF file beside a GGUF base, a folder beside a folder.
    public static func merge(_ adapter: Adapter, into model: ModelFile, to path: String) throws(Fault) {
        let merger = try AdapterMerger(model, adapter: adapter)
        try MergedModel.write(
            model, to: path, merged: { name throws(Fault) in try merger.weight(name) }, adapted: merger.names)
    }
}
