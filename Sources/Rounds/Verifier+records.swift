// What the records of a history say: uploads, weights, averages, starts and metrics, computed again.

import Digests
import Faults
import Federation
import GitLedger
import ModelFiles
import Workflows

extension Verifier {
    func rounds(_ line: [CommitRecord]) -> [(round: Int, commit: CommitRecord)] {
        line.filter { $0.trailer("Step") == "aggregate" }.compactMap { commit in
            commit.trailer("Round").flatMap { Int($0) }.map { ($0, commit) }
        }
    }

    func received(_ round: Int, _ commit: CommitRecord) throws(Fault) -> (
        uploads: [ReceivedUpload], leftOut: [LeftOut]
    ) {
        try Replayer.received(plan, round, commit.id, ledger)
    }

    /// An upload as its records tell of it.
    struct SentUpload {
        var standing: UploadStanding
        var digest: Digest
        var bytes: Int
    }

    /// The uploads that a round's mean is of. Where adapters are pruned, their digests and sizes are those of the list, which the state
    /// digests bear out, and who was left out on arrival is what the aggregate's record says.
    func sent(_ round: Int, _ commit: CommitRecord) throws(Fault) -> (
        uploads: [SentUpload], leftOut: Int, isPruned: Bool
    ) {
        do {
            let (uploads, leftOut) = try received(round, commit)
            return (
                uploads.map { SentUpload(standing: $0.standing, digest: $0.digest, bytes: $0.bytes) }, leftOut.count,
                false
            )
        } catch {
            guard error.code == "ledger.pruned" else { throw error }
        }
        let aggregate = try record(StepPaths.record(round: round, step: "aggregate"), commit)
        var leftOut: Set<SiteID> = []
        for row in try aggregate.list("left_out") { leftOut.insert(try row.site("site")) }
        var losses: [SiteID: Double] = [:]
        if try ledger.blob(StepPaths.record(round: round, step: "score"), of: commit.id) != nil {
            for row in try record(StepPaths.record(round: round, step: "score"), commit).list("scores")
            where row["left_out"] == nil {
                losses[try row.site("site")] = try row.double("loss")
            }
        }
        var uploads: [SentUpload] = []
        for site in declaration.sites.map(\.id) where !leftOut.contains(site) {
            let path = StepPaths.upload(round: round, site: site)
            guard let content = try ledger.digest(of: path, in: commit.id) else {
                throw .missingFile(path, commit.id.hex)
            }
            let sent = try record(StepPaths.record(round: round, step: "upload", owner: site.name), commit)
            if try sent.digest("adapter_sha256") != content.digest {
                throw broken("verify.upload", "the upload's SHA-256 is not the recorded one", commit, path)
            }
            let train = try record(StepPaths.record(round: round, step: "train", owner: site.name), commit)
            var standing = UploadStanding(
                site: site, records: try train.int(declaration.sizeUnit.rawValue), loss: losses[site])
            standing.unit = declaration.sizeUnit
            uploads.append(SentUpload(standing: standing, digest: content.digest, bytes: content.size))
        }
        return (uploads, leftOut.count, true)
    }

    func record(_ path: String, _ commit: CommitRecord) throws(Fault) -> RecordReader {
        guard let bytes = try ledger.file(path, of: commit.id) else { throw .missingFile(path, commit.id.hex) }
        return try RecordReader(parsing: bytes, path: path, commit: commit.id.hex)
    }

    func uploads(_ line: [CommitRecord]) throws(Fault) -> Finding {
        var faults: [Fault] = []
        var count = 0
        var pruned = 0
        var bytes = 0
        for (round, commit) in rounds(line) {
            let (uploads, _, isPruned) = try sent(round, commit)
            if isPruned { pruned += 1 }
            for upload in uploads {
                let site = upload.standing.site
                let train = try record(StepPaths.record(round: round, step: "train", owner: site.name), commit)
                let sent = try record(StepPaths.record(round: round, step: "upload", owner: site.name), commit)
                count += 1
                bytes += upload.bytes
                if try sent.int("bytes") != upload.bytes {
                    faults.append(
                        broken(
                            "verify.upload",
                            "the record of \(site) counts other bytes than the \(upload.bytes) uploaded", commit))
                }
                faults += try checkSettings(train, of: site, commit)
                if try sent.object("input").digest("adapter_sha256") != train.object("output").digest("adapter_sha256")
                {
                    faults.append(
                        broken("verify.upload", "the upload of \(site) is not made from what the site trained", commit))
                }
                let sources = plan.inputs.datasets.filter { $0.role == .train && $0.owner == site.name }
                let committed = RecordLoader.joined(sources.map(\.commitment))
                if try train.object("input").digest("dataset_commitment") != committed {
                    faults.append(
                        broken("verify.dataset", "\(site) trained on other records than the plan commits to", commit))
                }
            }
        }
        return Finding(
            evidence: "\(count) uploads, \(Figures.bytes(bytes)), "
                + (pruned == 0
                    ? "shapes and values finite" : "those of \(pruned) rounds pruned: only their digests are left"),
            faults: faults, isProven: pruned == 0)
    }

