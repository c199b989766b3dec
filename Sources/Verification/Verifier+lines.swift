// The lines of a run against its table: which commits there may be, in which order, with which parents.

import Faults
import Federation
import GitLedger
import RunRecords

/// The commits of a run as its refs reach them.
struct RunHistoryFound: Sendable {
    /// The main line from its root.
    var line: [CommitRecord] = []
    /// Every commit of the sites' lines, each once.
    var sites: [CommitRecord] = []
    /// What could not be read.
    var unreadable: [Fault] = []
    /// The last commit of an earlier round, by round: where the round's training starts.
    private(set) var starts: [Int: CommitID] = [:]

    package var all: [CommitRecord] { line + sites }

    /// `rounds` are those of the plan.
    mutating func findStarts(_ rounds: ClosedRange<Int>) {
        var last: CommitID?
        var round = 0
        for commit in line {
            guard let next = commit.round else { break }
            while round < next {
                round += 1
                if let last { starts[round] = last }
            }
            last = commit.id
        }
        // The round that has begun at the sites and not yet on the main line.
        if let last, rounds.contains(round + 1), starts[round + 1] == nil { starts[round + 1] = last }
    }
}

extension Verifier {
    /// The main line from its root, and every site commit that the aggregates merged or that a site's line still holds; where a
    /// commit cannot be read, what leads to it, with the fault.
    func history() throws(Fault) -> RunHistoryFound {
        var found = RunHistoryFound()
        /// The next commit of a chain, or nil with a fault at the commit that names it.
        func read(_ id: CommitID, after child: CommitRecord?) -> CommitRecord? {
            do {
                return try ledger.read(id)
            } catch {
                let what = "\(id) cannot be read: \(error.what)"
                found.unreadable.append(
                    child.map { broken("verify.order", "its parent \(what)", $0) } ?? brokenTip("verify.order", what))
                return nil
            }
        }
        var next: CommitID? = tip
        while let id = next, let commit = read(id, after: found.line.last) {
            found.line.append(commit)
            next = commit.parents.first
        }
        found.line.reverse()
        var seen = Set(found.line.map(\.id))
        var heads = found.line.flatMap { $0.parents.dropFirst() }
        for site in declaration.sites.map(\.id) {
            if let tip = try ledger.tip(.site(run, site)) { heads.append(tip) }
        }
        for head in heads {
            var next: CommitID? = head
            var child: CommitRecord?
            while let id = next, !seen.contains(id), let commit = read(id, after: child) {
                seen.insert(id)
                found.sites.append(commit)
                child = commit
                next = commit.parents.first
            }
        }
        found.findStarts(declaration.roundNumbers)
        return found
    }

    /// The main line against the table, and every commit's parents.
    func order(_ history: RunHistoryFound) throws(Fault) -> Finding {
        let planned = RunTable.mainLine(declaration)
        let line = history.line
        var finding = Finding(
            evidence: (isSiteView ? "a site's copy: " : "")
                + "\(line.count) of \(planned.count) planned steps on the main line, "
                + "\(history.sites.count) commits on the sites' lines, each with exactly its parents",
            faults: history.unreadable)
        for (index, commit) in line.enumerated() {
            let expected = index < planned.count ? planned[index] : nil
            if commit.step == nil || commit.step != expected {
                finding.faults.append(
                    broken(
                        "verify.order",
                        "the commit is \(Self.name(commit)) where \(expected?.description ?? "nothing more") was planned",
                        commit))
                break
            }
            if commit.kind == .aggregate {
                finding.faults += branches(of: commit, after: line[index - 1].id, history)
            } else if commit.parents != (index > 0 ? [line[index - 1].id] : []) {
                finding.faults.append(
                    broken(
                        "verify.order",
                        "the commit has \(commit.parents.count) parents where \(index > 0 ? "the step before it alone was planned" : "none was planned")",
                        commit))
            }
        }
        for commit in history.sites { finding.faults += try parents(of: commit, history) }
        if history.unreadable.isEmpty { finding.faults += try siteLines(history) }
        return finding
    }

