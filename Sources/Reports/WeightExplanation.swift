// WeightExplanation: why each site has its weight in a round, with the numbers inserted into the formula, and what the global adapter would
// have been without the site. From the ledger alone; only the adapters' losses need the model and the validation notes.

import Faults
import Federation
import GitLedger
import ModelFiles
import RunRecords
import Verification
import Workflows

/// The weights of one round, explained.
public struct WeightExplanation: Sendable {
    /// One site that takes part.
    public struct Row: Sendable {
        /// The site.
        public var site: SiteID
        /// Records trained on: n_k.
        public var records: Int
        /// The coordinator's validation loss of base + upload: L_k, in nats; nil where nothing was scored.
        public var loss: Double?
        /// exp((smallest loss - L_k) / temperature), 1 for the best upload; nil with the rule fed-medlora.
        public var influence: Double?
        /// The numerator of the weight.
        public var share: Double
        /// The weight, recomputed.
        public var weight: Double
        /// The weight as recorded.
        public var recorded: Double
        /// The weight by size alone.
        public var bySize: Double
        /// The 95% interval of the weight over resampled validation records; nil where weights do not follow from losses.
        public var interval: WeightInterval?
        /// The cosine between the site's change and the weighted mean of all; nil where ranks differ.
        public var cosine: Double?
        /// The site's Shapley value in nats; nil where none was computed.
        public var value: Double?
        /// What the round would have been without the site; nil where no site would have been left.
        public var without: Without?
    }

    /// The round without one site.
    public struct Without: Sendable {
        /// The weights of the others.
        public var weights: [(site: SiteID, weight: Double)]
        /// The Frobenius norm of the global weight change, and of its difference from the one without the site.
        public var norm: (global: Double, difference: Double)
        /// The validation loss of base + the adapter without the site; nil where it was not computed.
        public var loss: Double?
    }

    /// The run.
    public var run: RunName
    /// The round.
    public var round: Int
    /// The rule.
    public var aggregation: Aggregation
    /// How the weights follow from it.
    public var rule: AggregationRule { aggregation.rule }
    /// How much of the losses' differences is more than noise, their standard error and their spread in nats; nil without losses by record.
    public var evidence: (reliability: Double, error: Double?, spread: Double)?
    /// What the published adapter lost of the weighted mean of the products: by the mean, and by rounding.
    public var lost: (share: Double, rounding: Double)
    /// The sum of the shares.
    public var total: Double
    /// The smallest loss of the uploads, which is subtracted from each; nil where nothing was scored.
    public var leastLoss: Double?
    /// By site.
    public var rows: [Row]
    /// How many sites take part.
    public var siteCount = 0
    /// What sizes count.
    public var unit = "records"
    /// The sites that do not take part, and the code of the reason.
    public var leftOut: [(site: SiteID, reason: String)]
    /// The validation loss of base + the published global adapter; nil where it was not computed.
    public var loss: Double?