    /// What a train record says of its settings and its size is what the plan says.
    func checkSettings(_ train: RecordReader, of site: SiteID, _ commit: CommitRecord) throws(Fault) -> [Fault] {
        var faults: [Fault] = []
        let records = plan.inputs.datasets.filter { $0.role == .train && $0.owner == site.name }.reduce(0) {
            $0 + $1.records
        }
        if try train.int("records") != records {
            faults.append(
                broken(
                    "verify.plan", "\(site) records \(try train.int("records")) records, the plan \(records)", commit,
                    train.path))
        }
        let json = declaration.json
        let settings = json["steps"]?.elements?.compactMap { $0["train"] }.first
        if train["settings"] != settings || train["adapter"] != json["adapter"] {
            faults.append(
                broken("verify.plan", "\(site) trained with other settings than the plan's", commit, train.path))
        }
        let seed = try train.text("seed")
        let numerics = try train.text("numerics")
        if seed != String(declaration.seed) || numerics != declaration.model.numerics.rawValue {
            faults.append(
                broken(
                    "verify.plan", "\(site) trained with another seed or numerics than the plan's", commit, train.path))
        }
        return faults
    }

    /// Every score is that of an upload of the round, on the validation records that the plan commits to.
    func checkScores(_ round: Int, _ uploads: [SentUpload], _ commit: CommitRecord) throws(Fault) -> [Fault] {
        let path = StepPaths.record(round: round, step: "score")
        guard try ledger.file(path, of: commit.id) != nil else { return [] }
        let score = try record(path, commit)
        var faults: [Fault] = []
        if let validation = plan.inputs.datasets.first(where: { $0.role == .validation }),
            try score.digest("validation_commitment") != validation.commitment
        {
            faults.append(
                broken("verify.dataset", "uploads were scored on other records than the plan commits to", commit, path))
        }
        for row in try score.list("scores") where row["left_out"] == nil {
            let site = try row.site("site")
            let digest = try row.digest("adapter_sha256")
            if !uploads.contains(where: { $0.standing.site == site && $0.digest == digest }) {
                faults.append(
                    broken("verify.score", "the score of \(site) is of another adapter than its upload", commit, path))
            }
        }
        return faults
    }

    func weights(_ line: [CommitRecord]) throws(Fault) -> (String, [Fault]) {
        var faults: [Fault] = []
        var count = 0
        for (round, commit) in rounds(line) {
            guard
                let rule = declaration.steps.compactMap({ if case .aggregate(let rule) = $0 { rule } else { nil } })
                    .first
            else { continue }
            let (uploads, leftOut, _) = try sent(round, commit)
            faults += try checkScores(round, uploads, commit)
            let recomputed = try rule.weights(of: uploads.map(\.standing))
            let path = StepPaths.record(round: round, step: "aggregate")
            let rows = try record(path, commit).list("weights")
            guard rows.count == recomputed.count else {
                faults.append(
                    broken(
                        "verify.weights", "\(rows.count) weights for \(recomputed.count) usable uploads", commit, path))
                continue
            }
            for (row, weight) in zip(rows, recomputed) {
                count += 1
                let recorded = (site: try row.site("site"), weight: try row.double("weight"))
                if recorded.site != weight.standing.site || recorded.weight != weight.weight {
                    faults.append(
                        broken(
                            "verify.weights",
                            "the weight of \(recorded.site) is recorded as \(recorded.weight), recomputed \(weight.weight)",
                            commit, path))
                }
            }
            let sum = recomputed.reduce(0) { $0 + $1.weight }
            if abs(sum - 1) > 1e-12 {
                faults.append(broken("verify.weights", "the weights sum to \(sum), not to one", commit, path))
            }
            if try record(path, commit).list("left_out").count != leftOut {
                faults.append(
                    broken(
                        "verify.weights", "the sites left out are not those whose uploads cannot be used", commit, path)
                )
            }
        }
        return ("\(count) weights recomputed", faults)
    }

