// medrounds report: a run as one HTML file.

import Federation
import ArgumentParser
import Faults
import Foundation
import GitLedger
import LocalFiles
import Reports
import RunRecords

package struct ReportCommand: ParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Write a run as one HTML file that opens offline and prints well.")

    @Argument(help: ArgumentHelp("The run.", valueName: "run"))
    var runText: String
    @Option(
        name: .shortAndLong, help: ArgumentHelp("The file (default: RUN.html in this folder).", valueName: "path"),
        completion: .file())
    var output: String?
    @OptionGroup var place: PlaceOptions

    package init() {}

    package func run() throws {
        let name = try runName(runText)
        let report = try RunReport(run: name, ledger: try Ledger.open(path: place.ledger))
        let path = output ?? "\(name).html"
        let folder = FileManager.default.currentDirectoryPath
        do {
            try LocalFile.write(report.html, to: path.hasPrefix("/") ? path : "\(folder)/\(path)", for: .everyone)
        } catch {
            throw Fault(
                .failed, "report.not-writable", error.what, at: Place(file: path),
                mend: "Name a file in a folder of your own with --output.")
        }
        Console.result("\(path): \(Figures.bytes(report.html.count))")
    }
}
