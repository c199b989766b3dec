// Every kind of malformed workflow, with the codes and places of its faults.

import Faults
import Testing
import Workflows

@Suite struct WorkflowFaultsTests {
    @Test(arguments: [
        ("", ["empty 1:1"]),
        ("# only a comment\n", ["empty 1:1"]),
        ("---\n...\n", ["empty 1:1"]),
        ("~", ["empty 1:1"]),
        ("- a\n", ["wrong-type 1:1"]),
        ("just text\n", ["wrong-type 1:1"]),
        ("version: 2\nnonsense: 1\n", ["unsupported-version 1:10"]),
        ("a: {b: 1\n", ["syntax 2:1"]),
        ("a: [1, 2\nb: 3\n", ["syntax 2:2"]),
        ("a: b: c\n", ["syntax 1:5"]),
        ("a: 'x\n", ["syntax 2:1"]),
        ("a: \"\\q\"\n", ["syntax 1:5"]),
        ("a: @x\n", ["syntax 1:4"]),
        ("a:\n  b: 1\n c: 2\n", ["syntax 3:2"]),
        ("a:\n\tb: 1\n", ["tab 2:1"]),
        ("a:\n  b: 1\n  \tc: 1\n", ["tab 3:3"]),
        ("a: \u{1}\n", ["syntax 1:4"]),
        ("a: *b\n", ["unknown-anchor 1:4"]),
        ("a: &b [*b]\n", ["alias-recursion 1:8"]),
        ("a: !!int 3\n", ["tag 1:4"]),
    ])
    func refusesTextThatIsNoWorkflow(text: String, expected: [String]) {
        #expect(Samples.faults(text) == expected)
    }