    /// A commit of a site has the one parent that the table gives.
    private func parents(of commit: CommitRecord, _ history: RunHistoryFound) throws(Fault) -> [Fault] {
        guard let step = commit.step, StepKind.ofSite.contains(step.kind),
            declaration.roundNumbers.contains(step.round),
            declaration.sites.contains(where: { $0.id.name == step.owner })
        else {
            return [
                broken("verify.order", "a site's line holds \(Self.name(commit)), which no plan asks of a site", commit)
            ]
        }
        let isRight: Bool
        switch step.kind.rules.parents {
        case .roundStart:
            isRight = commit.parents == [history.starts[step.round]].compactMap { $0 } && !commit.parents.isEmpty
        case .train:
            let parent = try commit.parents.first.map { (id) throws(Fault) in try ledger.read(id).step }
            isRight = commit.parents.count == 1 && parent == PlannedStep(step.round, .train, step.owner)
        case .none, .before, .beforeAndSites, .beforeOrPlan: isRight = false
        }
        if isRight { return [] }
        return [
            broken(
                "verify.order",
                "\(step) has other parents than \(step.kind.rules.parents == .train ? "the site's train commit" : "the start of its round")",
                commit)
        ]
    }

    /// An aggregate's parents: the main line, then one commit a site in site order.
    private func branches(of merge: CommitRecord, after before: CommitID, _ history: RunHistoryFound) -> [Fault] {
        guard let round = merge.round else { return [] }
        do {
            var absent: [SiteID: Absence] = [:]
            for absence in try Recomputation.absences(plan, round, merge.id, ledger) ?? [] {
                absent[absence.site] = absence
            }
            // An absent site that ended its training has a line to merge all the same.
            let sites = declaration.sites.map(\.id).filter { absent[$0]?.step != .train }
            guard merge.parents.first == before, merge.parents.count == sites.count + 1 else {
                return [
                    broken(
                        "verify.order",
                        "\(merge.parents.count - 1) site lines are merged where \(sites.count) sites take part", merge)
                ]
            }
            var faults: [Fault] = []
            for (site, id) in zip(sites, merge.parents.dropFirst()) {
                let last = try ledger.read(id)
                let expected = PlannedStep(round, absent[site] == nil ? .upload : .train, site.name)
                if last.step != expected {
                    faults.append(
                        broken("verify.order", "\(Self.name(last)) is merged where \(expected) was planned", merge))
                }
            }
            return faults
        } catch { return [error] }
    }

    /// A site's line is at its last merged commit, or has grown by the steps of the round that is not merged yet. Anything else was rolled
    /// back, forked or taken from another run.
    private func siteLines(_ history: RunHistoryFound) throws(Fault) -> [Fault] {
        let merges = rounds(history.line)
        let next = (merges.last?.round ?? 0) + 1
        var faults: [Fault] = []
        var lastMerged: [String: CommitID] = [:]
        for merge in merges {
            for id in merge.commit.parents.dropFirst() {
                if let site = try ledger.read(id).owner { lastMerged[site] = id }
            }
        }
        for site in declaration.sites.map(\.id) {
            let merged = lastMerged[site.name]
            guard let tip = try ledger.tip(.site(run, site)) else {
                if let merged, !isSiteView {
                    faults.append(
                        brokenTip("verify.order", "the line of \(site) is gone; \(merged) was merged from it"))
                }
                continue
            }
            // How a commit of the round grows is held by its parents.
            let commit = try ledger.read(tip)
            if tip == merged || RunTable.siteLine(site, round: next).contains(where: { $0 == commit.step }) { continue }
            faults.append(
                broken(
                    "verify.order",
                    "the line of \(site) is neither at its last merged commit nor at a step of round \(next)", commit))
        }
        return faults
    }

    /// The step that a commit says it is, for a fault: words of the table alone, whatever the trailers hold.
    static func name(_ commit: CommitRecord) -> String {
        guard let step = commit.step else { return "no step of a run" }
        return SiteID(step.owner ?? "a") == nil ? "\(step.kind) of round \(step.round)" : step.description
    }
}
