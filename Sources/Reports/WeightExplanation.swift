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
    public var rule: AggregationRule
    /// The sum of the shares.
    public var total: Double
    /// The smallest loss of the uploads, which is subtracted from each; nil where nothing was scored.
    public var leastLoss: Double?
    /// By site.
    public var rows: [Row]
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
        var found: AggregationRule?
        for case .aggregate(let rule) in plan.declaration.steps { found = rule }
        guard let rule = found else { throw Self.noRound(run, round) }
        let commit = try committed.aggregateCommit(of: round, in: ledger)
        let received = try Recomputation.received(plan, round, commit, ledger)
        let (uploads, left) = (received.uploads, received.leftOut)
        let path = StepKind.aggregate.record(round: round)
        guard let bytes = try ledger.file(path, of: commit),
            let published = try ledger.file(RunPath.global, of: commit)
        else { throw .missingFile(path, commit.hex) }
        let recorded = try RecordReader(parsing: bytes, path: path, commit: commit.hex).list("weights")
        let global = try AdapterFile.read(
            published, sizes: plan.inputs.model.sizes, configuration: plan.declaration.adapter, path: RunPath.global)

        self.run = run
        self.round = round
        self.rule = rule
        let absent = try Recomputation.absences(plan, round, commit, ledger) ?? []
        leftOut = left.map { ($0.site, $0.reason) } + absent.map { ($0.site, $0.reason) }
        rows = []
        let weights = try rule.weights(of: uploads.map(\.standing))
        let shares = try rule.shares(of: uploads.map(\.standing))
        total = shares.reduce(0, +)
        let records = weights.reduce(0) { $0 + $1.standing.records }
        let least = weights.compactMap(\.standing.loss).min()
        leastLoss = least
        if let only, !weights.contains(where: { $0.standing.site == only }) {
            throw Fault(
                .usage, "explain.no-site", "the site \(only) has no weight in round \(round)",
                mend: "Name one of: \(weights.map(\.standing.site.name).joined(separator: ", ")).")
        }
        for (weight, share) in zip(weights, shares) {
            let standing = weight.standing
            if let only, standing.site != only { continue }
            var row = Row(
                site: standing.site, records: standing.records, loss: standing.loss, influence: nil, share: share,
                weight: weight.weight, recorded: weight.weight,
                bySize: Double(standing.records) / Double(records))
            if case .fedMedLoRAPlus(let temperature, _) = rule, let loss = standing.loss, let least {
                row.influence = PortableMath.exp((least - loss) / temperature)
            }
            for entry in recorded where entry["site"]?.text == standing.site.name {
                row.recorded = try entry.double("weight")
            }
            if uploads.count > 1 {
                row.without = try Self.without(
                    ReceivedUploads(received, without: standing.site), rule, plan, global, loss)
            }
            rows.append(row)
        }
        self.loss = try loss(global)
    }

    private static func without(
        _ others: ReceivedUploads, _ rule: AggregationRule, _ plan: Plan, _ global: Adapter,
        _ loss: (Adapter) throws(Fault) -> Double?
    ) throws(Fault) -> Without {
        let (mean, evidence) = try rule.combine(others)
        // Rounded like a published adapter, so that the difference is that of two adapters that a site could have received.
        let rounded = try AdapterFile.read(
            AdapterFile.bytes(of: mean, precision: plan.declaration.uploadPrecision), sizes: plan.inputs.model.sizes,
            configuration: plan.declaration.adapter, path: RunPath.global)
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
        return (size ? "\(row.records) " : "")
            + "exp((\(Self.figure(leastLoss)) - \(Self.figure(loss))) / \(Self.figure(temperature)))"
            + " / \(Self.figure(total)) = \(end)"
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
            "formula": .string(rule.formula), "sum_of_shares": .number(total),
            "validation_loss": loss.map { .number($0) } ?? "not computed",
            "left_out": .array(leftOut.map { ["site": .string($0.site.name), "reason": .string($0.reason)] }),
        ]
        if case .fedMedLoRAPlus(let temperature, let size) = rule {
            members["temperature"] = .number(temperature)
            members["size"] = .bool(size)
        }
        members["sites"] = .array(
            rows.map { row in
                var site: [String: JSONValue] = [
                    "site": .string(row.site.name), "records": .integer(Int64(row.records)),
                    "share": .number(row.share), "weight": .number(row.weight), "recorded": .number(row.recorded),
                    "weight_by_size_alone": .number(row.bySize), "in_numbers": .string(formula(row)),
                ]
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
