// ProgressPrinter: a run's events as lines: one that overwrites itself on a terminal, plain ones elsewhere.

import AuditCommands
import Federation
import Foundation
import RunRecords
import Runs

/// Words events. One run, one thread.
final class ProgressPrinter {
    private let console: Console
    private var stepStart = ContinuousClock.now
    private var label = ""
    private var lastPlain = ContinuousClock.now
    /// How many lines of a table are on the terminal below everything else.
    private var tableLines = 0
    /// What the last line of a log said of who is waited for.
    private var told: [String] = []

    init(_ console: Console) { self.console = console }

    func show(_ event: RunEvent) {
        if case .waiting(let table?) = event { return show(table) }
        clearTable()
        switch event {
        case .opened(let run, let plan, let done):
            console.note("run \(run), plan \(plan.hex.prefix(12))\(done > 0 ? ", going on after \(done) commits" : "")")
        case .started(let round, let step, let owner):
            label = "\(round == 0 ? "base model" : "round \(round)") \(step)\(owner.map { " \($0)" } ?? "")"
            stepStart = .now
            lastPlain = .now
            console.status(label)
        case .progressed(let done, let total, let unit, let detail):
            let line =
                "\(label): \(done)/\(total), \(rate(done, total, unit))\(detail.isEmpty ? "" : ", \(detail)")"
            console.status(line)
            // Where lines are kept, one every ten seconds is enough to see that it lives.
            if !console.isTerminal, ContinuousClock.now - lastPlain > .seconds(10) {
                lastPlain = .now
                console.note(line)
            }
        case .committed(_, _, _, let subject, let commit):
            console.note("\(commit.prefix(9)) \(subject)")
        case .noted(let text):
            console.note(text)
        case .waiting: told = []
        }
    }

    /// A table that is drawn over itself on a terminal; elsewhere a line where a state changed.
    private func show(_ table: WaitingTable) {
        if console.isTerminal {
            let lines = table.lines(columns: console.columns - 1, rows: console.rows - 1)
            tableLines = console.table(lines, over: tableLines)
        } else if table.key != told {
            told = table.key
            console.note(table.line)
        }
    }

    private func clearTable() { tableLines = console.table([], over: tableLines) }

    /// Clears a status line that is still standing.
    func finish() {
        clearTable()
        console.status("")
    }

    private func rate(_ done: Int, _ total: Int, _ unit: String) -> String {
        let elapsed = ContinuousClock.now - stepStart
        let seconds = Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18
        guard done > 0, seconds > 0.05 else { return "starting" }
        let speed = Double(done) / seconds
        return
            "\(Figures.seconds(Double(total - done) / speed)) left, \(Figures.fixed(speed, speed < 10 ? 1 : 0)) \(unit)/s"
    }
}
