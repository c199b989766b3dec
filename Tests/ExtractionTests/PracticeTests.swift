// What corpora from elsewhere contain: unusual members, wrappers, marks at the start of a file, other labels and names. Each is read, or
// refused for the true reason.

import Extraction
import Faults
import Federation
import Testing

@Suite struct PracticeTests {
    private func survey(_ files: [String: String], _ name: String = "", labels: [String: String?] = [:]) throws
        -> CorpusReader.Survey
    {
        try withFolder(files.mapValues { Array($0.utf8) }) { folder in
            CorpusReader.survey(path: name.isEmpty ? folder : "\(folder)/\(name)", labels: LabelMap(labels))
        }
    }

    // MARK: Causes are listed before their consequences

    @Test func wherEveryDocumentIsRefusedTheFaultsAreTold() throws {
        let files = [
            "a.txt": "pain", "a.ann": "T1\tproblem 0 9\tpain", "b.txt": "rash", "b.ann": "T1\tproblem 0 4\tache",
        ]
        let report = try survey(files).report
        #expect(report?.faults.map(\.code) == ["data.offset", "data.surface", "data.no-documents"])
        #expect(report?.faults.last?.what == "none of the 2 documents can be read, for the faults above")
        try withFolder(files.mapValues { Array($0.utf8) }) { folder in
            let thrown = #expect(throws: FaultReport.self) {
                try CorpusReader.corpus(path: folder, labels: LabelMap(), badDocuments: .skip)
            }
            #expect(thrown == CorpusReader.survey(path: folder).report)
        }
    }

    @Test func twentyFaultsAreToldAndTheOthersCountedByCode() throws {
        var files: [String: String] = [:]
        for number in 10..<35 { files["n\(number).txt"] = "pain" }
        files["z.txt"] = "pain"
        files["z.ann"] = (1...7).map { "T\($0)\tproblem 0 9\tx\n" }.joined() + "T8\tSymptom 0 4\tpain\n"
        let report = try survey(files).report
        #expect(report?.faults.count == 23)
        #expect(report?.faults[20].code == "data.unknown-type")
        #expect(report?.faults[21].what == "12 more faults are not listed: data.offset 7, data.pair 5")
        #expect(report?.faults[22].code == "data.no-documents")
    }

    // MARK: Labels of another guideline

    @Test func unknownLabelsAreToldTogetherWithTheWayToMapThem() throws {
        let files = [
            "a.txt": "Chest pain at 60, given aspirin",
            "a.ann":
                "T1\tSign symptom 0 10\tChest pain\nT2\tAge 14 16\t60\nT3\tdrug 24 31\taspirin\nR1\tGiven_for Arg1:T3 Arg2:T1\n",
            "b.txt": "Rash today", "b.ann": "T1\tSign symptom 0 4\tRash\nT2\t\u{75c7}\u{72b6} 5 10\ttoday\n",
        ]
        let found = try survey(files)
        #expect(
            found.corpus.tally.labels.map { "\($0.label) \($0.count)" } == [
                "Sign symptom 2", "Age 1", "drug 1", "\u{75c7}\u{72b6} 1",
            ])
        let fault = try #require(found.report?.faults.first)
        #expect(fault.code == "data.unknown-type" && fault.place?.document == "a T1")
        #expect(
            fault.what
                == "4 mentions have labels that are none of the 20 known types: Sign symptom 2, Age 1, \u{75c7}\u{72b6} 1"
        )
        #expect(fault.mend.contains("labels: {\"Sign symptom\": problem, Age: null} in the workflow"))
        #expect(fault.mend.contains("--label \"Sign symptom=problem\" --label Age="))
        #expect(found.report?.faults[1].what == "1 relation has a type that is not hasAttr: Given_for 1")
        #expect(found.report?.faults[1].mend.contains("labels: {Given_for: null}") == true)
        let mapped = try survey(
            files, labels: ["Sign symptom": "problem", "Age": nil, "\u{75c7}\u{72b6}": nil, "Given_for": nil])
        #expect(mapped.report == nil)
        #expect(mapped.corpus.documents.map { $0.entities.map(\.type) } == [["problem", "drug"], ["problem"]])
        #expect(mapped.corpus.tally.mappedAway == 3)
    }

    /// A label that equals the mention's own text may be a note in the wrong column; so may one with unusual signs, or with many words.
    @Test func labelsThatMayBeTextOfTheNoteAreNotShown() throws {
        for label in ["Zebediah", "Mr Zebediah Smith of the third floor", "Zebediah\u{1b}[31m", "Zebediah\u{202e}"] {
            let found = try survey(["a.txt": "Zebediah has pain", "a.ann": "T1\t\(label) 0 8\tZebediah\n"])
            let text = try #require(found.report).description
            #expect(
                text.contains("(not shown) 1") && !text.contains("Zebediah") && !text.contains("\u{1b}"), "\(label)")
            #expect(found.corpus.tally.labels.map(\.label) == ["(not shown)"])
        }
    }

    // MARK: What a label map passes over is not judged

    @Test func whatIsPassedOverIsNotJudged() throws {
        let annotation = """
            T1\tproblem 0 6\tMoulds
            T2\tHabitat 900 9999\tcheese
            T3\tHabitat 3 3\t
            T4\tHabitat nowhere\tcheese
            T5\tHabitat 0 6\tsomething else
            R1\tLives_In Microorganism:T1 Location:T2
            R2\tLives_In Microorganism:T1
            R3\tLives_In
            E1\tHabitat:T5 odd:T1:T2
            E2\tHabitat
            A1\tNegation T1 not seen at all
            A2\tHabitat

            """
        let labels: [String: String?] = ["Habitat": nil, "Lives_In": nil]
        let found = try survey(["a.txt": "Moulds grow in cheese.", "a.ann": annotation], labels: labels)
        #expect(found.report == nil)
        let document = try #require(found.corpus.documents.first)
        #expect(document.entities.map(\.id) == ["T1"] && document.relations.isEmpty)
        #expect(document.attributes == [Attribute(name: "Negation", target: "T1", value: "not seen at all")])
        let again = try survey(["a.txt": "Moulds grow in cheese.", "a.ann": AnnotationWriter.brat(document)])
        #expect(again.corpus.documents == [document])
        // Without the mapping, the fault is the relation's type, not its roles.
        let plain = try survey([
            "a.txt": "Moulds grow", "a.ann": "T1\tproblem 0 6\tMoulds\nR1\tLives_In Microorganism:T1 Location:T1\n",
        ])
        #expect(plain.report?.faults.first?.code == "data.relation-type")
        // Mapped to our type, roles of any name are accepted.
        let ours = try survey(
            [
                "a.txt": "left arm pain",
                "a.ann": "T1\tproblem 9 13\tpain\nT2\tbodyloc 0 8\tleft arm\nR1\tAt Where:T2 What:T1\n",
            ],
            labels: ["At": "hasAttr"])
        #expect(ours.corpus.documents.first?.relations == [Relation(head: "T1", modifier: "T2")])
    }

    // MARK: BioC

    private func document(_ id: String, _ annotation: String = "") -> String {
        #"{"id":\#(id),"infons":{"a":[1,{"b":null}]},"passages":[{"offset":0,"infons":null,"text":"Rash after drug.","sentences":null,"annotations":[\#(annotation)],"relations":null}],"relations":[]}"#
    }
    private let rash =
        #"{"id":3,"infons":{"type":"problem","identifier":"MESH:X","valid":true,"normalized":["X"],"normalized_id":17,"note":null},"locations":[{"offset":0,"length":4}],"text":"Rash"}"#

    @Test func infonsMayBeAnything() throws {
        let text =
            #"{"source":null,"documents":[\#(document("17", rash)),\#(document("\"zz\""))],"extra":{"documents":3}}"#
        let found = try survey(["n.json": text], "n.json")
        #expect(found.report == nil)
        #expect(found.corpus.documents.map(\.id) == ["17", "zz"])
        #expect(found.corpus.documents.first?.entities == [Entity(id: "3", type: "problem", spans: [0..<4])])
    }

    @Test func wrappersOfServicesAreRead() throws {
        let one = document("\"d1\"", rash)
        let two = document("\"d2\"", rash)
        for (text, ids) in [
            (#"{"PubTator3": [\#(one), \#(two)]}"#, ["d1", "d2"]),
            (#"[{"source":"PMC","documents":[\#(one)]},{"documents":[\#(two)]}]"#, ["d1", "d2"]),
            (one, ["d1"]), ("[\(one),\n\(two)]", ["d1", "d2"]), ("\(one)\n\(two)\n", ["d1", "d2"]),
            ("\u{feff}" + #"{"documents":[\#(one)]}"#, ["d1"]),
            (#"{"result":{"collection":{"documents":[\#(one)]}}}"#, ["d1"]),
        ] {
            let found = try survey(["n.json": text], "n.json")
            #expect(found.report == nil, "\(text.prefix(40))")
            #expect(found.corpus.documents.map(\.id) == ids)
            #expect(found.corpus.documents.allSatisfy { $0.entities.count == 1 })
        }
        let both = try survey(["a.json": one, "b.json": two, "notes.md": "x"])
        #expect(both.corpus.documents.map(\.id) == ["d1", "d2"])
        let twice = try survey(["a.json": one, "b.json": one])
        #expect(twice.report?.faults.map(\.code) == ["data.duplicate-document"])
    }

    @Test func aBadDocumentIsRefusedAloneWithItsPlace() throws {
        let good = document("\"good\"", rash)
        for (bad, code) in [
            (#"{"id":"b","passages":[{"offset":0,"text":"x","text":"y"}]}"#, "data.bioc"),
            (#"{"id":"b","passages":[{"offset":0,"text":"\#("\\")ud800"}]}"#, "data.bioc"),
            (#"{"id":"b","passages":7}"#, "data.bioc"), ("7", "data.bioc"), (#"{"passages":[]}"#, "data.document-id"),
            (#"{"id":"b","passages":[{"text":"no offset"}]}"#, "data.bioc"),
            (#"{"id":"b","passages":[{"offset":99999999999,"text":"far"}]}"#, "data.bioc"),
            (#"{"id":"b","passages":[{"offset":-1,"text":"far"}]}"#, "data.bioc"),
            (document("\"b\"", rash.replacing("\"type\"", with: "\"kind\"")), "data.bioc"),
            (document("\"b\"", rash.replacing("\"length\":4", with: "\"length\":null")), "data.bioc"),
        ] {
            let found = try survey(["n.json": #"{"documents":[\#(good),"# + "\n\(bad)\n]}"], "n.json")
            #expect(found.corpus.documents.map(\.id) == ["good"], "\(bad)")
            #expect(found.corpus.skipped.map(\.fault.code) == [code], "\(bad)")
            #expect(found.corpus.skipped.first?.fault.place?.line == (bad == "7" ? 2 : 2), "\(bad)")
        }
        // What follows a document that never ends cannot be known; the documents before it are read.
        let cut = try survey(["n.json": #"{"documents":[\#(good),{"id":"b","passages":[{"#], "n.json")
        #expect(cut.corpus.documents.map(\.id) == ["good"])
        #expect(cut.corpus.skipped.map(\.fault.what) == ["the file ends within document 2"])
    }

    @Test func passagesKeepTheirOffsets() throws {
        let text =
            #"{"id":"d","passages":[{"offset":"0","text":"Title"},{"offset":6.0,"sentences":[{"offset":6,"text":"Rash."},{"offset":12,"text":"Fever."}],"annotations":[{"id":"1","infons":{"type":"problem"},"locations":[{"offset":12,"length":5}],"text":"Fever"}]}],"annotations":[{"id":"2","infons":{"type":"problem"},"locations":[{"offset":6,"length":4}],"text":"Rash"}]}"#
        let found = try survey(["n.json": text], "n.json")
        #expect(found.report == nil)
        #expect(found.corpus.documents.first.map { string($0.text) } == "Title\nRash.\nFever.")
        #expect(found.corpus.documents.first?.entities.map(\.spans) == [[12..<17], [6..<10]])
    }

    /// In full texts of PubTator, the ids of annotations start again in every passage.
    @Test func idsMayBeginAnewInEveryPassage() throws {
        func passage(_ offset: Int, _ relation: String) -> String {
            #"{"offset":\#(offset),"text":"left arm","annotations":[{"id":"1","infons":{"type":"problem"},"locations":[{"offset":\#(offset + 5),"length":3}]},{"id":"2","infons":{"type":"bodyloc"},"locations":[{"offset":\#(offset),"length":4}]}],"relations":[\#(relation)]}"#
        }
        let relation =
            #"{"id":"R1","infons":{"type":"hasAttr"},"nodes":[{"refid":"1","role":"head"},{"refid":"2","role":"modifier"}]}"#
        let found = try survey(
            ["n.json": #"{"id":"d","passages":[\#(passage(0, relation)),\#(passage(9, relation))]}"#], "n.json")
        #expect(found.report == nil)
        #expect(
            found.corpus.documents.first?.relations == [
                Relation(head: "1", modifier: "2"), Relation(head: "1 of passage 2", modifier: "2 of passage 2"),
            ])
        let between = try survey(
            ["n.json": #"{"id":"d","passages":[\#(passage(0, "")),\#(passage(9, ""))],"relations":[\#(relation)]}"#],
            "n.json")
        #expect(between.corpus.skipped.map(\.fault.code) == ["data.relation-end"])
    }

    @Test func hostileBioCIsRefused() throws {
        for text in [
            String(repeating: "[", count: 1_000_000), String(repeating: #"{"a":"#, count: 200_000), "\"",
            "{\"documents\"",
            "{\"documents\":[", #"{"documents":{"id":1}}"#, "[[[[[[]]]]]]", "nul", "{\"documents\":[\"\\", "[1,2,3]",
        ] {
            let found = try survey(["n.json": text], "n.json")
            #expect(found.corpus.documents.isEmpty)
            #expect(found.report != nil, "\(text.prefix(20))")
        }
    }

    // MARK: JSON Lines

    @Test func membersOfJSONLinesAreReadOneByOne() throws {
        let lines = #"""
            {"id": 17, "text": "Cough today.", "entities": [{"id": 1, "type": "problem", "start": 0, "end": 5, "note": [true]}, {"id": 2, "type": "temporal", "start": 6, "end": 11, "spans": null, "text": null}], "relations": [{"type": "hasAttr", "head": 1, "modifier": 2}], "meta": {"x": null}}
            {"id": "zz", "text": "Fever.", "entities": [{"type": "problem", "start": 0, "end": 5}], "relations": null}
            {"id": "doubled", "text": "Fever.", "text": "Rash.", "entities": []}
            {"id": "half", "text": "Fever.", "entities": [{"id": "T1", "type": "problem", "start": null, "end": 5}]}
            """#
        let found = try survey(["n.jsonl": "\u{feff}" + lines], "n.jsonl")
        #expect(found.corpus.documents.map(\.id) == ["17", "zz"])
        #expect(found.corpus.documents.first?.relations == [Relation(head: "1", modifier: "2")])
        #expect(found.corpus.skipped.map(\.document) == ["line 3", "half"])
        #expect(found.corpus.skipped.allSatisfy { $0.fault.code == "data.json-line" })
        #expect(found.corpus.skipped.map(\.fault.place?.line) == [3, 4])
    }

    // MARK: Files

    @Test func aMarkAtTheHeadOfAnAnnotationIsPassedOver() throws {
        let found = try survey(["a.txt": "Denies chest pain", "a.ann": "\u{feff}T1\tproblem 7 17\tchest pain\n"])
        #expect(found.corpus.documents.first?.entities.count == 1)
        #expect(try survey(["a.bio": "\u{feff}pain\tB-problem\n"]).corpus.documents.map { string($0.text) } == ["pain"])
    }

    @Test func filesOfSharedTasksAreNamed() throws {
        let found = try survey([
            "a.txt": "Cough today.", "a.a1": "T1\tproblem 0 5\tCough\n", "a.a2": "", "b.txt": "Fever.", "b.ann": "",
        ])
        #expect(found.corpus.documents.map(\.id) == ["b"])
        #expect(found.report?.faults.first?.what.contains(".a1 or .a2 of a BioNLP shared task") == true)
        #expect(found.report?.faults.first?.mend.contains("cat ID.a1 ID.a2 > ID.ann") == true)
    }

    @Test func filesThatArePassedOverAreCounted() throws {
        let found = try survey([
            "a.txt": "Cough", "a.ann": "", "B.TXT": "x", "B.ANN": "", "README.txt": "about", "x.pdf": "",
            "sub/c.txt": "x",
            "Makefile": "",
        ])
        #expect(found.report == nil)
        #expect(found.corpus.documents.map(\.id) == ["a"])
        #expect(
            Set(found.corpus.tally.passedOver.map { "\($0.reason) \($0.count)" }) == [
                "ends in .TXT, not .txt 1", "ends in .ANN, not .ann 1", "a text about the corpus, without .ann 1",
                "ends in .pdf 1", "a folder beside notes 1", "no ending 1",
            ])
        let upper = try survey(["B.TXT": "x", "B.ANN": ""]).report
        #expect(upper?.faults.first?.what.contains("passed over: 1 file (ends in .ANN, not .ann)") == true)
    }

    @Test func namesMayBeComposedHereAndDecomposedThere() throws {
        let found = try survey(["caf\u{e9}.txt": "Cough", "cafe\u{301}.ann": "T1\tproblem 0 5\tCough\n"])
        #expect(found.report == nil && found.corpus.documents.count == 1 && found.corpus.tally.mixedNames == 1)
    }

    @Test func idsComeFromThePathBelowTheFolder() throws {
        let files = [
            "patient-1/note.txt": "Cough", "patient-1/note.ann": "", "patient-2/note.txt": "Fever",
            "patient-2/note.ann": "",
        ]
        #expect(try survey(files).corpus.documents.map(\.id) == ["patient-1/note", "patient-2/note"])
        let split = ["train/a.txt": "Cough", "train/a.ann": "", "test/b.txt": "Fever", "test/b.ann": ""]
        let report = try survey(split).report
        #expect(report?.faults.map(\.code) == ["data.no-documents"])
        #expect(report?.faults.first?.what.contains("parts of a split: test, train") == true)
    }

    @Test func columnsOfCoNLLFilesAreRead() throws {
        let lines = """
            -DOCSTART- -X- O O

            Denies NN B-NP O
            chest NN I-NP B-problem
            pain NN I-NP E-problem

            # sent_id = 2
            Given VB O O
            aspirin NN B-NP S-drug
            -DOCSTART- -X- O O

            Rash\tNN\tB-problem

            """
        let found = try survey(["n.conll": lines], "n.conll")
        #expect(found.report == nil)
        #expect(found.corpus.documents.map(\.id) == ["n-00001", "n-00002"])
        #expect(found.corpus.documents.map { string($0.text) } == ["Denies chest pain\nGiven aspirin", "Rash"])
        #expect(
            found.corpus.documents.map { document in
                document.entities.map { "\($0.type) \(string(document.text[$0.hull]))" }
            } == [["problem chest pain", "drug aspirin"], ["problem Rash"]])
        let others = try survey(
            ["n.TSV": "###MEDLINE:1\n\nRash\tB-Disease\npain\tI-Disease\n# newdoc id = 2\nno\tO\n"], "n.TSV")
        #expect(others.corpus.tally.labels.map { "\($0.label) \($0.count)" } == ["Disease 1"])
        #expect(
            others.corpus.documents.map(\.id) == ["n-00002"] && others.corpus.skipped.map(\.document) == ["n-00001"])
        #expect(try survey(["n.tsv": "pain\tB-x\n"], "n.tsv").report?.faults.first?.code == "data.unknown-type")
        #expect(try survey(["n.conll": "pain\nrash Q-problem"], "n.conll").corpus.tally.faults == ["data.bio-line": 2])
    }

    @Test func otherFilesAreCalledByTheirName() throws {
        for (name, word) in [("n.xml", "BioC JSON"), ("n.txt", "Name the folder"), ("n.ann", "Name the folder")] {
            let fault = try #require(try survey([name: "x"], name).report?.faults.first)
            #expect(fault.code == "data.other-form" && fault.mend.contains(word))
        }
    }
}