    /// Explains a round. `loss` computes the validation loss of base + an adapter; nil where it should not be computed.
    ///
    /// Throws `run.missing`, `replay.no-round`, `explain.no-site`, or what is wrong with a record.
    public init(
        run: RunName, round: Int, site only: SiteID?, ledger: Ledger,
        loss: (Adapter) throws(Fault) -> Double? = { (_: Adapter) throws(Fault) in nil }
    ) throws(Fault) {
        let committed = try CommittedPlan(of: run, in: ledger)
        let plan = committed.plan
        guard round > 0 else { throw Self.noRound(run, round) }
        _ = try committed.aggregatedRounds(round, in: ledger)
        guard let aggregation = plan.declaration.aggregation else { throw Self.noRound(run, round) }
        let commit = try committed.aggregateCommit(of: round, in: ledger)
        let received = try Recomputation.received(plan, round, commit, ledger)
        let (uploads, left) = (received.uploads, received.leftOut)
        let path = StepKind.aggregate.record(round: round)
        guard let bytes = try ledger.file(path, of: commit),
            let published = try ledger.file(RunPath.global, of: commit)
        else { throw .missingFile(path, commit.hex) }
        let record = try RecordReader(parsing: bytes, path: path, commit: commit.hex)
        let recorded = try record.list("weights")
        let all = try record.object("lost").object("all")
        lost = (try all.double("share"), try all.double("rounding"))
        let global = try plan.publishedAdapter(
            published, path: RunPath.global)

        self.run = run
        self.round = round
        self.aggregation = aggregation
        evidence = aggregation.evidence(of: uploads.map(\.standing))
        let intervals = aggregation.intervals(
            of: uploads.map(\.standing), seed: plan.declaration.seed, round: round)
        let absent = try Recomputation.absences(plan, round, commit, ledger) ?? []
        leftOut = left.map { ($0.site, $0.reason) } + absent.map { ($0.site, $0.reason) }
        rows = []
        let weights = try aggregation.weights(of: uploads.map(\.standing))
        let shares = try aggregation.shares(of: uploads.map(\.standing))
        total = shares.reduce(0, +)
        siteCount = weights.count
        unit = plan.declaration.sizeUnit == .records ? "records" : "label tokens"
        let records = weights.reduce(0) { $0 + $1.standing.records }
        let least = weights.compactMap(\.standing.loss).min()
        leastLoss = least
        if let only, !weights.contains(where: { $0.standing.site == only }) {
            throw Fault(
                .usage, "explain.no-site", "the site \(only) has no weight in round \(round)",
                mend: "Name one of: \(weights.map(\.standing.site.name).joined(separator: ", ")).")
        }
        for (index, (weight, share)) in zip(weights, shares).enumerated() {
            let standing = weight.standing
            if let only, standing.site != only { continue }
            var row = Row(
                site: standing.site, records: standing.records, loss: standing.loss, influence: nil, share: share,
                weight: weight.weight, recorded: weight.weight,
                bySize: Double(standing.records) / Double(records))
            if case .fedMedLoRAPlus(_, let size) = aggregation.rule {
                row.influence = size ? share / Double(standing.records) : share
            }
            row.interval = intervals?[index]
            row.value = standing.value
            for entry in recorded where entry["site"]?.text == standing.site.name {
                row.recorded = try entry.double("weight")
                row.cosine = entry["cosine"]?.double
            }
            if uploads.count > aggregation.fewestUploads {
                row.without = try Self.without(
                    ReceivedUploads(received, without: standing.site), aggregation, round, plan, global, loss)
            }
            rows.append(row)
        }
        self.loss = try loss(global)
    }

    private static func without(
        _ others: ReceivedUploads, _ aggregation: Aggregation, _ round: Int, _ plan: Plan, _ global: Adapter,
        _ loss: (Adapter) throws(Fault) -> Double?
    ) throws(Fault) -> Without {
        let precision = plan.declaration.uploadPrecision
        let (mean, evidence) = try aggregation.combine(
            others, isLast: round == plan.declaration.rounds, precision: precision)
        // Rounded as a published adapter is, so that the difference is that of two adapters a site could have been given.
        let rounded = mean.rounded(to: precision)
        let norms = Adapter.norms(global, rounded)
        return Without(
            weights: evidence.weights.map { ($0.standing.site, $0.weight) }, norm: (norms.left, norms.difference),
            loss: try loss(rounded))
    }

    private static func noRound(_ run: RunName, _ round: Int) -> Fault {
        Fault(
            .usage, "replay.no-round", "the run \(run) has no aggregated round \(round)",
            mend: "Name one of the rounds that medrounds show \(run) lists.")
    }
}

extension WeightExplanation {
    /// The formula of a row with its numbers: `48 exp((0.72 - 0.81) / 1) / 91.9 = 43.9 / 91.9 = 0.4775`.
    public func formula(_ row: Row) -> String {
        let end = "\(Self.figure(row.share)) / \(Self.figure(total)) = \(Self.figure(row.weight))"
        guard case .fedMedLoRAPlus(let temperature, let size) = rule, let loss = row.loss, let leastLoss else {
            return end
        }
        let rho = aggregation.shrinks ? "\(Self.figure(evidence?.reliability ?? 0)) " : ""
        var unit = Self.figure(temperature)
        if aggregation.temperatureUnit == .standardErrors {
            unit = "(\(unit) x \(evidence?.error.map(Self.figure) ?? "no error"))"
        }
        return (size ? "\(row.records) " : "")
            + "exp(\(rho)(\(Self.figure(leastLoss)) - \(Self.figure(loss))) / \(unit))"
            + " / \(Self.figure(total)) = \(end)"
    }

