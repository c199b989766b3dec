// The evaluate step: a cohort decoded greedily, aligned with its notes and scored; counts for the ledger, text for this machine.

import Digests
import Engine
import Extraction
import Faults
import Federation

enum EvaluateStep {
    /// Decodes and scores a cohort with the adapter, or with the base model alone where it is nil.
    ///
    /// What the model wrote goes to the file `predictions` (nil: nowhere); the record holds its HMAC under the cohort's key.
    static func compute(
        context: RunContext, round: Int, cohort: CohortID, configuration: EvaluationConfiguration,
        adapter: StartAdapter?,
        predictions: String?
    ) throws(Fault) -> StepOutput {
        let clock = StepClock()
        let set = try context.records(of: cohort)
        let generations = try generate(
            context.model(), adapter: adapter?.adapter, prompts: set.prompts, maxNewTokens: configuration.maxNewTokens,
            stop: [context.endToken], batchSize: configuration.batchSize, threads: context.threads
        ) { (progress: GenerationProgress) throws(Fault) in
            try context.checkInterruption()
            context.report(
                .progressed(
                    done: progress.finished, total: progress.prompts, unit: "records",
                    detail: "\(progress.tokens) tokens"))
        }
        var card = ScoreCard(task: .ner, types: set.records.first?.types ?? [])
        var cutOff = 0
        var loops = 0
        var tokens = 0
        var lines: [UInt8] = []
        for (record, generation) in zip(set.records, generations) {
            let text = context.tokenizer.decode(generation.tokens)
            let prediction = RecordPrediction(generated: text, for: record)
            card.add(prediction, for: record)
            tokens += generation.tokens.count
            switch generation.ending {
            case .stopToken: break
            case .loop: loops += 1
            case .length, .context: cutOff += 1
            }
            lines += Self.line(record, text, prediction)
        }
        let key = try context.commitmentKey(of: cohort.name)
        let commitment = Digest.hmac(lines, key: key)
        if let predictions { try Files.write(lines, to: predictions) }

        let strict = card.micro(.strict).f1
        let lenient = card.micro(.lenient).f1
        return StepOutput(
            folder: StepPaths.folder(round: round, step: "evaluate", owner: cohort.name),
            record: [
                "step": "evaluate", "round": .integer(Int64(round)), "cohort": .string(cohort.name),
                "settings": ["max_new_tokens": .integer(Int64(configuration.maxNewTokens)), "decoding": "greedy"],
                "input": [
                    "adapter_sha256": adapter.map { .string($0.digest.hex) } ?? .null,
                    "dataset_commitment": .string(set.commitment.hex),
                ],
                "records": .integer(Int64(set.count)), "documents": .integer(Int64(set.documents)),
                "truncated_records": .integer(Int64(set.truncated)),
                "generation": [
                    "new_tokens": .integer(Int64(tokens)), "cut_at_max_new_tokens": .integer(Int64(cutOff)),
                    "cut_in_a_loop": .integer(Int64(loops)),
                ],
                "predictions_commitment": .string(commitment.hex), "scores": card.json,
            ],
            timing: clock.timing(
                threads: context.threads, rates: ["records": Double(set.count), "new_tokens": Double(tokens)]),
            summary:
                "strict F1 \(Figures.fixed(strict, 3)), lenient F1 \(Figures.fixed(lenient, 3)) (\(set.count) records)")
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
            "end": .integer(Int64(record.range.upperBound)), "generated": .string(generated),
            "mentions": .array(mentions),
        ]
        return value.canonical.split(separator: 0x0a).map { $0.drop { $0 == 0x20 } }.reduce(into: []) { $0 += $1 } + [
            0x0a
        ]
    }

    /// Recomputes precision, recall and F1 of a committed record from its counts; what is wrong, or nil.
    static func recheck(_ record: RecordReader) throws(Fault) -> String? {
        let scores = try record.object("scores")
        let types = try scores.object("types")
        for measure in MatchMeasure.allCases {
            var sum = MatchCounts(truePositives: 0, falsePositives: try scores.int("foreign_class"), falseNegatives: 0)
            var f1: [Double] = []
            for type in (types.value.members ?? [:]).keys.sorted() {
                let committed = try types.object(type).object(measure.rawValue)
                let counts = try counts(of: committed)
                guard counts.json == committed.value else {
                    return "\(measure.rawValue) scores of \(type) do not follow from their counts"
                }
                sum.truePositives += counts.truePositives
                sum.falsePositives += counts.falsePositives
                sum.falseNegatives += counts.falseNegatives
                if counts.truePositives + counts.falsePositives + counts.falseNegatives > 0 { f1.append(counts.f1) }
            }
            guard try sum.json == scores.object("micro").object(measure.rawValue).value else {
                return "the \(measure.rawValue) micro average is not the sum of the types"
            }
            // The mean may be summed in another order than the template's: equal within rounding.
            let macro = f1.isEmpty ? 0 : f1.reduce(0, +) / Double(f1.count)
            guard try abs(macro - scores.object("macro_f1").double(measure.rawValue)) < 1e-12 else {
                return "the \(measure.rawValue) macro average is not the mean of the types"
            }
        }
        return nil
    }

    private static func counts(of record: RecordReader) throws(Fault) -> MatchCounts {
        MatchCounts(
            truePositives: try record.int("true_positives"), falsePositives: try record.int("false_positives"),
            falseNegatives: try record.int("false_negatives"))
    }
}
