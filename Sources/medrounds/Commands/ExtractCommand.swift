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
        commandName: "extract", abstract: "Print the entities of notes and their modifiers, with code point offsets.",
        discussion: """
            Notes are files, folders of .txt files, or - for standard input. Their ids are their paths below what they have in common.
            Mentions are moved to whole words and lose final punctuation where the model's marks cut through them; what was moved is
            written beside them.
            The output holds text of the notes: keep it where the notes may be kept. What --output writes is readable by you alone.
            """)

    @Argument(help: "The notes, UTF-8 text.", completion: .file())
    var notes: [String]
    @Option(name: .customLong("run"), help: ArgumentHelp("The run whose adapter is used.", valueName: "run"))
    var runText: String
    @Option(help: "The round whose adapter is used; 0 for the base model alone (default: the newest).")
    var round: Int?
    @Option(help: "table, jsonl, brat, or html: one page of all notes with their mentions highlighted.")
    var format: ExtractionFormat = .table
    @Option(
        help: ArgumentHelp(
            "Write here: with brat a folder of .txt and .ann pairs, else a file. Nothing is overwritten.",
            valueName: "path"))
    var output: String?
    @Flag(help: "Keep the boundaries that the model marked, half words and final punctuation too.")
    var asMarked = false
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
        let documents = try NoteReader.notes(at: notes) { [UInt8](FileHandle.standardInput.readDataToEndOfFile()) }
        if format == .brat, documents.count > 1, output == nil {
            throw Fault(
                .usage, "extract.no-output", "\(documents.count) .ann files cannot be told apart in one output",
                mend: "Name a folder for them with --output, or ask for --format jsonl, whose lines carry the ids.")
        }
        let origin = try RunOrigin.of(
            name, workspace: place.workspace, workflow: workflow, cache: Environment.cache,
            current: FileManager.default.currentDirectoryPath, ledger: ledger)
        let extractor = try NoteExtractor(
            run: name, round: round, ledger: ledger, origin: origin, threads: machine.count)
        let console = Console(quiet: quiet)
        var out = ExtractionOutput(format: format, path: output, isAlone: documents.count == 1)
        for document in documents {
            let found = try extractor.entities(
                of: document, boundaries: asMarked ? .asMarked : .wholeWords, maxNewTokens: maxNewTokens, batchSize: 16
            ) { (done: Int, total: Int) throws(Fault) in
                if Interruption.requested { throw .interrupted() }
                console.status("\(document.id): \(done)/\(total) sentences and heads")
            }
            console.status("")
            try out.add(found)
            if !found.asMarked.isEmpty {
                let count = found.asMarked.count
                console.note(
                    "\(document.id): \(count) \(count == 1 ? "mention was" : "mentions were") moved to whole words "
                        + "(--as-marked keeps the model's own boundaries)")
            }
            if found.faults.total > 0 {
                let count = found.faults.total
                console.note(
                    "\(document.id): in \(count) \(count == 1 ? "place" : "places") the model did not answer in the form that was "
                        + "asked for; mentions may be missing there, so compare with the note")
            }
        }
        try out.finish(
            title: "Extraction with \(name.name)" + (extractor.hasAdapter ? "" : ", base model without any training"))
    }
}

/// Collects what was extracted and writes it: to standard output, or to files that their owner alone can read.
private struct ExtractionOutput {
    let format: ExtractionFormat
    let path: String?
    let isAlone: Bool
    private var documents: [Document] = []
    private var text = ""

    init(format: ExtractionFormat, path: String?, isAlone: Bool) {
        self.format = format
        self.path = path
        self.isAlone = isAlone
    }

    mutating func add(_ found: ExtractedNote) throws(Fault) {
        let document = found.document
        switch format {
        case .html: documents.append(document)
        case .jsonl: try write(AnnotationWriter.jsonLine(document, asMarked: found.asMarked))
        case .brat:
            let lines = AnnotationWriter.brat(document, asMarked: found.asMarked)
            guard let path else { return try write(lines) }
            try PrivateOutput.write(
                Array(String(scalars: document.text).utf8), to: "\(path)/\(document.id).txt", mayBeThere: true)
            try PrivateOutput.write(Array(lines.utf8), to: "\(path)/\(document.id).ann")
        case .table:
            // A column of heads only where there are relations.
            let isBound = !document.relations.isEmpty
            var table = Table(["id", "type", "start", "end", "text"] + (isBound ? ["of"] : []))
            for row in AnnotationWriter.rows(document) {
                table.add(
                    [row.id, row.type, String(row.start), String(row.end), row.text]
                        + (isBound ? [row.heads.joined(separator: " ")] : []))
            }
            try write(((isAlone ? [] : [document.id]) + table.lines).map { $0 + "\n" }.joined())
        }
    }

    mutating func finish(title: String) throws(Fault) {
        if format == .html { try write(AnnotationPage.html(documents, title: title)) }
        if let path, format != .brat { try PrivateOutput.write(Array(text.utf8), to: path) }
    }

    private mutating func write(_ piece: String) throws(Fault) {
        // A file is written once, when everything is known; the terminal gets each note as it is done.
        if path != nil { text += piece } else { Console.text(piece) }
    }
}