    /// Why a site has its weight, and how sure that is, in one sentence.
    public func sentence(_ row: Row) -> String {
        func percent(_ share: Double) -> String { "\(Figures.fixed(100 * share, 1))%" }
        var text = "\(row.site) has \(percent(row.weight))"
        if aggregation.robust != .none {
            return text
                + " by the rule, but the published adapter is the \(aggregation.robust.rawValue) of each coordinate, which no weight enters."
        }
        switch rule {
        case .fedMedLoRA: return text + " because it brings that share of the \(unit); no loss enters."
        case .shapley:
            guard let value = row.value else { return text + "." }
            if value <= 0 {
                text +=
                    rows.allSatisfy { ($0.value ?? 0) <= 0 }
                    ? " by size, since no upload lowers the loss of the merges"
                    : " because adding its upload to the merges of others does not lower their loss"
                return text + " (Shapley value \(Self.figure(value)) nats)."
            }
            return text
                + " because adding its upload to the merges of others lowers their loss by \(Self.figure(value)) nats on average."
        case .fedMedLoRAPlus(_, let size):
            let plain = size ? row.bySize : 1 / Double(max(1, siteCount))
            let direction = row.weight > plain ? "raises" : row.weight < plain ? "lowers" : "leaves"
            text +=
                ": \(size ? "its size gives" : "an equal share is") \(percent(plain)), and its validation loss \(direction) that"
            if let interval = row.interval {
                text +=
                    "; on other validation records of the kind it would be \(percent(interval.low)) to \(percent(interval.high)) in 19 of 20 draws"
                let isSure = plain < interval.low || plain > interval.high
                text += isSure ? ", so the direction is sure" : ", so the direction is not sure"
            } else {
                text += "; how sure that is cannot be told, since no losses by record are here"
            }
            return text + "."
        }
    }

    /// A number with at most six significant figures, for people.
    public static func figure(_ value: Double) -> String {
        if let whole = Int(exactly: value) { return String(whole) }
        var text = Figures.fixed(value, abs(value) < 10 ? 6 : abs(value) < 1000 ? 4 : 2)
        while text.last == "0" { text.removeLast() }
        return text
    }

    /// The explanation as JSON, for `--json`.
    public var json: JSONValue {
        var members: [String: JSONValue] = [
            "run": .string(run.name), "round": .integer(Int64(round)), "rule": .string(rule.name),
            "formula": .string(aggregation.formula),
            "lost": ["share": .number(lost.share), "rounding": .number(lost.rounding)], "sum_of_shares": .number(total),
            "validation_loss": loss.map { .number($0) } ?? "not computed",
            "left_out": .array(leftOut.map { ["site": .string($0.site.name), "reason": .string($0.reason)] }),
        ]
        if case .fedMedLoRAPlus(let temperature, let size) = rule {
            members["temperature"] = .number(temperature)
            members["size"] = .bool(size)
        }
        if rule.needsLosses, let evidence {
            members["reliability"] = .number(evidence.reliability)
            members["spread"] = .number(evidence.spread)
            members["standard_error"] = evidence.error.map { .number($0) }
        }
        members["sites"] = .array(
            rows.map { row in
                var site: [String: JSONValue] = [
                    "site": .string(row.site.name), "records": .integer(Int64(row.records)),
                    "share": .number(row.share), "weight": .number(row.weight), "recorded": .number(row.recorded),
                    "weight_by_size_alone": .number(row.bySize), "in_numbers": .string(formula(row)),
                    "sentence": .string(sentence(row)),
                ]
                site["interval"] = row.interval.map { [.number($0.low), .number($0.high)] }
                site["cosine"] = row.cosine.map { .number($0) }
                site["shapley"] = row.value.map { .number($0) }
                site["loss"] = row.loss.map { .number($0) }
                site["influence"] = row.influence.map { .number($0) }
                site["without"] =
                    row.without.map { without in
                        [
                            "weights": .object(
                                Dictionary(without.weights.map { ($0.site.name, .number($0.weight)) }) { first, _ in
                                    first
                                }),
                            "norm_of_global_change": .number(without.norm.global),
                            "norm_of_difference": .number(without.norm.difference),
                            "validation_loss": without.loss.map { .number($0) } ?? "not computed",
                        ]
                    } ?? .null
                return .object(site)
            })
        return .object(members)
    }
}
