// Mailbox: the way between a coordinator and one site, whatever carries it: messages in a folder, or lines of a repository at a hub.

import Carriers
import Faults
import Federation
import Foundation
import GitLedger
import Identities
import Workflows

/// Which way a message goes.
package enum MessageWay: String, Sendable { case toSite = "to-site", fromSite = "from-site" }

/// The messages of one site.
package protocol Mailbox {
    /// The runs of which there are messages, in byte order.
    func runs() throws(Fault) -> [RunName]
    /// Sends where the lines are, with what the receiver lacks; `known` the receiver has. Whether something was sent.
    @discardableResult
    func send(
        _ run: RunName, _ way: MessageWay, _ lines: [LineRef], known: [CommitID], from ledger: Ledger
    ) throws(Fault) -> Bool
    /// Takes what came of these lines and is not in the ledger yet: what moved. Throws those of `Ledger.receive` at what is refused.
    func take(
        _ run: RunName, _ way: MessageWay, _ lines: [LineRef], into ledger: Ledger, limits: ReceivingLimits,
        check: (Ledger, [BundleLine]) throws(Fault) -> Void
    ) throws(Fault) -> [BundleLine]
    /// Whether the newest message says where the lines are now.
    func isSent(_ run: RunName, _ way: MessageWay, _ lines: [LineRef], of ledger: Ledger) throws(Fault) -> Bool
    /// Why nothing is carried now, in a few words; nil where nothing is wrong.
    var trouble: String? { get }
    /// Seconds between two looks.
    var interval: TimeInterval { get }
}

/// Opens mailboxes as files name them.
package struct MailboxOpener {
    /// The folder that paths are relative to: that of the file.
    let folder: String
    /// The person's home, for `~/` and for known_hosts; nil where there is none.
    let home: String?
    /// Keys for ssh that are used where the file names none, in the order of preference.
    let standardKeys: [String]
    /// Opens keys that are encrypted, or held by an agent.
    let keys: KeyOpener
    let process: CarrierProcess

    package init(
        folder: String, home: String?, standardKeys: [String], keys: KeyOpener,
        process: CarrierProcess = CarrierProcess()
    ) {
        self.folder = folder
        self.home = home
        self.standardKeys = standardKeys
        self.keys = keys
        self.process = process
    }

    /// Throws `mailbox.address` and `mailbox.host-key` for what cannot be an address or a fingerprint, and what `KeyOpener` throws for a key for ssh.
    package func open(_ mailbox: MailboxPlace, file: String) throws(Fault) -> any Mailbox {
        let place = Place(file: file)
        guard GitAddress.isRemote(mailbox.address) else { return FolderMailbox(absolute(mailbox.address)) }
        let address = try GitAddress(mailbox.address, at: place)
        func isThere(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
        let hosts = home.map { "\($0)/.ssh/known_hosts" }.flatMap { isThere($0) ? $0 : nil }
        var key = mailbox.sshKey.map(absolute) ?? standardKeys.first(where: keys.isThere)
        var agent: String?
        if address.way == .ssh, let path = key {
            agent = try keys.transportAgent(path)?.path
            // What only an agent can use is not named as a file.
            if agent != nil || !isThere(path), keys.isThere(path) { key = nil }
        }
        let identity = CarrierIdentity(
            sshKey: key, agent: agent,
            knownHosts: mailbox.knownHosts.map(absolute) ?? hosts, hostKey: mailbox.hostKey,
            tokenFile: mailbox.tokenFile.map(absolute), certificates: mailbox.certificates.map(absolute))
        try identity.check(at: place)
        return GitMailbox(mailbox.address, identity, process)
    }

    private func absolute(_ path: String) -> String {
        if path.hasPrefix("/") { return path }
        if path.hasPrefix("~/"), let home { return "\(home)/\(path.dropFirst(2))" }
        return folder.isEmpty ? path : "\(folder)/\(path)"
    }
}
