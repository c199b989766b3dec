// RoundCheck: what is recomputed of one aggregated round: uploads, presence, weights, the average and where the sites started from. The
// uploads are read once for all of it.

import Digests
import Faults
import Federation
import GitLedger
import ModelFiles
import RunRecords
import Workflows

/// What one check found in some of the rounds.
struct RoundTally: Sendable {
    package var faults: [Fault] = []
    var count = 0
    package var bytes = 0
    var leftOut = 0
    var absent = 0
    /// Uploads that came when their round had gone on.
    var late = 0
    /// Rounds whose adapters are pruned.
    var pruned = 0
    /// Why the check could not be finished.
    var end: Fault?

    /// Goes on with the next round, unless an earlier one ended the check.
    package mutating func add(_ body: (inout RoundTally) throws(Fault) -> Void) {
        guard end == nil else { return }
        do { try body(&self) } catch { end = error }
    }

    mutating func join(_ next: RoundTally) {
        guard end == nil else { return }
        faults += next.faults
        count += next.count
        bytes += next.bytes
        leftOut += next.leftOut
        absent += next.absent
        late += next.late
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
    package mutating func add(
        _ verifier: Verifier, _ merge: (round: Int, commit: CommitRecord), after previous: CommitRecord?
    ) {
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
    let verifier: Verifier
    let round: Int
    let commit: CommitRecord
    private let previous: CommitRecord?
    var plan: Plan { verifier.plan }
    var declaration: FederationDeclaration { verifier.declaration }
    private var ledger: Ledger { verifier.ledger }
    /// The records read so far by path.
    private var records: [String: RecordReader] = [:]
    private lazy var absent = Result { () throws(Fault) -> [Absence] in
        try Recomputation.absences(plan, round, commit.id, ledger) ?? []
    }
    private lazy var received = Result { () throws(Fault) in
        try Recomputation.received(plan, round, commit.id, ledger, form: verifier.form)
    }
    private(set) lazy var sent = Result { () throws(Fault) in try readSent() }

    init(_ verifier: Verifier, _ round: Int, _ commit: CommitRecord, after previous: CommitRecord?) {
        self.verifier = verifier
        self.round = round
        self.commit = commit
        self.previous = previous
    }

    func record(_ step: StepKind, _ site: SiteID? = nil) throws(Fault) -> RecordReader {
        let path = step.record(round: round, owner: site?.name)
        if let known = records[path] { return known }
        let record = try verifier.record(path, commit)
        records[path] = record
        return record
    }

    func broken(_ code: String, _ what: String, _ file: String? = nil) -> Fault {
        verifier.broken(code, what, commit, file)
    }

    /// The uploads that the round's mean is of. Where adapters are pruned, their digests and sizes are those of the list, which the
    /// state digests bear out, and who was left out on arrival is what the aggregate's record says.
    private func readSent() throws(Fault) -> (uploads: [Verifier.SentUpload], leftOut: Int, isPruned: Bool) {
        do throws(Fault) {
            let found = try received.get()
            let (uploads, leftOut) = (found.uploads, found.leftOut)
            return (
                uploads.map { Verifier.SentUpload(standing: $0.standing, digest: $0.digest, bytes: $0.bytes) },
                leftOut.count, false
            )
        } catch {
            guard error.cause == .pruned else { throw error }
        }
        var leftOut: Set<SiteID> = []
        for row in try record(.aggregate).list("left_out") { leftOut.insert(try row.site("site")) }
        let absent = Set(try absent.get().map(\.site))
        let scores = try RoundScores(
            ledger.file(StepKind.score.record(round: round), of: commit.id), round: round)
        var uploads: [Verifier.SentUpload] = []
        for site in declaration.sites.map(\.id) where !leftOut.contains(site) && !absent.contains(site) {
            let path = RunPath.upload(round: round, site: site)
            guard let content = try ledger.digest(of: path, in: commit.id) else {
                throw .missingFile(path, commit.id.hex)
            }
            if try record(.upload, site).digest("adapter_sha256") != content.digest {
                throw broken("verify.upload", "the upload's SHA-256 is not the recorded one", path)
            }
            uploads.append(
                Verifier.SentUpload(
                    standing: scores.standing(of: site, plan), digest: content.digest, bytes: content.size))
        }
        return (uploads, leftOut.count, true)
    }

    // MARK: Presence, scores and weights

    func presence(_ tally: inout RoundTally) throws(Fault) {
        let path = StepKind.aggregate.record(round: round)
        let record = try record(.aggregate)
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
        let present = names.count
        tally.late += record["late"]?.elements?.count ?? 0
        for absence in try absent.get() {
            names.append(absence.site.name)
            tally.absent += 1
            let isRemote = declaration.sites.first { $0.id == absence.site }?.isRemote == true
            if absence.reason == "upload.late", declaration.deadline == nil || !isRemote {
                tally.faults.append(
                    broken(
                        "verify.presence", "\(absence.site) cannot be late: it is waited for without a deadline", path))
            }
            tally.faults += try check(absence, path)
        }
        if record["quorum"]?.int != declaration.quorum || (record["absent"] != nil) != (declaration.quorum != nil) {
            tally.faults.append(
                broken("verify.presence", "the quorum is recorded otherwise than the plan has it", path))
        }
        if (record["late"] != nil) != (declaration.deadline != nil) {
            tally.faults.append(
                broken(
                    "verify.presence", "late uploads are recorded where the plan has no deadline, or not with one", path
                ))
        }
        if let quorum = declaration.quorum, try record.list("weights").count < quorum {
            tally.faults.append(
                broken("verify.presence", "\(present) uploads were averaged where the quorum is \(quorum)", path))
        }
        if names.sorted() != declaration.sites.map(\.id.name).sorted() {
            tally.faults.append(
                broken(
                    "verify.presence",
                    "the round speaks of \(names.count) sites, the plan of \(declaration.sites.count)", path))
        }
    }

    /// A site that is recorded as absent has a reason and none of the files of the step that it did not end, nor of what follows.
    private func check(_ absence: Absence, _ path: String) throws(Fault) -> [Fault] {
        guard let first = StepKind.ofSite.firstIndex(of: absence.step), !absence.reason.isEmpty,
            1...Absence.tries ~= absence.attempts
        else {
            return [
                broken(
                    "verify.presence", "\(absence.site) is absent without a step, a reason and a count of tries", path)
            ]
        }
        var faults: [Fault] = []
        for step in StepKind.ofSite[first...] {
            let file = step.record(round: round, owner: absence.site.name)
            if try ledger.blob(file, of: commit.id) != nil {
                faults.append(broken("verify.presence", "\(absence.site) is recorded as absent and did \(step)", file))
            }
        }
        return faults
    }

    /// Every score is that of an upload of the round, on the validation records that the plan commits to.
    private func checkScores(_ uploads: [Verifier.SentUpload]) throws(Fault) -> [Fault] {
        let path = StepKind.score.record(round: round)
        guard try ledger.blob(path, of: commit.id) != nil else { return [] }
        let score = try record(.score)
        var faults: [Fault] = []
        if score["absent"] != (try record(.aggregate)["absent"]) {
            faults.append(broken("verify.presence", "score and aggregate name other absent sites", path))
        }
        if let validation = plan.inputs.datasets.first(where: { $0.role == .validation }),
            try score.digest("validation_commitment") != validation.commitment
        {
            faults.append(
                broken("verify.dataset", "uploads were scored on other records than the plan commits to", path))
        }
        let validation = plan.inputs.datasets.first { $0.role == .validation }
        let planned = declaration.scoring
        let stated = (try score.text("measure"), try score.text("loss_on"), try score.int("records"))
        if stated != (planned?.measure.rawValue ?? "", planned?.lossOn.rawValue ?? "", validation?.records ?? 0)
            || score["overlapping_documents"] != plan.inputs.overlapping(.validation, owner: "coordinator")
        {
            faults.append(broken("verify.score", "measure and records are not those of the plan", path))
        }
        var rows: [SiteID] = []
        for row in try score.list("scores") { rows.append(try row.site("site")) }
        if rows != declaration.sites.map(\.id).filter(Set(rows).contains) {
            faults.append(broken("verify.score", "the scores are not one a site, in site order", path))
        }
        faults += try checkLosses(score, path)
        var labels: Int?
        for row in try score.list("scores") where row["left_out"] == nil {
            let counted = try row.int("label_tokens")
            if counted != labels ?? counted || counted < 1 {
                faults.append(broken("verify.score", "the uploads were scored over different labels", path))
            }
            labels = counted
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
            let aggregation = declaration.aggregation
        else { return }
        let (uploads, leftOut, _) = try sent.get()
        tally.faults += try checkScores(uploads)
        let recomputed = try aggregation.weights(of: uploads.map(\.standing))
        let path = StepKind.aggregate.record(round: round)
        let rows = try record(.aggregate).list("weights")
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
        if try record(.aggregate).list("left_out").count != leftOut {
            tally.faults.append(
                broken("verify.weights", "the sites left out are not those whose uploads cannot be used", path))
        }
    }

    // MARK: Adapters

    func aggregates(_ tally: inout RoundTally) throws(Fault) {
        do {
            tally.faults += try Recomputation.compareAggregate(
                plan: plan, round: round, commit: commit, received: received.get(), ledger: ledger)
            tally.count += 1
        } catch {
            guard error.cause == .pruned else { throw error }
            tally.pruned += 1
        }
    }

    func starts(_ tally: inout RoundTally) throws(Fault) {
        let published: Digest
        if let previous {
            published = try globalDigest(of: previous)
        } else {
            let initial = try Recomputation.initial(plan, commit.id, ledger)
            published = Digest.sha256(AdapterFile.bytes(of: initial, precision: declaration.startPrecision))
        }
        let absent = try absent.get().filter { $0.step == .train }.map(\.site)
        for site in declaration.sites.map(\.id) where !absent.contains(site) {
            let start = try record(.train, site).object("input").digest("adapter_sha256")
            tally.count += 1
            let expected: Digest
            do {
                expected = try plan.startDigest(of: site, published: published) { () throws(Fault) in
                    try Recomputation.start(plan, round, commit.id, ledger)
                }
            } catch {
                // A start of another rank is cut from an adapter; where that is pruned, nothing can be cut.
                guard error.cause == .pruned else { throw error }
                continue
            }
            if start != expected {
                tally.faults.append(
                    broken("verify.start", "\(site) started round \(round) from \(start), not from \(expected)"))
            }
        }
        _ = try globalDigest(of: commit)
    }

    private func globalDigest(of commit: CommitRecord) throws(Fault) -> Digest {
        guard let global = try ledger.digest(of: RunPath.global, in: commit.id) else {
            throw .missingFile(RunPath.global, commit.id.hex)
        }
        return global.digest
    }
}
