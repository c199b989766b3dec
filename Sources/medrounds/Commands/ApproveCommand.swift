// medrounds approve and medrounds witness: a site's yes or no to a plan, and a statement of a run's tip to keep elsewhere.

import AuditCommands
import ArgumentParser
import Faults
import Federation
import Foundation
import GitLedger
import Identities
import RunRecords

struct ApproveCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "approve", abstract: "Sign a run's plan for a site, or take the approval back.")

    @Argument(help: ArgumentHelp("The run.", valueName: "run"))
    var runText: String
    @Option(help: "The site that answers.")
    var site: String
    @Option(
        help: ArgumentHelp(
            "The private key (default: the site's in the keys folder, else its approver's).", valueName: "path"))
    var key: String?
    @Flag(help: "Only show what is asked: the plan in short and what changed since the site's last approval.")
    var show = false
    @Flag(help: "Print every setting of the plan too.")
    var all = false
    @Flag(help: "Sign without the question that is asked on a terminal.")
    var yes = false
    @Flag(help: "Take an approval back: the site trains no further step.")
    var withdraw = false
    @OptionGroup var place: KeyPlace

    func run() throws {
        let ledger = try Ledger.open(path: place.ledger)
        let name = try runName(runText)
        guard let site = SiteID(site) else { throw ValidationError("\"\(site)\" is no site name.") }
        let question = try Approval.question(of: name, site: site, ledger: ledger)
        Console.result("plan \(question.plan.hex) of \(name)")
        question.brief.forEach { Console.result("  \($0)") }
        if let previous = question.previous {
            Console.result(
                "since the approval of \(previous): \(question.changes.isEmpty ? "nothing changed" : "")")
            question.changes.forEach { Console.result("  \($0)") }
        } else {
            Console.result("never approved before\(all ? "; every setting:" : "; --all prints every setting")")
            if all { question.changes.forEach { Console.result("  \($0)") } }
        }
        if show { return }
        guard try confirmed(site) else { return Console.result("not signed") }
        let own = [SignerRole.site(site), .approver(site)].map { "\(place.folder)/\($0.fileName)" }
        let opener = KeyAccess.opener()
        let path = key ?? own.first(where: opener.isThere) ?? own[0]
        let commit = try Approval.give(
            name, site: site, approves: !withdraw, key: opener.open(path), ledger: ledger)
        Console.result("\(commit.hex.prefix(9)) \(withdraw ? "withdrawn" : "approved") for \(site)")
    }

    /// Asks a person at a terminal; a script has decided already.
    private func confirmed(_ site: SiteID) throws -> Bool {
        guard !yes, isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1 else { return true }
        Console.text("\(withdraw ? "Take the approval back" : "Sign this plan") for \(site)? [y/N] ")
        return ["y", "yes"].contains(readLine()?.lowercased() ?? "")
    }
}

struct WitnessCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "witness",
        abstract:
            "Print a statement of a run's tip; kept elsewhere, it shows a ledger that was rolled back or rewritten.")

    @Argument(help: ArgumentHelp("The run.", valueName: "run"))
    var runText: String
    @Option(
        help: ArgumentHelp(
            "The private key to sign with (default: the coordinator's in the keys folder).", valueName: "path"))
    var key: String?
    @OptionGroup var place: KeyPlace

    func run() throws {
        let ledger = try Ledger.open(path: place.ledger)
        let signing = try key.map { try KeyAccess.opener().open($0) } ?? place.coordinator()
        Console.result(raw: try Witness(of: runName(runText), ledger: ledger, key: signing).json.canonical)
    }
}
