// The shape of a history: objects, order, state digests, what each commit may change, and the plan.

import Digests
import Faults
import Federation
import GitLedger
import ModelFiles
import Workflows

extension Verifier {
    func objects() throws(Fault) -> (found: (String, [Fault]), states: [CommitID: Digest]) {
        var tips = [tip]
        for site in declaration.sites.map(\.id) {
            if let tip = try ledger.tip(.site(run, site)) { tips.append(tip) }
            if let tip = try ledger.tip(.answers(run, site)) { tips.append(tip) }
        }
        if let identities { tips.append(identities.tip) }
        if let pruned = try ledger.tip(.pruned) { tips.append(pruned) }
        let (faults, states) = try ledger.check(reachableFrom: tips)
        let pruned = try ledger.prunedCount()
        let evidence =
            "\(tips.count) lines read to their roots"
            + (pruned == 0 ? "" : "; \(pruned) adapters pruned, none missing")
        return ((evidence, faults), states)
    }

    /// The main line from its root, and every site commit that the aggregates merged or that a site's line still holds; where a
    /// commit cannot be read, what leads to it, with the fault.
    func history() throws(Fault) -> (line: [CommitRecord], sites: [CommitRecord], faults: [Fault]) {
        var faults: [Fault] = []
        /// The next commit of a chain, or nil with a fault at the commit that names it.
        func read(_ id: CommitID, after child: CommitRecord?) -> CommitRecord? {
            do {
                return try ledger.read(id)
            } catch {
                let what = "\(id) cannot be read: \(error.what)"
                faults.append(
                    child.map { broken("verify.order", "its parent \(what)", $0) } ?? brokenTip("verify.order", what))
                return nil
            }
        }
        var line: [CommitRecord] = []
        var next: CommitID? = tip
        while let id = next, let commit = read(id, after: line.last) {
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
            var child: CommitRecord?
            while let id = next, !seen.contains(id), let commit = read(id, after: child) {
                seen.insert(id)
                sites.append(commit)
                child = commit
                next = commit.parents.first
            }
        }
        return (line, sites, faults)
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

    func key(_ commit: CommitRecord) -> String {
        "\(commit.trailer("Round") ?? "?")/\(commit.trailer("Step") ?? "?")/\(commit.trailer("Site") ?? commit.trailer("Cohort") ?? "")"
    }

    func order(_ line: [CommitRecord]) -> (String, [Fault]) {
        var faults: [Fault] = []
        let planned = Self.plannedSteps(declaration)
        let starts = starts(of: line)
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
            faults += branches(of: commit, starts)
        }
        return ("\(line.count) of \(planned.count) planned steps on the main line", faults)
    }

    /// The commit with which each round begins: the last one of an earlier round.
    private func starts(of line: [CommitRecord]) -> [Int: CommitID] {
        var last: [Int: Int] = [:]
        for (index, commit) in line.enumerated() {
            if let round = commit.trailer("Round").flatMap({ Int($0) }) { last[round] = index }
        }
        var starts: [Int: CommitID] = [:]
        var latest: Int?
        for (round, index) in last.sorted(by: { $0.key < $1.key }) {
            if let latest { starts[round] = line[latest].id }
            latest = max(latest ?? index, index)
        }
        return starts
    }

