// What each commit changes: its own step's files, all of them, and nothing else.

import Faults
import Federation
import GitLedger
import ModelFiles
import RunRecords

extension Verifier {
    /// What each commit's tree holds otherwise than its first parent's; all that it holds, where it begins with none.
    func changes(_ commits: ArraySlice<CommitRecord>) throws(Fault) -> [CommitID: [FileDifference]] {
        var found: [CommitID: [FileDifference]] = [:]
        for commit in commits {
            let base = commit.kind?.rules.startsEmpty == true ? nil : commit.parents.first
            found[commit.id] = try ledger.differences(from: base, to: commit.id)
        }
        return found
    }

    /// A commit's tree is its first parent's with the files of its own step; an aggregate's takes over the merged sites' as well.
    ///
    /// Without this an earlier record could be rewritten in a later commit, and a reader of the tip would be told something else than what was
    /// checked where it was made.
    func additions(
        _ commits: ArraySlice<CommitRecord>, _ changes: [CommitID: [FileDifference]]
    ) throws(Fault) -> [Fault] {
        var faults: [Fault] = []
        for commit in commits {
            guard let step = commit.step else {
                faults.append(
                    broken("verify.foreign-change", "a commit that is no step of a run may change nothing", commit))
                continue
            }
            // What the merged sites' folders hold is to be there as it is.
            var merged: [String: ObjectID] = [:]
            if step.kind.rules.parents.merges {
                for id in commit.parents.dropFirst() {
                    for (path, blob) in try merging(id, into: step, changes) { merged[path] = blob }
                }
            }
            for (path, blob) in merged.sorted(by: { $0.key < $1.key })
            where try ledger.blob(path, of: commit.id) != blob {
                faults.append(
                    broken(
                        "verify.foreign-change", "the \(step.kind) commit changes \(path) of the line that it merges",
                        commit, path))
            }
            let own = Dictionary(step.kind.paths(round: step.round, owner: step.owner).map { ($0.path, $0.file) }) {
                first, _ in first
            }
            var made: Set<String> = []
            for change in changes[commit.id] ?? [] where merged[change.path] == nil {
                let what = change.new == nil ? "takes away" : change.old == nil ? "adds" : "changes"
                // A published adapter, and what is said of it, take the place of those before; every other file is new.
                if let file = own[change.path], change.new != nil, change.old == nil || file.replaces {
                    made.insert(change.path)
                    continue
                }
                faults.append(
                    broken(
                        "verify.foreign-change",
                        "the \(step.kind) commit \(what) \(own[change.path] == nil ? "a path, which is none of its files" : "a file that was there before")",
                        commit, change.path))
            }
            for (path, file) in own.sorted(by: { $0.key < $1.key })
            where !made.contains(path) && !file.isOptional {
                // The same adapter published twice changes nothing.
                if file.replaces, try ledger.blob(path, of: commit.id) != nil { continue }
                faults.append(broken("verify.foreign-change", "the \(step.kind) commit lacks \(path)", commit, path))
            }
        }
        return faults
    }

    /// What a site's line brought: to an average the files of its commits of that round, as they changed them; to the cards those of every
    /// evaluation.
    private func merging(
        _ tip: CommitID, into step: PlannedStep, _ changes: [CommitID: [FileDifference]]
    ) throws(Fault) -> [String: ObjectID] {
        var merged: [String: ObjectID] = [:]
        guard let site = try ledger.read(tip).site else { return merged }
        let areCards = step.kind == .collect
        var seen: Set<CommitID> = []
        var next: CommitID? = tip
        while let id = next, seen.insert(id).inserted {
            let commit = try ledger.read(id)
            guard let own = commit.step, commit.site == site, areCards || own.round == step.round else { break }
            if areCards ? own.kind == .evaluateAtSite : StepKind.ofSite.contains(own.kind) {
                for change in changes[id] ?? [] where change.path.hasPrefix("\(own.folder)/") {
                    if let blob = change.new, merged[change.path] == nil { merged[change.path] = blob }
                }
            }
            next = commit.beforeOnSiteLine
        }
        return merged
    }

    /// Every upload is the one file that its tensors give at the plan's precision, and one that was left out is no file at all.
    func canonicalUploads(
        _ uploads: ArraySlice<CommitRecord>, _ changes: [CommitID: [FileDifference]]
    ) throws(Fault) -> [Fault] {
        var faults: [Fault] = []
        for commit in uploads {
            guard let step = commit.step, let site = step.owner.flatMap(SiteID.init) else { continue }
            let path = RunPath.upload(round: step.round, site: site)
            // Read by the ids that the commit brought: the folders above them are read often enough.
            func content(_ path: String) throws(Fault) -> [UInt8]? {
                guard let blob = changes[commit.id]?.first(where: { $0.path == path })?.new else {
                    return try ledger.file(path, of: commit.id, limit: plan.largest(at: path, form))
                }
                return try ledger.content(of: blob, path, commit.id, limit: plan.largest(at: path, form))
            }
            guard let record = try content(step.record) else { throw .missingFile(step.record, commit.id.hex) }
            let status = try RecordReader(parsing: record, path: step.record, commit: commit.id.hex).text("status")
            do {
                guard let bytes = try content(path) else {
                    if status == "sent" {
                        faults.append(broken("verify.upload", "an upload that was sent is no file", commit, path))
                    }
                    continue
                }
                if status != "sent" {
                    faults.append(broken("verify.upload", "an upload that was left out has a file", commit, path))
                    continue
                }
                if !plan.uploadForm(of: site, in: step.round, whole: form).holds(bytes) {
                    faults.append(
                        broken(
                            "verify.upload",
                            "the file is not byte for byte what its tensors give at the plan's precision", commit, path)
                    )
                }
            } catch {
                switch error.cause {
                case .pruned: continue
                case .tooLarge: faults.append(error)
                default: throw error
                }
            }
        }
        return faults
    }
}
