// PlaceOptions: where the ledger is and which run is meant.

import ArgumentParser
import Faults
import Federation
import Foundation
import RunRecords

/// Where the ledger and the work folders are.
package struct PlaceOptions: ParsableArguments {
    static let standard = "rounds/ledger.git"

    @Option(help: ArgumentHelp("The ledger, a bare git repository.", valueName: "path"))
    package var ledger: String = Self.standard

    @Option(
        help: ArgumentHelp(
            "The folder of what never enters the ledger (default: work beside the ledger).", valueName: "path"))
    var work: String?

    package init() {}

    /// The options as given, for a command that a person is asked to repeat.
    package var flags: String {
        (ledger == Self.standard ? "" : " --ledger '\(ledger)'") + (work.map { " --work '\($0)'" } ?? "")
    }

    package var workspace: Workspace {
        let beside = (ledger as NSString).deletingLastPathComponent
        return Workspace(ledger: ledger, work: work ?? (beside.isEmpty ? "work" : "\(beside)/work"))
    }
}

/// The name of a run on the command line.
package func runName(_ text: String) throws -> RunName {
    guard let name = RunName(text) else {
        throw ValidationError(
            "\"\(text)\" is not a run name: a-z and 0-9 in groups joined by single hyphens, at most 64 characters, such as rank-4."
        )
    }
    return name
}
