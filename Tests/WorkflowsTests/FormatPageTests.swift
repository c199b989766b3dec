// docs/workflow-format.md against the reader: its example can be read, its keys exist, its defaults are the reader's.

import Faults
import Federation
import Foundation
import Testing
import Workflows

@Suite struct FormatPageTests {
    private let page: [String]

    init() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let text = try String(contentsOf: root.appending(path: "docs/workflow-format.md"), encoding: .utf8)
        page = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }

    /// The key and default cells of every table of keys, without backticks; the default is nil where it is only text.
    private var keys: [(key: String, standard: String?)] {
        page.compactMap { line in
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count == 3, cells[0].hasPrefix("`"), !cells[0].contains("workflow."),
                cells[0] != "`plan.unreadable`"
            else { return nil }
            let code = cells[2].hasPrefix("`") && cells[2].hasSuffix("`")
            return (cells[0].filter { $0 != "`" }, code ? cells[2].filter { $0 != "`" } : nil)
        }
    }

    /// Everything that must be present and nothing that may be left out.
    private static let bare = """
        version: 1
        name: bare
        model: {base: m}
        sites:
          s: {train: a}
          pool: {train: [{data: b}]}
        coordinator: {validation: v}
        cohorts: {c: {data: d}}
        rounds: 1
        steps:
          - train
          - upload
          - score
          - aggregate: {rule: fed-medlora-plus}
          - evaluate: {cohorts: [c]}

        """

    private static func path(_ key: String) -> String {
        key.replacing("<site>.train.<i>", with: "pool.train.0").replacing("<site>", with: "s").replacing(
            "<cohort>", with: "c")
    }

    @Test func theExampleIsTheOneThatTheTestsRead() throws {
        let start = try #require(page.firstIndex(of: "```yaml"))
        let end = try #require(page[start...].firstIndex(of: "```"))
        #expect(page[(start + 1)..<end].joined(separator: "\n") + "\n" == Samples.example)
    }

    /// A table is written by `medrounds schema --markdown`; the declarations and the page cannot differ.
    @Test func everyTableIsTheDeclaredOne() throws {
        let tables = WorkflowTables.markdown
        #expect(tables.map(\.title) == ["The top", "Model and adapter", "Data", "Steps", "Composition"])
        for table in tables {
            let title = try #require(page.firstIndex(of: "### \(table.title)"))
            let start = try #require(page[title...].firstIndex(of: "| key | value | default |"))
            #expect(Array(page[start...].prefix(while: { $0.hasPrefix("|") })) == table.lines, "\(table.title)")
        }
    }

    @Test func everyDefaultIsTheReaders() throws {
        let expected = try Samples.read(Self.bare)
        let documented = keys.filter { $0.standard != nil && $0.key != "cohorts" && !$0.key.hasPrefix("compare.") }
        #expect(documented.count >= 43)
        for (key, standard) in documented {
            let declared = try Samples.read(Self.bare, set: ["\(Self.path(key))=\(standard ?? "")"])
            #expect(declared == expected, "\(key)")
        }
    }

    @Test func everyKeyIsKnownAndEveryKnownKeyIsThere() {
        // A list is valid for no scalar and for few lists: whatever fault comes, it is not that of an unknown key.
        for (key, _) in keys {
            let found = Samples.faults(Self.bare, set: ["\(Self.path(key))=[[]]"])
            #expect(!found.isEmpty, "\(key)")
            #expect(!found.contains { $0.hasPrefix("unknown-key") || $0.hasPrefix("override-path") }, "\(key)")
        }
        let documented = Set(keys.map { Self.path($0.key) })
        let prefixes = ["", "model.", "adapter.", "sites.s.", "sites.pool.train.0.", "coordinator.", "cohorts.c."]
        let steps = ["train", "upload", "score", "aggregate", "evaluate"].map { "steps.\($0)." }
        for prefix in prefixes + steps {
            let known = Self.knownKeys(prefix)
            #expect(!known.isEmpty, "\(prefix)")
            #expect(known.filter { !documented.contains(prefix + $0) } == [], "\(prefix)")
        }
    }

    /// The keys that the reader itself suggests for an unknown one.
    private static func knownKeys(_ prefix: String) -> [String] {
        do {
            _ = try Samples.read(bare, set: ["\(prefix)unheard_of=1"])
            return []
        } catch {
            let mend = error.faults.first { $0.code == "workflow.unknown-key" }?.mend ?? ""
            guard mend.hasPrefix("Use one of: ") else { return [] }
            return mend.dropFirst("Use one of: ".count).dropLast().split(separator: ", ").map(String.init)
        }
    }
}
