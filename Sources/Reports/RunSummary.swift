// RunSummary: the figures of a run, for the final table, `show` and `--json`. Read from records alone.

import Faults
import Federation
import GitLedger
import RunRecords
import Workflows

/// A run in figures.
public struct RunSummary: Sendable {
    /// One site in one round.
    public struct SiteRow: Sendable {
        /// The round.
        public var round: Int
        /// The site.
        public var site: SiteID
        /// Records trained on.
        public var records: Int
        /// Mean training loss over the first and the last tenth of the steps; nil where training failed.
        public var loss: (first: Double, last: Double)?
        /// The coordinator's validation loss; nil where no step scored it.
        public var validationLoss: Double?
        /// The share in the global adapter; nil where the site was left out or the round is not yet aggregated.
        public var weight: Double?
        /// Its 95% interval over resampled validation records; nil where weights do not follow from losses.
        public var interval: (low: Double, high: Double)?
        /// Bytes uploaded.
        public var bytes: Int?
        /// Optimiser steps; nil where training failed.
        public var steps: Int?
        /// Why the site was left out.
        public var leftOut: String?
    }

    /// One cohort in one round.
    public struct CohortRow: Sendable {
        /// The round; 0 for the base model.
        public var round: Int
        /// The cohort.
        public var cohort: String
        /// The site that scored its own notes; nil where the coordinator scored.
        public var site: String?
        /// The cohort, and where it was scored where that is a site.
        public var place: String { cohort + (site.map { " at \($0)" } ?? "") }
        /// Records decoded.
        public var records: Int
        /// Strict micro F1 of mentions; nil where the cohort asks only for relations.
        public var strict: Double?
        /// Lenient micro F1 of mentions.
        public var lenient: Double?
        /// Both micro F1 with mentions moved to whole words and without final punctuation.
        public var wholeWords: (strict: Double, lenient: Double)?
        /// Precision and recall behind the strict micro F1 of mentions.
        public var strictParts: (precision: Double, recall: Double)?
        /// The same for pairs of head and modifier, where the cohort asks for relations.
        public var relations: (strict: Double, lenient: Double)?
        /// The evaluation's record.
        public var record: JSONValue

        /// Reads the figures of an evaluation's record.
        package init(round: Int, cohort: String, record: RecordReader) throws(Fault) {
            func f1(_ card: RecordReader) throws(Fault) -> (strict: Double, lenient: Double) {
                let micro = try card.object("micro")
                return (try micro.object("strict").double("f1"), try micro.object("lenient").double("f1"))
            }
            let mentions = record["scores"] == nil ? nil : try f1(record.object("scores"))
            if record["scores"] != nil {
                let micro = try record.object("scores").object("micro").object("strict")
                strictParts = (try micro.double("precision"), try micro.double("recall"))
            }
            if record["whole_words"] != nil { wholeWords = try f1(record.object("whole_words").object("scores")) }
            self.round = round
            self.cohort = cohort
            self.site = record["site"]?.text
            self.records = try record.int("records")
            self.strict = mentions?.strict
            self.lenient = mentions?.lenient
            self.relations =
                record["relation_scores"] == nil ? nil : try f1(record.object("relation_scores").object("pairs"))
            self.record = record.value
        }
    }

    /// The run.
    public var run: RunName
    /// The plan.
    public var plan: Plan
    /// The commit that the main line's ref names.
    public var tip: String
    /// By round, then site.
    public var sites: [SiteRow]
    /// By round, then cohort.
    public var cohorts: [CohortRow]
    /// Main-line steps done and planned.
    public var steps: (done: Int, planned: Int)
    /// By round: bytes exchanged and the share of exchanging the whole model that was saved.
    public var exchanges: [(round: Int, bytes: Int, saved: Double)]
    /// By round: what the published adapter lost of the weighted mean of the products, and what rounding lost, as shares of its norm.
    public var losses: [(round: Int, share: Double, rounding: Double)] = []

    /// Whether the commit at the tip has a signature; only verify checks whether it and all others are valid.
    public var isSigned: Bool
    /// When that commit was made, in seconds since 1970.
    public var time: Int64

    /// Reads a run. Throws `run.missing`, or what is wrong with a record.
    public init(run: RunName, ledger: Ledger) throws(Fault) {
        let committed = try CommittedPlan(of: run, in: ledger)
        let tip = committed.tip
        self.run = run
        self.tip = tip.hex
        self.plan = committed.plan
        let last = try ledger.read(tip)
        self.isSigned = last.signature != nil
        self.time = last.time
        self.steps = (try ledger.mainLine(from: tip).count, RunTable.mainLine(plan.declaration).count)
        self.sites = []
        self.cohorts = []
        self.exchanges = []
        // Until they are collected, cards that sites made are on the sites' lines.
        let collected = StepKind.collect.record(round: plan.declaration.rounds)
        let isCollected = try ledger.blob(collected, of: tip) != nil
        let cards = isCollected ? [] : try SiteCards(plan.declaration, of: run, ledger).made
        for round in plan.declaration.roundNumbers {
            let aggregate = try Self.record(StepKind.aggregate.record(round: round), tip, ledger)
            let score = try Self.record(StepKind.score.record(round: round), tip, ledger)
            let absent = try (aggregate ?? score).map { (record) throws(Fault) in try Absence.all(in: record) } ?? []
            for site in plan.declaration.sites.map(\.id) {
                if let absence = absent.first(where: { $0.site == site }) {
                    sites.append(
                        SiteRow(round: round, site: site, records: 0, leftOut: "absent, \(absence.reason)"))
                } else if let row = try Self.siteRow(run, round, site, tip, aggregate, score, ledger) {
                    sites.append(row)
                }
            }
            if let exchange = try aggregate?.object("exchange") {
                let bytes = try exchange.int("uploaded_bytes") + exchange.int("downloaded_bytes")
                exchanges.append((round, bytes, try exchange.double("share_saved")))
                if let lost = try aggregate?.object("lost").object("all") {
                    losses.append((round, try lost.double("share"), try lost.double("rounding")))
                }
            }
            for cohort in plan.declaration.cohorts.map(\.id) {
                let step = PlannedStep(round, plan.declaration.evaluation(of: cohort), cohort.name)
                var record = try Self.record(step.record, tip, ledger)
                if record == nil, let card = cards.first(where: { $0.step == step }) {
                    record = try Self.record(step.record, card.commit, ledger)
                }
                guard let record else { continue }
                cohorts.append(try CohortRow(round: round, cohort: cohort.name, record: record))
            }
        }
    }

