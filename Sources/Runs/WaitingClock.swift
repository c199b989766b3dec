// WaitingClock: how long the coordinator has waited for sites on other machines, by its own clock alone; kept in the work folder, so that a
// resume goes on with the same start. Nothing of it enters a record, only timing.json.

import Faults
import Federation
import Foundation
import LocalFiles
import RunRecords

/// The clock of what is waited for now.
final class WaitingClock {
    /// Nil where sites are waited for until they answer.
    let deadline: Deadline?
    private let path: String
    private var kept = Kept(commit: "", started: 0)
    /// Seconds that had passed when this process took the clock up, and since when it runs here: while the process lives, a system clock that is
    /// set changes nothing.
    private var passed = 0.0
    private var taken = ContinuousClock.now

    /// What the file holds; times are seconds since 1970.
    private struct Kept: Codable {
        /// What was published last when the clock started: the call, the plan, or a round's adapter.
        var commit: String
        var started: Int64
        var ended: Int64?
        /// When the coordinator first held what it waits for, by site.
        var arrived: [String: Int64] = [:]
    }

    init(_ path: String, deadline: Deadline?) {
        self.path = path
        self.deadline = deadline
    }

    /// Starts the clock of what follows a publish, or goes on with it.
    func begin(after commit: String) throws(Fault) {
        guard deadline != nil, kept.commit != commit else { return }
        taken = .now
        let now = Self.now
        if let bytes = LocalFile.readIfPresent(path),
            let old = try? JSONDecoder().decode(Kept.self, from: Data(bytes)), old.commit == commit,
            (1...now).contains(old.started)
        {
            kept = old
            passed = Double(now - old.started)
            return
        }
        kept = Kept(commit: commit, started: now)
        passed = 0
        try save()
    }

    /// Notes that a site sent what is waited for.
    func note(arrival site: SiteID) throws(Fault) {
        guard deadline != nil, kept.arrived[site.name] == nil else { return }
        kept.arrived[site.name] = Self.now
        try save()
    }

    /// Notes that the coordinator goes on.
    func end() throws(Fault) {
        guard deadline != nil, kept.ended == nil else { return }
        kept.ended = Self.now
        try save()
    }

    /// Seconds until the deadline, below zero after it; nil without one.
    var left: Double? {
        deadline.map { Double($0.seconds) - passed - Double((ContinuousClock.now - taken).components.seconds) }
    }

    /// Whether the deadline is over.
    var isOver: Bool { left.map { $0 <= 0 } ?? false }

    /// The times for timing.json; nil without a deadline, and before the wait ended.
    var timing: JSONValue? {
        guard deadline != nil, let ended = kept.ended else { return nil }
        let rows = kept.arrived.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        let times: JSONValue = [
            "started": .string(Self.utc(kept.started)), "ended": .string(Self.utc(ended)),
            "arrived": .array(rows.map { ["site": .string($0.key), "time": .string(Self.utc($0.value))] }),
        ]
        return times
    }

    private func save() throws(Fault) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        guard let data = try? encoder.encode(kept) else { return }
        try LocalFile.write(Array(data), to: path)
    }

    private static var now: Int64 { Int64(Date().timeIntervalSince1970) }

    private static func utc(_ seconds: Int64) -> String {
        StepClock.utc(Date(timeIntervalSince1970: Double(seconds)))
    }
}
