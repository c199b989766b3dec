// Surveying: every ref of the repository, and every file that changes what git shows of it, named and classified. A checker decides what a
// run may hold.

import Faults
import Federation

/// A ref of the repository.
public struct RefEntry: Sendable, Hashable {
    /// What kind of ref it is, by its name alone.
    public enum Kind: Sendable, Hashable {
        /// A line of a ledger, by its name; whether its run exists is not checked.
        case line(LineRef)
        /// Any other branch, also one with a run's name but more or other parts.
        case branch
        /// A tag.
        case tag
        /// What a remote had at the last fetch.
        case remote
        /// What a hosting service keeps for itself, such as pull requests.
        case forge
        /// What git's own commands keep: notes, stash, bisect and similar.
        case tool
        /// `refs/replace`: stock git shows another object in place of the real one. This program never does.
        case replacement
        /// A local branch of a clone with a work tree; the ledger's branches are those of its remote.
        case local
        /// Any other name.
        case other
    }

    /// What the ref names.
    public enum Target: Sendable, Hashable {
        case commit(CommitID)
        /// Another ref. Lines of a ledger never do.
        case symbolic(String)
        /// An object that is not a commit: `tag`, `tree` or `blob`.
        case object(ObjectID, kind: String)
        /// An id that no object has.
        case missing(ObjectID)
        /// The ref or its object cannot be read, and why.
        case damaged(String)
    }

    /// The full name, such as `refs/heads/runs/demo-1`. It may hold any character: show it through `Printable`.
    public let name: String
    /// What kind of ref it is.
    public let kind: Kind
    /// What it names.
    public let target: Target
}

/// A file or setting that makes stock git show another history, or read objects from elsewhere.
public struct RepositoryInfluence: Sendable, Hashable {
    /// What it is.
    public enum Kind: String, Sendable, CaseIterable {
        /// `info/grafts`: gives commits other parents than they name. Not read by this program.
        case grafts
        /// `shallow`: cuts a history. Not read by this program.
        case shallow
        /// `objects/info/alternates`: objects in another folder. Read by this program too.
        case alternates
        /// `objects/info/http-alternates`. Not read by this program.
        case httpAlternates
        /// A pack from a partial clone: stock git would fetch what is missing. This program does not.
        case promisorPack
        /// Work trees that are linked to this repository.
        case workTrees
    }

    /// What it is.
    public let kind: Kind
    /// The path below the repository's folder.
    public let path: String
}

/// All refs of a repository, and everything else that decides what git shows of it.
public struct RefSurvey: Sendable {
    /// What HEAD holds: a ref's name or, detached, a commit.
    public let head: RefEntry.Target
    /// Every ref below `refs/`, in byte order of the names.
    public let refs: [RefEntry]
    /// Files that make other programs see something else.
    public let influences: [RepositoryInfluence]
}

extension Ledger {
    /// Lists every ref, whatever its name and target, and judges none. At most 200,000.
    ///
    /// Faults: ledger.unreadable, ledger.too-large, ledger.corrupt where `packed-refs` cannot be read.
    public func survey() throws(Fault) -> RefSurvey {
        try reading { (repository) throws(Fault) in try repository.survey() }
    }

    /// The newest committer's time among the tips of all lines, in seconds since 1970; nil where there is none. Along a line of this
    /// program, times never go back, so only tips are read; a tip that cannot be read is skipped. Faults: those of reading refs.
    public func newestTime() throws(Fault) -> Int64? {
        try reading { (repository) throws(Fault) in
            var newest: Int64?
            for line in try repository.names().compactMap({ LineRef(named: $0) }) where line != .readme {
                guard let tip = try? repository.tip(line), let record = try? repository.commit(tip) else { continue }
                newest = max(newest ?? record.time, record.time)
            }
            return newest
        }
    }
}

extension Repository {
    func survey() throws(Fault) -> RefSurvey {
        var entries: [RefEntry] = []
        for (name, value, isLocal) in try refs.visible() {
            entries.append(
                RefEntry(name: name, kind: isLocal ? .local : RefEntry.Kind(of: name), target: target(value, of: name)))
        }
        let head = try refs.head().map { target($0, of: "HEAD") } ?? .damaged("it is missing")
        return RefSurvey(head: head, refs: entries, influences: influences())
    }

    private func target(_ value: RefValue, of name: String) -> RefEntry.Target {
        switch value {
        case .symbolic(let other): return .symbolic(other)
        case .damaged(let reason): return .damaged(reason)
        case .object(let id):
            do {
                guard let (kind, _) = try store.header(id, at: Place(commit: name)) else { return .missing(id) }
                return kind == .commit ? .commit(CommitID(id)) : .object(id, kind: kind.rawValue)
            } catch {
                return .damaged(error.what)
            }
        }
    }

    private func influences() -> [RepositoryInfluence] {
        var found: [RepositoryInfluence] = []
        let files: [(RepositoryInfluence.Kind, String)] = [
            (.grafts, "info/grafts"), (.shallow, "shallow"), (.alternates, "objects/info/alternates"),
            (.httpAlternates, "objects/info/http-alternates"),
        ]
        for (kind, path) in files where Files.exists("\(folder)/\(path)") {
            found.append(RepositoryInfluence(kind: kind, path: path))
        }
        for name in Files.names(in: "\(folder)/objects/pack") where name.hasSuffix(".promisor") {
            found.append(RepositoryInfluence(kind: .promisorPack, path: "objects/pack/\(name)"))
        }
        for name in Files.names(in: "\(folder)/worktrees") {
            found.append(RepositoryInfluence(kind: .workTrees, path: "worktrees/\(name)"))
        }
        return found
    }
}

extension RefEntry.Kind {
    /// The refs that hosting services keep: GitHub and Gitea, Bitbucket, GitLab, Gerrit.
    private static let forges = [
        "pull", "pull-requests", "merge-requests", "changes", "keep-around", "environments", "pipelines",
        "cache-automerge",
    ]
    private static let tools = [
        "notes", "stash", "bisect", "rewritten", "worktree", "original", "prefetch", "filter-repo",
    ]

    /// The kind of a ref by its full name.
    init(of name: String) {
        let parts = name.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count > 1, parts[0] == "refs" else {
            self = .other
            return
        }
        switch parts[1] {
        case "heads": self = LineRef(named: name).map { .line($0) } ?? .branch
        case "tags": self = .tag
        case "remotes": self = .remote
        case "replace": self = .replacement
        case let part where Self.forges.contains(String(part)): self = .forge
        case let part where Self.tools.contains(String(part)): self = .tool
        default: self = .other
        }
    }
}
