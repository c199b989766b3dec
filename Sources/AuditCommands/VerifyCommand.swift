// The command verify: exit code 0 where every check holds, 5 where one fails.

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
    var runText: String?
    @Flag(help: "Check every run of the ledger.")
    var all = false
    @Flag(help: "Refuse refs that do not belong to a ledger, such as tags and those of a hosting service.")
    var strict = false
    @Option(
        help: ArgumentHelp("Allowed signers that you keep yourself, in place of the ledger's own.", valueName: "path"))
    var trust: String?
    @Option(help: ArgumentHelp("A statement of medrounds witness; may be given several times.", valueName: "path"))
    var witness: [String] = []
    @OptionGroup var place: PlaceOptions
    @Flag(help: "Print JSON.")
    var json = false

    package init() {}

    package func validate() throws {
        if (runText == nil) != all { throw ValidationError("verify takes a run, or --all.") }
        if all && !witness.isEmpty { throw ValidationError("--witness needs a single run.") }
    }

    package func run() throws {
        let ledger = try Ledger.open(path: place.ledger)
        let trusted = try AllowedSigners.trusted(trust)
        let statements = try witness.map { try Witness(reading: $0) }
        let runs = try runText.map { [try runName($0)] } ?? ledger.runs()
        if runs.isEmpty { Console.result("the ledger holds no run yet") }
        var reports: [VerificationReport] = []
        var unreadable: [(run: RunName, fault: Fault)] = []
        for run in runs {
            do throws(Fault) {
                let verifier = try Verifier(
                    run: run, ledger: ledger, trusted: trusted, witnesses: statements, isStrict: strict)
                reports.append(verifier.report())
            } catch {
                // One run that cannot be read does not hide the others.
                guard all else { throw error }
                unreadable.append((run, error))
            }
        }
        if json {
            let values = reports.map(\.json)
            Console.result(raw: (all ? JSONValue.array(values) : values.first ?? .null).canonical)
        } else {
            for report in reports { Self.lines(report, brief: all).forEach(Console.result) }
        }
        for (run, fault) in unreadable { Console.result("\(run): NOT VERIFIED: \(fault)") }
        if !unreadable.isEmpty || reports.contains(where: { !$0.holds }) { throw ExitCode(5) }
    }

    /// The verdict, then what failed, then the rest; for many runs, the checks that hold are not printed.
    private static func lines(_ report: VerificationReport, brief: Bool) -> [String] {
        let state = report.done == report.planned ? "complete" : "\(report.done) of \(report.planned) steps"
        let signing =
            switch report.signing {
            case .unsigned: "commits are not signed"
            case .signed: "every commit is signed by an allowed key"
            case .broken: "signatures DO NOT HOLD"
            }
        var lines = [
            "\(report.run) at \(report.tip.prefix(9)): \(report.holds ? "every check holds" : "NOT VERIFIED"), \(state), \(signing)"
        ]
        for check in report.checks where check.status == .fails {
            lines.append("FAIL  \(check.claim)  (\(check.evidence))")
            for fault in check.faults.prefix(20) {
                lines += fault.description.split(separator: "\n").map { "        \($0)" }
            }
            if check.faults.count > 20 { lines.append("        and \(check.faults.count - 20) more") }
        }
        if brief { return lines }
        for check in report.checks where check.status == .holds {
            lines.append("ok    \(check.claim)  (\(check.evidence))")
        }
        let unproven = report.checks.filter { $0.status == .unproven }
        if !unproven.isEmpty {
            lines.append(
                "- marks what was not asked for or cannot be known from this ledger: neither proven nor contradicted.")
        }
        for check in unproven { lines.append("-     \(check.claim)  (\(check.evidence))") }
        return lines
    }
}
