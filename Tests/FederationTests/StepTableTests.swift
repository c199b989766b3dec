// The step table against the docs, and each form of a field against worst values.

import Faults
import Foundation
import Testing

import Federation

@Suite struct StepTableTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    /// docs/records.md holds exactly the tables that are made from the step table.
    @Test func docsHoldTheTables() throws {
        let page = Self.folder.appendingPathComponent("docs/records.md")
        let text = try String(contentsOf: page, encoding: .utf8)
        let marks = ("<!-- tables: made from the step table -->\n", "<!-- end of tables -->\n")
        let start = try #require(text.range(of: marks.0)), end = try #require(text.range(of: marks.1))
        let written = String(text[start.upperBound..<end.lowerBound])
        if ProcessInfo.processInfo.environment["MEDROUNDS_WRITE_DOCS"] != nil {
            try (text[..<start.upperBound] + Self.tables + text[end.lowerBound...]).write(
                to: page, atomically: true, encoding: .utf8)
            return
        }
        #expect(written == Self.tables, "write them with MEDROUNDS_WRITE_DOCS=1 swift test --filter docsHoldTheTables")
    }

    private static var tables: String {
        var text = ""
        for kind in StepKind.allCases {
            let rules = kind.rules
            text += "\n## \(kind)\n\n| what | rule |\n| --- | --- |\n"
            text += "| made by | \(words(rules.actor)) |\n| line | \(words(rules.line)) |\n"
            text += "| parents | \(words(rules.parents)) |\n"
            text += "| trailers | \(rules.trailers.map { "`\($0)`" }.joined(separator: ", ")) |\n"
            for file in rules.files {
                let path =
                    file.place == .root
                    ? file.name : "rounds/NNNN/\(kind)/\(rules.owner == nil ? "" : "<owner>/")\(file.name)"
                text +=
                    "| file `\(path)` | \(words(file.content))\(file.presence.map { "; only \($0)" } ?? "") |\n"
            }
            text += "| computed again | \(rules.recomputed.joined(separator: "; ")) |\n"
            if let record = rules.record { text += "\n" + table(record) }
        }
        return text + "\n## timing.json\n\n" + table(RecordShape.timing) + "\n"
    }

    private static func table(_ shape: RecordShape) -> String {
        var rows = "| field | value | evidence | meaning |\n| --- | --- | --- | --- |\n"
        func add(_ shape: RecordShape, _ prefix: String) {
            for field in shape.fields {
                var meaning = field.meaning
                switch field.presence {
                case .always: break
                case .with(let other, let word): meaning += "; only where `\(other)` is `\(word)`"
                case .optional(let when): meaning += "; \(when)"
                }
                let evidence = field.evidence == .inside ? "" : field.evidence.rawValue
                rows += "| `\(prefix)\(field.name)` | \(field.form.words) | \(evidence) | \(meaning) |\n"
                if let (inner, ending) = field.form.inner { add(inner, "\(prefix)\(field.name)\(ending).") }
            }
        }
        add(shape, "")
        return rows
    }

    private static func words(_ actor: StepRules.Actor) -> String {
        switch actor {
        case .coordinator: "the coordinator"
        case .site: "the site"
        case .siteOrApprover: "the site, or a person who approves for it"
        }
    }
    private static func words(_ line: StepRules.Line) -> String {
        switch line {
        case .main: "`runs/<run>`"
        case .published: "`runs/<run>.published`"
        case .site: "`runs/<run>.sites/<site>`"
        case .answers: "`runs/<run>.answers/<site>`"
        case .identities: "`identities`"
        case .pruned: "`pruned`"
        }
    }
    private static func words(_ parents: StepRules.Parents) -> String {
        switch parents {
        case .none: "none"
        case .call: "the call of the run"
        case .callAndParts: "the call, then the part of each site, in site order"
        case .before: "the commit before it on the line"
        case .publishAndBefore:
            "the publish that the round starts from, then the commit before it on the site's line, if there is one"
        case .ownPublishAndBefore:
            "the publish of its own round, then the commit before it on the site's line, if there is one"
        case .train: "the train commit of the same site and round"
        case .beforeAndSites: "the commit before it, then the line of each site that took part, in site order"
        case .beforeAndCards: "the commit before it, then the last evaluation of each site that made one, in site order"
        case .beforeOrPart: "the answer before it; the site's part, then the publish of the plan, where it is the first"
        }
    }
    private static func words(_ content: StepRules.File.Content) -> String {
        switch content {
        case .record: "canonical JSON of the fields below"
        case .timing: "canonical JSON of the fields of timing.json; the only file outside State-SHA256"
        case .written: "what a person wrote; plan.json names its digest"
        case .plan: "canonical JSON of the plan"
        case .view: "canonical JSON of the plan as sites see it"
        case .adapter: "safetensors in the one form that its tensors and the plan's precision give"
        case .signers: "the allowed signers, in the one form of their lines"
        case .prunedList: "the pruned contents, in the one form of their lines"
        }
    }

    // MARK: Forms

    private static let names = RecordShape.Names(
        sites: ["east"], cohorts: ["final"], types: ["problem"], tensors: ["a.weight"])
    private static let sentence = "The patient denies chest pain."

    private func accepts(_ form: RecordShape.Form, _ value: JSONValue) -> Bool {
        RecordShape([.init("x", form, .claimed, "")]).flaw(of: ["x": value], Self.names) == nil
    }

    /// No form except a part of the plan holds a sentence, and none holds a megabyte.
    @Test func noFormHoldsASentence() {
        let forms: [RecordShape.Form] = [
            .count(), .real(), .truth, .digest, .word(["a", "b"]), .site, .cohort, .code, .tensor, .seed, .time,
            .source, .sealed,
            .fourCounts, .list(.digest), .object(RecordShape([])), .byType(RecordShape([])), .byTask(RecordShape([])),
            .orNull(.digest),
        ]
        for form in forms {
            for text in [
                Self.sentence, "the-patient-denies-chest-pain", "", String(repeating: "a", count: 1 << 20), "NaN",
            ] {
                #expect(!accepts(form, .string(text)), "\(form.words)")
            }
            #expect(!accepts(form, .object([Self.sentence: 1])), "\(form.words)")
            #expect(!accepts(form, .array([.string(Self.sentence)])), "\(form.words)")
        }
    }

    @Test(arguments: [-1, 1 << 40 + 1, 1 << 49, Int64.max, Int64.min] as [Int64])
    func countsKeepTheirRange(value: Int64) {
        #expect(!accepts(.count(), .integer(value)) || value == 1 << 40)
    }

    @Test func formsAcceptWhatTheyDescribe() {
        let good: [(RecordShape.Form, JSONValue)] = [
            (.count(), 0), (.count(), .integer(1 << 40)), (.real(0...1), 1), (.truth, true),
            (.digest, .string(String(repeating: "0", count: 64))), (.word(["a"]), "a"), (.site, "east"),
            (.cohort, "final"), (.code, "adapter.not-finite"), (.tensor, "a.weight"), (.seed, "18446744073709551615"),
            (.time, "2026-11-28T08:30:00Z"), (.source, "unknown"),
            (.source, .string(String(repeating: "a", count: 40) + "+changes")), (.fourCounts, "3 2 1 0"),
            (.orNull(.digest), .null), (.byType(RecordShape([])), ["problem": [:]]),
            (.byTask(RecordShape([])), ["ner": [:]]),
        ]
        for (form, value) in good { #expect(accepts(form, value), "\(form.words)") }
        let bad: [(RecordShape.Form, JSONValue)] = [
            (.seed, "18446744073709551616"), (.seed, "01"), (.seed, "-1"), (.time, "2026-11-28 08:30:00Z"),
            (.fourCounts, "3 2 1"), (.fourCounts, "3 2 1 00"), (.fourCounts, "3  2 1"), (.fourCounts, "3 2 1 0 "),
            (.source, .string(String(repeating: "a", count: 41))), (.byType(RecordShape([])), ["drug": [:]]),
            (.site, "west"), (.code, "adapter.sentence"), (.real(0...1), 1.5),
        ]
        for (form, value) in bad { #expect(!accepts(form, value), "\(form.words)") }
    }

    /// A record of a kind is refused with one more field, with one fewer, and with a field whose condition does not hold.
    @Test func fieldsAreExactlyThoseOfTheShape() {
        let shape = RecordShape([
            .init("status", .word(["done", "failed"]), .claimed, ""),
            .init("loss", .real(), .claimed, .with("status", "done"), ""),
        ])
        #expect(shape.flaw(of: ["status": "done", "loss": 1], Self.names) == nil)
        #expect(shape.flaw(of: ["status": "failed"], Self.names) == nil)
        #expect(shape.flaw(of: ["status": "done"], Self.names) != nil)
        #expect(shape.flaw(of: ["status": "failed", "loss": 1], Self.names) != nil)
        #expect(shape.flaw(of: ["status": "failed", "note": 1], Self.names) != nil)
        #expect(shape.flaw(of: [], Self.names) != nil)
    }

    /// Every reason that a record may give is a code in the sources, and every code of the families that can be a reason is in the list.
    @Test func theListOfCodesIsThatOfTheSources() throws {
        let families: Set<String> = [
            "adapter", "aggregate", "data", "engine", "file", "keys", "model", "run", "score", "template", "tokenizer",
            "upload", "work", "chat", "part",
        ]
        let files = try #require(
            FileManager.default.enumerator(
                at: Self.folder.appendingPathComponent("Sources"), includingPropertiesForKeys: nil))
        var found: Set<String> = []
        for case let file as URL in files
        where file.pathExtension == "swift" && file.lastPathComponent != "FaultCode.swift" {
            for match in try String(contentsOf: file, encoding: .utf8).matches(
                of: /"([a-z]+)\.([a-z0-9]+(?:-[a-z0-9]+)*)"/)
            where families.contains(String(match.1))
                && !["safetensors", "yaml", "json", "gguf", "bin", "pt"].contains(match.2)
            {
                found.insert("\(match.1).\(match.2)")
            }
        }
        #expect(found.subtracting(FaultCode.known).sorted() == [])
        #expect(FaultCode.known.subtracting(found).sorted() == [])
    }
}

extension RecordShape.Form {
    /// The fields inside, and what is added to the path for them.
    fileprivate var inner: (RecordShape, String)? {
        switch self {
        case .object(let shape): (shape, "")
        case .byType(let shape): (shape, ".<type>")
        case .byTask(let shape): (shape, ".<task>")
        case .list(let form, _): form.inner.map { ($0.0, "[]\($0.1)") }
        case .orNull(let form): form.inner
        default: nil
        }
    }
}
