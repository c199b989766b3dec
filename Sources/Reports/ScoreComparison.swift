// ScoreComparison: the scores of several runs side by side, with intervals, and the paired difference of each run from the first. From the
// ledger alone.

import Extraction
import Faults
import Federation
import GitLedger

/// Scores of runs on the cohorts that they share.
public struct ScoreComparison: Sendable {
    /// One micro F1.
    public struct Score: Sendable {
        /// The score of all documents.
        public var f1: Double
        /// Its 95% interval over resampled documents.
        public var interval: Interval
        /// The difference from the first run on the same documents, resampled in pairs; nil for the first run, and where the documents
        /// differ.
        public var difference: (observed: Double, interval: Interval, noBetter: Double)?
    }

    /// One run on one cohort for one task.
    public struct Cell: Sendable {
        /// The run.
        public var run: RunName
        /// The cohort.
        public var cohort: String
        /// `ner`, or `re` for pairs of head and modifier.
        public var task: ExtractionTask
        /// Under the strict measure.
        public var strict: Score
        /// Under the lenient measure.
        public var lenient: Score
    }

    /// By cohort, then task, then the runs in the order given.
    public let cells: [Cell]

    /// Reads the newest evaluation of every cohort of the runs. Throws `run.missing`, or what is wrong with a record.
    public init(runs: [RunName], ledger: Ledger) throws(Fault) {
        var summaries: [RunSummary] = []
        for run in runs { summaries.append(try RunSummary(run: run, ledger: ledger)) }
        var cohorts: [String] = []
        for row in summaries.flatMap(\.cohorts) where !cohorts.contains(row.cohort) { cohorts.append(row.cohort) }
        var cells: [Cell] = []
        for cohort in cohorts.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
            for task in ExtractionTask.allCases {
                var first: Evaluation?
                for summary in summaries {
                    guard let row = summary.cohorts.last(where: { $0.cohort == cohort }),
                        let evaluation = try Evaluation(row.record, task: task)
                    else { continue }
                    let seed = summary.plan.declaration.seed
                    // With another commitment, the documents or the drawn records differ, so they cannot be paired.
                    let base = first.flatMap { $0.commitment == evaluation.commitment ? $0 : nil }
                    cells.append(
                        Cell(
                            run: summary.run, cohort: cohort, task: task,
                            strict: evaluation.score(.strict, over: base, seed: seed, cohort: cohort),
                            lenient: evaluation.score(.lenient, over: base, seed: seed, cohort: cohort)))
                    if first == nil && summary.run == runs.first { first = evaluation }
                }
            }
        }
        self.cells = cells
    }

    private struct Evaluation {
        var commitment: Digest
        var rows: [DocumentCounts]

        init?(_ record: JSONValue, task: ExtractionTask) throws(Fault) {
            let card = task == .ner ? record["scores"] : record["relation_scores"]?["pairs"]
            guard let texts = card?["by_document"]?.elements else { return nil }
            rows = texts.compactMap { $0.text.flatMap(DocumentCounts.init(text:)) }
            let reader = RecordReader(record, path: "record.json")
            commitment = try reader.object("input").digest("dataset_commitment")
        }

        func score(_ measure: MatchMeasure, over first: Evaluation?, seed: UInt64, cohort: String) -> Score {
            func words(_ resample: Int, _ count: Int) -> [UInt32] {
                resamplingWords(count: count, seed: seed, cohort: cohort, resample: resample)
            }
            var score = Score(
                f1: Bootstrap.f1(rows, measure), interval: Bootstrap.interval(rows, measure, words: words))
            if let first, first.rows.count == rows.count {
                score.difference = Bootstrap.difference(first.rows, rows, measure, words: words)
            }
            return score
        }
    }
}
