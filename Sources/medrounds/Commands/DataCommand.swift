// medrounds data: what stands in annotated notes, before a workflow names them.

import AuditCommands
import ArgumentParser
import Extraction
import Faults
import Federation
import Foundation
import ModelFiles
import ModelShelf
import Tokenization

struct DataCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data", abstract: "Look into annotated notes, or score some against others.",
        subcommands: [InspectData.self, ScoreData.self])
}

/// How labels of other guidelines are read.
struct LabelOptions: ParsableArguments {
    @Option(
        name: .customLong("label"),
        help: ArgumentHelp(
            "What a label stands for, as Sign_symptom=problem; LABEL= passes over it.", valueName: "label=type"))
    var labels: [String] = []

    /// The map; a type that is none is refused here, where the option was written.
    func map() throws -> LabelMap {
        var names: [String: String?] = [:]
        for label in labels {
            let halves = label.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard halves.count == 2, !halves[0].isEmpty else {
                throw ValidationError("--label takes LABEL=TYPE, as Sign_symptom=problem.")
            }
            guard halves[1].isEmpty || halves[1] == LabelMap.relation || AnnotationType.all.contains(halves[1]) else {
                throw ValidationError(
                    "--label \(halves[0])=: \(halves[1]) is no type; use \(LabelMap.relation) for a relation, nothing to pass over, "
                        + "or one of: \(AnnotationType.all.joined(separator: ", ")).")
            }
            names[halves[0]] = .some(halves[1].isEmpty ? nil : halves[1])
        }
        return LabelMap(names)
    }
}