    private static func record(_ path: String, _ commit: CommitID, _ ledger: Ledger) throws(Fault) -> RecordReader? {
        guard let bytes = try ledger.file(path, of: commit) else { return nil }
        return try RecordReader(parsing: bytes, path: path, commit: commit.hex)
    }

    private static func siteRow(
        _ run: RunName, _ round: Int, _ site: SiteID, _ tip: CommitID, _ aggregate: RecordReader?,
        _ score: RecordReader?,
        _ ledger: Ledger
    ) throws(Fault) -> SiteRow? {
        // Until the aggregate merges them, a site's records are on the site's own line.
        let source = aggregate == nil ? try ledger.tip(.site(run, site)) ?? tip : tip
        guard let train = try record(StepKind.train.record(round: round, owner: site.name), source, ledger)
        else { return nil }
        let upload = try record(StepKind.upload.record(round: round, owner: site.name), source, ledger)
        var row = SiteRow(round: round, site: site, records: try train.int("records"))
        if try train.text("status") == "done" {
            let loss = try train.object("loss")
            row.loss = (try loss.double("first_tenth"), try loss.double("last_tenth"))
            row.steps = try train.int("steps")
        }
        row.bytes = upload?["bytes"]?.int
        row.validationLoss = try score?.list("scores").first { $0["site"]?.text == site.name }?["loss"]?.double
        let weighed = try aggregate?.list("weights").first { $0["site"]?.text == site.name }
        row.weight = weighed?["weight"]?.double
        if let ends = weighed?["interval"]?.elements?.compactMap(\.double), ends.count == 2 {
            row.interval = (ends[0], ends[1])
        }
        row.leftOut = try aggregate?.list("left_out").first { $0["site"]?.text == site.name }?["reason"]?.text
        return row
    }

    /// The summary as JSON, for `--json`.
    public var json: JSONValue {
        [
            "run": .string(run.name), "tip": .string(tip), "workflow": .string(plan.declaration.name),
            "signed": .bool(isSigned), "last_commit": .string(RunExport.utc(time)),
            "rule": plan.declaration.aggregation.map { .string($0.rule.name) } ?? .null,
            "rank": .integer(Int64(plan.declaration.adapter.rank)),
            "left_out": .array(
                plan.inputs.leftOut.map {
                    [
                        "site": .string($0.site.name), "reason": .string($0.reason),
                        "documents": .integer(Int64($0.documents)),
                    ]
                }),
            "overrides": .array(plan.overrides.map { .string($0) }),
            "seed": .string(String(plan.declaration.seed)),
            "steps": ["done": .integer(Int64(steps.done)), "planned": .integer(Int64(steps.planned))],
            "sites": .array(
                sites.map { row in
                    var members: [String: JSONValue] = [
                        "round": .integer(Int64(row.round)), "site": .string(row.site.name),
                        "records": .integer(Int64(row.records)),
                    ]
                    if let loss = row.loss {
                        members["loss_first"] = .number(loss.first)
                        members["loss_last"] = .number(loss.last)
                    }
                    if let loss = row.validationLoss { members["validation_loss"] = .number(loss) }
                    if let weight = row.weight { members["weight"] = .number(weight) }
                    if let bytes = row.bytes { members["bytes"] = .integer(Int64(bytes)) }
                    if let steps = row.steps { members["steps"] = .integer(Int64(steps)) }
                    if let reason = row.leftOut { members["left_out"] = .string(reason) }
                    return .object(members)
                }),
            "cohorts": .array(
                cohorts.map { row in
                    var members: [String: JSONValue] = [
                        "round": .integer(Int64(row.round)), "cohort": .string(row.cohort),
                        "records": .integer(Int64(row.records)),
                    ]
                    members["site"] = row.site.map { .string($0) }
                    if let strict = row.strict { members["strict_f1"] = .number(strict) }
                    if let parts = row.strictParts {
                        members["strict_precision"] = .number(parts.precision)
                        members["strict_recall"] = .number(parts.recall)
                    }
                    if let lenient = row.lenient { members["lenient_f1"] = .number(lenient) }
                    if let whole = row.wholeWords {
                        members["whole_words_strict_f1"] = .number(whole.strict)
                        members["whole_words_lenient_f1"] = .number(whole.lenient)
                    }
                    if let relations = row.relations {
                        members["relations_strict_f1"] = .number(relations.strict)
                        members["relations_lenient_f1"] = .number(relations.lenient)
                    }
                    return .object(members)
                }),
        ]
    }
}
