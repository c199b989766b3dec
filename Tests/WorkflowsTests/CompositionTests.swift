// Composition: bases, matrices, repetitions; composing a workflow again from bytes; and every fault with its place.

import Faults
import Federation
import Foundation
import Testing

import Workflows

@Suite struct CompositionTests {
    /// A base that every test's study extends, unless the test has its own.
    private static let base = """
        version: 1
        name: base
        seed: 5
        model: {base: m, numerics: fast}
        adapter: {rank: 4, dropout: 0}
        data_root: notes
        sites:
          a: {train: x, limit: 3}
          b: {train: y}
        coordinator: {validation: v}
        cohorts: {c: {data: d}}
        rounds: 2
        steps:
          - train: {epochs: 1}
          - upload
          - score
          - aggregate: {rule: fed-medlora-plus}
          - evaluate: {cohorts: [c]}

        """

    private static func compose(
        _ text: String, files: [String: String] = ["base.yaml": base], set: [String] = []
    ) throws(FaultReport) -> Composition {
        var overrides: [Override] = []
        for text in set { overrides.append(try Override(parsing: text)) }
        return try Composition.read(bytes: Array(text.utf8), file: "studies/s.yaml", overrides: overrides) {
            path throws(Fault) in
            guard let text = files[path] else {
                throw Fault(.workflow, "workflow.missing", "there is no such file", mend: "")
            }
            return (Composition.name(of: path, besides: "studies/s.yaml"), Array(text.utf8))
        }
    }

    private static func study(_ text: String) -> String { "version: 1\nname: s\nextends: base.yaml\n\(text)" }

    /// `code file:line:column` of every fault.
    private static func faults(_ text: String, files: [String: String] = ["base.yaml": base], set: [String] = [])
        -> [String]
    {
        do {
            _ = try compose(text, files: files, set: set)
            return []
        } catch {
            return error.faults.map { "\($0.code.replacing("workflow.", with: "")) \($0.place?.description ?? "")" }
        }
    }

    // MARK: extends

    @Test func mappingsMergeAndListsReplace() throws {
        let text = Self.study(
            "adapter: {rank: 8}\nsites: {a: {limit: 9}, z: {train: w}}\nsteps: [train, upload, aggregate: {rule: fed-medlora}]\n"
        )
        let composition = try Self.compose(text)
        let declared = composition.cells[0].declaration
        #expect(!composition.isStudy)
        #expect(declared.name == "s" && declared.seed == 5 && declared.rounds == 2)
        #expect(declared.adapter.rank == 8 && declared.adapter.dropout == 0)
        #expect(declared.sites.map(\.id.name) == ["a", "b", "z"])
        #expect(declared.sites.map(\.sources[0].path) == ["x", "y", "w"])
        #expect(declared.sites.map(\.sources[0].limit) == [9, nil, nil])
        #expect(declared.steps.count == 3)
        #expect(composition.files.map(\.path) == ["", "base.yaml"])
        #expect(composition.folders == ["data_root": "", "model.base": ""])
    }

    @Test func aChainIsReadInOrderAndPathsStayWithTheirFile() throws {
        let files = [
            "../b.yaml": "version: 1\nextends: deep/c.yaml\ndata_root: here\nrounds: 3\n",
            "../deep/c.yaml": Self.base.replacing("data_root: notes\n", with: "") + "template: t.yaml\n",
        ]
        let composition = try Self.compose("version: 1\nname: s\nextends: ../x/../b.yaml\nseed: 9\n", files: files)
        #expect(composition.files.map(\.path) == ["", "../b.yaml", "../deep/c.yaml"])
        #expect(composition.cells[0].declaration.rounds == 3)
        #expect(composition.cells[0].declaration.dataRoot == "here")
        #expect(composition.folders == ["data_root": "..", "template": "../deep", "model.base": "../deep"])
        let without = try Self.compose(
            "version: 1\nname: s\nextends: ../deep/c.yaml\n", files: files)
        #expect(without.folders["data_root"] == "../deep")
    }

