// WorkflowDraft: the text of a first workflow for the notes that were found, with a comment on every line that a person may change.

import Extraction
import Federation

/// A workflow to begin with.
struct WorkflowDraft {
    let name: String
    let dataRoot: String
    let sites: [(name: String, source: NotesFinder.Source)]
    let cohorts: [(name: String, source: NotesFinder.Source)]
    let validation: NotesFinder.Source?

    init(name: String, dataRoot: String, sources: [NotesFinder.Source]) {
        self.name = Self.kebab(name, or: "notes")
        self.dataRoot = dataRoot
        var taken: Set<String> = []
        sites = sources.filter { $0.use == .train }.map {
            (Self.free(Self.kebab($0.owner, or: "hospital"), &taken), $0)
        }
        cohorts = sources.filter { $0.use == .test }.map {
            (Self.free(Self.kebab("\($0.owner)-test", or: "test"), &taken), $0)
        }
        validation = sources.first { $0.use == .validation }
    }

    /// The YAML.
    var text: String {
        var lines = [
            "# A first workflow for these notes. medrounds validate FILE checks it, medrounds plan FILE says what it will do and how",
            "# long training takes, medrounds run FILE runs it. Every key: docs/workflow-format.md, or medrounds schema.",
            "",
            "version: 1",
            "name: \(name)",
            "seed: 17                       # another seed draws other records and other random numbers",
            "# model.base: a name of medrounds models, a .gguf file or a model folder",
            "model: {base: smollm2-135m-instruct, numerics: fast}   # exact: slower, and the same bits everywhere",
            "adapter: {rank: 16, alpha: 64, dropout: 0.05}",
            "data_root: \(Self.quoted(dataRoot))",
            "sites:                         # limit: at most so many records of each task; null takes all",
        ]
        for site in sites { lines += entry(site.name, key: "train", site.source, limit: 40) }
        if let validation {
            lines.append("coordinator:                   # scores every upload on these notes, on which nobody trains")
            lines += settings(key: "validation", validation, limit: nil, indent: "  ")
            lines.append("  records: 5")
        } else {
            lines.append(
                "# coordinator: {validation: PATH}   # with notes that nobody trains on, rule: fed-medlora-plus is possible"
            )
        }
        if cohorts.isEmpty {
            lines.append(
                "# cohorts: {my-test: {data: PATH}}  # with notes that nobody trains on, a step evaluate scores the adapter"
            )
        } else {
            lines.append("cohorts:")
            for cohort in cohorts { lines += entry(cohort.name, key: "data", cohort.source, limit: 24) }
        }
        lines += [
            "rounds: 2",
            "steps:",
            "  - train: {epochs: 4, batch_size: 4, learning_rate: 1e-3, loss_on: completion}",
            "  - upload: {precision: bf16}",
        ]
        lines +=
            validation == nil
            ? ["  - aggregate: {rule: fed-medlora}"]
            : ["  - score", "  - aggregate: {rule: fed-medlora-plus}"]
        if !cohorts.isEmpty {
            lines.append("  - evaluate: {cohorts: [\(cohorts.map(\.name).joined(separator: ", "))]}")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func entry(_ name: String, key: String, _ source: NotesFinder.Source, limit: Int) -> [String] {
        ["  \(name):"] + settings(key: key, source, limit: limit, indent: "    ")
    }

    private func settings(key: String, _ source: NotesFinder.Source, limit: Int?, indent: String) -> [String] {
        var lines = [
            "\(key): \(Self.quoted(source.path.isEmpty ? "." : source.path))", "tasks: \(Self.tasks(source.labels))",
        ]
        let strangers = (source.labels ?? []).filter { !AnnotationType.all.contains($0) }
        if !strangers.isEmpty {
            lines.append(
                "labels:                      # what each label stands for: problem, treatment, test or drug; null passes it over"
            )
            lines += strangers.map { "  \(Self.quoted($0)): null" }
        }
        if let limit { lines.append("limit: \(limit)") }
        return lines.map { indent + $0 }
    }

    /// The types that the labels of the notes name; all entities where none is known.
    private static func tasks(_ labels: [String]?) -> String {
        let entities = AnnotationType.entities.filter { labels?.contains($0) == true }
        let modifiers = AnnotationType.modifiers.filter { labels?.contains($0) == true }
        let ner =
            entities.isEmpty || entities == AnnotationType.entities ? "all" : "[\(entities.joined(separator: ", "))]"
        return modifiers.isEmpty ? "{ner: \(ner)}" : "{ner: \(ner), re: [\(modifiers.joined(separator: ", "))]}"
    }

    /// A text that YAML cannot take for anything else.
    private static func quoted(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy {
            switch $0 {
            case 0x61...0x7a, 0x41...0x5a, 0x2f, 0x2e, 0x2d, 0x5f: true
            case 0x30...0x39: true
            default: false
            }
        }
        let isWord =
            text.utf8.first.map { (0x61...0x7a).contains($0) || (0x41...0x5a).contains($0) || $0 == 0x2f } == true
        let words = ["null", "true", "false"]
        if text == "." || text.hasPrefix("../") || text == ".." { return isPlain ? text : Self.string(text) }
        return isPlain && isWord && !words.contains(text.lowercased()) ? text : Self.string(text)
    }

    private static func string(_ text: String) -> String {
        let bytes = JSONValue.string(text).canonical
        return String(decoding: bytes, as: UTF8.self).trimmingSuffix("\n")
    }

    private static func kebab(_ text: String, or other: String) -> String {
        var name = ""
        for character in text.lowercased().unicodeScalars {
            let isWord = (0x61...0x7a).contains(character.value) || (0x30...0x39).contains(character.value)
            if isWord {
                name.unicodeScalars.append(character)
            } else if !name.isEmpty, name.last != "-" {
                name += "-"
            }
        }
        name = String(name.prefix(48))
        while name.hasSuffix("-") { name.removeLast() }
        return name.isEmpty ? other : name
    }

    private static func free(_ name: String, _ taken: inout Set<String>) -> String {
        var free = name
        var number = 2
        while !taken.insert(free).inserted {
            free = "\(name)-\(number)"
            number += 1
        }
        return free
    }
}

extension String {
    fileprivate func trimmingSuffix(_ suffix: String) -> String {
        hasSuffix(suffix) ? String(dropLast(suffix.count)) : self
    }
}
