// medrounds-verify: the auditor's program. It reads ledgers and nothing else: no engine, no model, no notes, no network.

import ArgumentParser
import AuditCommands
import RunRecords

struct MedroundsVerify: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "medrounds-verify",
        abstract: "Check, read and export the runs of a ledger: no model, notes or network needed.",
        discussion: """
            Exit codes:
              0   done
              1   failed
              2   usage
              4   ledger unreadable
              5   verification mismatch
              70  bug
            """,
        version: EngineVersion.text,
        subcommands: [
            VerifyCommand.self, LogCommand.self, ShowCommand.self, ReportCommand.self, ExportCommand.self,
            CheckWitnessCommand.self,
        ])
}

@main
enum Main {
    static func main() { Program.run(MedroundsVerify.self) }
}
