// The lines of a run against its table: which commits there may be, in which order, with which parents.

import Faults
import Federation
import GitLedger
import RunRecords

/// The commits of a run as its refs reach them.
struct RunHistoryFound: Sendable {
    /// The main line from the plan on; none in a site's copy.
    var line: [CommitRecord] = []
    /// The call and every publish, from the root.
    var published: [CommitRecord] = []
    /// What the sites said of their notes, in site order.
    var parts: [CommitRecord] = []
    /// Every commit of the sites' lines, each once.
    var sites: [CommitRecord] = []
    /// What could not be read.
    var unreadable: [Fault] = []

    package var all: [CommitRecord] { line + sites + published + parts }

    /// The publish that a round's training grows from.
    func start(of round: Int) -> CommitID? { publish(of: round - 1) }
    /// The publish that an evaluation of a round grows from.
    func publish(of round: Int) -> CommitID? { published.first { $0.kind == .publish && $0.round == round }?.id }
}

extension Verifier {
    /// The main line from the plan, what was published, and every site commit that the aggregates merged or that a site's line still holds;
    /// where a commit cannot be read, what leads to it, with the fault.
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
        func chain(
            from head: CommitID?, into seen: inout Set<CommitID>, next: (CommitRecord) -> CommitID?
        ) -> [CommitRecord] {
            var line: [CommitRecord] = []
            var id = head
            while let wanted = id, !seen.contains(wanted), let commit = read(wanted, after: line.last) {
                seen.insert(wanted)
                line.append(commit)
                id = next(commit)
            }
            return line.reversed()
        }
        var seen: Set<CommitID> = []
        if !isSiteView {
            found.line = chain(from: tip, into: &seen) { $0.kind == .plan ? nil : $0.parents.first }
        }
        found.published = chain(from: try ledger.tip(.published(run)), into: &seen) { $0.parents.first }
        var heads = found.line.flatMap { $0.kind == .plan ? [] : Array($0.parents.dropFirst()) }
        var parts = found.line.first?.kind == .plan ? Array(found.line[0].parents.dropFirst()) : []
        for site in declaration.sites.map(\.id) {
            if let tip = try ledger.tip(.site(run, site)) { heads.append(tip) }
            if isSiteView, let tip = try ledger.tip(.answers(run, site)) {
                parts += try ledger.firstParents(from: tip).filter { $0.kind == .part }.map(\.id)
            }
        }
        for head in heads {
            found.sites += chain(from: head, into: &seen) { $0.beforeOnSiteLine }.reversed()
        }
        for id in parts { found.parts += chain(from: id, into: &seen) { _ in nil } }
        return found
    }

    /// The sites that a round counts on.
    private var called: [SiteID] { declaration.rounds > 0 ? declaration.sites.map(\.id) : [] }

    /// Each line against the table, and every commit's parents.
    func order(_ history: RunHistoryFound) throws(Fault) -> Finding {
        let planned = RunTable.mainLine(declaration)
        let line = history.line
        var finding = Finding(
            evidence: (isSiteView ? "a site's copy: " : "")
                + "\(line.count) of \(planned.count) planned steps on the main line, \(max(0, history.published.count - 1)) published, "
                + "\(history.sites.count) commits on the sites' lines, each with exactly its parents",
            faults: history.unreadable)
        if line.isEmpty && !isSiteView {
            finding.faults.append(brokenTip("verify.order", "the main line does not begin with a plan"))
        }
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
            } else if commit.kind == .collect {
                finding.faults += try collects(commit, after: line[index - 1].id)
            } else if commit.kind == .plan {
                if commit.parents != [history.published.first?.id].compactMap({ $0 }) + history.parts.map(\.id) {
                    finding.faults.append(
                        broken("verify.order", "the plan has other parents than the call and a part a site", commit))
                }
            } else if commit.parents != [line[index - 1].id] {
                finding.faults.append(
                    broken(
                        "verify.order",
                        "the commit has \(commit.parents.count) parents where the step before it alone was planned",
                        commit))
            }
        }
        finding.faults += publishes(history)
        for commit in history.sites { finding.faults += try parents(of: commit, history) }
        finding.faults += parts(history)
        if history.unreadable.isEmpty { finding.faults += try siteLines(history) }
        return finding
    }

    /// What was published is a call, the plan, and one publish for each aggregated round; the last of them may be still to come.
    func publishes(_ history: RunHistoryFound) -> [Fault] {
        var faults: [Fault] = []
        for (index, commit) in history.published.enumerated() {
            let expected = index == 0 ? PlannedStep(0, .call) : PlannedStep(index - 1, .publish)
            if commit.step != expected || index - 1 > declaration.rounds {
                faults.append(
                    broken(
                        "verify.order",
                        "the commit is \(Self.name(commit)) where \(index - 1 > declaration.rounds ? "nothing more" : expected.description) was to be published",
                        commit))
                break
            }
            if commit.parents != (index == 0 ? [] : [history.published[index - 1].id]) {
                faults.append(
                    broken("verify.order", "\(expected) has other parents than what was published before", commit))
            }
        }
        guard !isSiteView else {
            return history.published.count > 1
                ? faults : faults + [brokenTip("verify.order", "the line of what was published holds no plan")]
        }
        // A run that was killed in between has not published its last aggregate, or its plan.
        let due = 1 + history.line.count { $0.kind == .plan || $0.kind == .aggregate }
        if !(max(1, due - 1)...due ~= history.published.count)
            || (history.published.count < due && ![.aggregate, .plan].contains(history.line.last?.kind))
        {
            faults.append(
                brokenTip(
                    "verify.order",
                    "the line of what was published has \(history.published.count) commits where the main line gives \(due)"
                ))
        }
        return faults
    }

    /// One part a site, grown from the call.
    private func parts(_ history: RunHistoryFound) -> [Fault] {
        var faults: [Fault] = []
        for part in history.parts where part.parents != [history.published.first?.id].compactMap({ $0 }) {
            faults.append(broken("verify.order", "\(Self.name(part)) has other parents than the call", part))
        }
        let steps = history.parts.map(\.step)
        let expected = called.map { PlannedStep(0, .part, $0.name) }
        if isSiteView ? !steps.allSatisfy({ step in expected.contains { $0 == step } }) : steps != expected {
            faults.append(
                brokenTip("verify.order", "\(steps.count) parts are not one a site, in site order"))
        }
        return faults
    }

    /// A commit of a site has exactly the parents that the table gives.
    func parents(of commit: CommitRecord, _ history: RunHistoryFound) throws(Fault) -> [Fault] {
        guard let step = commit.step, let site = commit.site,
            declaration.roundNumbers.contains(step.round), declaration.sites.contains(where: { $0.id == site }),
            RunTable.siteLine(site, round: step.round, declaration).contains(step)
        else {
            return [
                broken("verify.order", "a site's line holds \(Self.name(commit)), which no plan asks of a site", commit)
            ]
        }
        let isRight: Bool
        switch step.kind.rules.parents {
        case .publishAndBefore, .ownPublishAndBefore:
            // What it goes on with is an earlier step of the same site.
            let before = try commit.parents.dropFirst().first.map { (id) throws(Fault) in try ledger.read(id) }
            let goesOn =
                commit.parents.count == 1
                || (commit.parents.count == 2 && before?.site == site && precedes(before?.step, step, on: site))
            let isOwn = step.kind.rules.parents == .ownPublishAndBefore
            let start = isOwn ? history.publish(of: step.round) : history.start(of: step.round)
            isRight = goesOn && commit.parents.first == start && !commit.parents.isEmpty
        case .train:
            let parent = try commit.parents.first.map { (id) throws(Fault) in try ledger.read(id).step }
            isRight = commit.parents.count == 1 && parent == PlannedStep(step.round, .train, step.owner)
        case .none, .call, .callAndParts, .before, .beforeAndSites, .beforeAndCards, .beforeOrPart: isRight = false
        }
        if isRight { return [] }
        return [
            broken(
                "verify.order",
                "\(step) has other parents than \(step.kind.rules.parents == .train ? "the site's train commit" : "what its round starts from and its own line")",
                commit)
        ]
    }

    /// Whether a site takes one step before another.
    private func precedes(_ earlier: PlannedStep?, _ step: PlannedStep, on site: SiteID) -> Bool {
        guard let earlier else { return false }
        let line = RunTable.siteLine(site, round: earlier.round, declaration)
        guard let place = line.firstIndex(of: earlier) else { return false }
        return earlier.round < step.round
            || (earlier.round == step.round && place < line.firstIndex(of: step) ?? 0)
    }

    /// What collects the cards has the main line and the last evaluation of each site as parents, and names every card that these lead to;
    /// only why a card is missing is the coordinator's word.
    private func collects(_ commit: CommitRecord, after before: CommitID) throws(Fault) -> [Fault] {
        let cards = try SiteCards(declaration, from: Array(commit.parents.dropFirst()), ledger)
        var faults: [Fault] = []
        if commit.parents != [before] + cards.ends {
            faults.append(
                broken(
                    "verify.order", "the cards are collected from other commits than the sites' last evaluations",
                    commit)
            )
        }
        let record = try record(StepKind.collect.record(round: commit.round ?? 0), commit)
        var reasons: [PlannedStep: String] = [:]
        for row in try record.list("absent") {
            let step = PlannedStep(try row.int("round"), .evaluateAtSite, try row.text("cohort"))
            reasons[step] = try row.text("reason")
        }
        if try CollectStep.record(round: declaration.rounds, cards, reasons: reasons, ledger) != record.value {
            faults.append(
                broken(
                    "verify.collect", "the cards that are named are not those that the sites made", commit, record.path)
            )
        }
        return faults
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

    /// A site's line is at its last merged commit, or has grown by the steps of a round that is not merged yet; and it holds all that the site
    /// ever did. Anything else was rolled back, forked or taken from another run.
    private func siteLines(_ history: RunHistoryFound) throws(Fault) -> [Fault] {
        let merges = rounds(history.line)
        let next = (merges.last?.round ?? 0) + 1
        var faults: [Fault] = []
        var lastMerged: [String: CommitID] = [:]
        /// The rounds that went on without a site.
        var missed: [SiteID: Set<Int>] = [:]
        for merge in merges {
            for absence in try Recomputation.absences(plan, merge.round, merge.commit.id, ledger) ?? [] {
                missed[absence.site, default: []].insert(merge.round)
            }
            for id in merge.commit.parents.dropFirst() {
                if let site = try ledger.read(id).site { lastMerged[site.name] = id }
            }
        }
        for id in history.line.last(where: { $0.kind == .collect })?.parents.dropFirst() ?? [] {
            if let site = try ledger.read(id).site { lastMerged[site.name] = id }
        }
        let known = Dictionary(history.sites.map { ($0.id, $0) }) { first, _ in first }
        for site in declaration.sites.map(\.id) {
            let merged = lastMerged[site.name]
            guard let tip = try ledger.tip(.site(run, site)) else {
                if let merged {
                    faults.append(
                        brokenTip("verify.order", "the line of \(site) is gone; \(merged) was merged from it"))
                }
                continue
            }
            var own: Set<CommitID> = []
            var id: CommitID? = tip
            while let wanted = id, let commit = known[wanted], own.insert(wanted).inserted {
                id = commit.beforeOnSiteLine
            }
            if let lost = history.sites.first(where: { $0.site == site && !own.contains($0.id) }) {
                faults.append(broken("verify.order", "the line of \(site) does not hold what the site did here", lost))
            }
            // How a commit of the round grows is held by its parents.
            let commit = try ledger.read(tip)
            let isNext = { (round: Int) in
                RunTable.siteLine(site, round: round, declaration).contains { $0 == commit.step }
            }
            // A site that was absent may still end a round that went on without it; a card may come at any time after its round.
            let isLate =
                commit.step.map { step in
                    isNext(step.round) && step.round < next
                        && (missed[site]?.contains(step.round) == true || commit.kind == .evaluateAtSite)
                } ?? false
            if tip == merged || isNext(next) || isLate || (isSiteView && commit.site == site) { continue }
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
