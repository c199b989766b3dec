// Verification: every claim of a run's history that can be checked without the notes and without training again.

import Digests
import Faults
import Federation
import GitLedger
import ModelFiles
import Workflows

/// One check with its evidence.
public struct VerificationCheck: Sendable, Equatable {
    /// What is claimed, in a few words.
    public var claim: String
    /// What was looked at: counts, not opinions.
    public var evidence: String
    /// What is wrong; empty where the claim holds.
    public var faults: [Fault]

    /// Whether the claim holds.
    public var holds: Bool { faults.isEmpty }
}

/// The outcome of verifying a run.
public struct VerificationReport: Sendable, Equatable {
    /// The run.
    public var run: RunName
    /// The commit the main line stands at.
    public var tip: String
    /// The checks in the order in which they were made.
    public var checks: [VerificationCheck]
    /// Steps that have a commit, and how many the plan asks for.
    public var steps: (done: Int, planned: Int)
    /// Whether every commit carries a signature; signing comes with keys, so an unsigned run says so.
    public var isSigned: Bool

    /// Whether every claim holds.
    public var holds: Bool { checks.allSatisfy(\.holds) }

    /// Compares field by field.
    public static func == (left: Self, right: Self) -> Bool {
        left.run == right.run && left.tip == right.tip && left.checks == right.checks && left.steps == right.steps
            && left.isSigned == right.isSigned
    }
}

/// Verifies one run of a ledger. Reads only; needs no model, no notes and no network.
public struct Verifier {
    private let ledger: Ledger
    private let run: RunName
    private let tip: CommitID
    private let plan: Plan
    private let planBytes: [UInt8]
    /// Reads a workflow again, as the run did.
    private let declaration: FederationDeclaration

    /// Opens a run for verification. Throws `run.missing` or what is wrong with its plan.
    public init(run: RunName, ledger: Ledger) throws(Fault) {
        guard let tip = try ledger.tip(.main(run)) else { throw .runMissing(run, known: try ledger.runs()) }
        guard let bytes = try ledger.file(StepPaths.plan, of: tip) else { throw .missingFile(StepPaths.plan, tip.hex) }
        self.ledger = ledger
        self.run = run
        self.tip = tip
        self.planBytes = bytes
        self.plan = try Plan(json: JSONValue(parsing: bytes, at: Place(file: StepPaths.plan, commit: tip.hex)))
        self.declaration = plan.declaration
    }

    /// Makes every check. A fault inside one check is its result, so that one damaged object does not hide the others.
    public func report() -> VerificationReport {
        var checks: [VerificationCheck] = []
        var line: [CommitRecord] = []
        var sites: [CommitRecord] = []
        checks.append(check("every object reads and matches its id", objects))
        checks.append(
            check("the history is complete and in the planned order") { () throws(Fault) -> (String, [Fault]) in
                (line, sites) = try history()
                return order(line)
            })
        let all = line + sites
        checks.append(
            check("each commit adds its own step's files and changes nothing else") {
                () throws(Fault) -> (String, [Fault]) in
                try additions(line, sites)
            })
        checks.append(
            check("every commit's state digest and trailers hold") { () throws(Fault) -> (String, [Fault]) in
                try states(all)
            })
        checks.append(
            check("the plan never changed and follows from the workflow") { () throws(Fault) -> (String, [Fault]) in
                try planHolds(all)
            })
        checks.append(
            check("every upload is what its record says") { () throws(Fault) -> (String, [Fault]) in try uploads(line) }
        )
        checks.append(
            check("weights follow from sizes and scores") { () throws(Fault) -> (String, [Fault]) in try weights(line) }
        )
        checks.append(
            check("each global adapter is the recomputed average") { () throws(Fault) -> (String, [Fault]) in
                try aggregates(line)
            })
        checks.append(
            check("each round starts from the adapter the last one published") {
                () throws(Fault) -> (String, [Fault]) in try starts(line)
            })
        checks.append(
            check("metrics follow from their counts") { () throws(Fault) -> (String, [Fault]) in try metrics(line) })
        let planned = Self.plannedSteps(declaration).count
        return VerificationReport(
            run: run, tip: tip.hex, checks: checks, steps: (line.count, planned),
            isSigned: !all.isEmpty && all.allSatisfy { $0.signature != nil })
    }

    private func check(_ claim: String, _ body: () throws(Fault) -> (String, [Fault])) -> VerificationCheck {
        do {
            let (evidence, faults) = try body()
            return VerificationCheck(claim: claim, evidence: evidence, faults: faults)
        } catch {
            return VerificationCheck(claim: claim, evidence: "could not be finished", faults: [error])
        }
    }

    // MARK: Objects, order, states

