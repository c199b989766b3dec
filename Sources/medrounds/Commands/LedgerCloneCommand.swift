// medrounds ledger clone: a bare copy from which no push can take a line away.

import AuditCommands
import ArgumentParser
import Faults
import GitLedger

extension LedgerCommand {
    struct Clone: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a bare copy of a ledger that goes forward with it.",
            discussion: """
                Every object is compared with its id. git fetch in the copy brings new steps; git push origin BRANCH sends back a line \
                that went forward, such as a site's answers. No push deletes or rewinds a line.
                """)
        @Argument(help: ArgumentHelp("The ledger, or a plain git clone of one.", valueName: "source"))
        var source: String
        @Argument(help: ArgumentHelp("The folder to make.", valueName: "copy"))
        var copy: String

        func run() throws {
            let branches = try Ledger.clone(from: source, to: copy)
            Console.result("\(copy): \(branches.count) branches")
        }
    }
}
