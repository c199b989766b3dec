// RunComparison: two runs, or two rounds of one run, side by side: plans by key, weights, losses, metrics, and how the global adapters
// change each layer. Computed from the ledger alone.

import Digests
import Faults
import Federation
import GitLedger
import ModelFiles
import RunRecords
import Workflows

/// A run at one of its rounds: `RUN@ROUND` on the command line.
public struct RunMoment: Sendable, Equatable, CustomStringConvertible {
    /// The run.
    public var run: RunName
    /// The round; nil for the last one that was aggregated.
    public var round: Int?

    /// Reads `RUN` or `RUN@ROUND`; nil for anything else.
    public init?(_ text: String) {
        let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        guard let run = RunName(String(parts[0])) else { return nil }
        self.run = run
        if parts.count == 2 {
            guard let round = Int(parts[1]), round >= 0 else { return nil }
            self.round = round
        }
    }

    /// The form used on the command line.
    public var description: String { round.map { "\(run)@\($0)" } ?? run.name }
}

/// What differs between two moments.
public struct RunComparison: Sendable {
    /// A figure on both sides; nil where a side has none.
    public struct Figure: Sendable, Equatable {
        /// What the figure is: `harbour-ed weight`.
        public var name: String
        /// The left side.
        public var left: Double?
        /// The right side.
        public var right: Double?
    }

    /// The left moment, with its round.
    public var left: RunMoment
    /// The right moment, with its round.
    public var right: RunMoment
    /// What changed in the plan, `key: left -> right`; empty where the plans are the same.
    public var plan: [String]
    /// Records, losses and weights by site.
    public var sites: [Figure]
    /// Strict and lenient F1 by cohort and type, where the round was evaluated.
    public var metrics: [Figure]
    /// The digests of the global adapters; nil where a side has none.
    public var adapters: (left: Digest?, right: Digest?)
    /// How the adapters change each layer; empty where one side has none or the models differ in size.
    public var layers: [LayerNorms]

    /// Compares. Throws `run.missing`, `replay.no-round`, or what is wrong with a record.
    public init(_ left: RunMoment, _ right: RunMoment, ledger: Ledger) throws(Fault) {
        let mine = try Side(left, ledger)
        let theirs = try Side(right, ledger)
        self.left = mine.moment
        self.right = theirs.moment
        plan = theirs.plan.differences(from: mine.plan)
        sites = Self.pair(mine.sites, theirs.sites)
        metrics = Self.pair(mine.metrics, theirs.metrics)
        adapters = (mine.adapter?.digest, theirs.adapter?.digest)
        layers = []
        if let first = mine.adapter, let second = theirs.adapter,
            mine.plan.inputs.model.sizes == theirs.plan.inputs.model.sizes
        {
            layers = Adapter.layerNorms(first.adapter, second.adapter)
        }
    }

    /// Figures by name: those of the left side in its order, then those that only the right side has.
    private static func pair(_ left: [(String, Double)], _ right: [(String, Double)]) -> [Figure] {
        var figures = left.map { name, value in
            Figure(name: name, left: value, right: right.first { $0.0 == name }?.1)
        }
        for (name, value) in right where !left.contains(where: { $0.0 == name }) {
            figures.append(Figure(name: name, left: nil, right: value))
        }
        return figures
    }

    /// One side of the comparison.
    private struct Side {
        var moment: RunMoment
        var plan: Plan
        var sites: [(String, Double)] = []
        var metrics: [(String, Double)] = []
        var adapter: (adapter: Adapter, digest: Digest)?

        init(_ asked: RunMoment, _ ledger: Ledger) throws(Fault) {
            let committed = try CommittedPlan(of: asked.run, in: ledger)
            plan = committed.plan
            let rounds = try committed.aggregatedRounds(asked.round, in: ledger)
            moment = asked
            moment.round = asked.round ?? rounds.last ?? 0
            let round = moment.round ?? 0
            let summary = try RunSummary(run: asked.run, ledger: ledger)
            for row in summary.sites where row.round == round {
                sites.append(("\(row.site) records", Double(row.records)))
                if let loss = row.loss {
                    sites.append(("\(row.site) loss before", loss.first))
                    sites.append(("\(row.site) loss after", loss.last))
                }
                if let loss = row.validationLoss { sites.append(("\(row.site) validation loss", loss)) }
                if let weight = row.weight { sites.append(("\(row.site) weight", weight)) }
            }
            for row in summary.cohorts where row.round == round {
                if let strict = row.strict { metrics.append(("\(row.cohort) strict F1", strict)) }
                if let lenient = row.lenient { metrics.append(("\(row.cohort) lenient F1", lenient)) }
                let types = row.record["scores"]?["types"]?.members ?? [:]
                for type in types.keys.sorted() {
                    guard let f1 = types[type]?["strict"]?["f1"]?.double else { continue }
                    metrics.append(("\(row.cohort) \(type) strict F1", f1))
                }
                if let relations = row.relations {
                    metrics.append(("\(row.cohort) relations strict F1", relations.strict))
                    metrics.append(("\(row.cohort) relations lenient F1", relations.lenient))
                }
            }
            guard round > 0 else { return }
            let commit = try committed.aggregateCommit(of: round, in: ledger)
            guard let bytes = try ledger.file(RunPath.global, of: commit) else {
                throw .missingFile(RunPath.global, commit.hex)
            }
            let read = try plan.publishedAdapter(
                bytes, path: RunPath.global)
            adapter = (read, Digest.sha256(bytes))
        }
    }

    /// The comparison as JSON, for `--json`.
    public var json: JSONValue {
        func figures(_ list: [Figure]) -> JSONValue {
            .array(
                list.map {
                    [
                        "name": .string($0.name), "left": $0.left.map { .number($0) } ?? .null,
                        "right": $0.right.map { .number($0) } ?? .null,
                    ]
                })
        }
        return [
            "left": .string(left.description), "right": .string(right.description),
            "plan": .array(plan.map { .string($0) }), "sites": figures(sites), "metrics": figures(metrics),
            "adapters": [
                "left_sha256": adapters.left.map { .string($0.hex) } ?? .null,
                "right_sha256": adapters.right.map { .string($0.hex) } ?? .null,
                "layers": .array(
                    layers.map {
                        [
                            "layer": .integer(Int64($0.layer)), "left_norm": .number($0.left),
                            "right_norm": .number($0.right), "difference_norm": .number($0.difference),
                        ]
                    }),
            ],
        ]
    }
}
