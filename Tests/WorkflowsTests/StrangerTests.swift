// Files that are not workflows: no fault shows a word of them. Notes in place of a workflow, a template or a `--set`.

import Faults
import Testing
import Workflows

@Suite struct StrangerTests {
    /// Notes in the forms in which people store them; every word that must not be shown begins with `Zq`.
    static let notes = [
        "Zqjane Zqroe, MRN 00. Denies Zqpain.\nZqplan: Zqaspirin 81 mg: Zqdaily\n",
        "ZQGENERAL: Zqnegative\n", "ZQGENERAL: Zqnegative weight loss\n\nZQHEENT: Zqclear\n",
        "name: Zqroe\n", "name: Zqroe\nsummary: Zqdenies\n", "name: Zqroe\nZqplan: x\nZqplan: y\n",
        "name: Zqroe\nsummary: Zqdenies: Zqpain\n", "summary: \"Zqpain\n", "tasks: Zqpain\n", "steps:\n\t- Zqwalk\n",
        "{\"id\": \"n1\", \"text\": \"Zqroe denies Zqpain\"}\n", "{\"name\": \"Zqroe\", \"text\": \"Zqpain\"}\n",
        "T1\tproblem 33 43\tZqchest Zqpain\n", "- Zqpain\n- Zqnausea\n", "Zqpain", "# Zqpain\n- [Zqpain\n",
        "? Zqpain\n",
        "Zqbp: *Zqpain\n", "&Zqa [*Zqa]\n", "Zqa: !Zqtag x\n", "Zqtemp: @x Zqfever\n", "Zqtemp: \u{1b}[31m Zqfever\n",
        "%Zqdir\n", "Zqa: 1\n---\nZqb: 2\n", "*Zqb\n", "Zqx:\n" + String(repeating: " [", count: 80) + "Zqy",
        "version: Zq\n", "name:\u{a0}Zqroe\u{200b}\n", "Zqcold\u{202e}Zqcough\n",
    ]

    private static func description(_ form: DocumentForm, _ text: String) -> String {
        do {
            if form == .workflow {
                _ = try WorkflowReader.read(bytes: Array(text.utf8), file: "131.txt")
            } else {
                _ = try YAMLReader.read(bytes: Array(text.utf8), file: "131.txt", form: form)
            }
            return ""
        } catch {
            return error.description
        }
    }

    @Test(arguments: notes) func showsNoWordOfANote(text: String) {
        for form in [DocumentForm.workflow, .template] {
            let shown = Self.description(form, text)
            // `version: Zq` is a line of a workflow.
            guard !text.hasPrefix("version") else { continue }
            #expect(!shown.isEmpty)
            #expect(!shown.lowercased().contains("zq"), "\(shown)")
            #expect(!shown.contains("  |"))
            #expect(shown.contains("131.txt"))
            #expect(!shown.unicodeScalars.contains("\u{1b}"))
        }
    }

    @Test func saysWhatTheFileIsNot() throws {
        #expect(
            Self.description(.workflow, "ZQGENERAL: Zqnegative\n")
                == """
                131.txt:1:1: the file is not a workflow: it begins with other keys [workflow.other-file]
                  mend: Name a workflow file; its first line is version: 1.
                """)
        #expect(
            Self.description(.template, "- Zqpain\n")
                == """
                131.txt:1:1: the file is a list, not a mapping of keys: it is not a template [workflow.wrong-type]
                  mend: Name a template file; its first line is version: 1.
                """)
    }

    @Test func stillShowsTheLinesOfABrokenWorkflow() {
        for text in [
            "version: 1\nname: @x\n", "{version: 1,\n nmae: x}", "name: a\nmodel: {}\nrounds: 1\nnmae: @x\n",
            "rounds: 1\nversion: 1\nseed: @\n",
        ] {
            #expect(Self.description(.workflow, text).contains("  | "), "\(text)")
            #expect(Self.description(.workflow, text).contains("^"), "\(text)")
        }
    }

    @Test(arguments: notes) func showsNoWordOfANoteGivenAsASetting(text: String) {
        // A text of the form path=value is a setting that a person wrote.
        for argument in [text, "=\(text)", "Zqa b=\(text)", "Zq\n=\(text)", "Zq\u{a0}=\(text)"] {
            let report = #expect(throws: FaultReport.self) { _ = try Override(parsing: argument) }
            #expect(report?.description.contains("is not of the form") == true)
            guard argument.utf8.count > 40 || argument.contains(where: \.isWhitespace) else { continue }
            #expect(report?.description.lowercased().contains("zq") == false, "\(report?.description ?? "")")
        }
    }

    @Test func escapesTheNamesOfFiles() {
        let report = #expect(throws: FaultReport.self) {
            _ = try WorkflowReader.read(bytes: [], file: "a\u{1b}[31m\n\u{202e}b\u{200b}é.yaml")
        }
        #expect(
            report?.description.hasPrefix("a\\u{1b}[31m\\u{a}\\u{202e}b\\u{200b}é.yaml:1:1: the file holds nothing")
                == true)
    }

    /// Look-alikes in a workflow: what the fault says about them.
    @Test(
        arguments: [
            ("name: least", "name: least\u{200b}", "character 12 of line 2 is U+200B (zero-width character)"),
            ("{base: m}", "{base:\u{a0}m}", "character 14 of line 3 is U+00A0 (no-break space)"),
            ("  general", "\u{a0}\u{a0}general", "character 1 of line 5 is U+00A0 (no-break space)"),
            ("rounds: 1", "rounds:\u{3000}1", "character 8 of line 6 is U+3000 (ideographic space)"),
            ("rounds: 1", "rounds：1", "character 7 of line 6 is U+FF1A (looks like :)"),
            (
                "rounds: 1", "r\u{43e}unds: 1",
                "character 2 of line 6 is U+043E (a Cyrillic letter in a word of Latin ones)"
            ),
            ("rounds: 1", "rounds: −1", "character 9 of line 6 is U+2212 (looks like -)"),
            ("rounds: 1", "rounds: “1”", "character 9 of line 6 is U+201C (looks like \")"),
            ("rounds: 1", "rounds: 1\u{fe0f}", "character 10 of line 6 is U+FE0F (character without a shape)"),
            ("- upload", "– upload", "character 3 of line 9 is U+2013 (looks like -)"),
            ("rounds: 1", "rounds: 1 # \u{202e}x", "the character U+202E is not allowed here"),
        ] as [(String, String, String)])
    func namesLookAlikes(old: String, new: String, expected: String) {
        let report = #expect(throws: FaultReport.self) { _ = try Samples.read(Samples.least(old, new)) }
        let text = report?.description ?? ""
        #expect(text.contains(expected), "\(text)")
        #expect(!text.unicodeScalars.contains { [0xa0, 0x200b, 0x3000, 0xfe0f, 0x202e].contains($0.value) }, "\(text)")
    }

    @Test func leavesWordsOfOtherLanguagesAlone() throws {
        let text = Samples.least("name: least", "name: least\nsummary: Клиника №5, können, می\u{200c}شود – “x”")
        #expect(try Samples.read(text).summary.contains("können"))
        let bad = Samples.least("name: least", "name: least\nsummary: [Клиника]")
        let report = #expect(throws: FaultReport.self) { _ = try Samples.read(bad) }
        #expect(report?.description.contains(" of line ") == false)
    }
}
