// Recomputation: what the ledger alone suffices to compute again: which uploads a round averaged, and the average; and how recomputed
// bytes differ from committed ones.

import Digests
import Faults
import Federation
import GitLedger
import ModelFiles
import RunRecords
import Workflows

package enum Recomputation {
    package static func received(
        _ plan: Plan, _ round: Int, _ commit: CommitID, _ ledger: Ledger, form: AdapterForm? = nil,
        withScores: Bool = true
    ) throws(Fault) -> ReceivedUploads {
        let absent = try absences(plan, round, commit, ledger) ?? []
        let sites = plan.declaration.sites.map(\.id).filter { site in !absent.contains { $0.site == site } }
        let form = form ?? plan.adapterForm
        return try ReceivedUploads(
            round: round, sites: sites, plan: plan, form: form,
            scores: withScores ? try ledger.file(StepKind.score.record(round: round), of: commit) : nil,
            start: { () throws(Fault) in try start(plan, round, commit, ledger) }
        ) { (_: SiteID, path: String) throws(Fault) -> [UInt8]? in
            try ledger.file(path, of: commit, limit: plan.largest(at: path, form))
        }
    }

    /// The adapter that a round began with: what the round before published, or what the seed makes.
    package static func start(
        _ plan: Plan, _ round: Int, _ aggregate: CommitID, _ ledger: Ledger
    ) throws(Fault) -> Adapter {
        guard round > 1 else { return try initial(plan, aggregate, ledger) }
        guard let before = try ledger.read(aggregate).parents.first,
            let bytes = try ledger.file(RunPath.global, of: before)
        else { throw .missingFile(RunPath.global, aggregate.hex) }
        return try plan.publishedAdapter(bytes, path: "\(before.hex.prefix(9)):\(RunPath.global)")
    }

    /// The adapter that the seed makes, where the first round published one of its size: a plan alone may state any size.
    package static func initial(_ plan: Plan, _ aggregate: CommitID, _ ledger: Ledger) throws(Fault) -> Adapter {
        guard let published = try ledger.digest(of: RunPath.global, in: aggregate) else {
            throw .missingFile(RunPath.global, aggregate.hex)
        }
        let precision = plan.declaration.uploadPrecision
        guard published.size / precision.bytesPerNumber >= plan.adapterForm.valueCount else {
            throw mismatch("the file is smaller than the plan's adapter", RunPath.global, aggregate)
        }
        return plan.initialAdapter
    }

    /// Who was absent from a round, as its commits record it: a fact that no replay can compute. Nil where the plan has no quorum.
    package static func absences(
        _ plan: Plan, _ round: Int, _ commit: CommitID, _ ledger: Ledger
    ) throws(Fault) -> [Absence]? {
        guard plan.declaration.quorum != nil else { return nil }
        return try Absence.recorded(round, in: commit, ledger) ?? []
    }

    /// The uploads of earlier rounds on the lines that an aggregate merges. Nil where the plan has no deadline.
    package static func late(
        _ plan: Plan, _ round: Int, _ aggregate: CommitID, _ ledger: Ledger
    ) throws(Fault) -> [LateUpload]? {
        let parents = try ledger.read(aggregate).parents
        guard let before = parents.first else { return nil }
        return try LateUpload.all(in: plan, round: round, merged: parents.dropFirst(), before: before, ledger)
    }

    package static func aggregate(
        plan: Plan, aggregation: Aggregation, round: Int, _ received: ReceivedUploads,
        absent: [Absence]?, late: [LateUpload]?
    ) throws(Fault) -> StepOutput {
        try AggregateStep.compute(
            plan: plan, aggregation: aggregation, round: round, received: received, absent: absent, late: late,
            clock: StepClock(), threads: 1)
    }

    /// Recomputes a round's aggregate from its commit's own tree; what differs from the committed bytes.
    package static func compareAggregate(
        plan: Plan, round: Int, commit: CommitRecord, received: ReceivedUploads,
        ledger: Ledger
    ) throws(Fault) -> [Fault] {
        for case .aggregate(let aggregation) in plan.declaration.steps {
            let output = try aggregate(
                plan: plan, aggregation: aggregation, round: round, received,
                absent: absences(plan, round, commit.id, ledger), late: late(plan, round, commit.id, ledger))
            var faults: [Fault] = []
            for (path, bytes) in output.deterministic {
                let committed = try ledger.file(path, of: commit.id)
                if let fault = difference(path, recomputed: bytes, committed: committed, commit: commit.id, plan: plan)
                {
                    faults.append(fault)
                }
            }
            return faults
        }
        return []
    }

    /// What differs between recomputed and committed bytes: for an adapter the first tensor, for a record the first field.
    package static func difference(
        _ path: String, recomputed: [UInt8], committed: [UInt8]?, commit: CommitID, plan: Plan
    ) -> Fault? {
        guard let committed else {
            return mismatch("the file was recomputed but is not committed", path, commit)
        }
        guard recomputed != committed else { return nil }
        if path.hasSuffix(".safetensors"),
            let mine = read(recomputed, plan, path), let theirs = read(committed, plan, path)
        {
            guard let difference = mine.firstDifference(from: theirs) else {
                return mismatch("the tensors agree, the file around them does not", path, commit)
            }
            return mismatch(difference.words(theirs: "committed"), path, commit, tensor: difference.tensor)
        }
        if let mine = try? JSONValue(parsing: recomputed), let theirs = try? JSONValue(parsing: committed),
            let field = firstDifference(mine, theirs, "")
        {
            return mismatch(
                "\(field.path) was recomputed as \(field.mine), committed is \(field.theirs)\(field.distance)", path,
                commit)
        }
        return mismatch(
            "\(recomputed.count) recomputed bytes are not the \(committed.count) committed ones", path, commit)
    }

    /// A published adapter, or an upload of one factor or another rank; nil for what is none.
    private static func read(_ bytes: [UInt8], _ plan: Plan, _ path: String) -> Adapter? {
        if let adapter = try? plan.publishedAdapter(bytes, path: path) { return adapter }
        var configuration = plan.declaration.adapter
        for frozen in Adapter.Matrix.allCases {
            if let adapter = try? AdapterFile.read(
                bytes, sizes: plan.inputs.model.sizes, configuration: configuration, without: frozen, path: path)
            {
                return adapter
            }
        }
        guard let rank = AdapterFile.rank(of: bytes, path: path) else { return nil }
        configuration.rank = rank
        return try? AdapterFile.read(
            bytes, sizes: plan.inputs.model.sizes, configuration: configuration, path: path)
    }

    private static func firstDifference(
        _ mine: JSONValue, _ theirs: JSONValue, _ path: String
    ) -> (path: String, mine: String, theirs: String, distance: String)? {
        if let left = mine.members, let right = theirs.members {
            for key in Set(left.keys).union(right.keys).sorted() {
                if let found = firstDifference(
                    left[key] ?? .null, right[key] ?? .null, path.isEmpty ? key : "\(path).\(key)")
                {
                    return found
                }
            }
            return nil
        }
        if let left = mine.elements, let right = theirs.elements, left.count == right.count {
            for (index, pair) in zip(left, right).enumerated() {
                if let found = firstDifference(pair.0, pair.1, "\(path).\(index)") { return found }
            }
            return nil
        }
        guard mine != theirs else { return nil }
        var distance = ""
        if let left = mine.double, let right = theirs.double {
            distance = ", \(Adapter.ulps(left, right)) units in the last place of float64 apart"
        }
        return (path, brief(mine), brief(theirs), distance)
    }

    private static func brief(_ value: JSONValue) -> String {
        let text = value.canonicalText.split(separator: "\n").joined(separator: " ")
        return text.count > 80 ? text.prefix(77) + "..." : text
    }

    package static func mismatch(_ what: String, _ path: String, _ commit: CommitID, tensor: String? = nil) -> Fault {
        Fault(
            .mismatch, "replay.mismatch", what, at: Place(file: path, commit: commit.hex, tensor: tensor),
            mend:
                "Compare model, notes and program version with the plan; in exact numerics the machine does not matter."
        )
    }
}