    private func objects() throws(Fault) -> (String, [Fault]) {
        var tips = [tip]
        for site in declaration.sites.map(\.id) {
            if let tip = try ledger.tip(.site(run, site)) { tips.append(tip) }
        }
        let faults = try ledger.checkObjects(reachableFrom: tips)
        return ("\(tips.count) lines read to their roots", faults)
    }

    /// The main line from its root, and every site commit that the aggregates merged or that a site's line still holds.
    private func history() throws(Fault) -> (line: [CommitRecord], sites: [CommitRecord]) {
        var line: [CommitRecord] = []
        var next: CommitID? = tip
        while let id = next {
            let commit = try ledger.read(id)
            line.append(commit)
            next = commit.parents.first
        }
        line.reverse()
        let onLine = Set(line.map(\.id))
        var sites: [CommitRecord] = []
        var seen = onLine
        var heads = line.flatMap { $0.parents.dropFirst() }
        for site in declaration.sites.map(\.id) {
            if let tip = try ledger.tip(.site(run, site)) { heads.append(tip) }
        }
        for head in heads {
            var next: CommitID? = head
            while let id = next, !seen.contains(id) {
                seen.insert(id)
                let commit = try ledger.read(id)
                sites.append(commit)
                next = commit.parents.first
            }
        }
        return (line, sites)
    }

    /// What the main line of a finished run holds, as `round/step/owner`.
    static func plannedSteps(_ declaration: FederationDeclaration) -> [String] {
        var steps = ["0/plan/"]
        for round in declaration.roundNumbers {
            for step in declaration.steps {
                switch step {
                case .train, .upload: continue
                case .score, .aggregate: steps.append("\(round)/\(step.name)/")
                case .evaluate(let configuration):
                    guard configuration.runs(in: round, of: declaration.rounds) else { continue }
                    steps += configuration.cohorts.map { "\(round)/evaluate/\($0)" }
                }
            }
        }
        return steps
    }

    private func key(_ commit: CommitRecord) -> String {
        "\(commit.trailer("Round") ?? "?")/\(commit.trailer("Step") ?? "?")/\(commit.trailer("Site") ?? commit.trailer("Cohort") ?? "")"
    }

    private func order(_ line: [CommitRecord]) -> (String, [Fault]) {
        var faults: [Fault] = []
        let planned = Self.plannedSteps(declaration)
        for (index, commit) in line.enumerated() {
            let expected = index < planned.count ? planned[index] : "nothing"
            if key(commit) != expected {
                faults.append(
                    broken("verify.order", "the step \(key(commit)) stands where \(expected) was planned", commit))
                break
            }
            guard commit.trailer("Step") == "aggregate" else {
                if commit.parents.count > 1 {
                    faults.append(
                        broken(
                            "verify.order",
                            "a \(commit.trailer("Step") ?? "?") commit has \(commit.parents.count) parents", commit))
                }
                continue
            }
            faults += branches(of: commit, in: line)
        }
        return ("\(line.count) of \(planned.count) planned steps on the main line", faults)
    }

    /// An aggregate merges one upload commit a site in site order, each grown by train and upload from the round's start.
    private func branches(of merge: CommitRecord, in line: [CommitRecord]) -> [Fault] {
        let sites = declaration.sites.map(\.id)
        guard merge.parents.count == sites.count + 1 else {
            return [
                broken(
                    "verify.order",
                    "\(merge.parents.count - 1) site lines are merged where \(sites.count) sites take part", merge)
            ]
        }
        let round = merge.trailer("Round") ?? "?"
        let start = line.last { (Int($0.trailer("Round") ?? "") ?? .max) < (Int(round) ?? 0) }
        var faults: [Fault] = []
        for (site, id) in zip(sites, merge.parents.dropFirst()) {
            do {
                let upload = try ledger.read(id)
                guard key(upload) == "\(round)/upload/\(site)", let trainID = upload.parents.first else {
                    faults.append(
                        broken(
                            "verify.order", "\(key(upload)) is merged where \(round)/upload/\(site) was planned", upload
                        ))
                    continue
                }
                let train = try ledger.read(trainID)
                if key(train) != "\(round)/train/\(site)" || train.parents != [start?.id].compactMap({ $0 }) {
                    faults.append(
                        broken(
                            "verify.order",
                            "the upload of \(site) does not grow by one train step from the start of round \(round)",
                            train))
                }
            } catch { faults.append(error) }
        }
        return faults
    }

