// The command verify: exit 0 where everything holds, 5 where something does not.

import ArgumentParser
import Faults
import Federation
import Foundation
import GitLedger
import Identities
import RunRecords
import Verification

package struct VerifyCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Check a run's history without training again: no model, notes or network needed.")

    @Argument(help: ArgumentHelp("The run.", valueName: "run"))
    var runText: String
    @Option(
        help: ArgumentHelp("Allowed signers that you keep yourself, in place of the ledger's own.", valueName: "path"))
    var trust: String?
    @Option(help: ArgumentHelp("A statement of medrounds witness; may be given several times.", valueName: "path"))
    var witness: [String] = []
    @OptionGroup var place: PlaceOptions
    @Flag(help: "Print JSON.")
    var json = false

    package init() {}

    package func run() throws {
        let ledger = try Ledger.open(path: place.ledger)
        let trusted = try trust.map { path in
            guard let bytes = FileManager.default.contents(atPath: path) else {
                throw ValidationError("\(path) cannot be read.")
            }
            return try AllowedSigners(parsing: Array(bytes), file: path)
        }
        let report = try Verifier(
            run: runName(runText), ledger: ledger, trusted: trusted,
            witnesses: try witness.map { try Witness(reading: $0) }
        ).report()
        if json {
            Console.result(raw: report.json.canonical)
        } else {
            for check in report.checks {
                let mark =
                    switch check.status {
                    case .holds: "ok  "
                    case .fails: "FAIL"
                    case .unproven: "-   "
                    }
                Console.result("\(mark)  \(check.claim)  (\(check.evidence))")
                for fault in check.faults {
                    for line in fault.description.split(separator: "\n") { Console.result("        \(line)") }
                }
            }
            let state =
                report.done == report.planned ? "complete" : "\(report.done) of \(report.planned) steps"
            let signing =
                switch report.signing {
                case .unsigned: "commits are not signed"
                case .signed: "every commit is signed by an allowed key"
                case .broken: "signatures DO NOT HOLD"
                }
            Console.result(
                "\(report.run) at \(report.tip.prefix(9)): \(report.holds ? "every check holds" : "NOT VERIFIED"), \(state), "
                    + signing)
        }
        if !report.holds { throw ExitCode(5) }
    }
}
