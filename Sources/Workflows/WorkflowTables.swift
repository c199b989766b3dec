// WorkflowTables: the tables of docs/workflow-format.md and the JSON Schema of a workflow, both made from the declared settings.

import Federation

/// The descriptions of the declared settings, for docs, editors and faults.
public enum WorkflowTables {
    /// The sections in the order of the page: their title, the path before their keys, and the keys.
    static var sections: [(title: String, prefix: String, settings: [SettingDescription])] {
        [
            ("The top", "", Settings.top.descriptions),
            ("Model and adapter", "model", Settings.model.descriptions),
            ("Model and adapter", "adapter", Settings.adapter.descriptions),
            ("Data", "sites.<site>", Settings.siteForm.descriptions),
            ("Data", "sites.<site>.train.<i>", Settings.source.descriptions),
            ("Data", "coordinator", Settings.coordinator.descriptions),
            ("Data", "cohorts.<cohort>", Settings.cohortForm.descriptions),
        ]
            + WorkflowReader.StepName.allCases.map {
                ("Steps", "steps.\($0.rawValue)", WorkflowReader.descriptions(of: $0))
            } + [
                ("Steps", "steps.aggregate.refine", Settings.refinement.descriptions),
                ("Composition", "", Settings.study.descriptions),
                ("Composition", "compare", Settings.comparison.descriptions),
            ]
    }

    /// The dotted path of every key.
    package static let paths: [String] = sections.flatMap { section in
        section.settings.map { section.prefix.isEmpty ? $0.name : "\(section.prefix).\($0.name)" }
    }

    /// The tables by title, as markdown lines with their head.
    public static var markdown: [(title: String, lines: [String])] {
        var tables: [(title: String, lines: [String])] = []
        for section in sections {
            let rows = section.settings.map { row($0, prefix: section.prefix) }
            if tables.last?.title == section.title {
                tables[tables.count - 1].lines += rows
            } else {
                tables.append((section.title, ["| key | value | default |", "| --- | --- | --- |"] + rows))
            }
        }
        return tables
    }

    private static func row(_ setting: SettingDescription, prefix: String) -> String {
        let path = prefix.isEmpty ? setting.name : "\(prefix).\(setting.name)"
        let standard =
            switch setting.standard {
            case .required: "required"
            case .value(let value): "`\(Wording.flow(value))`"
            case .words(let words): words
            }
        return "| `\(path)` | \(setting.sentence) | \(standard) |"
    }

    /// The JSON Schema (draft-07) of a workflow file.
    public static var schema: JSONValue {
        // A file that extends another may leave out keys that the other one has.
        let top = Settings.top.schema
        var schema = sectionSchema(Settings.top.descriptions + Settings.study.descriptions)
        schema["required"] = ["version"]
        schema["if"] = ["required": ["extends"]]
        schema["else"] = ["required": top["required"] ?? []]
        schema["$schema"] = "http://json-schema.org/draft-07/schema#"
        schema["title"] = "MedRounds workflow, version 1"
        return .object(schema)
    }
}