    @Test func aFaultPointsIntoTheFileThatSaidIt() {
        let bad = Self.base.replacing("rank: 4", with: "rank: 0")
        #expect(
            Self.faults(Self.study("seed: x\n"), files: ["base.yaml": bad]) == [
                "wrong-type studies/s.yaml:4:7", "out-of-range studies/base.yaml:5:17",
            ])
        #expect(Self.faults(Self.study(""), files: ["base.yaml": "Jane: x\n"]) == ["other-file studies/base.yaml:1:1"])
        #expect(
            Self.faults(Self.study(""), files: ["base.yaml": "version: 1\nname: @\n"]) == [
                "syntax studies/base.yaml:2:7"
            ])
        #expect(Self.faults(Self.study(""), files: [:]) == ["missing-path studies/s.yaml:3:10"])
        #expect(Self.faults("version: 1\nextends: [a]\n") == ["wrong-type studies/s.yaml:2:10"])
        #expect(Self.faults("version: 1\nextends: ''\n") == ["bad-text studies/s.yaml:2:10"])
    }

    @Test func cyclesAndEndlessChainsAreFaults() {
        let loop = [
            "base.yaml": "version: 1\nextends: other.yaml\n", "other.yaml": "version: 1\nextends: ./base.yaml\n",
        ]
        #expect(Self.faults(Self.study(""), files: loop) == ["extends-cycle studies/other.yaml:2:10"])
        #expect(Self.faults("version: 1\nextends: s.yaml\n") == ["extends-cycle studies/s.yaml:2:10"])
        var chain: [String: String] = [:]
        for index in 0..<40 { chain["\(index).yaml"] = "version: 1\nextends: \(index + 1).yaml\n" }
        let found = Self.faults("version: 1\nextends: 0.yaml\n", files: chain)
        #expect(found == ["extends-too-far studies/14.yaml:2:10"])
    }

    // MARK: Cells

    @Test func aMatrixSpansCellsInOrder() throws {
        let composition = try Self.compose(
            Self.study(
                "matrix:\n  adapter.rank: [4, 16]\n  steps.train.learning_rate: [1e-3, 0.05]\nrepeat: {seed: [17, 18]}\n"
            ))
        #expect(
            composition.cells.map(\.name) == [
                "s-rank-4-learning-rate-1e-3-seed-17", "s-rank-4-learning-rate-1e-3-seed-18",
                "s-rank-4-learning-rate-0-05-seed-17", "s-rank-4-learning-rate-0-05-seed-18",
                "s-rank-16-learning-rate-1e-3-seed-17", "s-rank-16-learning-rate-1e-3-seed-18",
                "s-rank-16-learning-rate-0-05-seed-17", "s-rank-16-learning-rate-0-05-seed-18",
            ])
        #expect(composition.isStudy)
        let last = composition.cells[7]
        #expect(last.declaration.adapter.rank == 16 && last.declaration.seed == 18)
        #expect(last.overrides == ["adapter.rank=16", "steps.train.learning_rate=0.05", "seed=18"])
        #expect(last.values.map(\.isRepeat) == [false, false, true])
        #expect(composition.cells.allSatisfy { $0.declaration.name == "s" })
    }

    @Test func aPairedAxisMovesKeysTogether() throws {
        let composition = try Self.compose(
            Self.study(
                """
                matrix:
                  method:
                    none: {rounds: 0, steps: [evaluate: {cohorts: [c]}]}
                    alone: {participants: [b], steps.aggregate.rule: fed-medlora}
                    plus: {}
                  adapter.rank: [8]
                  include:
                    - {method: plus, adapter.rank: 32}
                  exclude:
                    - {method: none, adapter.rank: 8}
                """))
        #expect(composition.cells.map(\.name) == ["s-alone-rank-8", "s-plus-rank-8", "s-plus-rank-32"])
        #expect(composition.cells[0].declaration.sites.map(\.id.name) == ["b"])
        #expect(composition.cells[2].declaration.adapter.rank == 32)
    }

    @Test func anAddedCellRenamesNoOther() throws {
        let few = try Self.compose(Self.study("matrix: {adapter.rank: [4, 8]}\n"))
        let more = try Self.compose(Self.study("matrix: {adapter.rank: [2, 4, 8, 16]}\n"))
        #expect(
            few.cells.allSatisfy { cell in
                more.cells.contains { $0.name == cell.name && $0.declaration == cell.declaration }
            })
    }

    /// The files and overrides that a ledger holds for a cell give the same declaration again.
    @Test func composesAgainFromBytes() throws {
        let text = Self.study(
            """
            summary: "a: b, {c}"
            matrix:
              method:
                none: {rounds: 0, steps: [evaluate: {cohorts: [c], max_new_tokens: 7}]}
                other: {sites: {z: {train: "q: r", labels: {"Sign: x": null, B: drug}, tasks: {ner: [drug], re: all}}}, summary: 'yes "it" is'}
                both: {seed: 18446744073709551615, steps.train.clip_norm: null, data_root: "../ü x"}
              adapter.alpha: [1e-3, 64, 0.1]
              adapter.targets: [all-linear, [q_proj, v_proj]]
            """)
        let composition = try Self.compose(text, set: ["coordinator.records=9"])
        #expect(composition.cells.count == 18)
        let files = composition.files.map(\.bytes)
        let again = try Composition.again(files: files, overrides: [try Override(parsing: "coordinator.records=9")])
        #expect(again.cells.map(\.name) == composition.cells.map(\.name))
        for (cell, other) in zip(composition.cells, again.cells) {
            #expect(other.declaration == cell.declaration)
            #expect(other.overrides == cell.overrides)
            let one = try Composition.declaration(files: files, overrides: ["coordinator.records=9"] + cell.overrides)
            #expect(one == cell.declaration, "\(cell.name)")
        }
        for wrong in [[files[0]], files + [files[1]], []] {
            let report = #expect(throws: FaultReport.self) { _ = try Composition.again(files: wrong) }
            #expect(report?.faults[0].code == "workflow.other-files")
        }
    }

    @Test(
        arguments: [
            ("matrix: {adapter.rnk: [4]}", ["unknown-key studies/s.yaml:4:10"]),
            ("matrix: {rnak: [4]}", ["unknown-key studies/s.yaml:4:10"]),
            ("matrix: {rank: [4]}", ["unknown-key studies/s.yaml:4:10"]),
            ("matrix: {name: [a]}", ["unknown-key studies/s.yaml:4:10"]),
            ("matrix: {adapter..rank: [4]}", ["unknown-key studies/s.yaml:4:10"]),
            ("matrix: {adapter.rank: []}", ["empty-list studies/s.yaml:4:24"]),
            ("matrix: {adapter.rank: 4}", ["wrong-type studies/s.yaml:4:24"]),
            ("matrix: [4]", ["wrong-type studies/s.yaml:4:9"]),
            ("matrix: {adapter.rank: [4, 0]}", ["out-of-range studies/s.yaml:4:28"]),
            ("matrix: {adapter.rank: [4, 8, 4]}", ["same-cell studies/s.yaml:4:31"]),
            (
                "matrix: {adapter.dropout: [0.5, 0-5]}",
                ["same-cell studies/s.yaml:4:33", "wrong-type studies/s.yaml:4:33"]
            ),
            ("matrix: {adapter: [{rank: 4}], adapter.rank: [8]}", ["conflicting-axes studies/s.yaml:4:32"]),
            ("matrix: {m: {a: {seed: 1}}, seed: [2]}", ["conflicting-axes studies/s.yaml:4:29"]),
            ("matrix: {m: {a: {steps: [train], steps.train.epochs: 2}}}", ["conflicting-axes studies/s.yaml:4:14"]),
            ("matrix: {m: {}}", ["empty-list studies/s.yaml:4:13"]),
            ("matrix: {m: {A: {}}}", ["bad-name studies/s.yaml:4:14"]),
            ("matrix: {m: {a: 4}}", ["wrong-type studies/s.yaml:4:17"]),
            ("matrix: {M: {a: {}}}", ["bad-name studies/s.yaml:4:10"]),
            ("repeat: {seed: 4}", ["wrong-type studies/s.yaml:4:16"]),
            ("repeat: {seed: {a: {}}}", ["wrong-type studies/s.yaml:4:16"]),
            ("matrix: {seed: [1]}\nrepeat: {seed: [2]}", ["duplicate-name studies/s.yaml:5:10"]),
            ("matrix: {seed: [1], exclude: [{sede: 1}]}", ["unknown-name studies/s.yaml:4:32"]),
            ("matrix: {seed: [1], exclude: [{seed: 2}]}", ["no-such-cell studies/s.yaml:4:38"]),
            ("matrix: {seed: [1], exclude: [{seed: 1}]}", ["no-cells studies/s.yaml:4:9"]),
            ("matrix: {seed: [1], exclude: {seed: 1}}", ["wrong-type studies/s.yaml:4:30"]),
            ("matrix: {seed: [1], include: [{}]}", ["wrong-type studies/s.yaml:4:31"]),
            ("matrix: {seed: [1], rounds: [1], include: [{seed: 2}]}", ["missing-key studies/s.yaml:4:44"]),
            ("matrix: {seed: [1], include: [{seed: 1}]}", ["same-cell studies/s.yaml:4:38"]),
            ("matrix: {m: {a: {}}, include: [{m: b}]}", ["unknown-name studies/s.yaml:4:36"]),
            ("matrix: {seed: [1]}\ncompare: {baseline: {seed: 2}}", ["no-such-cell studies/s.yaml:5:21"]),
            ("matrix: {seed: [1]}\ncompare: {baseline: {sede: 1}}", ["unknown-name studies/s.yaml:5:22"]),
            ("matrix: {seed: [1]}\ncompare: {metrics: [f1]}", ["unknown-value studies/s.yaml:5:21"]),
            ("matrix: {seed: [1]}\ncompare: {cohorts: [d]}", ["unknown-name studies/s.yaml:5:21"]),
            ("matrix: {seed: [1]}\ncompare: {cohort: [c]}", ["unknown-key studies/s.yaml:5:11"]),
            (
                "matrix: {m: {this-is-a-very-long-name-of-a-point-that-nobody-can-read-any-mo: {}}}",
                ["cell-name studies/s.yaml:4:14"]
            ),
        ] as [(String, [String])])
    func namesTheFaultAndItsPlace(text: String, expected: [String]) {
        #expect(Self.faults(Self.study(text + "\n")) == expected)
    }

    @Test func aSettingOfTheCommandLineDoesNotFightAnAxis() {
        #expect(
            Self.faults(Self.study("matrix: {seed: [1]}\n"), set: ["seed=4"]) == [
                "conflicting-axes studies/s.yaml:4:10"
            ])
        #expect(Self.faults(Self.study("matrix: {seed: [1]}\n"), set: ["adapter.rank=9"]) == [])
    }

    @Test func refusesAMillionCellsAtOnce() {
        let values = (1...100).map(String.init).joined(separator: ", ")
        let text = Self.study(
            "matrix: {seed: [\(values)], adapter.rank: [\(values)], coordinator.records: [\(values)]}\n")
        let clock = ContinuousClock()
        var found: [String] = []
        let time = clock.measure { found = Self.faults(text) }
        #expect(found == ["too-many-cells studies/s.yaml:4:9"])
        #expect(time < .seconds(2))
        var wide = "matrix:\n"
        for index in 0..<40 { wide += "  sites.a\(index).limit: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n" }
        #expect(Self.faults(Self.study(wide)) == ["too-many-cells studies/s.yaml:5:3"])
    }

    @Test func aFaultOfTheBaseIsToldOnce() {
        let bad = Self.base.replacing("rank: 4", with: "rank: 0")
        let seeds = (1...500).map(String.init).joined(separator: ", ")
        #expect(
            Self.faults(Self.study("repeat: {seed: [\(seeds)]}\n"), files: ["base.yaml": bad])
                == ["out-of-range studies/base.yaml:5:17"])
    }

    @Test func aPlainReaderRefusesAStudy() {
        let text = Samples.least + "matrix: {seed: [1]}\nrepeat: {seed: [1]}\n"
        #expect(Samples.faults(text) == ["needs-composition 11:1", "needs-composition 12:1"])
        #expect(Samples.faults(Samples.least + "extends: b.yaml\n") == ["needs-composition 11:1"])
    }

    // MARK: The shipped studies, and paths

    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().resolvingSymlinksInPath()

    @Test(arguments: [("baselines", 21), ("clinical-baselines", 24)] as [(String, Int)])
    func composesTheShippedStudies(name: String, count: Int) throws {
        let file = "workflows/studies/\(name).yaml"
        func bytes(_ name: String) throws(Fault) -> [UInt8] {
            guard let data = FileManager.default.contents(atPath: Self.root.appending(path: name).path) else {
                throw Fault(.workflow, "workflow.missing", "missing \(name)", mend: "")
            }
            return Array(data)
        }
        let composition = try Composition.read(bytes: try bytes(file), file: file) { path throws(Fault) in
            let base = Composition.name(of: path, besides: file)
            return (base, try bytes(base))
        }
        #expect(composition.cells.count == count)
        #expect(composition.cells[0].name == "\(name)-zero-shot-seed-17")
        let files = composition.files.map(\.bytes)
        for cell in composition.cells {
            #expect(try Composition.declaration(files: files, overrides: cell.overrides) == cell.declaration)
        }
        // The federated cells equal the short workflows of the same name, except for their names.
        for rule in ["fed-medlora-plus", "single-site"] {
            let other = name == "baselines" ? (rule == "single-site" ? rule : "quickstart") : "clinical/\(rule)"
            var expected = try WorkflowReader.read(bytes: try bytes("workflows/\(other).yaml"), file: other)
            let word = rule == "single-site" ? "only-\(expected.sites[0].id.name)" : rule
            var cell = try #require(composition.cells.first { $0.values[0].value == word }?.declaration)
            for declaration in [\FederationDeclaration.name, \FederationDeclaration.summary] {
                cell[keyPath: declaration] = ""
                expected[keyPath: declaration] = ""
            }
            if rule == "single-site" {
                // Its coordinator also scores, which does not change the weight of a single site.
                #expect(cell.sites == expected.sites && cell.cohorts == expected.cohorts)
            } else {
                #expect(cell == expected)
            }
        }
    }

    @Test func looksForThePathsOfAWorkflow() throws {
        let there: [String: PathFinding] = [
            "/w/notes": .folder(["x", "yy", "v", "d"]), "/w/notes/x": .folder(["1.txt"]), "/w/notes/v": .folder([]),
            "/w/notes/d": .file, "/w": .folder(["notes", "t.yaml"]), "/w/t.yaml": .file, "/": .folder(["w"]),
        ]
        let check = PathCheck(current: "/w", models: ["smollm2-135m-instruct"]) { path in
            there[path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path] ?? .nothing
        }
        func found(_ text: String, set: [String] = []) throws -> [String] {
            let overrides = try set.map { try Override(parsing: $0) }
            let reading = CompositionReading(bytes: Array(text.utf8), file: "s.yaml", overrides: overrides) {
                _ throws(Fault) in throw Fault(.workflow, "workflow.missing", "", mend: "")
            }
            check.check(reading)
            do {
                try reading.throwIfAny()
                return []
            } catch {
                return error.faults.map { "\($0.place?.description ?? "") \($0.what)" }
            }
        }
        #expect(
            try found(Self.base) == [
                "s.yaml:4:15 model.base: there is nothing at /w/m",
                "s.yaml:9:14 sites.b.train: there is nothing at /w/notes/y; did you mean \"yy\"?",
                "s.yaml:10:27 coordinator.validation: the folder /w/notes/v is empty",
            ])
        let sound = Self.base.replacing("{base: m,", with: "{base: smollm2-135m-instruct,").replacing(
            "train: y", with: "train: yy"
        ).replacing("validation: v", with: "validation: x")
        #expect(try found(sound).count == 1)
        #expect(try found(sound, set: ["sites.b.train=x"]) == [])
        #expect(
            try found(sound, set: ["data_root=nots"])
                == ["--set data_root=nots:1:11 data_root: there is nothing at /w/nots; did you mean \"notes\"?"])
        #expect(
            try found(sound, set: ["sites.b.train=x", "template=clinical-extractoin"])[0].hasSuffix(
                "did you mean \"clinical-extraction\"?"))
        #expect(try found(sound, set: ["sites.b.train=x", "template=t.yaml"]) == [])
        #expect(
            try found(sound, set: ["sites.b.train=x", "model.base=smollm2-135m"])[0].hasSuffix(
                "did you mean \"smollm2-135m-instruct\"?"))
    }
}
