// The declared settings: every key is read, the schema is the shipped one, and hints say what the person probably meant.

import Faults
import Federation
import Foundation
import Testing

import Workflows

@Suite struct SettingsTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// A section over one small struct, with each kind of value.
    private struct Sample: Sendable {
        var count = 0
        var word = ""
        var flag = false
        var share = 0.0
        var limit: Int?
    }
    private static let section = Section(
        Sample(),
        [
            Setting("count", .wholeNumber(0...1), default: 1, \.count),
            Setting("word", required: .line(), \.word),
            Setting("flag", .flag, default: true, \.flag, omitted: { $0.flag }),
            Setting("share", .number(.from(0, through: 1)), default: 0.5, \.share),
            Setting("limit", .optional(.wholeNumber(1...9), null: "all"), default: 3, \.limit),
        ])

    private static func read(_ text: String) throws -> (Sample?, [String]) {
        let node = try YAMLReader.read(bytes: Array(text.utf8), file: "t.yaml", form: .unknown)
        let faults = FaultCollector(files: ["t.yaml"])
        let sample = section.read(node, "", faults)
        do {
            try faults.throwIfAny()
            return (sample, [])
        } catch {
            return (sample, error.faults.map(\.code))
        }
    }

    @Test func readsASectionWithItsDefaults() throws {
        let (least, none) = try Self.read("word: x\n")
        #expect(none.isEmpty)
        #expect(least?.count == 1 && least?.flag == true && least?.share == 0.5 && least?.limit == 3)
        let (full, _) = try Self.read("{word: y, count: 0, flag: false, share: 1, limit: null}")
        #expect(full?.count == 0 && full?.word == "y" && full?.flag == false && full?.share == 1)
        #expect(full?.limit == nil)
        #expect(full.map(Self.section.write) == ["count": 0, "word": "y", "flag": false, "share": 1, "limit": .null])
        #expect(least.map(Self.section.write) == ["count": 1, "word": "x", "share": 0.5, "limit": 3])
    }

    @Test(
        arguments: [
            ("count: 1", ["workflow.missing-key"]), ("{word: 1}", ["workflow.wrong-type"]),
            ("{word: x, count: 2}", ["workflow.out-of-range"]), ("{word: x, flag: yes}", ["workflow.wrong-type"]),
            ("{word: x, share: 1.5}", ["workflow.out-of-range"]), ("{word: x, limit: 10}", ["workflow.out-of-range"]),
            ("{word: x, count: null}", ["workflow.wrong-type"]), ("{word: x, other: 1}", ["workflow.unknown-key"]),
            ("[word]", ["workflow.wrong-type"]),
        ] as [(String, [String])])
    func refusesWhatASectionDoesNotDeclare(text: String, expected: [String]) throws {
        #expect(try Self.read(text).1 == expected)
    }

    /// Worst values for every declared key: each is either a fault of that key, or accepted.
    @Test func everyKeyWithstandsTheWorstValues() {
        let base = """
            version: 1
            name: bare
            model: {base: m}
            sites:
              s: {train: a}
              pool: {train: [{data: b}]}
            coordinator: {validation: v}
            cohorts: {c: {data: d}}
            rounds: 1
            steps: [train, upload, score, aggregate: {rule: fed-medlora-plus}, evaluate: {cohorts: [c]}]

            """
        let worst = [
            "0", "-1", "2147483648", "562949953421312", "9223372036854775807", "18446744073709551616", ".nan", ".inf",
            "1e999", "''", "[]", "{}", "[[]]", "{a: {b: c}}", "null", "'\(String(repeating: "x", count: 5000))'",
        ]
        for key in WorkflowTables.paths {
            let path = key.replacing("<site>.train.<i>", with: "pool.train.0").replacing("<site>", with: "s")
                .replacing("<cohort>", with: "c")
            for value in worst {
                for fault in Samples.faults(base, set: ["\(path)=\(value)"]) {
                    #expect(fault.split(separator: " ").count == 2, "\(path)=\(value): \(fault)")
                }
            }
            // A list in a list is valid for no key, so a key that was declared but not read would give no fault here.
            #expect(!Samples.faults(base, set: ["\(path)=[[]]"]).isEmpty, "\(path)")
        }
    }

    @Test func theShippedSchemaIsTheDeclaredOne() throws {
        let file = Self.root.appending(path: "workflows/workflow.schema.json")
        #expect(Array(try Data(contentsOf: file)) == WorkflowTables.schema.canonical)
    }

    @Test func everyShippedWorkflowNamesTheSchema() throws {
        let folder = Self.root.appending(path: "workflows").resolvingSymlinksInPath()
        let files = FileManager.default.enumerator(atPath: folder.path)?.compactMap { $0 as? String } ?? []
        let workflows = files.filter { $0.hasSuffix(".yaml") && !$0.hasPrefix("templates/") }
        #expect(workflows.count >= 17)
        for name in workflows {
            let text = try String(contentsOf: folder.appending(path: name), encoding: .utf8)
            let up = String(repeating: "../", count: name.split(separator: "/").count - 1)
            #expect(text.hasPrefix("# yaml-language-server: $schema=\(up)workflow.schema.json\n"), "\(name)")
        }
    }

    @Test(arguments: BuiltInTemplate.allCases) func theBuiltInTemplateIsItsFile(template: BuiltInTemplate) throws {
        let file = Self.root.appending(path: "workflows/templates/\(template.rawValue).yaml")
        #expect(try String(contentsOf: file, encoding: .utf8) == template.text)
        #expect(BuiltInTemplate.bytes(named: template.rawValue) == Array(template.text.utf8))
        #expect(BuiltInTemplate.bytes(named: "templates/\(template.rawValue).yaml") == nil)
    }

    @Test(
        arguments: [
            ("{train: data/a}", "{train: a, limit:32}", "Write a space after the colon: limit: 32."),
            ("- aggregate", "-score\n  - aggregate", "Write a space after each hyphen"),
            ("rounds: 1", "rank: 8\nrounds: 1", "did you mean adapter.rank?"),
            ("rounds: 1", "learning_rate: 8\nrounds: 1", "did you mean steps.train.learning_rate?"),
            ("rounds: 1", "records: 8\nrounds: 1", "Write coordinator.records."),
            ("rounds: 1", "ruonds: 1", "did you mean \"rounds\"?"),
            ("rule: fed-medlora", "rule: fed-medlora-pls", "did you mean \"fed-medlora-plus\"?"),
            ("rounds: 1", "rounds:1", "Write a space after the colon"),
        ] as [(String, String, String)])
    func saysWhatWasMeant(old: String, new: String, expected: String) {
        let report = #expect(throws: FaultReport.self) { _ = try Samples.read(Samples.least(old, new)) }
        #expect(report?.description.contains(expected) == true, "\(report?.description ?? "")")
    }

    @Test func saysWhatAListWithoutSpacesLacks() {
        let text = Samples.least.replacing(
            "  - train\n  - upload\n  - aggregate: {rule: fed-medlora}\n", with: "  -train\n  -upload\n")
        let report = #expect(throws: FaultReport.self) { _ = try Samples.read(text) }
        #expect(report?.description.contains("Write a space after each hyphen") == true)
    }

    @Test func saysWhereASettingBelongs() {
        let report = #expect(throws: FaultReport.self) { _ = try Samples.read(Samples.least, set: ["rank=8"]) }
        #expect(report?.description.contains("did you mean adapter.rank?") == true, "\(report?.description ?? "")")
    }

    @Test func readsThePlusOfThePaper() throws {
        let declared = try Samples.read(Samples.example, set: ["steps.aggregate.rule=fed-medlora+"])
        #expect(declared.steps[3] == .aggregate(Aggregation(.fedMedLoRAPlus(temperature: 1, size: true))))
    }
}
