// The command witness of the auditor's program: checks a statement against the ledger, without the other checks.

import ArgumentParser
import Faults
import Federation
import Foundation
import GitLedger
import Identities
import RunRecords

package struct CheckWitnessCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "witness", abstract: "Check statements of medrounds witness against the ledger.")

    @Argument(help: ArgumentHelp("The statements.", valueName: "path"))
    var statements: [String]
    @Option(
        help: ArgumentHelp("Allowed signers that you keep yourself, in place of the ledger's own.", valueName: "path"))
    var trust: String?
    @OptionGroup var place: PlaceOptions

    package init() {}

    package func run() throws {
        let ledger = try Ledger.open(path: place.ledger)
        let signers = try AllowedSigners.trusted(trust) ?? Identities.read(ledger)?.signers ?? AllowedSigners([])
        var contradicts = false
        for path in statements {
            let witness = try Witness(reading: path)
            guard let tip = try ledger.tip(.main(witness.run)) else {
                throw Fault.runMissing(witness.run, known: try ledger.runs())
            }
            let (evidence, faults) = try witness.faults(tip: tip, signers: signers, ledger: ledger)
            Console.result("\(faults.isEmpty ? "ok  " : "FAIL")  \(path): \(witness.run), \(evidence)")
            for fault in faults { Console.result("        \(fault.what)") }
            contradicts = contradicts || !faults.isEmpty
        }
        if contradicts { throw ExitCode(5) }
    }
}

extension AllowedSigners {
    /// The auditor's own file; nil where none is named.
    static func trusted(_ path: String?) throws -> AllowedSigners? {
        guard let path else { return nil }
        guard let bytes = FileManager.default.contents(atPath: path) else {
            throw ValidationError("\(path) cannot be read.")
        }
        return try AllowedSigners(parsing: Array(bytes), file: path)
    }
}
