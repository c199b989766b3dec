// medrounds data: what stands in annotated notes, before a workflow names them.

import AuditCommands
import ArgumentParser
import Extraction
import Faults
import Federation
import Foundation
import ModelShelf
import Runs

struct DataCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data", abstract: "Look into annotated notes, or score some against others.",
        subcommands: [InspectData.self, ScoreData.self])
}

struct InspectData: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Count documents, sentences, labels, nesting and faults, and find wording that corpora share.",
        discussion: """
            Several paths are compared in the order given: of each later one, the documents are listed of which much of the
            wording (stretches of eight words) stands in an earlier one. Name training first, then validation and tests.
            No text of a note is printed.
            """)

    @Argument(
        help: "Folders of BRAT pairs or .bio files, .jsonl files or BioC .json files.", completion: .file())
    var paths: [String]
    @Option(
        name: .customLong("label"),
        help: ArgumentHelp(
            "What a label stands for, as Sign_symptom=problem; LABEL= passes over it.", valueName: "label=type"))
    var labels: [String] = []
    @Option(help: "List documents that share at least this part of their wording, 0 to 1.")
    var share = 0.5
    @Option(help: "The model whose tokens are counted: a catalogue name or a path; none for no tokens.")
    var model = "smollm2-135m-instruct"

    func validate() throws {
        guard !paths.isEmpty else { throw ValidationError("Name at least one corpus.") }
        guard (0...1).contains(share) else { throw ValidationError("--share takes a number from 0 to 1.") }
    }

    func run() throws {
        var names: [String: String?] = [:]
        for label in labels {
            let halves = label.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard halves.count == 2, !halves[0].isEmpty else {
                throw ValidationError("--label takes LABEL=TYPE, as Sign_symptom=problem.")
            }
            names[halves[0]] = .some(halves[1].isEmpty ? nil : halves[1])
        }
        let probe =
            model == "none"
            ? nil
            : try? ModelProbe(
                model: model, adapter: nil, cache: Environment.cache,
                current: FileManager.default.currentDirectoryPath)
        var read: [(path: String, documents: [Document])] = []
        for path in paths {
            let corpus = try CorpusReader.corpus(path: path, labels: LabelMap(names), badDocuments: .skip)
            print(path, CorpusReport(corpus), try tokens(of: corpus.documents, probe))
            for earlier in read {
                let shared = WordingOverlap.documents(of: corpus.documents, in: earlier.documents, share: share)
                Console.result("  shares wording with \(earlier.path): \(shared.count) documents")
                for (document, part) in shared { Console.result("    \(document)  \(Figures.fixed(part, 2))") }
            }
            read.append((path, corpus.documents))
        }
    }

    private func print(_ path: String, _ report: CorpusReport, _ tokens: String?) {
        func list(_ counts: [String: Int]) -> String {
            counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\($0.key) \($0.value)" }
                .joined(separator: ", ")
        }
        Console.result(path)
        Console.result("  documents    \(report.documents), \(report.codePoints) code points")
        Console.result(
            "  sentences    \(report.sentences), \(report.sentencesWithMentions) with mentions; "
                + "words: median \(report.words.median), most \(report.words.most)")
        if let tokens { Console.result("  tokens       \(tokens)") }
        let entities = report.labels.filter { AnnotationType.entities.contains($0.key) }
        let modifiers = report.labels.filter { AnnotationType.modifiers.contains($0.key) }
        Console.result("  entities     \(entities.values.reduce(0, +)): \(list(entities))")
        Console.result("  modifiers    \(modifiers.values.reduce(0, +)): \(list(modifiers))")
        Console.result("  relations    \(report.relations.values.reduce(0, +)): \(list(report.relations))")
        Console.result(
            "  spans        \(report.nested) nested, \(report.crossing) crossing, \(report.discontinuous) discontinuous; "
                + "\(report.acrossSentences) relations across sentences")
        Console.result("  unreadable   \(report.unreadable.count)")
        for (document, fault) in report.unreadable { Console.result("    \(document): \(fault.code): \(fault.what)") }
    }

    /// Tokens of the sentences as the model counts them; nil where no model is here.
    private func tokens(of documents: [Document], _ probe: ModelProbe?) throws -> String? {
        guard let probe else { return nil }
        var counts: [Int] = []
        for document in documents {
            for sentence in SentenceSplitter.sentences(in: document.text) {
                var view = String.UnicodeScalarView()
                view.append(contentsOf: document.text[sentence])
                counts.append(try probe.ids(of: String(view)).count)
            }
        }
        counts.sort()
        guard let most = counts.last else { return nil }
        return "\(counts.reduce(0, +)); a sentence: median \(counts[counts.count / 2]), most \(most)"
    }
}

struct ScoreData: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "score",
        abstract: "Score annotations against others of the same documents; prints the card as JSON.",
        discussion: "Both corpora need the same document ids and texts. Types are the four entity types.")

    @Argument(help: "The corpus that is right.", completion: .file())
    var gold: String
    @Argument(help: "The corpus that is scored.", completion: .file())
    var predicted: String

    func run() throws {
        let wanted = try CorpusReader.read(path: gold)
        let made = Dictionary(try CorpusReader.read(path: predicted).map { ($0.id, $0) }) { first, _ in first }
        var card = ScoreCard(task: .ner, types: AnnotationType.entities)
        for document in wanted {
            guard let other = made[document.id], other.text == document.text else {
                throw Fault(
                    .data, "data.other-document", "the document is not in both corpora with the same text",
                    at: Place(file: predicted, document: document.id),
                    mend: "Score annotations of the very same documents.")
            }
            card.add(
                predictions: other.entities.map { Prediction(type: $0.type, range: $0.hull) },
                gold: document.entities.filter { AnnotationType.entities.contains($0.type) })
        }
        Console.result(raw: card.json.canonical)
    }
}
