// LineRef: the refs of a run. Names hold no dots, so a run's sites folder meets no other run.

import Federation

/// A line of commits: a run's main line or the line of one of its sites.
public enum LineRef: Hashable, Sendable, CustomStringConvertible {
    /// `refs/heads/runs/<run>`.
    case main(RunName)
    /// `refs/heads/runs/<run>.sites/<site>`.
    case site(RunName, SiteID)

    static let folder = "refs/heads/runs/"

    /// The full ref name.
    public var ref: String {
        switch self {
        case .main(let run): Self.folder + run.name
        case .site(let run, let site): "\(Self.folder)\(run.name).sites/\(site.name)"
        }
    }

    /// The run the line belongs to.
    public var run: RunName {
        switch self {
        case .main(let run), .site(let run, _): run
        }
    }

    /// Reads a full ref name; nil for a ref that is none of ours.
    init?(ref: String) {
        guard ref.hasPrefix(Self.folder) else { return nil }
        let parts = ref.dropFirst(Self.folder.count).split(separator: "/", omittingEmptySubsequences: false)
        if parts.count == 1, let run = RunName(String(parts[0])) {
            self = .main(run)
        } else if parts.count == 2, parts[0].hasSuffix(".sites"), let run = RunName(String(parts[0].dropLast(6))),
            let site = SiteID(String(parts[1]))
        {
            self = .site(run, site)
        } else {
            return nil
        }
    }

    /// The full ref name.
    public var description: String { ref }
}
