// LineRef: the refs of a ledger. Names hold no dots, so the folder of a run's sites cannot have the name of another run.

import Federation

/// A line of commits.
public enum LineRef: Hashable, Sendable, CustomStringConvertible {
    /// A run's main line: `refs/heads/runs/<run>`.
    case main(RunName)
    /// What one site trained and uploaded: `refs/heads/runs/<run>.sites/<site>`.
    case site(RunName, SiteID)
    /// What one site answered to the plan, its approvals: `refs/heads/runs/<run>.answers/<site>`.
    case answers(RunName, SiteID)
    /// What leaves the coordinator for the sites: `refs/heads/runs/<run>.published`.
    case published(RunName)
    /// The persons who may sign, for all runs: `refs/heads/identities`.
    case identities
    /// The contents that were removed to save space, for all runs: `refs/heads/pruned`.
    case pruned
    /// What this repository is, for a reader who clones it with plain git: `refs/heads/readme`.
    case readme

    static let folder = "refs/heads/runs/"

    /// The full ref name.
    public var ref: String {
        switch self {
        case .main(let run): Self.folder + run.name
        case .site(let run, let site): "\(Self.folder)\(run.name).sites/\(site.name)"
        case .answers(let run, let site): "\(Self.folder)\(run.name).answers/\(site.name)"
        case .published(let run): "\(Self.folder)\(run.name).published"
        case .identities: "refs/heads/identities"
        case .pruned: "refs/heads/pruned"
        case .readme: "refs/heads/readme"
        }
    }

    /// The run that the line belongs to; nil for a line of all runs.
    public var run: RunName? {
        switch self {
        case .main(let run), .published(let run), .site(let run, _), .answers(let run, _): run
        case .identities, .pruned, .readme: nil
        }
    }

    /// Reads the full name of any line's ref; nil for a ref that does not belong to a ledger.
    public init?(named ref: String) {
        switch ref {
        case Self.identities.ref: self = .identities
        case Self.pruned.ref: self = .pruned
        case Self.readme.ref: self = .readme
        default: self.init(ref: ref)
        }
    }

    /// Reads the full name of a run's ref; nil for any other.
    init?(ref: String) {
        guard ref.hasPrefix(Self.folder) else { return nil }
        let parts = ref.dropFirst(Self.folder.count).split(separator: "/", omittingEmptySubsequences: false)
        if parts.count == 1 {
            if let run = RunName(String(parts[0])) {
                self = .main(run)
            } else if parts[0].hasSuffix(".published"), let run = RunName(String(parts[0].dropLast(10))) {
                self = .published(run)
            } else {
                return nil
            }
            return
        }
        guard parts.count == 2, let site = SiteID(String(parts[1])) else { return nil }
        if parts[0].hasSuffix(".sites"), let run = RunName(String(parts[0].dropLast(6))) {
            self = .site(run, site)
        } else if parts[0].hasSuffix(".answers"), let run = RunName(String(parts[0].dropLast(8))) {
            self = .answers(run, site)
        } else {
            return nil
        }
    }

    /// The full ref name.
    public var description: String { ref }
}
