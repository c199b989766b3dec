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
    /// What is known of a site, in a few words.
    func state(of site: SiteID) -> String
    /// Waits for a moment before the next exchange.
    func pause()
}
