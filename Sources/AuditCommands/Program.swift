// Program: runs a root command and ends with its exit code; the same for every executable.

import ArgumentParser
import Faults
import Foundation

package enum Program {
    /// Parses the arguments, runs the command and ends the process: 0 done, 1 failed, 2 usage, 3 workflow invalid, 4 data, model or ledger
    /// unreadable, 5 verification or replay mismatch, 70 bug, 130 interrupted.
    package static func run<Root: ParsableCommand>(_ root: Root.Type) -> Never {
        if let word = CommandLine.arguments.dropFirst().first, let message = unknownCommand(word, of: root) {
            Console.fault(message)
            exit(2)
        }
        var running: (any ParsableCommand.Type)?
        do {
            var command = try Root.parseAsRoot()
            running = type(of: command)
            try command.run()
        } catch let fault as Fault {
            Console.fault(fault.description)
            exit(fault.exitCode)
        } catch let report as FaultReport {
            Console.fault(report.description)
            if report.faults.count > 1 { Console.fault("\(report.faults.count) faults") }
            exit(report.faults.map(\.exitCode).max() ?? 1)
        } catch {
            let code = Root.exitCode(for: error)
            var message = Root.fullMessage(for: error)
            // What a command finds wrong with its arguments is told with the usage of that command.
            if let running, error is ValidationError {
                let path = path(of: root)
                let name = path.split(separator: " ").last ?? ""
                message = running.fullMessage(for: error)
                    .replacingOccurrences(of: "Usage: \(name) ", with: "Usage: \(path) ")
                    .replacingOccurrences(of: "See '\(name) ", with: "See '\(path) ")
            }
            if code == .success {
                Console.result(message)
                exit(0)
            }
            if !message.isEmpty { Console.fault(message) }
            // The parser's own code for bad arguments is 64; ours is 2, as the table in the help says.
            exit(code == .validationFailure ? 2 : code.rawValue)
        }
        exit(0)
    }

    /// The commands that the arguments name: `medrounds ledger prune`.
    private static func path(of root: any ParsableCommand.Type) -> String {
        var words = [root.configuration.commandName ?? ""]
        var next: (any ParsableCommand.Type)? = root
        for word in CommandLine.arguments.dropFirst() {
            next = next?.configuration.subcommands.first {
                ($0.configuration.commandName ?? "\($0)".lowercased()) == word
            }
            guard next != nil else { break }
            words.append(word)
        }
        return words.joined(separator: " ")
    }

    /// What is said of a first word that is no command; nil for a command and for an option.
    private static func unknownCommand(_ word: String, of root: any ParsableCommand.Type) -> String? {
        let names = root.configuration.subcommands.compactMap { $0.configuration.commandName } + ["help"]
        guard !word.hasPrefix("-"), !names.contains(word) else { return nil }
        let near = names.map { (distance(word, $0), $0) }.min { ($0.0, $0.1) < ($1.0, $1.1) }
        let hint = near.flatMap { $0.0 <= max(1, word.count / 3) ? "; did you mean \"\($0.1)\"?" : nil } ?? ""
        return
            "there is no command \"\(word.prefix(40))\"\(hint)\nSee '\(root.configuration.commandName ?? "medrounds") --help'."
    }

    /// How many characters to insert, drop, replace or exchange with the next to make one word of the other.
    private static func distance(_ left: String, _ right: String) -> Int {
        let (a, b) = (Array(left.prefix(40)), Array(right.prefix(40)))
        var rows = [Array(0...b.count)]
        for i in a.indices {
            var row = [i + 1]
            for j in b.indices {
                var least = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { least = min(least, rows[i - 1][j - 1] + 1) }
                row.append(least)
            }
            rows.append(row)
        }
        return rows[a.count][b.count]
    }
}
