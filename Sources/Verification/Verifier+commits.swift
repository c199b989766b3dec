// Each commit by itself: that the program wrote it, its trailers, its state, and the plan that it names.

import Digests
import Faults
import Federation
import GitLedger
import RunRecords
import Workflows

extension Verifier {
    /// A commit is one that the program writes, with the trailers of its step and no other: a message is read by people too, and could
    /// say anything.
    func messages(_ commits: ArraySlice<CommitRecord>) throws(Fault) -> [Fault] {
        var faults: [Fault] = []
        for commit in commits {
            let isOurs = commit.trailers.map(\.key) == commit.kind?.rules.trailers && commit.author == RunCommit.author
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
                    broken("verify.state", "State-SHA256 is not the recomputed \(recomputed)", commit))
            }
            if commit.trailer("Run") != run.name {
                faults.append(broken("verify.run", "the commit does not belong to the run \(run)", commit))
            }
        }
        return ("\(commits.count) commits", faults)
    }

    /// Every commit names the plan; those of the main line hold it, those of the sites and what is published hold what sites see of it. What
    /// comes before the plan names the call.
    func plans(_ commits: ArraySlice<CommitRecord>) throws(Fault) -> [Fault] {
        var faults: [Fault] = []
        let blob = try ledger.blob(RunPath.plan, of: tip)
        let published = try PublishedLine(of: run, in: ledger)
        let view = try published?.publishes.first.map { (commit) throws(Fault) in
            try ledger.blob(RunPath.plan, of: commit.id)
        }
        let call = try published?.callDigest(ledger)
        for commit in commits {
            if commit.kind == .call || commit.kind == .part {
                if commit.trailer("Call-SHA256") != call?.hex {
                    faults.append(broken("verify.plan", "Call-SHA256 is not the digest of the call", commit))
                }
                continue
            }
            if commit.trailer("Plan-SHA256") != planDigest.hex {
                faults.append(broken("verify.plan", "Plan-SHA256 is not the plan's \(planDigest)", commit))
            }
            let isMain = commit.kind?.rules.line == .main
            if try ledger.blob(RunPath.plan, of: commit.id) != (isMain ? blob : view) {
                faults.append(
                    broken("verify.plan", "the plan is not the one of the run's \(isMain ? "tip" : "publish")", commit))
            }
        }
        return faults
    }

    func planHolds(_ history: RunHistoryFound, _ plans: [Fault]) throws(Fault) -> (String, [Fault]) {
        var faults = plans
        if let first = history.line.first,
            first.subject != RunCommit.planSubject(declaration) || first.body != RunCommit.planBody(declaration)
        {
            faults.append(broken("verify.subject", "the first commit's message is not what the plan says", first))
        }
        if plan.json.canonical != planBytes {
            faults.append(brokenTip("verify.plan", "plan.json is not written as this program writes it"))
        }
        faults += freeText()
        faults += try fromParts(history)
        guard let template = try ledger.file(RunPath.template, of: tip) else {
            throw .missingFile(RunPath.template, tip.hex)
        }
        for site in try calledInVain() where try ledger.tip(.answers(run, site)) != nil {
            let isSigned = history.all.contains { $0.signature != nil }
            faults += try Self.receivedPart(
                run, site, isSigned: isSigned, ledger: ledger, now: Int64.max - Self.mostAhead)
        }
        if Digest.sha256(template) != plan.inputs.templateDigest {
            faults.append(brokenTip("verify.template", "template.yaml is not the file the plan names by digest"))
        }
        let words = "plan \(planDigest.hex.prefix(12)) in \(history.all.count) commits"
        if isSiteView { return ("\(words), as sites see it", faults) }
        guard let workflow = try ledger.file(RunPath.workflow, of: tip) else {
            throw .missingFile(RunPath.workflow, tip.hex)
        }
        if Digest.sha256(workflow) != plan.inputs.workflowDigest {
            faults.append(brokenTip("verify.workflow", "workflow.yaml is not the file the plan names by digest"))
        }
        do {
            let out = plan.inputs.leftOut.map(\.site)
            let whole = try PlanMaker.declaration(
                workflow: workflow, file: RunPath.workflow, overrides: plan.overrides)
            // Who is left out is a site of the workflow, in its order, and only where the workflow has a quorum, which the others meet.
            if out != whole.sites.map(\.id).filter(out.contains)
                || declaration.sites.count < declaration.quorum ?? (out.isEmpty ? 0 : .max)
            {
                faults.append(
                    brokenTip(
                        "verify.plan",
                        "the plan leaves out \(out.count) sites that the workflow does not let it leave out"))
            }
            faults += try lateParts(whole)
            if whole.without(out) != declaration {
                faults.append(
                    brokenTip("verify.plan", "the workflow with its overrides does not resolve to the committed plan"))
            }
        } catch {
            faults += error.faults
        }
        return ("\(words); workflow read again with \(plan.overrides.count) overrides", faults)
    }

    /// A site is left out for its late part only under a deadline and on another machine, where nothing else is known of its notes; and the call
    /// is that of the workflow with it.
    private func lateParts(_ whole: FederationDeclaration) throws(FaultReport) -> [Fault] {
        let late = plan.late
        let remote = Set(whole.sites.filter(\.isRemote).map(\.id))
        var asked = plan
        asked.declaration = whole.without(plan.inputs.leftOut.map(\.site).filter { !late.contains($0) })
        do throws(Fault) {
            let call = try PublishedLine(of: run, in: ledger)?.call
            if plan.inputs.leftOut.contains(where: { remote.contains($0.site) != (late.contains($0.site)) })
                || (!late.isEmpty && declaration.deadline == nil)
            {
                return [brokenTip("verify.plan", "the plan leaves out a site as late that nobody waited for")]
            }
            guard !late.isEmpty, let call,
                try ledger.file(RunPath.call, of: call.id) != PublishStep.call(asked).canonical
            else { return [] }
            return [
                broken(
                    "verify.call", "the call asks for something else than the workflow with the sites left out", call,
                    RunPath.call)
            ]
        } catch { throw FaultReport([error]) }
    }

    /// The call asks for what the plan asks for, and the plan says of each site what its part says.
    private func fromParts(_ history: RunHistoryFound) throws(Fault) -> [Fault] {
        var faults: [Fault] = []
        if let call = history.published.first {
            // A site's copy holds what sites see, whose call is the same.
            if try !isAsked(by: call) {
                faults.append(
                    broken("verify.call", "the call asks for something else than the plan", call, RunPath.call))
            }
            if try ledger.file(RunPath.template, of: call.id) != ledger.file(RunPath.template, of: tip) {
                faults.append(broken("verify.call", "the call's template is not the plan's", call, RunPath.template))
            }
        }
        for part in history.parts {
            guard let site = part.owner.flatMap(SiteID.init), let bytes = try ledger.file(RunPath.part, of: part.id)
            else {
                throw .missingFile(RunPath.part, part.id.hex)
            }
            let said = try PlanPart(json: JSONValue(parsing: bytes, at: Place(file: RunPath.part, commit: part.id.hex)))
            let held =
                isSiteView
                ? plan.call.completed(with: [said]).view.inputs.datasets
                    == plan.inputs.datasets.filter { $0.owner == site.name } && said.difference(from: plan.call) == nil
                : said == PlanPart(of: site, in: plan)
            if said.site != site || !held {
                faults.append(
                    broken("verify.part", "the plan says of \(site) what its part does not", part, RunPath.part))
            }
        }
        return faults
    }

    /// Whether a call asks for what the plan asks for. A site's copy holds what sites see, whose call is the same.
    private func isAsked(by call: CommitRecord) throws(Fault) -> Bool {
        let bytes = try ledger.file(RunPath.call, of: call.id)
        if bytes == PublishStep.call(plan).canonical { return true }
        guard declaration.deadline != nil, let called = try calledPlan(), bytes == PublishStep.call(called).canonical
        else {
            return false
        }
        // Who is left out of a site's copy of the plan is known to the coordinator.
        return plan.isAnswer(to: called) && (isSiteView || plan.missing(from: called) == plan.late)
    }

    /// What the call asks for; nil where it cannot be read.
    func calledPlan() throws(Fault) -> Plan? {
        guard let published = try PublishedLine(of: run, in: ledger) else { return nil }
        do { return try published.called(ledger) } catch { return nil }
    }

    /// The sites that a site's copy calls and leaves out of the plan, and whose own part it may hold.
    func calledInVain() throws(Fault) -> [SiteID] {
        guard isSiteView, declaration.deadline != nil, let called = try calledPlan() else { return [] }
        return plan.missing(from: called)
    }

    /// Texts of the plan that neither the workflow nor an override says: the engine's version, the model's name and the labels.
    private func freeText() -> [Fault] {
        var faults: [Fault] = []
        let version = plan.inputs.engineVersion.utf8
        if version.count > 16 || !version.allSatisfy({ $0 == 0x2e || (0x30...0x39).contains($0) }) {
            faults.append(brokenTip("verify.plan", "the engine's version is no version"))
        }
        let base = declaration.model.base.split(separator: "/").last.map(String.init) ?? ""
        if plan.inputs.model.name != base {
            faults.append(brokenTip("verify.plan", "the model's name is not the one that the workflow asks for"))
        }
        if let types = names.types {
            for dataset in plan.inputs.datasets where !types.isSuperset(of: dataset.labels.keys) {
                faults.append(brokenTip("verify.plan", "a data set counts labels that the template does not name"))
            }
        }
        return faults
    }
}
