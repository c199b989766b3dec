// CoordinatorPost: the coordinator's end of the mailboxes: what each site may see goes out, and what a site sends is checked before its line
// moves. A site whose message is refused is out of the run.

import Faults
import Federation
import Foundation
import GitLedger
import Identities
import RunRecords
import Runs
import Verification
import Workflows

/// The way from a coordinator to its sites.
public final class CoordinatorPost: Post {
    private let ledger: Ledger
    private let boxes: [(site: SiteID, box: any Mailbox)]
    private var troubles: [SiteID: String] = [:]
    private var refused: [SiteID: Fault] = [:]
    /// The sites of a run's plan, once it has one.
    private var planned: (run: RunName, sites: Set<SiteID>)?

    /// Opens the mailboxes that a file names. `home` is the person's, for known_hosts; `key` the coordinator's own, used for ssh where the file names
    /// none. Throws what is wrong with an address.
    public init(
        _ places: [SiteID: MailboxPlace], file: String, home: String?, key: String, keys: KeyOpener, ledger: Ledger
    ) throws(Fault) {
        self.ledger = ledger
        let opener = MailboxOpener(
            folder: (file as NSString).deletingLastPathComponent, home: home, standardKeys: [key], keys: keys)
        var boxes: [(SiteID, any Mailbox)] = []
        for (site, place) in places.sorted(by: { $0.key < $1.key }) {
            boxes.append((site, try opener.open(place, file: file)))
        }
        self.boxes = boxes
    }

    /// Sends and takes. Faults: those of the ledger and of the mailboxes' folders.
    public func exchange(_ run: RunName) throws(Fault) {
        let members = try members(of: run)
        for (site, box) in boxes where refused[site] == nil {
            if let members, !members.contains(site) {
                try tell(site, box, run)
                continue
            }
            let own = [LineRef.answers(run, site), .site(run, site)]
            // What came from the site, the site has.
            var known: [CommitID] = []
            for line in own { if let tip = try ledger.tip(line) { known.append(tip) } }
            do {
                try box.send(run, .toSite, [.published(run), .identities], known: known, from: ledger)
                _ = try box.take(
                    run, .fromSite, own, into: ledger, limits: limits(run)
                ) { (waiting, moves) throws(Fault) in
                    try Self.check(moves, of: run, site, in: waiting, isSigned: self.isSigned(run))
                }
                troubles[site] = box.trouble
            } catch {
                // A disk that is full or a ledger that is damaged is the coordinator's own; the rest is the site's doing.
                guard
                    error.code.hasPrefix("bundle.") || error.kind == .mismatch || error.cause == .badRecord
                        || error.code == "plan.unreadable" || error.cause == .tooLarge
                else { throw error }
                refused[site] = error
            }
        }
    }

    /// Why a site's message was refused.
    public func refusal(of site: SiteID) -> Fault? { refused[site] }

    /// Why a site's mailbox cannot be reached.
    public func trouble(of site: SiteID) -> String? { troubles[site] }

    /// The shortest time between two looks at a mailbox.
    public var interval: Double { boxes.map(\.box.interval).min() ?? 1 }

    /// The sites of the plan; nil before there is one.
    private func members(of run: RunName) throws(Fault) -> Set<SiteID>? {
        if let planned, planned.run == run { return planned.sites }
        guard try ledger.tip(.main(run)) != nil else { return nil }
        let sites = Set(try CommittedPlan(of: run, in: ledger).plan.declaration.sites.map(\.id))
        planned = (run, sites)
        return sites
    }

    /// A site that the plan leaves out gets the plan, by which it knows, and no adapter; what it sends is not taken.
    private func tell(_ site: SiteID, _ box: any Mailbox, _ run: RunName) throws(Fault) {
        guard try PublishedLine(of: run, in: ledger)?.round == 0 else { return }
        try box.send(run, .toSite, [.published(run), .identities], known: [], from: ledger)
    }

    private func isSigned(_ run: RunName) throws(Fault) -> Bool {
        try PublishedLine(of: run, in: ledger)?.call.signature != nil
    }

    /// What a site sends is checked as it would be: by the plan, or, before there is one, as a part.
    private static func check(
        _ moves: [BundleLine], of run: RunName, _ site: SiteID, in waiting: Ledger, isSigned: Bool
    ) throws(Fault) {
        let now = Int64(Date().timeIntervalSince1970)
        for move in moves where move.isNew {
            var faults: [Fault] = []
            switch move.line {
            case .answers:
                if move.old == nil {
                    faults = try Verifier.receivedPart(run, site, isSigned: isSigned, ledger: waiting, now: now)
                } else {
                    faults = try Verifier(run: run, ledger: waiting).receivedAnswers(site)
                }
            default: faults = try Verifier(run: run, ledger: waiting).received(move.line, since: move.old, now: now)
            }
            if let fault = faults.first { throw fault }
        }
    }

    private func limits(_ run: RunName) throws(Fault) -> ReceivingLimits {
        guard let published = try PublishedLine(of: run, in: ledger) else { return MessageLimits.of(nil) }
        return MessageLimits.of(try published.called(ledger))
    }
}