    @Test(
        arguments: [
            ("{base: m}", "{base: m, bsae: n}", ["unknown-key 3:18"]),
            ("name: least", "name: Least", ["bad-name 2:7"]),
            ("name: least", "name: 5", ["wrong-type 2:7"]),
            ("name: least", "name: least\nname: again", ["duplicate-key 3:1"]),
            ("name: least\n", "", ["missing-key 1:1"]),
            ("version: 1\n", "", ["missing-key 1:1"]),
            ("version: 1", "version: \"1\"", ["wrong-type 1:10"]),
            ("rounds: 1\n", "", ["missing-key 1:1"]),
            ("rounds: 1", "rounds: -1", ["out-of-range 6:9"]),
            ("rounds: 1", "rounds: 10001", ["out-of-range 6:9"]),
            ("rounds: 1", "rounds: 99999999999999999999999", ["out-of-range 6:9"]),
            ("rounds: 1", "rounds: 1.0", ["wrong-type 6:9"]),
            ("rounds: 1", "rounds: 1_0", ["wrong-type 6:9"]),
            ("rounds: 1", "rounds: '1'", ["wrong-type 6:9"]),
            ("rounds: 1", "rounds:", ["wrong-type 6:8"]),
            (
                "rounds: 1", "rounds: 0",
                ["step-without-rounds 8:5", "step-without-rounds 9:5", "step-without-rounds 10:5"]
            ),
            ("{base: m}", "{}", ["missing-key 3:8"]),
            ("{base: m}", "{base: ''}", ["bad-text 3:15"]),
            ("{base: m}", "[]", ["wrong-type 3:8"]),
            ("{base: m}", "{base: m, numerics: exakt}", ["unknown-value 3:28"]),
            ("{train: data/a}", "{train: \"a\\nb\"}", ["bad-text 5:20"]),
            ("{train: data/a}", "{train: ''}", ["bad-text 5:20"]),
            ("{train: data/a}", "{train: a, limit: 0}", ["out-of-range 5:30"]),
            ("{train: data/a}", "{train: a, tasks: {}}", ["empty-list 5:30"]),
            ("{train: data/a}", "{train: a, tasks: {ner: []}}", ["empty-list 5:36"]),
            ("{train: data/a}", "{train: a, tasks: {ner: yes}}", ["wrong-type 5:36"]),
            ("{train: data/a}", "{train: a, tasks: {ner: [drug, drug]}}", ["duplicate-name 5:43"]),
            ("{train: data/a}", "{train: a, tasks: {ner: [Drug, all]}}", ["bad-name 5:37", "bad-name 5:43"]),
            ("{train: data/a}", "{train: []}", ["empty-list 5:20"]),
            ("{train: data/a}", "{train: [{data: a}], limit: 4}", ["misplaced-key 5:33"]),
            ("{train: data/a}", "{train: [{data: a, train: b}, 3]}", ["unknown-key 5:31", "wrong-type 5:42"]),
            ("{train: data/a}", "{}", ["missing-key 5:12"]),
            ("general:", "General:", ["bad-name 5:3"]),
            ("sites:\n  general: {train: data/a}\n", "", ["no-site 1:1"]),
            ("\n  general: {train: data/a}", " {}", ["no-site 4:8"]),
            ("rounds: 1", "participants: [genral]\nrounds: 1", ["unknown-name 6:16"]),
            ("rounds: 1", "participants: []\nrounds: 1", ["empty-list 6:15"]),
            (
                "rounds: 1", "adapter: {rank: 2049, alpha: 0, dropout: 1}\nrounds: 1",
                ["out-of-range 6:17", "out-of-range 6:30", "out-of-range 6:42"]
            ),
            (
                "rounds: 1", "adapter: {alpha: .inf, dropout: .nan}\nrounds: 1",
                ["out-of-range 6:18", "out-of-range 6:33"]
            ),
            (
                "rounds: 1", "adapter: {alpha: 1e999, dropout: 0.05x}\nrounds: 1",
                ["out-of-range 6:18", "wrong-type 6:34"]
            ),
            ("rounds: 1", "adapter: {targets: [q_proj, x_proj]}\nrounds: 1", ["unknown-value 6:29"]),
            ("rounds: 1", "adapter: {targets: most}\nrounds: 1", ["wrong-type 6:20"]),
            ("rounds: 1", "seed: -1\nrounds: 1", ["out-of-range 6:7"]),
            ("rounds: 1", "seed: 18446744073709551616\nrounds: 1", ["out-of-range 6:7"]),
            ("rounds: 1", "? [a]\n: 1\nrounds: 1", ["wrong-type 6:3"]),
            ("- train\n", "- train: {learning_rate: 0, epochs: 0}\n", ["out-of-range 8:28", "out-of-range 8:39"]),
            ("- train\n", "- train: {epochs: 1}\n    upload: {}\n", ["wrong-type 8:5"]),
            ("- train\n", "- trian\n", ["unknown-key 8:5"]),
            ("- train\n", "- 7\n", ["wrong-type 8:5"]),
            ("- train\n  ", "", ["missing-step 8:3"]),
            ("- upload\n", "- upload\n  - upload\n", ["step-order 10:5"]),
            ("- train\n  - upload\n", "- upload\n  - train\n", ["step-order 9:5"]),
            ("- aggregate: {rule: fed-medlora}\n", "- aggregate\n", ["missing-key 10:5"]),
            ("rule: fed-medlora", "rule: fedavg", ["unknown-value 10:23"]),
            ("rule: fed-medlora", "rule: fed-medlora, size: true", ["misplaced-key 10:36"]),
            ("rule: fed-medlora", "rule: fed-medlora-plus", ["needs-score 10:23", "needs-coordinator 10:23"]),
            (
                "rule: fed-medlora", "rule: fed-medlora-plus, size: yes",
                ["needs-score 10:23", "needs-coordinator 10:23", "wrong-type 10:47"]
            ),
            ("- aggregate", "- score\n  - aggregate", ["needs-coordinator 10:5"]),
            ("- upload\n", "- upload\n  - evaluate: {cohorts: [x]}\n", ["unknown-name 10:26", "step-order 11:5"]),
            ("- upload\n", "- upload: {precision: 16}\n", ["wrong-type 9:25"]),
        ] as [(String, String, [String])])
    func namesTheFaultAndItsPlace(old: String, new: String, expected: [String]) {
        #expect(Samples.faults(Samples.least(old, new)) == expected)
    }