    /// A commit's tree is its first parent's with the files of its own step; an aggregate's takes over the merged sites' as well.
    ///
    /// Without this an earlier record could be rewritten in a later commit, and whoever reads the tip would be told something
    /// else than what was checked where it was made.
    private func additions(_ line: [CommitRecord], _ sites: [CommitRecord]) throws(Fault) -> (String, [Fault]) {
        var trees: [CommitID: [String: ObjectID]] = [:]
        func tree(_ id: CommitID) throws(Fault) -> [String: ObjectID] {
            if let known = trees[id] { return known }
            var files: [String: ObjectID] = [:]
            for entry in try ledger.files(of: id) { files[entry.path] = entry.blob }
            trees[id] = files
            return files
        }
        var faults: [Fault] = []
        for commit in line + sites {
            let step = commit.trailer("Step") ?? "?"
            let owner = commit.trailer("Site") ?? commit.trailer("Cohort")
            var expected = try commit.parents.first.map(tree) ?? [:]
            let found = try tree(commit.id)
            for (site, merged) in zip(declaration.sites.map(\.id), commit.parents.dropFirst()) {
                guard let round = commit.trailer("Round").flatMap({ Int($0) }) else { continue }
                let folders = ["train", "upload"].map {
                    StepPaths.folder(round: round, step: $0, owner: site.name) + "/"
                }
                for (path, blob) in try tree(merged) where folders.contains(where: path.hasPrefix) {
                    expected[path] = blob
                }
            }
            var own: Set<String> = [StepPaths.plan, StepPaths.workflow, StepPaths.template]
            if let round = commit.trailer("Round").flatMap({ Int($0) }), step != "plan" {
                let folder = StepPaths.folder(round: round, step: step, owner: owner)
                own = ["\(folder)/record.json", "\(folder)/timing.json"]
                if step == "aggregate" { own.insert(StepPaths.global) }
                if step == "upload" { own.insert("\(folder)/adapter.safetensors") }
            }
            for path in Set(expected.keys).union(found.keys).sorted()
            where expected[path] != found[path] && !own.contains(path) {
                let what = found[path] == nil ? "takes away" : expected[path] == nil ? "adds" : "changes"
                faults.append(
                    broken(
                        "verify.foreign-change", "the \(step) commit \(what) \(path), which is none of its files",
                        commit, path))
            }
        }
        return ("\(line.count + sites.count) commits compared with their parents", faults)
    }

    private func states(_ commits: [CommitRecord]) throws(Fault) -> (String, [Fault]) {
        var faults: [Fault] = []
        for commit in commits {
            let recomputed = try ledger.stateDigest(of: commit.id)
            if commit.trailer("State-SHA256") != recomputed.hex {
                faults.append(
                    broken(
                        "verify.state",
                        "State-SHA256 is \(commit.trailer("State-SHA256") ?? "missing"), recomputed \(recomputed)",
                        commit))
            }
            if commit.trailer("Run") != run.name {
                faults.append(
                    broken("verify.run", "the commit belongs to the run \(commit.trailer("Run") ?? "?")", commit))
            }
        }
        return ("\(commits.count) commits", faults)
    }

    private func planHolds(_ commits: [CommitRecord]) throws(Fault) -> (String, [Fault]) {
        var faults: [Fault] = []
        let digest = Digest.sha256(planBytes)
        for commit in commits {
            if commit.trailer("Plan-SHA256") != digest.hex {
                faults.append(
                    broken(
                        "verify.plan",
                        "Plan-SHA256 is \(commit.trailer("Plan-SHA256") ?? "missing"), the plan's is \(digest)", commit)
                )
            }
            if try ledger.file(StepPaths.plan, of: commit.id) != planBytes {
                faults.append(broken("verify.plan", "the plan is not the one of the run's tip", commit))
            }
        }
        guard let workflow = try ledger.file(StepPaths.workflow, of: tip) else {
            throw .missingFile(StepPaths.workflow, tip.hex)
        }
        if Digest.sha256(workflow) != plan.inputs.workflowDigest {
            faults.append(brokenTip("verify.workflow", "workflow.yaml is not the file the plan names by digest"))
        }
        guard let template = try ledger.file(StepPaths.template, of: tip) else {
            throw .missingFile(StepPaths.template, tip.hex)
        }
        if Digest.sha256(template) != plan.inputs.templateDigest {
            faults.append(brokenTip("verify.template", "template.yaml is not the file the plan names by digest"))
        }
        do {
            if try PlanMaker.declaration(workflow: workflow, file: StepPaths.workflow, overrides: plan.overrides)
                != declaration
            {
                faults.append(
                    brokenTip("verify.plan", "the workflow with its overrides does not resolve to the committed plan"))
            }
        } catch {
            faults += error.faults
        }
        return (
            "plan \(digest.hex.prefix(12)) in \(commits.count) commits; workflow read again with \(plan.overrides.count) overrides",
            faults
        )
    }

    // MARK: Uploads, weights, adapters

    private func rounds(_ line: [CommitRecord]) -> [(round: Int, commit: CommitRecord)] {
        line.filter { $0.trailer("Step") == "aggregate" }.compactMap { commit in
            commit.trailer("Round").flatMap { Int($0) }.map { ($0, commit) }
        }
    }

