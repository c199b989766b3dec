// medrounds schema: the workflow format as JSON Schema, for editors and other checkers, or as the tables of its page.

import ArgumentParser
import AuditCommands
import Workflows

struct SchemaCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema",
        abstract: "Print the JSON Schema (draft-07) of a workflow file.",
        discussion: """
            An editor with the YAML language server completes and checks a workflow whose first line is

              # yaml-language-server: $schema=PATH

            where PATH is a file with what this prints: medrounds schema > workflow.schema.json
            """)

    @Flag(help: "Print the tables of docs/workflow-format.md, made from the same declarations.")
    var markdown = false

    func run() throws {
        guard markdown else {
            Console.result(raw: WorkflowTables.schema.canonical)
            return
        }
        for table in WorkflowTables.markdown {
            Console.result("### \(table.title)\n")
            for line in table.lines { Console.result(line) }
            Console.result("")
        }
    }
}