    @Test func reportsASecondDocumentAndStillReadsTheFirst() {
        #expect(
            Samples.faults(Samples.least("name: least", "nmae: least") + "---\na: 1\n")
                == ["missing-key 1:1", "unknown-key 2:1", "multiple-documents 11:1"])
    }

    @Test func refusesWhatIsNotUTF8AtItsPlace() {
        #expect(Samples.faults(Array("name: a\nx: é".utf8) + [0xff]) == ["not-utf8 2:5"])
        #expect(Samples.faults([0xff, 0xfe, 0x61, 0x00]) == ["not-utf8 1:1"])
        #expect(Samples.faults(Array("a: ".utf8) + [0xc0, 0x80]) == ["not-utf8 1:4"])
        #expect(Samples.faults(Array("a: ".utf8) + [0xed, 0xa0, 0x80]) == ["not-utf8 1:4"])
        #expect(Samples.faults(Array("a: b".utf8) + [0xe2, 0x82]) == ["not-utf8 1:5"])
    }

    @Test(arguments: ["\n", "\r", "\r\n", "\u{85}", "\u{2028}", "\u{2029}"])
    func countsLinesAsLibyamlDoes(lineBreak: String) throws {
        #expect(Samples.faults("# c\(lineBreak)name: @x") == ["syntax 2:7"])
        let report = #expect(throws: FaultReport.self) { _ = try Samples.read("version: 1\(lineBreak)name: @x") }
        #expect(report?.faults[0].place?.excerpt == "name: @x")
    }

    @Test func showsNoExcerptOfAnEndlessLine() throws {
        let report = #expect(throws: FaultReport.self) {
            _ = try Samples.read("{version: 1, x: 1, y: '\(String(repeating: "y", count: 1000))', z: 1}")
        }
        let excerpts = report?.faults.filter { $0.code == "workflow.unknown-key" }.map(\.place?.excerpt?.count)
        #expect(excerpts == [203, 203, nil])
    }

    @Test func countsColumnsInCodePoints() {
        #expect(Samples.faults(Samples.least("{base: m}", "{base: 'é🙂ü', bsae: 1}")).contains("unknown-key 3:22"))
    }

    @Test func refusesBillionLaughs() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...9 {
            let row = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
            text += "a\(level): &a\(level) [\(row)]\n"
        }
        #expect(Samples.faults(text) == ["alias-expansion 5:45"])
    }

    @Test func refusesTooManyNodesAndTooDeepNesting() {
        #expect(Samples.faults("a: [" + String(repeating: "1,", count: 100_001) + "]")[0].hasPrefix("alias-expansion"))
        #expect(Samples.faults(String(repeating: "[", count: 500_000)) == ["too-deep 1:65"])
        #expect(Samples.faults(String(repeating: "- ", count: 100)) == ["too-deep 1:129"])
        var chain = "a0: &a0 [1]\n"
        for level in 1...80 { chain += "a\(level): &a\(level) [*a\(level - 1)]\n" }
        #expect(Samples.faults(chain)[0].hasPrefix("too-deep"))
    }

    @Test func refusesAHugeFileAtOnce() {
        let bytes = [UInt8](repeating: 0x61, count: 50_000_000)
        let clock = ContinuousClock()
        var found: [String] = []
        let time = clock.measure { found = Samples.faults(bytes) }
        #expect(found == ["too-large "])
        #expect(time < .seconds(1))
    }

    @Test func readsTheLargestFileQuickly() {
        // A megabyte of unknown keys, of quotes, of question marks and of anchors: none may take more than a few seconds.
        let clock = ContinuousClock()
        for unit in ["abcdefghijklmnopqrstuvw: 1\n", "'", "? ", "&a ", "{a: ", "\"\\x41", "a ", "#\n", "- a\n"] {
            let text = String(repeating: unit, count: (1 << 20) / unit.utf8.count)
            var found: [String] = []
            let time = clock.measure { found = Samples.faults(text) }
            #expect(!found.isEmpty)
            #expect(found.count <= FaultCollector.maximumReported + 1)
            #expect(time < .seconds(5), "\(unit)")
        }
    }

    @Test func cutsAReportOfTooManyFaults() {
        let text = "version: 1\n" + (0..<150).map { "key\($0): 1\n" }.joined()
        let found = Samples.faults(text)
        #expect(found.count == 101)
        #expect(found.last == "too-many-faults ")
    }
}
