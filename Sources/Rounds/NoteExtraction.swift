// NoteExtraction: the point of it all for a clinic: a note in, its entities out, with the global adapter of a run.

import Engine
import Extraction
import Faults
import Federation
import GitLedger
import ModelFiles
import Workflows

/// Extracts entities from notes with a run's global adapter.
public struct NoteExtractor {
    private let opened: OpenedModel
    private let model: LanguageModel
    private let adapter: Adapter?
    private let types: [String]
    private let threads: Int

    /// Opens the model and the adapter that the run last published; before any round, or with 0, the base model alone.
    public init(run: RunName, round: Int?, ledger: Ledger, origin: RunOrigin, threads: Int) throws {
        let committed = try CommittedPlan(of: run, in: ledger)
        let (tip, plan) = (committed.tip, committed.plan)
        opened = try OpenedModel(plan.declaration, origin: origin)
        guard opened.summary.digest == plan.inputs.model.digest else {
            throw Fault(
                .model, "model.other",
                "the base model here has SHA-256 \(opened.summary.digest), the run's has \(plan.inputs.model.digest)",
                mend: "Bring the base model that the run's plan names.")
        }
        model = try LanguageModel(opened.file, numerics: plan.declaration.model.numerics)
        self.threads = threads
        var commit: CommitID? = tip
        if let round {
            commit = try ledger.firstParents(from: tip).last {
                $0.trailer("Step") == "aggregate" && $0.trailer("Round") == String(round)
            }?.id
            guard commit != nil || round == 0 else {
                throw Fault(
                    .usage, "run.no-round", "the run \(run) has no aggregated round \(round)",
                    mend: "Leave --round out for the newest.")
            }
        }
        if let commit, let bytes = try ledger.file(StepPaths.global, of: commit) {
            adapter = try AdapterFile.read(
                bytes, sizes: plan.inputs.model.sizes, configuration: plan.declaration.adapter,
                path: "\(commit.hex.prefix(9)):\(StepPaths.global)")
        } else {
            adapter = nil
        }
        types = try opened.template.types(of: .ner, in: .all)
    }

    /// The entities of a note, with code point offsets. `progress` gets records done and in all.
    public func entities(
        of document: Document, maxNewTokens: Int, batchSize: Int, progress: (Int, Int) throws(Fault) -> Void
    ) throws(Fault) -> (document: Document, faults: MarkupFaults) {
        let built = try RecordBuilder.records(
            from: [document], tasks: TaskSelection(ner: .all), template: opened.template, purpose: .evaluation)
        var result = document
        result.entities = []
        result.relations = []
        var faults = MarkupFaults()
        guard !built.records.isEmpty else { return (result, faults) }
        let generations = try generate(
            model, adapter: adapter, prompts: built.records.map { opened.tokenizer.encode($0.prompt, specials: false) },
            maxNewTokens: maxNewTokens,
            stop: [opened.endToken], batchSize: batchSize, threads: threads
        ) { (state: GenerationProgress) throws(Fault) in try progress(state.finished, state.prompts) }
        var predictions: [Prediction] = []
        for (record, generation) in zip(built.records, generations) {
            let answer = RecordPrediction(generated: opened.tokenizer.decode(generation.tokens), for: record)
            predictions += answer.predictions
            faults += answer.faults
        }
        result.entities = AnnotationWriter.entities(of: predictions, types: types)
        return (result, faults)
    }
}