    /// A site's line stands at its last merged upload, or has grown from the start of the round that is not merged yet by a train and an
    /// upload step. Anything else was rolled back, forked or taken from another run.
    func siteLines(_ line: [CommitRecord]) throws(Fault) -> [Fault] {
        let merges = rounds(line)
        let onLine = Set(line.map(\.id))
        let next = (merges.last?.round ?? 0) + 1
        // The commit with which that round begins: the last one of an earlier round.
        let start = line.last { (Int($0.trailer("Round") ?? "") ?? .max) < next }?.id
        var faults: [Fault] = []
        var lastMerged: [String: CommitID] = [:]
        for merge in merges {
            for id in merge.commit.parents.dropFirst() {
                if let site = try ledger.read(id).trailer("Site") { lastMerged[site] = id }
            }
        }
        for site in declaration.sites.map(\.id) {
            let merged = lastMerged[site.name]
            guard let tip = try ledger.tip(.site(run, site)) else {
                if let merged {
                    faults.append(
                        brokenTip("verify.order", "the line of \(site) is gone; \(merged) was merged from it"))
                }
                continue
            }
            if tip == merged { continue }
            var steps: [String] = []
            var commit = try ledger.read(tip)
            while steps.count <= 2, !onLine.contains(commit.id) {
                steps.insert(key(commit), at: 0)
                guard let parent = commit.parents.first else { break }
                commit = try ledger.read(parent)
            }
            let planned = ["\(next)/train/\(site)", "\(next)/upload/\(site)"]
            if commit.id != start || steps.isEmpty || steps != Array(planned.prefix(steps.count)) {
                faults.append(
                    broken(
                        "verify.order",
                        "the line of \(site) stands neither at its last merged upload nor at a step of round \(next)",
                        try ledger.read(tip)))
            }
        }
        return faults
    }

