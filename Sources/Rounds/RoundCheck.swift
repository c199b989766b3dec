// RoundCheck: what is recomputed of one aggregated round: uploads, presence, weights, the average and where the sites started from. The
// uploads are read once for all of it.

import Digests
import Faults
import Federation
import GitLedger
import ModelFiles
import Workflows

/// What one check found in some of the rounds.
struct RoundTally: Sendable {
    var faults: [Fault] = []
    var count = 0
    var bytes = 0
    var leftOut = 0
    /// Rounds whose adapters are pruned.
    var pruned = 0
    /// Why the check could not be finished.
    var end: Fault?

    /// Goes on with the next round, unless an earlier one ended the check.
    mutating func add(_ body: (inout RoundTally) throws(Fault) -> Void) {
        guard end == nil else { return }
        do { try body(&self) } catch { end = error }
    }

    mutating func join(_ next: RoundTally) {
        guard end == nil else { return }
        faults += next.faults
        count += next.count
        bytes += next.bytes
        leftOut += next.leftOut
        pruned += next.pruned
        end = next.end
    }

    /// The faults, where the check could be finished.
    func whole() throws(Fault) -> [Fault] {
        if let end { throw end }
        return faults
    }
}

/// The checks that are made round by round.
struct RoundTallies: Sendable {
    var uploads = RoundTally()
    var presence = RoundTally()
    var weights = RoundTally()
    var aggregates = RoundTally()
    var starts = RoundTally()

    /// Checks a round that `previous` came before.
    mutating func add(_ verifier: Verifier, _ merge: (round: Int, commit: CommitRecord), after previous: CommitRecord?)
    {
        let check = RoundCheck(verifier, merge.round, merge.commit, after: previous)
        uploads.add(check.uploads)
        presence.add(check.presence)
        weights.add(check.weights)
        aggregates.add(check.aggregates)
        starts.add(check.starts)
    }

    mutating func join(_ next: RoundTallies) {
        uploads.join(next.uploads)
        presence.join(next.presence)
        weights.join(next.weights)
        aggregates.join(next.aggregates)
        starts.join(next.starts)
    }
}

/// One aggregated round.
final class RoundCheck {
    private let verifier: Verifier
    private let round: Int
    private let commit: CommitRecord
    private let previous: CommitRecord?
    private var plan: Plan { verifier.plan }
    private var declaration: FederationDeclaration { verifier.declaration }
    private var ledger: Ledger { verifier.ledger }
    /// The records read so far by path.
    private var records: [String: RecordReader] = [:]
    private lazy var received = Result { () throws(Fault) in try Replayer.received(plan, round, commit.id, ledger) }
    private lazy var sent = Result { () throws(Fault) in try readSent() }

    init(_ verifier: Verifier, _ round: Int, _ commit: CommitRecord, after previous: CommitRecord?) {
        self.verifier = verifier
        self.round = round
        self.commit = commit
        self.previous = previous
    }

    private func record(_ step: String, _ site: SiteID? = nil) throws(Fault) -> RecordReader {
        let path = StepPaths.record(round: round, step: step, owner: site?.name)
        if let known = records[path] { return known }
        let record = try verifier.record(path, commit)
        records[path] = record
        return record
    }

    private func broken(_ code: String, _ what: String, _ file: String? = nil) -> Fault {
        verifier.broken(code, what, commit, file)
    }

