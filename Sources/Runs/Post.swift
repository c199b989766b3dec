// Post: what a run needs to know of the way to sites on other machines. How messages travel is not its concern.

import Faults
import Federation

/// Brings messages to the sites of a run and takes theirs.
public protocol Post {
    /// Sends each site what it lacks, and takes what came: checked, and then in the ledger. Throws what is wrong with the ledger, or with
    /// what a site sent.
    func exchange(_ run: RunName) throws(Fault)
    /// Why what a site sent was refused; nil where nothing was.
    func refusal(of site: SiteID) -> Fault?
    /// Why a site cannot be reached now, in a few words; nil where nothing is wrong.
    func trouble(of site: SiteID) -> String?
    /// Seconds until the next exchange is due.
    var interval: Double { get }
}
