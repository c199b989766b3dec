// LineWriter: how an actor commits: on the line of the step, with the parents it is given, signed with the actor's own key, dated after all it
// grows from.

import Faults
import Federation
import Foundation
import GitLedger
import RunRecords

/// Writes the commits of one actor of a run.
struct LineWriter {
    let run: RunName
    let ledger: Ledger
    /// The site that commits; nil for the coordinator.
    var site: SiteID?
    /// Nil for a run that is not signed.
    let signer: CommitDraft.Signer?
    let report: (RunEvent) -> Void

    /// What a commit is, beside its files.
    struct Entry {
        var step: PlannedStep
        /// Where its line stands.
        var tip: CommitID?
        var parents: [CommitID]
        /// The digest of the plan, or of the call before there is a plan.
        var plan: Digest
        /// What a publish is made from.
        var source: CommitRecord?
        var taken: [TakenFolder] = []
        var body = ""
    }

    /// Commits files. A step of a round is told of.
    @discardableResult
    func commit(_ entry: Entry, subject: String, _ files: [(path: String, bytes: [UInt8])]) throws(Fault) -> CommitID {
        let step = entry.step
        var time = Int64(Date().timeIntervalSince1970)
        // No parent's time exceeds the commit's, so that a clock set back shows in no line.
        for parent in entry.parents { time = max(time, try ledger.read(parent).time) }
        var draft = CommitDraft(
            line: line(of: step), expectedTip: entry.tip, parents: entry.parents,
            base: step.kind.rules.startsEmpty ? nil : entry.parents.first,
            changes: files.map { FileChange(path: $0.path, bytes: $0.bytes) }, subject: subject,
            trailers: RunCommit.trailers(
                step.kind, run: run, round: step.round, owner: step.owner, site: site, plan: entry.plan,
                source: entry.source),
            author: RunCommit.author, time: time)
        draft.taken = entry.taken
        draft.body = entry.body
        draft.signer = signer
        let id = try ledger.commit(draft)
        if step.kind.rules.isOfRound {
            report(
                .committed(round: step.round, step: step.kind, owner: step.owner, subject: subject, commit: id.hex))
        }
        return id
    }

    /// Commits what a step computed.
    @discardableResult
    func commit(_ entry: Entry, _ output: StepOutput) throws(Fault) -> CommitID {
        let step = entry.step
        let record = RecordReader(output.record, path: output.folder)
        return try commit(
            entry, subject: step.kind.subject(round: step.round, owner: step.owner, record),
            output.deterministic + [(step.timing, output.timing.canonical)])
    }

    /// Commits a kind whose record is a file at the root.
    @discardableResult
    func commit(
        _ entry: Entry, _ record: JSONValue, _ files: [(path: String, bytes: [UInt8])] = []
    ) throws(Fault) -> CommitID {
        let path = entry.step.record
        return try commit(
            entry,
            subject: entry.step.kind.subject(
                round: entry.step.round, owner: entry.step.owner, RecordReader(record, path: path)),
            [(path, record.canonical)] + files)
    }

    private func line(of step: PlannedStep) -> LineRef {
        switch (step.kind.rules.line, site) {
        case (.main, _): return .main(run)
        case (.published, _): return .published(run)
        case (.site, let site?): return .site(run, site)
        case (.answers, let site?): return .answers(run, site)
        case (.identities, _), (.pruned, _), (.site, nil), (.answers, nil):
            preconditionFailure("\(step) is no step that an actor of a run commits")
        }
    }
}
