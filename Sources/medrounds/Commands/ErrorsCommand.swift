// medrounds errors: what a score means, as a page: missed, false and half-right mentions in their sentences.

import ArgumentParser
import AuditCommands
import Extraction
import Faults
import Federation
import Foundation
import GitLedger
import Runs

struct ErrorsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "errors",
        abstract: "Write a page of what a run missed, made up or got half right in a cohort.",
        discussion: """
            The page shows sentences of the cohort's notes: keep it where they are kept. You alone can read it.
            It needs the notes and the work folder of the machine that scored them.
            """)

    @Argument(help: ArgumentHelp("The run.", valueName: "run"))
    var runText: String
    @Option(help: ArgumentHelp("The cohort; not needed where the run has one.", valueName: "name"))
    var cohort: String?
    @Option(help: "The round that was scored; 0 for the base model (default: the newest).")
    var round: Int?
    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("The file (default: errors/ROUND-COHORT.html in the run's work folder).", valueName: "path"),
        completion: .file())
    var output: String?
    @Option(help: ArgumentHelp("The workflow file, elsewhere than where the run was made.", valueName: "path"))
    var workflow: String?
    @OptionGroup var place: PlaceOptions

    func run() throws {
        let ledger = try Ledger.open(path: place.ledger)
        let name = try runName(runText)
        let origin = try RunOrigin.of(
            name, workspace: place.workspace, workflow: workflow, cache: Environment.cache,
            current: FileManager.default.currentDirectoryPath, ledger: ledger)
        let errors = try CohortErrors(
            run: name, cohort: cohort, round: round, ledger: ledger, origin: origin, workspace: place.workspace)
        let scored = errors.round == 0 ? "the base model alone" : "round \(errors.round)"
        let page = ErrorPage.html(
            errors.records, title: "Errors of \(name.name) in \(errors.cohort.name)",
            note: "\(name.name), \(scored), scored on \(errors.cohort.name): \(errors.records.count) answers.")
        let path =
            output
            ?? "\(place.workspace.work)/\(name.name)/errors/\(RunPath.folder(of: errors.round))-\(errors.cohort.name).html"
        // A page that this command made before is made anew; what a person names is not overwritten.
        if output == nil { try? FileManager.default.removeItem(atPath: path) }
        try PrivateOutput.write(Array(page.utf8), to: path)
        var counts: [MentionErrors.Kind: Int] = [:]
        for finding in errors.records.flatMap(\.findings) { counts[finding.kind, default: 0] += 1 }
        let half = (counts[.boundaries] ?? 0) + (counts[.type] ?? 0)
        Console.result(
            "\(path): \(counts[.right] ?? 0) right, \(half) half right, \(counts[.missed] ?? 0) missed, \(counts[.invented] ?? 0) false"
        )
    }
}
