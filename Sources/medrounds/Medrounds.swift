// medrounds: the command line. The only place that prints, exits or reads the environment.

import AuditCommands
import ArgumentParser
import Faults
import Foundation
import RunRecords
import Runs

/// The root command.
struct Medrounds: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "medrounds",
        abstract: "Federated LoRA over hospitals as files: declare it, run it, audit it, replay it.",
        discussion: """
            Exit codes:
              0    done
              1    failed
              2    usage
              3    workflow invalid
              4    data, model or ledger unreadable
              5    verification or replay mismatch
              70   bug
              130  interrupted

            Examples:
              medrounds init notes
              medrounds run workflows/quickstart.yaml
              medrounds verify quickstart-1
            """,
        version: EngineVersion.text,
        subcommands: [
            RunCommand.self, InitCommand.self, ValidateCommand.self, SchemaCommand.self, PlanCommand.self,
            LogCommand.self, ShowCommand.self,
            VerifyCommand.self, ReplayCommand.self, ExplainCommand.self, DiffCommand.self, CompareCommand.self,
            ReportCommand.self, ExportCommand.self, ExtractCommand.self, ErrorsCommand.self, ScoreCommand.self,
            DataCommand.self,
            ModelsCommand.self,
            AdapterCommand.self, BenchCommand.self, KeysCommand.self, ApproveCommand.self, WitnessCommand.self,
            LedgerCommand.self, SiteCommand.self, CarryCommand.self,
        ])
}

@main
enum Main {
    static func main() { Program.run(Medrounds.self) }
}
