// NoteExtraction: the point of it all for a clinic: a note in, its entities and their modifiers out, with the global adapter of a run.

import Engine
import Extraction
import Faults
import Federation
import GitLedger
import ModelFiles
import ModelShelf
import RunRecords
import Workflows

/// What a model found in one note.
public struct ExtractedNote: Sendable {
    /// The note with its mentions and relations.
    public var document: Document
    /// The range that the model marked, by mention, where the rule moved it.
    public var asMarked: [String: Range<Int>]
    /// What of the model's marks could not be read.
    public var faults: MarkupFaults
}

/// Extracts entities, and where the run trained on relations also their modifiers, from notes with a run's global adapter.
public struct NoteExtractor {
    /// Whether an adapter of the run is used, and not the base model alone.
    public var hasAdapter: Bool { adapter != nil }
    private let opened: OpenedModel
    private let model: LanguageModel
    private let adapter: Adapter?
    private let types: [String]
    /// The modifier types that any site of the run annotates, in the template's order; empty where none does.
    private let modifiers: [String]
    private let threads: Int

    /// Opens the model and the adapter that the run last published; with round 0 the base model alone. Throws `run.no-adapter` where the run has
    /// published none: an empty table of the base model would read as "nothing found".
    public init(run: RunName, round: Int?, ledger: Ledger, origin: RunOrigin, threads: Int) throws {
        let committed = try CommittedPlan(of: run, in: ledger)
        let (tip, plan) = (committed.tip, committed.plan)
        if round == nil, try ledger.file(RunPath.global, of: tip) == nil {
            throw Fault(
                .usage, "run.no-adapter", "the run \(run) has published no adapter: no round of it was averaged",
                mend: "Finish it with medrounds run --resume, or ask for the base model alone with --round 0.")
        }
        opened = try OpenedModel(plan.declaration, origin: origin)
        guard opened.summary.digest == plan.inputs.model.digest else {
            throw Fault(
                .model, "model.other",
                "the base model here has SHA-256 \(opened.summary.digest), the run's has \(plan.inputs.model.digest)",
                mend: "Bring the base model that the run's plan names.")
        }
        model = try QuantisedCache.model(
            opened.file, plan.declaration.model, digest: opened.summary.digest, cache: origin.cache, note: { _ in })
        self.threads = threads
        var commit: CommitID? = tip
        if let round {
            commit = try ledger.firstParents(from: tip).last {
                $0.kind == .aggregate && $0.round == round
            }?.id
            guard commit != nil || round == 0 else {
                throw Fault(
                    .usage, "run.no-round", "the run \(run) has no aggregated round \(round)",
                    mend: "Leave --round out for the newest.")
            }
        }
        if let commit, let bytes = try ledger.file(RunPath.global, of: commit) {
            adapter = try plan.publishedAdapter(
                bytes, path: "\(commit.hex.prefix(9)):\(RunPath.global)")
        } else {
            adapter = nil
        }
        types = try opened.template.types(of: .ner, in: .all)
        var annotated: Set<String> = []
        for source in plan.declaration.sites.flatMap(\.sources) {
            if let selection = source.tasks.re {
                annotated.formUnion(try opened.template.types(of: .re, in: selection))
            }
        }
        modifiers =
            annotated.isEmpty ? [] : try opened.template.types(of: .re, in: .all).filter(annotated.contains)
    }

    /// The entities of a note and their modifiers, with code point offsets. `progress` gets records done and in all; how many heads there are to ask
    /// about is known once the entities are.
    public func entities(
        of document: Document, boundaries: MentionBoundaries.Choice, maxNewTokens: Int, batchSize: Int,
        progress: (Int, Int) throws(Fault) -> Void
    ) throws(Fault) -> ExtractedNote {
        let sentences = try RecordBuilder.records(
            from: [document], tasks: TaskSelection(ner: .all), template: opened.template, purpose: .evaluation
        ).records
        var result = document
        result.entities = []
        result.relations = []
        var faults = MarkupFaults()
        var moved = MentionBoundaries.Moved()
        guard !sentences.isEmpty else { return ExtractedNote(document: result, asMarked: [:], faults: faults) }
        func answers(to records: [Record], after done: Int, of total: Int) throws(Fault) -> [RecordPrediction] {
            guard !records.isEmpty else { return [] }
            var prompts: [[Int32]] = []
            for record in records { prompts.append(try opened.encoder.prompt(record.prompt)) }
            let generations = try generate(
                model, adapter: adapter, prompts: prompts,
                maxNewTokens: maxNewTokens, stop: opened.encoder.stopTokens, batchSize: batchSize, threads: threads,
                progress: { (state: GenerationProgress) throws(Fault) in try progress(done + state.finished, total) },
                draft: CopyDraft(tokenizer: opened.encoder.tokenizer, records: records[...]).guess)
            return zip(records, generations).map { record, generation in
                let answer = RecordPrediction(
                    generated: opened.encoder.tokenizer.decode(generation.tokens), for: record)
                faults += answer.faults
                return RecordPrediction(
                    predictions: moved.applied(boundaries, to: answer.predictions, in: document.text),
                    faults: answer.faults)
            }
        }
        let found = try answers(to: sentences, after: 0, of: sentences.count)
        result.entities = AnnotationWriter.entities(of: found.flatMap(\.predictions), types: types)
        guard !modifiers.isEmpty else {
            return ExtractedNote(document: result, asMarked: moved.ranges(of: result.entities), faults: faults)
        }
        var asked: [Record] = []
        for head in result.entities {
            if let sentence = sentences.last(where: { $0.range.lowerBound <= head.hull.lowerBound }),
                let record = RecordBuilder.relationRecord(
                    in: sentence, head: head, types: modifiers, template: opened.template)
            {
                asked.append(record)
            }
        }
        let bound = try answers(to: asked, after: sentences.count, of: sentences.count + asked.count)
        for (record, answer) in zip(asked, bound) {
            guard let head = record.head else { continue }
            // What the template does not let this head bear is no answer to the question.
            let applicable = opened.template.modifiers(of: head.type).filter(modifiers.contains)
            for modifier in AnnotationWriter.entities(of: answer.predictions, types: applicable) {
                let same = result.entities.first { $0.type == modifier.type && $0.spans == modifier.spans }
                let id = same?.id ?? "T\(result.entities.count + 1)"
                if same == nil { result.entities.append(Entity(id: id, type: modifier.type, spans: modifier.spans)) }
                result.relations.append(Relation(head: head.id, modifier: id))
            }
        }
        return ExtractedNote(document: result, asMarked: moved.ranges(of: result.entities), faults: faults)
    }
}
