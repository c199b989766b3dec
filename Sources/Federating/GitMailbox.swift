// GitMailbox: messages as lines of a bare git repository at a hub, over ssh or https. What is fetched is judged as a bundle from a folder is. A hub that does
// not answer is asked again after growing pauses.

import Carriers
import Faults
import Federation
import Foundation
import GitLedger

/// The mailbox of one site at a hub. Used by one thread.
package final class GitMailbox: Mailbox {
    /// Between two tries at a hub that does not answer: doubled from the first to the last, in seconds.
    private static let pauses = (first: 1.0, last: 60.0)

    private let address: String
    private let identity: CarrierIdentity
    private let process: CarrierProcess
    /// Where the lines were at the hub when it was last asked; nil once they were used, so that it is asked again.
    private var fresh: [LineRef: CommitID]?
    private var last: [LineRef: CommitID] = [:]
    private var pause = 0.0
    private var nextTry = 0.0
    package private(set) var trouble: String?
    /// When something moved last, by the system's clock of uptime.
    private var moved = ProcessInfo.processInfo.systemUptime

    /// Often while messages come and go; every five seconds while somebody trains for hours.
    package var interval: TimeInterval { min(5, max(0.5, (ProcessInfo.processInfo.systemUptime - moved) / 20)) }

    init(_ address: String, _ identity: CarrierIdentity, _ process: CarrierProcess) {
        self.address = address
        self.identity = identity
        self.process = process
    }

    package func runs() throws(Fault) -> [RunName] {
        fresh = nil
        guard let lines = try listing() else { return [] }
        let runs = Set(
            lines.keys.compactMap { line -> RunName? in if case .published(let run) = line { run } else { nil } })
        return runs.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    @discardableResult
    package func send(
        _ run: RunName, _ way: MessageWay, _ lines: [LineRef], known: [CommitID], from ledger: Ledger
    ) throws(Fault) -> Bool {
        guard let there = try listing() else { return false }
        var behind: [LineRef] = []
        for line in lines {
            guard let tip = try ledger.tip(line), there[line] != tip else { continue }
            behind.append(line)
        }
        guard !behind.isEmpty else { return false }
        let request = CarrierRequest(
            address: address, identity: identity, work: .push(behind, ledger: ledger.path))
        guard case .pushed? = try exchange(request) else { return false }
        for line in behind { if let tip = try ledger.tip(line) { note(line, tip) } }
        moved = ProcessInfo.processInfo.systemUptime
        return true
    }

    package func take(
        _ run: RunName, _ way: MessageWay, _ lines: [LineRef], into ledger: Ledger, limits: ReceivingLimits,
        check: (Ledger, [BundleLine]) throws(Fault) -> Void
    ) throws(Fault) -> [BundleLine] {
        guard let there = try listing() else { return [] }
        // The next look asks again.
        fresh = nil
        var ahead: [LineRef] = []
        for line in lines {
            guard let tip = there[line], try ledger.tip(line) != tip else { continue }
            // A hub that was rolled back has what is here already.
            if try !ledger.holds(tip) { ahead.append(line) }
        }
        guard !ahead.isEmpty else { return [] }
        let file = "\(ledger.path)/message-\(UUID().uuidString).bundle"
        defer { unlink(file) }
        let request = CarrierRequest(
            address: address, identity: identity,
            work: .fetch(ahead, ledger: ledger.path, file: file, limit: limits.pack))
        guard case .fetched(true)? = try exchange(request) else { return [] }
        moved = ProcessInfo.processInfo.systemUptime
        return try ledger.receive(file, limits: limits, permitted: lines.contains, check: check).filter(\.isNew)
    }

    package func isSent(
        _ run: RunName, _ way: MessageWay, _ lines: [LineRef], of ledger: Ledger
    ) throws(Fault) -> Bool {
        for line in lines { if let tip = try ledger.tip(line), last[line] != tip { return false } }
        return true
    }

    // MARK: The hub

    /// Where the lines are at the hub; nil where it cannot be asked now.
    private func listing() throws(Fault) -> [LineRef: CommitID]? {
        if let fresh { return fresh }
        let request = CarrierRequest(address: address, identity: identity, work: .list)
        guard case .lines(let lines)? = try exchange(request) else { return nil }
        fresh = lines
        last = lines
        return lines
    }

    private func note(_ line: LineRef, _ tip: CommitID) {
        fresh?[line] = tip
        last[line] = tip
    }

    /// Nil while the hub does not answer.
    private func exchange(_ request: CarrierRequest) throws(Fault) -> CarrierRequest.Answer? {
        let now = ProcessInfo.processInfo.systemUptime
        guard now >= nextTry else { return nil }
        do {
            let answer = try process.run(request)
            (pause, nextTry, trouble) = (0, 0, nil)
            return answer
        } catch {
            fresh = nil
            guard error.cause == .unreachable else { throw error }
            pause = min(Self.pauses.last, max(Self.pauses.first, pause * 2))
            nextTry = ProcessInfo.processInfo.systemUptime + pause
            trouble = "\(error.what); tried again every \(Int(pause)) s"
            return nil
        }
    }
}
