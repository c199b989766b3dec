// Options: what several commands share. Defaults that depend on the environment are read here and nowhere else.

import ArgumentParser
import Faults
import Federation
import Foundation
import RunRecords
import Runs

/// Where the ledger and the work folders are.
struct PlaceOptions: ParsableArguments {
    static let standard = "rounds/ledger.git"

    @Option(help: ArgumentHelp("The ledger, a bare git repository.", valueName: "path"))
    var ledger: String = Self.standard

    @Option(
        help: ArgumentHelp(
            "The folder of what never enters the ledger (default: work beside the ledger).", valueName: "path"))
    var work: String?

    /// The options as given, for a command that a person is told to repeat.
    var flags: String {
        (ledger == Self.standard ? "" : " --ledger '\(ledger)'") + (work.map { " --work '\($0)'" } ?? "")
    }

    var workspace: Workspace {
        let beside = (ledger as NSString).deletingLastPathComponent
        return Workspace(ledger: ledger, work: work ?? (beside.isEmpty ? "work" : "\(beside)/work"))
    }
}

/// How much the machine may do.
struct MachineOptions: ParsableArguments {
    @Option(help: "How many threads compute; results do not depend on it (default: all processors).")
    var threads: Int?

    func validate() throws {
        if let threads, !(1...1024).contains(threads) {
            throw ValidationError("--threads takes a number from 1 to 1024.")
        }
    }

    var count: Int { threads ?? Machine.processors }
}

/// What the environment decides.
enum Environment {
    /// The folder of base models: $MEDROUNDS_CACHE, else $XDG_CACHE_HOME/medrounds, else ~/.cache/medrounds.
    static var cache: String {
        let variables = ProcessInfo.processInfo.environment
        if let cache = variables["MEDROUNDS_CACHE"], !cache.isEmpty { return cache }
        if let cache = variables["XDG_CACHE_HOME"], !cache.isEmpty { return "\(cache)/medrounds" }
        return "\(NSHomeDirectory())/.cache/medrounds"
    }
}

/// The name of a run on the command line.
func runName(_ text: String) throws -> RunName {
    guard let name = RunName(text) else {
        throw ValidationError("\"\(text)\" is no run name; runs are named <workflow>-<number>.")
    }
    return name
}
