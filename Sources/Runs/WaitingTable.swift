// WaitingTable: who is waited for, in which state and since when, as text for a terminal or a log. Printing is left to the command line.

import Federation

/// What the coordinator knows of the sites on other machines while it waits.
public struct WaitingTable: Sendable, Equatable {
    /// What a site was last seen to do.
    public enum State: String, Sendable, CaseIterable {
        case called, training, scoring, late, refused, unreachable
        case partReceived = "part received"
        case waitingForApproval = "waiting for approval"
        case uploadReceived = "upload received"
        case scoresReceived = "scores received"

        /// Whether nothing more is waited for.
        var isDone: Bool { [.partReceived, .uploadReceived, .scoresReceived, .refused].contains(self) }
    }

    /// One site.
    public struct Row: Sendable, Equatable {
        package var site: SiteID
        package var state: State
        /// Seconds for which the state has been seen.
        package var seconds: Double
        /// The size of the upload that came; nil before it.
        package var bytes: Int?

        package init(_ site: SiteID, _ state: State, seconds: Double, bytes: Int? = nil) {
            self.site = site
            self.state = state
            self.seconds = seconds
            self.bytes = bytes
        }
    }

    /// `uploads of round 1`.
    package var what: String
    package var rows: [Row]
    /// Seconds until the deadline, below zero after it; nil without one.
    package var left: Double?

    package init(_ what: String, _ rows: [Row], left: Double? = nil) {
        self.what = what
        self.rows = rows
        self.left = left
    }

    /// What has to change before a log gets another line.
    public var key: [String] { [what] + rows.map { "\($0.site) \($0.state.rawValue)" } + [isOver ? "over" : ""] }

    private var isOver: Bool { left.map { $0 <= 0 } ?? false }

    private var title: String {
        let time = left.map {
            $0 > 0 ? "; \(Figures.seconds($0)) left" : "; deadline over, below quorum"
        }
        return "waiting for \(what)\(time ?? "")"
    }

    /// One line for a log: sites by state, those that are waited for first; of many sites the first few names.
    public var line: String {
        let states = State.allCases.filter { !$0.isDone } + State.allCases.filter(\.isDone)
        let groups = states.compactMap { state -> String? in
            let names = rows.filter { $0.state == state }.map(\.site.name)
            guard !names.isEmpty else { return nil }
            let more = names.count > 5 ? " and \(names.count - 5) more" : ""
            return "\(state.rawValue): \(names.prefix(5).joined(separator: ", "))\(more)"
        }
        return "\(title); \(groups.joined(separator: "; "))"
    }

    /// Lines of at most so many columns, and at most so many of them, for a terminal: those that are waited for first where not all have room.
    public func lines(columns: Int, rows most: Int) -> [String] {
        let order = rows.filter { !$0.state.isDone } + rows.filter(\.state.isDone)
        let room = max(1, most - 2)
        let shown = order.count <= room ? rows : Array(order.prefix(max(1, room - 1)))
        let states = State.allCases.map(\.rawValue.count).max() ?? 0
        // Columns beside the name: state, time and bytes, each after two spaces.
        let beside = 2 + states + 2 + Self.timeWidth + 2 + Self.bytesWidth
        let width = max(8, min(shown.map(\.site.name.count).max() ?? 0, columns - beside))
        func pad(_ text: String, _ width: Int, left: Bool = false) -> String {
            let cut = text.count > width ? "\(text.prefix(max(1, width - 2))).." : text
            let space = String(repeating: " ", count: max(0, width - cut.count))
            return left ? space + cut : cut + space
        }
        func row(_ site: String, _ state: String, _ time: String, _ bytes: String) -> String {
            [
                pad(site, width), pad(state, states), pad(time, Self.timeWidth, left: true),
                pad(bytes, Self.bytesWidth, left: true),
            ].joined(separator: "  ")
        }
        var lines = [title, row("site", "state", "since", "bytes")]
        for entry in shown {
            lines.append(
                row(
                    entry.site.name, entry.state.rawValue, Self.short(entry.seconds),
                    entry.bytes.map(Figures.bytes) ?? "-"))
        }
        if shown.count < rows.count { lines.append("and \(rows.count - shown.count) more") }
        return lines.map { String($0.prefix(max(1, columns))) }
    }

    private static let timeWidth = 7
    private static let bytesWidth = 8

    /// Seconds in at most seven characters: `48s`, `3m 05s`, `2h 10m`, `3d 04h`.
    private static func short(_ seconds: Double) -> String {
        let whole = Int(max(0, min(seconds, 8e7)))
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        switch whole {
        case ..<60: return "\(whole)s"
        case ..<3600: return "\(whole / 60)m \(two(whole % 60))s"
        case ..<86_400: return "\(whole / 3600)h \(two(whole / 60 % 60))m"
        default: return "\(whole / 86_400)d \(two(whole / 3600 % 24))h"
        }
    }
}
