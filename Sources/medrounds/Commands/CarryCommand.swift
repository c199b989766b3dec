// medrounds carry: the child process that exchanges messages with a hub; started by run and site run, not by people.

import ArgumentParser
import Carriers

struct CarryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "carry", abstract: "Serve one exchange with a hub.", shouldDisplay: false)

    func run() { CarrierRequest.serve() }
}
