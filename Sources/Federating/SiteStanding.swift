// SiteStanding: what a site's own ledger says of its last step in a run, for a screen.

import Faults
import Federation
import GitLedger
import RunRecords

/// Where a site stands in a run.
public enum SiteStanding {
    /// The subject of the site's last commit, with what became of it where that is bad news; or that the plan was made without the site.
    package static func words(
        of site: SiteID, _ run: RunName, _ published: PublishedLine, _ ledger: Ledger
    ) throws(Fault) -> String {
        if try SiteProcess.isLeftOut(site, run, published, ledger) { return SiteState.leftOutWords }
        guard let tip = try ledger.tip(.site(run, site)) else { return "no step yet" }
        let commit = try ledger.read(tip)
        return try commit.subject + (isLate(commit, site, published, ledger) ? " (too late for the mean)" : "")
    }

    /// Whether a round was published without the upload that a site sent: the coordinator gives no receipt for one that came too late.
    private static func isLate(
        _ commit: CommitRecord, _ site: SiteID, _ published: PublishedLine, _ ledger: Ledger
    ) throws(Fault) -> Bool {
        guard let round = commit.round, let last = published.round, round <= last, commit.kind == .upload,
            let bytes = try ledger.file(commit.step?.record ?? "", of: commit.id),
            try RecordReader(parsing: bytes, path: RunPath.published, commit: commit.id.hex)["status"]?.text == "sent"
        else { return false }
        for row in try published.record(round, ledger).list("receipts") where try row.site("site") == site {
            return false
        }
        return true
    }
}
