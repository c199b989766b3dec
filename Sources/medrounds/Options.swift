// Options: what several commands share. Defaults that depend on the environment are read here and nowhere else.

import AuditCommands
import ArgumentParser
import Faults
import Federation
import Foundation
import RunRecords
import Runs

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
    /// The person's home folder.
    static var home: String? {
        let home = NSHomeDirectory()
        return home.isEmpty ? nil : home
    }

    /// The folder of base models: $MEDROUNDS_CACHE, else $XDG_CACHE_HOME/medrounds, else ~/.cache/medrounds.
    static var cache: String {
        let variables = ProcessInfo.processInfo.environment
        if let cache = variables["MEDROUNDS_CACHE"], !cache.isEmpty { return cache }
        if let cache = variables["XDG_CACHE_HOME"], !cache.isEmpty { return "\(cache)/medrounds" }
        return "\(NSHomeDirectory())/.cache/medrounds"
    }
}