    /// The uploads that the round's mean is of. Where adapters are pruned, their digests and sizes are those of the list, which the
    /// state digests bear out, and who was left out on arrival is what the aggregate's record says.
    private func readSent() throws(Fault) -> (uploads: [Verifier.SentUpload], leftOut: Int, isPruned: Bool) {
        do {
            let (uploads, leftOut) = try received.get()
            return (
                uploads.map { Verifier.SentUpload(standing: $0.standing, digest: $0.digest, bytes: $0.bytes) },
                leftOut.count, false
            )
        } catch {
            guard error.code == "ledger.pruned" else { throw error }
        }
        var leftOut: Set<SiteID> = []
        for row in try record("aggregate").list("left_out") { leftOut.insert(try row.site("site")) }
        var losses: [SiteID: Double] = [:]
        if try ledger.blob(StepPaths.record(round: round, step: "score"), of: commit.id) != nil {
            for row in try record("score").list("scores") where row["left_out"] == nil {
                losses[try row.site("site")] = try row.double("loss")
            }
        }
        var uploads: [Verifier.SentUpload] = []
        for site in declaration.sites.map(\.id) where !leftOut.contains(site) {
            let path = StepPaths.upload(round: round, site: site)
            guard let content = try ledger.digest(of: path, in: commit.id) else {
                throw .missingFile(path, commit.id.hex)
            }
            if try record("upload", site).digest("adapter_sha256") != content.digest {
                throw broken("verify.upload", "the upload's SHA-256 is not the recorded one", path)
            }
            var standing = UploadStanding(
                site: site, records: try record("train", site).int(declaration.sizeUnit.rawValue), loss: losses[site])
            standing.unit = declaration.sizeUnit
            uploads.append(Verifier.SentUpload(standing: standing, digest: content.digest, bytes: content.size))
        }
        return (uploads, leftOut.count, true)
    }

    // MARK: Uploads

    func uploads(_ tally: inout RoundTally) throws(Fault) {
        let (uploads, _, isPruned) = try sent.get()
        if isPruned { tally.pruned += 1 }
        for upload in uploads {
            let site = upload.standing.site
            let train = try record("train", site)
            let sent = try record("upload", site)
            tally.count += 1
            tally.bytes += upload.bytes
            if try sent.int("bytes") != upload.bytes {
                tally.faults.append(
                    broken(
                        "verify.upload", "the record of \(site) counts other bytes than the \(upload.bytes) uploaded"))
            }
            tally.faults += try checkSettings(train, of: site)
            if try sent.object("input").digest("adapter_sha256") != train.object("output").digest("adapter_sha256") {
                tally.faults.append(
                    broken("verify.upload", "the upload of \(site) is not made from what the site trained"))
            }
            let sources = plan.inputs.datasets.filter { $0.role == .train && $0.owner == site.name }
            if try train.object("input").digest("dataset_commitment") != RecordLoader.joined(sources.map(\.commitment))
            {
                tally.faults.append(
                    broken("verify.dataset", "\(site) trained on other records than the plan commits to"))
            }
        }
    }

    /// What a train record says of its settings and its size is what the plan says.
    private func checkSettings(_ train: RecordReader, of site: SiteID) throws(Fault) -> [Fault] {
        var faults: [Fault] = []
        let records = plan.inputs.datasets.filter { $0.role == .train && $0.owner == site.name }.reduce(0) {
            $0 + $1.records
        }
        if try train.int("records") != records {
            faults.append(
                broken(
                    "verify.plan", "\(site) records \(try train.int("records")) records, the plan \(records)",
                    train.path))
        }
        let declared = verifier.declared
        let settings = declared["steps"]?.elements?.compactMap { $0["train"] }.first
        if train["settings"] != settings || train["adapter"] != declared["adapter"] {
            faults.append(
                broken("verify.plan", "\(site) trained with other settings than the plan's", train.path))
        }
        let seed = try train.text("seed")
        let numerics = try train.text("numerics")
        if seed != String(declaration.seed) || numerics != declaration.model.numerics.rawValue {
            faults.append(
                broken(
                    "verify.plan", "\(site) trained with another seed or numerics than the plan's", train.path))
        }
        return faults
    }

    // MARK: Presence, scores and weights

    func presence(_ tally: inout RoundTally) throws(Fault) {
        let path = StepPaths.record(round: round, step: "aggregate")
        let record = try record("aggregate")
        var names: [String] = []
        for row in try record.list("weights") { names.append(try row.text("site")) }
        tally.count += names.count
        for row in try record.list("left_out") {
            names.append(try row.text("site"))
            tally.leftOut += 1
            if try row.text("reason").isEmpty {
                tally.faults.append(broken("verify.presence", "a site is left out without a reason", path))
            }
        }
        if names.sorted() != declaration.sites.map(\.id.name).sorted() {
            tally.faults.append(
                broken(
                    "verify.presence",
                    "the round speaks of \(names.count) sites, the plan of \(declaration.sites.count)", path))
        }
    }