    private func received(_ round: Int, _ commit: CommitRecord) throws(Fault) -> (
        uploads: [ReceivedUpload], leftOut: [LeftOut]
    ) {
        try UploadStep.received(
            round: round, sites: declaration.sites.map(\.id), declaration: declaration,
            sizes: plan.inputs.model.sizes,
            scoreRecord: try ledger.file(StepPaths.record(round: round, step: "score"), of: commit.id)
        ) { (_: SiteID, path: String) throws(Fault) -> [UInt8]? in try ledger.file(path, of: commit.id) }
    }

    private func record(_ path: String, _ commit: CommitRecord) throws(Fault) -> RecordReader {
        guard let bytes = try ledger.file(path, of: commit.id) else { throw .missingFile(path, commit.id.hex) }
        return try RecordReader(parsing: bytes, path: path, commit: commit.id.hex)
    }

    private func uploads(_ line: [CommitRecord]) throws(Fault) -> (String, [Fault]) {
        var faults: [Fault] = []
        var count = 0
        var bytes = 0
        for (round, commit) in rounds(line) {
            let (uploads, _) = try received(round, commit)
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
        return ("\(count) uploads, \(Figures.bytes(bytes)), shapes and values finite", faults)
    }

    /// What a train record says of its settings and its size is what the plan says.
    private func checkSettings(_ train: RecordReader, of site: SiteID, _ commit: CommitRecord) throws(Fault) -> [Fault]
    {
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
    private func checkScores(_ round: Int, _ uploads: [ReceivedUpload], _ commit: CommitRecord) throws(Fault) -> [Fault]
    {
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

    private func weights(_ line: [CommitRecord]) throws(Fault) -> (String, [Fault]) {
        var faults: [Fault] = []
        var count = 0
        for (round, commit) in rounds(line) {
            guard
                let rule = declaration.steps.compactMap({ if case .aggregate(let rule) = $0 { rule } else { nil } })
                    .first
            else { continue }
            let (uploads, leftOut) = try received(round, commit)
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
            if try record(path, commit).list("left_out").count != leftOut.count {
                faults.append(
                    broken(
                        "verify.weights", "the sites left out are not those whose uploads cannot be used", commit, path)
                )
            }
        }
        return ("\(count) weights recomputed", faults)
    }

    private func aggregates(_ line: [CommitRecord]) throws(Fault) -> (String, [Fault]) {
        var faults: [Fault] = []
        let aggregates = rounds(line)
        for (round, commit) in aggregates {
            faults += try Replayer.compareAggregate(plan: plan, round: round, commit: commit, ledger: ledger)
        }
        return ("\(aggregates.count) averages recomputed bit for bit", faults)
    }

    private func starts(_ line: [CommitRecord]) throws(Fault) -> (String, [Fault]) {
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
            guard let bytes = try ledger.file(StepPaths.global, of: commit.id) else {
                throw .missingFile(StepPaths.global, commit.id.hex)
            }
            published = Digest.sha256(bytes)
        }
        return ("\(count) train steps", faults)
    }

    private func metrics(_ line: [CommitRecord]) throws(Fault) -> (String, [Fault]) {
        var faults: [Fault] = []
        var count = 0
        for commit in line where commit.trailer("Step") == "evaluate" {
            guard let round = commit.trailer("Round").flatMap({ Int($0) }), let cohort = commit.trailer("Cohort") else {
                continue
            }
            let path = StepPaths.record(round: round, step: "evaluate", owner: cohort)
            let record = try record(path, commit)
            count += 1
            if let fault = try EvaluateStep.recheck(record) {
                faults.append(broken("verify.metrics", fault, commit, path))
            }
            if let test = plan.inputs.datasets.first(where: { $0.role == .test && $0.owner == cohort }) {
                let counts = [
                    try record.int("records"), try record.int("documents"), try record.int("truncated_records"),
                    try record.object("scores").int("records"),
                ]
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
                guard let bytes = try ledger.file(StepPaths.global, of: commit.id) else {
                    throw .missingFile(StepPaths.global, commit.id.hex)
                }
                if try record.object("input").digest("adapter_sha256") != Digest.sha256(bytes) {
                    faults.append(
                        broken(
                            "verify.metrics", "\(cohort) was evaluated with another adapter than the published one",
                            commit, path))
                }
            }
        }
        return ("\(count) evaluations", faults)
    }

    private func broken(_ code: String, _ what: String, _ commit: CommitRecord, _ file: String? = nil) -> Fault {
        Fault(
            .mismatch, code, what, at: Place(file: file, commit: commit.id.hex),
            mend: "Compare with another copy of the ledger; this one cannot be relied on from this commit on.")
    }
    private func brokenTip(_ code: String, _ what: String) -> Fault {
        Fault(
            .mismatch, code, what, at: Place(commit: tip.hex),
            mend: "Compare with another copy of the ledger; this one cannot be relied on.")
    }
}
