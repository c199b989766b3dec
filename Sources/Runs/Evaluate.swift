// The evaluate step: a cohort decoded greedily, aligned with its notes and scored; counts for the ledger, text for this machine.

import Digests
import Engine
import Extraction
import Faults
import Federation
import LocalFiles
import RunRecords
import Workflows

enum EvaluateStep {
    /// Decodes and scores a cohort with the adapter, or with the base model alone where it is nil: mentions first, then the modifiers of each
    /// head, annotated or found.
    ///
    /// What the model wrote goes to the file `predictions` (nil: nowhere); the record holds its HMAC under the cohort's key. With `part` it is the
    /// site of that part that scores notes of its own.
    package static func compute(
        context: RunContext, round: Int, cohort: CohortID, configuration: EvaluationConfiguration,
        adapter: StartAdapter?,
        predictions: String?, at part: PlanPart? = nil
    ) throws(Fault) -> StepOutput {
        let kind: StepKind = part == nil ? .evaluate : .evaluateAtSite
        let clock = StepClock()
        let set = try context.records(of: cohort)
        let heads = context.plan.declaration.cohorts.first { $0.id == cohort }?.heads ?? .gold
        var decoder = CohortDecoder(
            context: context, adapter: adapter, configuration: configuration, folder: predictions.map { "\($0).parts" },
            expected: set.count)
        var lines: [UInt8] = []
        var published: [ExtractionTask: PublishedCounting] = [:]
        if configuration.compatibility == .authors {
            for task in ExtractionTask.allCases {
                let types = Set(set.records.filter { $0.task == task }.flatMap(\.gold).map(\.type))
                if !types.isEmpty { published[task] = PublishedCounting(goldTypes: types) }
            }
        }
        func read(_ records: [Record], _ answers: [Generation]) -> [RecordPrediction] {
            zip(records, answers).map { record, answer in
                let text = context.tokenizer.decode(answer.tokens)
                let prediction = RecordPrediction(generated: text, for: record)
                lines += Self.line(record, text, prediction)
                // Asked about heads that it found itself, the published counting has no gold to go by.
                if record.task == .ner || heads == .gold { published[record.task]?.add(generated: text, for: record) }
                return prediction
            }
        }

        let mentions = set.records.indices.filter { set.records[$0].task == .ner }
        let relations = set.records.indices.filter { set.records[$0].task == .re }
        let sentences = mentions.map { set.records[$0] }
        let found = read(
            sentences, try decoder.answers(to: mentions.map { set.prompts[$0] }, of: sentences, task: .ner))
        var asked: [Record]
        var prompts: [[Int32]]
        switch heads {
        case .gold:
            asked = relations.map { set.records[$0] }
            prompts = relations.map { set.prompts[$0] }
        case .predicted:
            asked = try predictedHeads(in: sentences, found, context: context, tasks: set.tasks)
            prompts = try asked.map { (record) throws(Fault) in try context.encoder.prompt(record.prompt) }
            decoder.expected = sentences.count + asked.count
        }
        let answered = read(asked, try decoder.answers(to: prompts, of: asked, task: .re))

        var scores = CohortScores(seed: context.plan.declaration.seed, cohort: cohort)
        if !sentences.isEmpty { scores.add(mentions: sentences, found) }
        if !relations.isEmpty || !asked.isEmpty {
            scores.add(heads: asked, answered, gold: relations.map { set.records[$0] }, source: heads)
        }
        let commitment = Digest.hmac(lines, key: set.key)
        if let predictions { try LocalFile.write(lines, to: predictions) }
        decoder.discard()

        var record: [String: JSONValue] = [
            "step": .string(kind.rawValue), "round": .integer(Int64(round)),
            "cohort": .string(cohort.name),
            "settings": [
                "max_new_tokens": .integer(Int64(configuration.maxNewTokens)), "decoding": "greedy",
                "heads": .string(heads.rawValue),
            ],
            "input": [
                "adapter_sha256": adapter.map { .string($0.digest.hex) } ?? .null,
                "dataset_commitment": .string(set.commitment.hex),
            ],
            "records": .integer(Int64(set.count)), "documents": .integer(Int64(set.documents)),
            "truncated_records": .integer(Int64(set.truncated)),
            "generation": [
                "records": .integer(Int64(decoder.done)), "new_tokens": .integer(Int64(decoder.tokens)),
                "cut_at_max_new_tokens": .integer(Int64(decoder.cutOff)),
                "cut_in_a_loop": .integer(Int64(decoder.loops)),
            ],
            "predictions_commitment": .string(commitment.hex),
            "numerics": .string(context.plan.declaration.model.numerics.rawValue),
        ]
        for (name, value) in scores.members { record[name] = value }
        if heads == .predicted { published[.re] = nil }
        if !published.isEmpty {
            var members: [String: JSONValue] = [:]
            for (task, counting) in published { members[task.rawValue] = counting.json }
            record["published_counting"] = .object(members)
        }
        if let part {
            // The plan that a site sees says nothing of test notes; its own part does.
            record["site"] = .string(part.site.name)
            record["overlapping_documents"] = part.cohort(cohort).flatMap(PlanInputs.overlapping)
        } else {
            record["overlapping_documents"] = context.plan.inputs.overlapping(.test, owner: cohort.name)
        }
        return StepOutput(
            folder: kind.folder(round: round, owner: cohort.name),
            record: .object(record),
            timing: clock.timing(
                threads: context.threads,
                rates: ["records": Double(decoder.done), "new_tokens": Double(decoder.tokens)]))
    }

    /// The questions about the mentions that the model itself found, each mention once.
    private static func predictedHeads(
        in sentences: [Record], _ found: [RecordPrediction], context: RunContext, tasks: TaskSelection?
    ) throws(Fault) -> [Record] {
        guard let selection = tasks?.re else { return [] }
        let types = try context.template.types(of: .re, in: selection)
        var asked: [Record] = []
        for (sentence, prediction) in zip(sentences, found) {
            for head in AnnotationWriter.entities(of: prediction.predictions, types: sentence.types) {
                let record = RecordBuilder.relationRecord(
                    in: sentence, head: head, types: types, template: context.template)
                if let record { asked.append(record) }
            }
        }
        return asked
    }

    /// One line of the predictions file: text of the note, so it never leaves this machine.
    private static func line(_ record: Record, _ generated: String, _ prediction: RecordPrediction) -> [UInt8] {
        let mentions = prediction.predictions.map { mention -> JSONValue in
            [
                "type": .string(mention.type), "start": mention.range.map { .integer(Int64($0.lowerBound)) } ?? .null,
                "end": mention.range.map { .integer(Int64($0.upperBound)) } ?? .null,
            ]
        }
        let value: JSONValue = [
            "document": .string(record.document), "start": .integer(Int64(record.range.lowerBound)),
            "end": .integer(Int64(record.range.upperBound)), "task": .string(record.task.rawValue),
            "head": record.head.map { head in
                [
                    "type": .string(head.type), "start": .integer(Int64(head.hull.lowerBound)),
                    "end": .integer(Int64(head.hull.upperBound)),
                ]
            } ?? .null,
            "generated": .string(generated), "mentions": .array(mentions),
        ]
        return value.canonical.split(separator: 0x0a).map { $0.drop { $0 == 0x20 } }.reduce(into: []) { $0 += $1 } + [
            0x0a
        ]
    }
}
