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
            discussion: "Averages of pruned rounds can no longer be recomputed: export or copy the ledger first.")
        @Option(help: ArgumentHelp("How many of the last rounds of each run keep their adapters.", valueName: "rounds"))
        var keep: Int
        @Option(name: .customLong("run"), help: ArgumentHelp("One run (default: every run).", valueName: "run"))
        var runText: String?
        @Flag(help: "Only show what would go.")
        var show = false
        @OptionGroup var place: KeyPlace

        func validate() throws {
            if keep < 1 { throw ValidationError("--keep takes a number from 1 on.") }
        }

        func run() throws {
            let ledger = try Ledger.open(path: place.ledger)
            let pruning = try Pruning(keeping: keep, of: runText.map { try runName($0) }, in: ledger)
            for (run, rounds) in pruning.rounds {
                Console.result("\(run): the adapters of \(rounds) round\(rounds == 1 ? "" : "s")")
            }
            if show || pruning.blobs.isEmpty {
                Console.result("\(pruning.blobs.count) adapters to prune")
                return
            }
            let (count, bytes) = try pruning.apply(to: ledger, key: place.coordinator())
            Console.result("\(count) adapters pruned, \(Figures.bytes(bytes)) before compression")
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