    /// An aggregate merges one upload commit a site in site order, each grown by train and upload from the round's start.
    func branches(of merge: CommitRecord, _ starts: [Int: CommitID]) -> [Fault] {
        let round = merge.trailer("Round") ?? "?"
        var absent: [SiteID: Absence] = [:]
        do {
            for absence in try Replayer.absences(plan, Int(round) ?? 0, merge.id, ledger) ?? [] {
                absent[absence.site] = absence
            }
        } catch { return [error] }
        // An absent site that ended its training has a line to merge all the same.
        let sites = declaration.sites.map(\.id).filter { absent[$0]?.step != "train" }
        guard merge.parents.count == sites.count + 1 else {
            return [
                broken(
                    "verify.order",
                    "\(merge.parents.count - 1) site lines are merged where \(sites.count) sites take part", merge)
            ]
        }
        let start = Int(round).flatMap { starts[$0] }
        var faults: [Fault] = []
        for (site, id) in zip(sites, merge.parents.dropFirst()) {
            do {
                let last = try ledger.read(id)
                let step = absent[site] == nil ? "upload" : "train"
                guard key(last) == "\(round)/\(step)/\(site)", let parent = last.parents.first else {
                    faults.append(
                        broken(
                            "verify.order", "\(key(last)) is merged where \(round)/\(step)/\(site) was planned", last
                        ))
                    continue
                }
                let train = try absent[site] == nil ? ledger.read(parent) : last
                if key(train) != "\(round)/train/\(site)" || train.parents != [start].compactMap({ $0 }) {
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
    func additions(
        _ commits: ArraySlice<CommitRecord>, _ changes: [CommitID: [FileDifference]]
    ) throws(Fault) -> [Fault] {
        var faults: [Fault] = []
        for commit in commits {
            let step = commit.trailer("Step") ?? "?"
            let owner = commit.trailer("Site") ?? commit.trailer("Cohort")
            let round = commit.trailer("Round").flatMap { Int($0) }
            // What the merged sites' folders hold is to be there as it is.
            var merged: [String: ObjectID] = [:]
            if let round {
                for id in commit.parents.dropFirst() {
                    guard let site = try ledger.read(id).trailer("Site") else { continue }
                    for step in ["train", "upload"] {
                        let folder = StepPaths.folder(round: round, step: step, owner: site)
                        for file in try ledger.files(of: id, below: folder) { merged[file.path] = file.blob }
                    }
                }
            }
            var own: Set<String> = [StepPaths.plan, StepPaths.workflow, StepPaths.template]
            if let round, step != "plan" {
                let folder = StepPaths.folder(round: round, step: step, owner: owner)
                own = ["\(folder)/record.json", "\(folder)/timing.json"]
                if step == "aggregate" { own.insert(StepPaths.global) }
                if step == "upload" { own.insert("\(folder)/adapter.safetensors") }
            }
            for (path, blob) in merged.sorted(by: { $0.key < $1.key })
            where try ledger.blob(path, of: commit.id) != blob {
                faults.append(
                    broken(
                        "verify.foreign-change", "the \(step) commit changes \(path) of the line that it merges",
                        commit,
                        path))
            }
            for change in changes[commit.id] ?? [] where merged[change.path] == nil && !own.contains(change.path) {
                let what = change.new == nil ? "takes away" : change.old == nil ? "adds" : "changes"
                faults.append(
                    broken(
                        "verify.foreign-change",
                        "the \(step) commit \(what) \(change.path), which is none of its files", commit, change.path))
            }
        }
        return faults
    }

    /// What each commit's tree holds otherwise than its first parent's.
    func changes(_ commits: ArraySlice<CommitRecord>) throws(Fault) -> [CommitID: [FileDifference]] {
        var found: [CommitID: [FileDifference]] = [:]
        for commit in commits { found[commit.id] = try ledger.differences(from: commit.parents.first, to: commit.id) }
        return found
    }

    /// A commit is one that the program writes, with the trailers of its step and no other: a message is read by people too, and could
    /// say anything.
    func messages(_ commits: ArraySlice<CommitRecord>) throws(Fault) -> [Fault] {
        var faults: [Fault] = []
        for commit in commits {
            let step = commit.trailer("Step") ?? ""
            let owner = ["train", "upload"].contains(step) ? ["Site"] : step == "evaluate" ? ["Cohort"] : []
            let keys = ["Run", "Round", "Step"] + owner + ["Plan-SHA256", "State-SHA256"]
            let isOurs = commit.trailers.map(\.key) == keys && commit.author == Runner.author
            let isWritten = try ledger.isAsWritten(commit.id)
            if !isOurs || !isWritten {
                faults.append(
                    broken("verify.message", "the commit has other headers, trailers or people than a run's", commit))
            }
        }
        return faults
    }

    /// `known` holds the states that were computed while every object was read.
    func states(_ commits: [CommitRecord], _ known: [CommitID: Digest]) throws(Fault) -> (String, [Fault]) {
        var faults: [Fault] = []
        for commit in commits {
            let recomputed: Digest
            if let state = known[commit.id] {
                recomputed = state
            } else {
                recomputed = try ledger.stateDigest(of: commit.id)
            }
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

    /// Every commit stands on the plan that the tip holds.
    func plans(_ commits: ArraySlice<CommitRecord>) throws(Fault) -> [Fault] {
        var faults: [Fault] = []
        let digest = Digest.sha256(planBytes)
        let blob = try ledger.blob(StepPaths.plan, of: tip)
        for commit in commits {
            if commit.trailer("Plan-SHA256") != digest.hex {
                faults.append(
                    broken(
                        "verify.plan",
                        "Plan-SHA256 is \(commit.trailer("Plan-SHA256") ?? "missing"), the plan's is \(digest)", commit)
                )
            }
            if try ledger.blob(StepPaths.plan, of: commit.id) != blob {
                faults.append(broken("verify.plan", "the plan is not the one of the run's tip", commit))
            }
        }
        return faults
    }

    func planHolds(_ first: CommitRecord?, _ commits: Int, _ plans: [Fault]) throws(Fault) -> (String, [Fault]) {
        var faults = plans
        let digest = Digest.sha256(planBytes)
        if let first,
            first.subject != "plan \(declaration.name): \(Runner.outline(declaration))"
                || first.body != declaration.summary.split(separator: "\n").joined(separator: "\n")
        {
            faults.append(broken("verify.subject", "the first commit's message is not what the plan says", first))
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
            "plan \(digest.hex.prefix(12)) in \(commits) commits; workflow read again with \(plan.overrides.count) overrides",
            faults
        )
    }
}
