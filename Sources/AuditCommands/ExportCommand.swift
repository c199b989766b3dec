// medrounds export: a run as a Workflow Run RO-Crate with an in-toto statement.

import Federation
import ArgumentParser
import Faults
import Foundation
import GitLedger
import Identities
import Reports
import RunRecords

package struct ExportCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write a run as a folder for other tools: a Workflow Run RO-Crate with an in-toto statement.")

    @Argument(help: ArgumentHelp("The run.", valueName: "run"))
    var runText: String
    @Argument(help: "The folder; it must be new or empty.", completion: .directory)
    var folder: String
    @Option(help: "The licence of what is exported, as a URL or a phrase.")
    var license = "No licence is stated; ask the federation."
    @Option(
        help: ArgumentHelp(
            "Sign the statement with this private key, the coordinator's where the ledger names signers.",
            valueName: "path"),
        completion: .file())
    var key: String?
    @OptionGroup var place: PlaceOptions

    package init() {}

    package func validate() throws {
        guard !license.isEmpty, license.utf8.count <= 1000,
            !license.contains(where: \.isWhitespace) || !license.contains("://")
        else { throw ValidationError("--license takes a URL or a phrase of at most 1000 bytes.") }
    }

    package func run() throws {
        let name = try runName(runText)
        let export = try RunExport(
            run: name, ledger: try Ledger.open(path: place.ledger), license: license,
            key: key.map { try KeyAccess.opener().open($0) })
        let current = FileManager.default.currentDirectoryPath
        let made = try export.write(to: folder.hasPrefix("/") ? folder : "\(current)/\(folder)")
        Console.result(
            "\(folder): \(made.files) files, \(Figures.bytes(made.bytes))\(key == nil ? "" : ", the statement signed")")
    }
}