struct InspectData: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Count documents, sentences, labels, nesting and faults, and find wording that corpora share.",
        discussion: """
            Labels are listed as the corpus writes them, each with what it stands for; --label tries a mapping before a workflow
            has it under labels. Documents that cannot be read are named, with their first fault.
            Several paths are compared in the order given: of each later one, the documents are listed of which much of the
            wording (stretches of eight words) stands in an earlier one. Name training first, then validation and tests.
            No text of a note is printed.
            """)

    /// Documents that a list names.
    private static let listed = 20

    @Argument(
        help: "Folders of BRAT pairs or .bio files, .jsonl files, BioC .json files or .conll files.",
        completion: .file())
    var paths: [String]
    @OptionGroup var mapping: LabelOptions
    @Option(help: "List documents that share at least this part of their wording, 0 to 1.")
    var share = 0.5
    @Option(help: "The model whose tokens are counted: a catalogue name or a path; none for no tokens.")
    var model = "smollm2-135m-instruct"

    func validate() throws {
        guard !paths.isEmpty else { throw ValidationError("Name at least one corpus.") }
        guard (0...1).contains(share) else { throw ValidationError("--share takes a number from 0 to 1.") }
        _ = try mapping.map()
    }

    func run() throws {
        let labels = try mapping.map()
        let tokenizer = model == "none" ? nil : try? openTokenizer()
        var read: [(path: String, wording: WordingOverlap.Wording)] = []
        var failures: [Fault] = []
        for path in paths {
            let survey = CorpusReader.survey(path: path, labels: labels)
            let corpus = survey.corpus
            show(path, corpus, labels, tokens: tokens(of: corpus.documents, tokenizer))
            if corpus.documents.isEmpty {
                failures += survey.report?.faults ?? []
            } else {
                showFaults(survey)
            }
            let wording = WordingOverlap.Wording(corpus.documents)
            let repeats = WordingOverlap.repeats(in: wording, share: share)
            if !repeats.isEmpty { list("repeats wording of its own earlier documents", repeats) }
            for earlier in read {
                list(
                    "shares wording with \(earlier.path)",
                    WordingOverlap.documents(of: wording, in: earlier.wording, share: share))
            }
            read.append((path, wording))
        }
        if !failures.isEmpty { throw FaultReport(failures) }
    }

    private func show(_ path: String, _ corpus: CorpusReader.Corpus, _ labels: LabelMap, tokens: String?) {
        let report = CorpusReport(corpus)
        let tally = corpus.tally
        func list(_ counts: [String: Int]) -> String {
            counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\($0.key) \($0.value)" }
                .joined(separator: ", ")
        }
        Console.result(path)
        Console.result(
            "  documents    \(report.documents)"
                + (tally.documents > report.documents ? " of \(tally.documents)" : "")
                + ", \(report.codePoints) code points")
        Console.result(
            "  sentences    \(report.sentences), \(report.sentencesWithMentions) with mentions; "
                + "words: median \(report.words.median), most \(report.words.most)")
        if let tokens { Console.result("  tokens       \(tokens)") }
        showLabels("labels", tally.labels, labels, tally)
        if tally.relations.contains(where: { $0.label != Relation.hasAttr }) {
            showLabels("relations of", tally.relations, labels, tally)
        }
        let entities = report.labels.filter { AnnotationType.entities.contains($0.key) }
        let modifiers = report.labels.filter { AnnotationType.modifiers.contains($0.key) }
        Console.result("  entities     \(entities.values.reduce(0, +)): \(list(entities))")
        Console.result("  modifiers    \(modifiers.values.reduce(0, +)): \(list(modifiers))")
        Console.result("  relations    \(report.relations.values.reduce(0, +)): \(list(report.relations))")
        Console.result(
            "  spans        \(report.nested) nested, \(report.crossing) crossing, \(report.discontinuous) discontinuous, "
                + "\(tally.trimmed) with blanks at an end (trimmed); \(report.acrossSentences) relations across sentences"
        )
        if tally.differingSurfaces > 0 {
            Console.result(
                "  surfaces     \(tally.differingSurfaces) written in another way than the text at their offsets")
        }
        if tally.mixedNames > 0 {
            Console.result("  names        \(tally.mixedNames) pairs composed (NFC) here and decomposed (NFD) there")
        }
        for files in tally.passedOver {
            let more = files.count > files.examples.count ? ", ..." : ""
            Console.result(
                "  passed over  \(files.count) \(files.count == 1 ? "file" : "files"): \(files.reason) "
                    + "(\(files.examples.joined(separator: ", "))\(more))")
        }
        Console.result(
            "  unreadable   \(corpus.skipped.count)" + (tally.faults.isEmpty ? "" : ": \(list(tally.faults))"))
    }

    /// Every label with its count and what it stands for.
    private func showLabels(
        _ title: String, _ counts: [(label: String, count: Int)], _ labels: LabelMap, _ tally: CorpusTally
    ) {
        let known = AnnotationType.all + [LabelMap.relation]
        let width = counts.map(\.label.count).max() ?? 0
        let isPlain = labels.names.isEmpty && counts.allSatisfy { known.contains($0.label) }
        Console.result("  \(title.padding(toLength: 13, withPad: " ", startingAt: 0))\(counts.count)")
        // Labels that all are types stand below with their counts.
        if !isPlain {
            for (label, count) in counts {
                let type = labels.type(of: label)
                let meaning = type.map { known.contains($0) ? $0 : "no type: map it with --label" } ?? "passed over"
                let digits = String(count)
                Console.result(
                    "    \(label)\(String(repeating: " ", count: width - label.count + max(1, 8 - digits.count)))\(digits)  \(meaning)"
                )
            }
        }
        guard title == "labels" else { return }
        let met = Set(tally.labels.map(\.label) + tally.relations.map(\.label))
        for label in labels.names.keys.sorted() where !met.contains(label) {
            Console.result("    \(label): mapped, but not in this corpus")
        }
    }

    /// Documents that were refused, each with its first fault, and once for every kind of fault what to do.
    private func showFaults(_ survey: CorpusReader.Survey) {
        let skipped = survey.corpus.skipped
        for (document, fault) in skipped.prefix(Self.listed) {
            let place = fault.place?.document.map {
                $0.hasPrefix("\(document) ") ? " (\($0.dropFirst(document.count + 1)))" : ""
            }
            Console.result("    \(document): \(fault.code): \(fault.what)\(place ?? "")")
        }
        if skipped.count > Self.listed { Console.result("    and \(skipped.count - Self.listed) more") }
        var told: Set<String> = []
        for fault in survey.report?.faults ?? []
        where fault.code != "data.more-faults" && told.insert(fault.mend).inserted {
            let isOfLabels = ["data.unknown-type", "data.relation-type"].contains(fault.code)
            if isOfLabels { Console.result("    \(fault.what)") }
            Console.result("    mend (\(fault.code)): \(fault.mend)")
        }
    }

    private func list(_ title: String, _ shared: [(document: String, share: Double)]) {
        Console.result("  \(title): \(shared.count) documents")
        for (document, part) in shared.prefix(Self.listed) {
            Console.result("    \(document)  \(Figures.fixed(part, 2))")
        }
        if shared.count > Self.listed { Console.result("    and \(shared.count - Self.listed) more") }
    }

    private func openTokenizer() throws(Fault) -> Tokenizer? {
        let (path, _) = try ModelCatalogue.path(
            of: model, folder: FileManager.default.currentDirectoryPath, cache: Environment.cache)
        return try ModelFile.open(path: path).vocabulary.map { (stored) throws(Fault) in
            try Tokenizer(BPEVocabulary(stored, at: Place(file: path)))
        }
    }

    /// Tokens of the sentences as the model counts them; nil where no model is here.
    private func tokens(of documents: [Document], _ tokenizer: Tokenizer?) -> String? {
        guard let tokenizer else { return nil }
        var counts: [Int] = []
        for document in documents {
            for sentence in SentenceSplitter.sentences(in: document.text) {
                counts.append(tokenizer.encode(String(scalars: document.text[sentence])).count)
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
        discussion: """
            Both corpora need the same document ids and texts. Types are the four entity types. The member whole_words holds the
            card of the same annotations with their boundaries moved to whole words and final punctuation left out.
            """)

    @Argument(help: "The corpus that is right.", completion: .file())
    var gold: String
    @Argument(help: "The corpus that is scored.", completion: .file())
    var predicted: String
    @OptionGroup var mapping: LabelOptions

    func run() throws {
        let labels = try mapping.map()
        let wanted = try CorpusReader.read(path: gold, labels: labels)
        let made = Dictionary(try CorpusReader.read(path: predicted, labels: labels).map { ($0.id, $0) }) { first, _ in
            first
        }
        var card = ScoreCard(task: .ner, types: AnnotationType.entities)
        var whole = card
        for document in wanted {
            guard let other = made[document.id], other.text == document.text else {
                throw Fault(
                    .data, "data.other-document", "the document is not in both corpora with the same text",
                    at: Place(file: predicted, document: document.id),
                    mend: "Score annotations of the very same documents.")
            }
            let predictions = other.entities.map { Prediction(type: $0.type, range: $0.hull) }
            let entities = document.entities.filter { AnnotationType.entities.contains($0.type) }
            card.add(predictions: predictions, gold: entities)
            whole.add(predictions: MentionBoundaries.snapped(predictions, in: document.text), gold: entities)
        }
        var members = card.json.members ?? [:]
        members["whole_words"] = whole.json
        Console.result(raw: JSONValue.object(members).canonical)
    }
}