    /// Every score is that of an upload of the round, on the validation records that the plan commits to.
    private func checkScores(_ uploads: [Verifier.SentUpload]) throws(Fault) -> [Fault] {
        let path = StepPaths.record(round: round, step: "score")
        guard try ledger.blob(path, of: commit.id) != nil else { return [] }
        let score = try record("score")
        var faults: [Fault] = []
        if let validation = plan.inputs.datasets.first(where: { $0.role == .validation }),
            try score.digest("validation_commitment") != validation.commitment
        {
            faults.append(
                broken("verify.dataset", "uploads were scored on other records than the plan commits to", path))
        }
        for row in try score.list("scores") where row["left_out"] == nil {
            let site = try row.site("site")
            let digest = try row.digest("adapter_sha256")
            if !uploads.contains(where: { $0.standing.site == site && $0.digest == digest }) {
                faults.append(
                    broken("verify.score", "the score of \(site) is of another adapter than its upload", path))
            }
        }
        return faults
    }

    func weights(_ tally: inout RoundTally) throws(Fault) {
        guard
            let rule = declaration.steps.compactMap({ if case .aggregate(let rule) = $0 { rule } else { nil } }).first
        else { return }
        let (uploads, leftOut, _) = try sent.get()
        tally.faults += try checkScores(uploads)
        let recomputed = try rule.weights(of: uploads.map(\.standing))
        let path = StepPaths.record(round: round, step: "aggregate")
        let rows = try record("aggregate").list("weights")
        guard rows.count == recomputed.count else {
            tally.faults.append(
                broken("verify.weights", "\(rows.count) weights for \(recomputed.count) usable uploads", path))
            return
        }
        for (row, weight) in zip(rows, recomputed) {
            tally.count += 1
            let recorded = (site: try row.site("site"), weight: try row.double("weight"))
            if recorded.site != weight.standing.site || recorded.weight != weight.weight {
                tally.faults.append(
                    broken(
                        "verify.weights",
                        "the weight of \(recorded.site) is recorded as \(recorded.weight), recomputed \(weight.weight)",
                        path))
            }
        }
        let sum = recomputed.reduce(0) { $0 + $1.weight }
        if abs(sum - 1) > 1e-12 {
            tally.faults.append(broken("verify.weights", "the weights sum to \(sum), not to one", path))
        }
        if try record("aggregate").list("left_out").count != leftOut {
            tally.faults.append(
                broken("verify.weights", "the sites left out are not those whose uploads cannot be used", path))
        }
    }

    // MARK: Adapters

    func aggregates(_ tally: inout RoundTally) throws(Fault) {
        do {
            tally.faults += try Replayer.compareAggregate(
                plan: plan, round: round, commit: commit, received: received.get(), ledger: ledger)
            tally.count += 1
        } catch {
            guard error.code == "ledger.pruned" else { throw error }
            tally.pruned += 1
        }
    }

    func starts(_ tally: inout RoundTally) throws(Fault) {
        let published = try previous.map { (commit) throws(Fault) in try globalDigest(of: commit) }
        var first: Digest?
        for site in declaration.sites.map(\.id) {
            let start = try record("train", site).object("input").digest("adapter_sha256")
            tally.count += 1
            // Round 1 starts from the adapter the seed makes; here it can be checked that all sites had the same one.
            let expected = published ?? first ?? start
            if start != expected {
                tally.faults.append(
                    broken("verify.start", "\(site) started round \(round) from \(start), not from \(expected)"))
            }
            first = first ?? start
        }
        _ = try globalDigest(of: commit)
    }

    private func globalDigest(of commit: CommitRecord) throws(Fault) -> Digest {
        guard let global = try ledger.digest(of: StepPaths.global, in: commit.id) else {
            throw .missingFile(StepPaths.global, commit.id.hex)
        }
        return global.digest
    }
}
