// medrounds ledger: old adapters out of the ledger, and lines out to a bundle and in from one.

import AuditCommands
import ArgumentParser
import Faults
import Federation
import Foundation
import GitLedger
import RunRecords
import Runs

struct LedgerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ledger",
        abstract: "Copy a ledger; prune old adapters; carry runs to and from places without a network.",
        subcommands: [Clone.self, Prune.self, Export.self, Import.self])

    struct Prune: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Remove the adapters of old rounds; every record, digest and signature can still be checked.",
            discussion: """
                Averages of pruned rounds can no longer be recomputed: export or copy the ledger first.
                With --trained nothing of the ledger goes, but what sites trained and their training states in the work folder, of rounds that
                are averaged. A replay trains them again; a sampled replay then starts only where a training did. Keys, predictions and
                origins stay.

                Examples:
                  medrounds ledger prune --keep 2 --show
                  medrounds ledger prune --trained
                """)
        @Option(
            help: ArgumentHelp(
                "How many of the last rounds of each run keep their adapters (default: none with --trained).",
                valueName: "rounds"))
        var keep: Int?
        @Flag(help: "Clean the work folder, not the ledger.")
        var trained = false
        @Option(name: .customLong("run"), help: ArgumentHelp("One run (default: every run).", valueName: "run"))
        var runText: String?
        @Flag(help: "Only show what would go.")
        var show = false
        @OptionGroup var place: KeyPlace

        func validate() throws {
            guard let keep else {
                if trained { return }
                throw ValidationError("prune takes --keep, a number of rounds, or --trained for the work folder.")
            }
            if keep < (trained ? 0 : 1) { throw ValidationError("--keep takes a number from \(trained ? 0 : 1) on.") }
        }

        func run() throws {
            let ledger = try Ledger.open(path: place.ledger)
            guard !trained, let keep else { return try pruneWork(ledger, keep: keep ?? 0) }
            let pruning = try Pruning(keeping: keep, of: runText.map { try runName($0) }, in: ledger)
            for (run, rounds) in pruning.rounds {
                Console.result("\(run): the adapters of \(rounds) round\(rounds == 1 ? "" : "s")")
            }
            if show || pruning.blobs.isEmpty {
                let shared =
                    pruning.shared == 0 ? "" : "; \(pruning.shared) stay, since other rounds or runs share them"
                Console.result("\(pruning.blobs.count) adapters to prune\(shared)")
                return
            }
            let (count, bytes) = try pruning.apply(
                to: ledger, key: place.coordinator(), workspace: place.place.workspace)
            Console.result("\(count) adapters pruned, \(Figures.bytes(bytes)) before compression")
        }

        private func pruneWork(_ ledger: Ledger, keep: Int) throws {
            let cleaning = try WorkCleaning(
                keeping: keep, of: runText.map { try runName($0) }, in: ledger, workspace: place.place.workspace)
            for (run, files, bytes) in cleaning.runs {
                Console.result("\(run): \(files) files, \(Figures.bytes(bytes))")
            }
            for run in cleaning.busy { Console.result("\(run): under way, left as it is") }
            let total = cleaning.runs.reduce(0) { $0 + $1.bytes }
            if !show { cleaning.apply() }
            Console.result(
                "\(Figures.bytes(total)) of trained adapters and training states \(show ? "to remove" : "removed")")
        }
    }

    struct Export: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write the ledger, or one run with all its lines, into a git bundle.")
        @Argument(help: ArgumentHelp("The bundle to write.", valueName: "file"))
        var file: String
        @Option(name: .customLong("run"), help: ArgumentHelp("One run (default: every run).", valueName: "run"))
        var runText: String?
        @OptionGroup var place: PlaceOptions

        func run() throws {
            let lines = try Ledger.open(path: place.ledger).writeBundle(of: runText.map { try runName($0) }, to: file)
            Console.result("\(file): \(lines.count) lines")
        }
    }

    struct Import: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take a bundle over: lines go forward or stay; one that would be rewritten stops all.")
        @Argument(help: ArgumentHelp("The bundle to read.", valueName: "file"))
        var file: String
        @OptionGroup var place: PlaceOptions

        func run() throws {
            for line in try Ledger.takeBundle(file, into: place.ledger) {
                let name = line.line.ref.dropFirst("refs/heads/".count)
                Console.result(
                    "\(line.isNew ? line.old == nil ? "new     " : "forward " : "as it is")  \(name)  \(line.new.hex.prefix(9))"
                )
            }
        }
    }
}
