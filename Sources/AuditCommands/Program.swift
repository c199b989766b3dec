// Program: runs a root command and ends with its exit code; the same for every executable.

import ArgumentParser
import Faults
import Foundation

package enum Program {
    /// Parses the arguments, runs the command and ends the process: 0 done, 1 failed, 2 usage, 3 workflow invalid, 4 data, model or ledger
    /// unreadable, 5 verification or replay mismatch, 70 bug, 130 interrupted.
    package static func run<Root: ParsableCommand>(_ root: Root.Type) -> Never {
        do {
            var command = try Root.parseAsRoot()
            try command.run()
        } catch let fault as Fault {
            Console.fault(fault.description)
            exit(fault.exitCode)
        } catch let report as FaultReport {
            Console.fault(report.description)
            if report.faults.count > 1 { Console.fault("\(report.faults.count) faults") }
            exit(report.faults.map(\.exitCode).max() ?? 1)
        } catch {
            let code = Root.exitCode(for: error)
            let message = Root.fullMessage(for: error)
            if code == .success {
                Console.result(message)
                exit(0)
            }
            if !message.isEmpty { Console.fault(message) }
            // The parser's own code for bad arguments is 64; ours is 2, as the table in the help says.
            exit(code == .validationFailure ? 2 : code.rawValue)
        }
        exit(0)
    }
}
