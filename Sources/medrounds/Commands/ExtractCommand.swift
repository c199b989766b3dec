// medrounds extract: the entities of new notes and their modifiers, with a run's global adapter.

import AuditCommands
import ArgumentParser
import Extraction
import Faults
import Federation
import Foundation
import GitLedger
import RunRecords
import Runs

/// How entities are printed.
enum ExtractionFormat: String, ExpressibleByArgument, CaseIterable {
    case table, jsonl, brat, html
}

struct ExtractCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "extract", abstract: "Print the entities of a note and their modifiers, with code point offsets.",
        discussion: "The output holds text of the note: keep it where the note may be kept.")

    @Argument(help: "The notes, UTF-8 text.", completion: .file())
    var notes: [String]
    @Option(name: .customLong("run"), help: ArgumentHelp("The run whose adapter is used.", valueName: "run"))
    var runText: String
    @Option(help: "The round whose adapter is used; 0 for the base model (default: the newest).")
    var round: Int?
    @Option(help: "table, jsonl, brat, or html: one page of all notes with their mentions highlighted.")
    var format: ExtractionFormat = .table
    @Option(help: ArgumentHelp("The workflow file, elsewhere than where the run was made.", valueName: "path"))
    var workflow: String?
    @Option(help: "New tokens a sentence at most.")
    var maxNewTokens = 192
    @OptionGroup var place: PlaceOptions
    @OptionGroup var machine: MachineOptions
    @Flag(help: "Print no progress.")
    var quiet = false

    func validate() throws {
        guard !notes.isEmpty else { throw ValidationError("Name at least one note.") }
        guard (1...4096).contains(maxNewTokens) else {
            throw ValidationError("--max-new-tokens takes a number from 1 to 4096.")
        }
    }

    func run() throws {
        Interruption.watch()
        let ledger = try Ledger.open(path: place.ledger)
        let name = try runName(runText)
        let documents = try notes.map { try CorpusReader.readNote(path: $0) }
        let origin = try RunOrigin.of(
            name, workspace: place.workspace, workflow: workflow, cache: Environment.cache, current: FileManager.default.currentDirectoryPath, ledger: ledger)
        let extractor = try NoteExtractor(
            run: name, round: round, ledger: ledger, origin: origin, threads: machine.count)
        let console = Console(quiet: quiet)
        var pages: [Document] = []
        for document in documents {
            let (found, faults) = try extractor.entities(of: document, maxNewTokens: maxNewTokens, batchSize: 16) {
                (done: Int, total: Int) throws(Fault) in
                if Interruption.requested { throw .interrupted() }
                console.status("\(document.id): \(done)/\(total) sentences and heads")
            }
            console.status("")
            switch format {
            case .html: pages.append(found)
            case .brat: Console.result(raw: Array(AnnotationWriter.brat(found).utf8))
            case .jsonl: Console.result(raw: Array(AnnotationWriter.jsonLine(found).utf8))
            case .table:
                // A column of heads only where there are relations.
                let isBound = !found.relations.isEmpty
                var table = Table(["id", "type", "start", "end", "text"] + (isBound ? ["of"] : []))
                for row in AnnotationWriter.rows(found) {
                    table.add(
                        [row.id, row.type, String(row.start), String(row.end), row.text]
                            + (isBound ? [row.heads.joined(separator: " ")] : []))
                }
                if documents.count > 1 { Console.result(document.id) }
                table.lines.forEach(Console.result)
            }
            if faults.total > 0 {
                console.note("\(document.id): marks of the model that could not be read: \(faults.total)")
            }
        }
        if format == .html {
            Console.result(raw: Array(AnnotationPage.html(pages, title: "Extraction with \(name.name)").utf8))
        }
    }
}
