// FolderMailbox: messages between a coordinator and one site as files in a folder: on a disk that both reach, or carried there and back on a
// USB stick. A message is written by rename, numbered, and never changed.

import Faults
import Federation
import Foundation
import GitLedger

/// The messages of one site in a folder: `<run>/to-site/000001.bundle` and `<run>/from-site/000001.bundle`.
package struct FolderMailbox: Mailbox, Sendable {
    package var trouble: String? { nil }
    package var interval: TimeInterval { 0.5 }
    package let folder: String

    package init(_ folder: String) { self.folder = folder }

    /// The runs of which there are messages, in byte order.
    package func runs() -> [RunName] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.compactMap { RunName($0) }.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }

    /// The messages of a run in the order in which they were sent.
    package func messages(_ run: RunName, _ way: MessageWay) -> [(number: Int, path: String)] {
        let place = "\(folder)/\(run)/\(way.rawValue)"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: place)) ?? []
        return names.compactMap { name -> (number: Int, path: String)? in
            guard name.hasSuffix(".bundle"), name.utf8.count == 13, let number = Int(name.dropLast(7)) else {
                return nil
            }
            return (number, "\(place)/\(name)")
        }.sorted { $0.number < $1.number }
    }

    /// Sends where the lines are, with what came since the last message and is not in `known`, which the receiver has; nothing where nothing
    /// came. Whether something was sent. Faults: mailbox.not-writable, and those of the ledger.
    @discardableResult
    package func send(
        _ run: RunName, _ way: MessageWay, _ lines: [LineRef], known: [CommitID], from ledger: Ledger
    ) throws(Fault) -> Bool {
        var tips: [LineRef: CommitID] = [:]
        for line in lines { tips[line] = try ledger.tip(line) }
        guard !tips.isEmpty else { return false }
        let sent = messages(run, way)
        // A message that somebody damaged is followed by one that goes on from what the receiver is known to have.
        let last = try sent.last.flatMap { (message) throws(Fault) -> LedgerMessage? in
            do { return try LedgerMessage(reading: message.path) } catch { return nil }
        }
        if let last, last.lines == tips { return false }
        var had = known
        for commit in (last?.lines ?? [:]).values where try ledger.holds(commit) { had.append(commit) }
        let number = (sent.last?.number ?? 0) + 1
        let place = "\(folder)/\(run)/\(way.rawValue)"
        do {
            try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
        } catch {
            throw Fault(
                .failed, "mailbox.not-writable", "the mailbox's folder cannot be made", at: Place(file: place),
                mend: "Name a folder that this process may write, and make sure that it is there.")
        }
        let digits = String(number)
        let name = String(repeating: "0", count: max(0, 6 - digits.count)) + digits
        let unique = Array(Set(had)).sorted { $0.hex < $1.hex }
        try ledger.writeMessage(of: lines, known: unique, to: "\(place)/\(name).bundle")
        return true
    }

    /// Takes what came and is not in the ledger yet, in order. Faults: those of `Ledger.receive` at the first message that is refused.
    package func take(
        _ run: RunName, _ way: MessageWay, _ lines: [LineRef], into ledger: Ledger, limits: ReceivingLimits,
        check: (Ledger, [BundleLine]) throws(Fault) -> Void
    ) throws(Fault) -> [BundleLine] {
        let all = messages(run, way)
        // The newest message whose lines are where the ledger has them was taken, and all before it.
        var first = 0
        for (index, message) in all.enumerated().reversed() {
            guard let header = try? LedgerMessage(reading: message.path) else { continue }
            var isTaken = true
            for (line, tip) in header.lines where line.run != nil { if try ledger.tip(line) != tip { isTaken = false } }
            if isTaken {
                first = index + 1
                break
            }
        }
        var moves: [BundleLine] = []
        for message in all.dropFirst(first) {
            moves += try ledger.receive(message.path, limits: limits, permitted: lines.contains, check: check).filter(
                \.isNew)
        }
        return moves
    }

    package func isSent(
        _ run: RunName, _ way: MessageWay, _ lines: [LineRef], of ledger: Ledger
    ) throws(Fault) -> Bool {
        guard let last = messages(run, way).last, let header = try? LedgerMessage(reading: last.path) else {
            return false
        }
        for line in lines { if try ledger.tip(line) != header.lines[line] { return false } }
        return true
    }
}
