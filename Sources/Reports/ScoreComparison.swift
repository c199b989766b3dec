// ScoreComparison: the scores of several runs side by side, with intervals, and the paired difference of each run from the first. From the
// ledger alone.

import Extraction
import Faults
import Federation
import Foundation
import GitLedger

/// Scores of runs on the cohorts that they share.
public struct ScoreComparison: Sendable {
    /// One micro F1.
    public struct Score: Sendable {
        /// The score of all documents.
        public var f1: Double
        /// Right of those predicted.
        public var precision: Double
        /// Right of those annotated.
        public var recall: Double
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
        /// The round that was evaluated; 0 for the base model.
        public var round: Int
        /// The run's seed.
        public var seed: UInt64
        /// The name of its rule; nil where it averages nothing.
        public var rule: String?
        /// The rank of its adapters.
        public var rank: Int
        /// Its `--set` arguments.
        public var overrides: [String]
    }

    /// Whether a run was compared on other records than the first, so that no difference can be taken.
    public var hasUnpaired: Bool {
        let first = cells.first?.run
        return cells.contains { $0.run != first && $0.strict.difference == nil }
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
                            lenient: evaluation.score(.lenient, over: base, seed: seed, cohort: cohort),
                            round: row.round, seed: seed, rule: summary.plan.declaration.aggregation?.rule.name,
                            rank: summary.plan.declaration.adapter.rank, overrides: summary.plan.overrides))
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
            let right = rows.reduce(0) { $0 + $1.right(measure) }
            func share(_ whole: Int) -> Double { whole == 0 ? 0 : Double(right) / Double(whole) }
            var score = Score(
                f1: Bootstrap.f1(rows, measure), precision: share(rows.reduce(0) { $0 + $1.predicted }),
                recall: share(rows.reduce(0) { $0 + $1.gold }),
                interval: Bootstrap.interval(rows, measure, words: words))
            if let first, first.rows.count == rows.count {
                score.difference = Bootstrap.difference(first.rows, rows, measure, words: words)
            }
            return score
        }
    }
}

extension ScoreComparison {
    /// The comparison as JSON: a row a run, cohort and task.
    public var json: JSONValue {
        func score(_ score: Score) -> JSONValue {
            [
                "f1": .number(score.f1), "precision": .number(score.precision), "recall": .number(score.recall),
                "low": .number(score.interval.low), "high": .number(score.interval.high),
                "difference": score.difference.map {
                    [
                        "f1": .number($0.observed), "low": .number($0.interval.low), "high": .number($0.interval.high),
                        "p": .number($0.noBetter),
                    ]
                } ?? .null,
            ]
        }
        return .array(
            cells.map { cell in
                [
                    "run": .string(cell.run.name), "cohort": .string(cell.cohort), "task": .string(cell.task.rawValue),
                    "round": .integer(Int64(cell.round)), "seed": .string(String(cell.seed)),
                    "rule": cell.rule.map { .string($0) } ?? .null, "rank": .integer(Int64(cell.rank)),
                    "overrides": .array(cell.overrides.map { .string($0) }), "strict": score(cell.strict),
                    "lenient": score(cell.lenient),
                ]
            })
    }

    /// The same rows as comma-separated values (RFC 4180), with numbers at full precision; what is unknown is empty.
    public var csv: String {
        func figures(_ name: String) -> [String] {
            ["f1", "precision", "recall", "low", "high", "difference", "difference_low", "difference_high", "p"].map {
                "\(name)_\($0)"
            }
        }
        func figures(_ score: Score) -> [String] {
            let difference = score.difference
            let values: [Double?] = [
                score.f1, score.precision, score.recall, score.interval.low, score.interval.high, difference?.observed,
                difference?.interval.low, difference?.interval.high, difference?.noBetter,
            ]
            return values.map { $0.map { "\($0)" } ?? "" }
        }
        let head = ["run", "cohort", "task", "round", "seed", "rule", "rank", "overrides"]
        var lines = [head + figures("strict") + figures("lenient")]
        for cell in cells {
            let names = [
                cell.run.name, cell.cohort, cell.task.rawValue, String(cell.round), String(cell.seed), cell.rule ?? "",
                String(cell.rank), cell.overrides.joined(separator: " "),
            ]
            lines.append(names + figures(cell.strict) + figures(cell.lenient))
        }
        return lines.map { $0.map(Self.quoted).joined(separator: ",") + "\r\n" }.joined()
    }

    /// A cell in quotes where it holds what would end it. A spreadsheet takes a cell that begins with `=` and its like for a formula, so such
    /// a cell gets an apostrophe.
    private static func quoted(_ cell: String) -> String {
        let isFormula = cell.first.map { "=+@\t\r".contains($0) } ?? false
        let text = isFormula ? "'" + cell : cell
        guard text.contains(where: { ",\"\r\n".contains($0) }) else { return text }
        return "\"" + text.replacingOccurrences(of: "\"", with: "\"\"") + "\""
    }
}