    func aggregates(_ line: [CommitRecord]) throws(Fault) -> Finding {
        var finding = Finding(evidence: "", faults: [])
        var count = 0
        var pruned = 0
        for (round, commit) in rounds(line) {
            do {
                finding.faults += try Replayer.compareAggregate(
                    plan: plan, round: round, commit: commit, ledger: ledger)
                count += 1
            } catch {
                guard error.code == "ledger.pruned" else { throw error }
                pruned += 1
            }
        }
        finding.evidence =
            "\(count) averages recomputed bit for bit"
            + (pruned == 0 ? "" : "; those of \(pruned) rounds are pruned and cannot be")
        finding.isProven = pruned == 0
        return finding
    }

    func starts(_ line: [CommitRecord]) throws(Fault) -> (String, [Fault]) {
        var faults: [Fault] = []
        var count = 0
        var published: Digest?
        for (round, commit) in rounds(line) {
            var first: Digest?
            for site in declaration.sites.map(\.id) {
                let train = try record(StepPaths.record(round: round, step: "train", owner: site.name), commit)
                let start = try train.object("input").digest("adapter_sha256")
                count += 1
                // Round 1 starts from the adapter the seed makes; here it can be checked that all sites had the same one.
                let expected = published ?? first ?? start
                if start != expected {
                    faults.append(
                        broken(
                            "verify.start", "\(site) started round \(round) from \(start), not from \(expected)", commit
                        ))
                }
                first = first ?? start
            }
            guard let global = try ledger.digest(of: StepPaths.global, in: commit.id) else {
                throw .missingFile(StepPaths.global, commit.id.hex)
            }
            published = global.digest
        }
        return ("\(count) train steps", faults)
    }

    func metrics(_ line: [CommitRecord]) throws(Fault) -> (String, [Fault]) {
        var faults: [Fault] = []
        var count = 0
        for commit in line where commit.trailer("Step") == "evaluate" {
            guard let round = commit.trailer("Round").flatMap({ Int($0) }), let cohort = commit.trailer("Cohort") else {
                continue
            }
            let path = StepPaths.record(round: round, step: "evaluate", owner: cohort)
            let record = try record(path, commit)
            count += 1
            if let fault = try CohortScores.recheck(record, seed: declaration.seed, cohort: cohort) {
                faults.append(broken("verify.metrics", fault, commit, path))
            }
            if let test = plan.inputs.datasets.first(where: { $0.role == .test && $0.owner == cohort }) {
                var counts = [
                    try record.int("records"), try record.int("documents"), try record.int("truncated_records"),
                ]
                // Where heads are predicted there are as many answers as the model found heads.
                let heads = declaration.cohorts.first { $0.id.name == cohort }?.heads ?? .gold
                var scored = 0
                if record["scores"] != nil { scored += try record.object("scores").int("records") }
                if record["relation_scores"] != nil {
                    scored += try record.object("relation_scores").object("pairs").int("records")
                }
                counts.append(heads == .gold ? scored : test.records)
                if try record.object("generation").int("records") != scored {
                    faults.append(
                        broken("verify.metrics", "\(cohort) was decoded and scored on different records", commit, path))
                }
                let commitment = try record.object("input").digest("dataset_commitment")
                if commitment != test.commitment
                    || counts != [test.records, test.documents, test.truncated, test.records]
                {
                    faults.append(
                        broken(
                            "verify.dataset", "\(cohort) was evaluated on other records than the plan commits to",
                            commit,
                            path))
                }
            }
            if round > 0 {
                guard let global = try ledger.digest(of: StepPaths.global, in: commit.id) else {
                    throw .missingFile(StepPaths.global, commit.id.hex)
                }
                if try record.object("input").digest("adapter_sha256") != global.digest {
                    faults.append(
                        broken(
                            "verify.metrics", "\(cohort) was evaluated with another adapter than the published one",
                            commit, path))
                }
            }
        }
        return ("\(count) evaluations", faults)
    }
}
