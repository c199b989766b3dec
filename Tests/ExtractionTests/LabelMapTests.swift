// Labels of other guidelines, documents that are skipped, and what BRAT and BioC hold besides mentions.

import Extraction
import Faults
import Federation
import Testing

@Suite struct LabelMapTests {
    private let labels = LabelMap([
        "Sign_symptom": "problem", "Medication": "drug", "Dosage": "dosage", "MODIFY": "hasAttr", "Age": nil,
        "BEFORE": nil,
    ])

    private func read(_ files: [String: String], _ name: String = "", labels: LabelMap? = nil) throws -> [Document] {
        try withFolder(files.mapValues { Array($0.utf8) }) { folder in
            try CorpusReader.read(path: name.isEmpty ? folder : "\(folder)/\(name)", labels: labels ?? self.labels)
        }
    }

    @Test func labelsOfOthersBecomeOursAndOthersArePassedOver() throws {
        let annotation = """
            T1\tMedication 0 7\taspirin
            T2\tDosage 8 12\t5 mg
            T3\tSign_symptom 17 21\tpain
            T4\tAge 22 24\t60
            E1\tMedication:T1
            E2\tDosage:T2
            R1\tMODIFY Arg1:E2 Arg2:E1
            R2\tMODIFY Arg1:T4 Arg2:T3
            R3\tBEFORE Arg1:T1 Arg2:T3
            R4\tMODIFY Arg1:T1 Arg2:T3
            A1\tNegation T3
            M2\tCertainty E1 low
            #1\tAnnotatorNotes T1\tsee the chart
            N1\tReference T1 RxNorm:1191\taspirin
            *\tEquiv T1 T3

            """
        let document = try read(["n.txt": "aspirin 5 mg for pain 60", "n.ann": annotation])[0]
        #expect(document.entities.map(\.type) == ["drug", "dosage", "problem"])
        // Their relation goes from the modifier; ours from the head. A relation between two entities is not one of ours.
        #expect(document.relations == [Relation(head: "T1", modifier: "T2")])
        #expect(
            document.attributes == [
                Attribute(name: "Negation", target: "T3", value: nil),
                Attribute(name: "Certainty", target: "T1", value: "low"),
            ])
        let written = AnnotationWriter.brat(document)
        #expect(written.contains("A1\tNegation T3\n") && written.contains("A2\tCertainty T1 low\n"))
        let again = try read(["n.txt": "aspirin 5 mg for pain 60", "n.ann": written], labels: LabelMap())[0]
        #expect(again == document)
        #expect(throws: FaultReport.self) {
            try read(["n.txt": "aspirin 5 mg for pain 60", "n.ann": annotation], labels: LabelMap())
        }
    }

    @Test func theOtherFormsTakeThemToo() throws {
        let line =
            #"{"id":"a","text":"aspirin 5 mg","entities":[{"id":"T1","type":"Medication","start":0,"end":7},{"id":"T2","type":"Dosage","start":8,"end":12},{"id":"T3","type":"Age","start":8,"end":9}],"relations":[{"type":"MODIFY","head":"T1","modifier":"T2"},{"type":"MODIFY","head":"T1","modifier":"T3"},{"type":"BEFORE","head":"T1","modifier":"T2"}]}"#
        let document = try read(["a.jsonl": line], "a.jsonl")[0]
        #expect(document.entities.map(\.type) == ["drug", "dosage"] && document.relations.count == 1)
        let tagged = try read(["a.bio": "pain\tB-Sign_symptom\n60\tB-Age\nnow\tO\n"])[0]
        #expect(tagged.entities.map(\.type) == ["problem"])
    }

    @Test func badDocumentsAreSkippedAndNamed() throws {
        let files = [
            "a.txt": "pain", "a.ann": "T1\tproblem 0 4\tpain\n", "b two.txt": "pain",
            "b two.ann": "T1\tproblem 0 9\tpain\n",
            "c.txt": "pain", "d.txt": "cough", "d.ann": "T1\tproblem 0 5\tfever\nT2\tproblem 0 9\tx\n",
        ]
        try withFolder(files.mapValues { Array($0.utf8) }) { folder in
            let corpus = try CorpusReader.corpus(path: folder, labels: LabelMap(), badDocuments: .skip)
            #expect(corpus.documents.map(\.id) == ["a"])
            #expect(
                corpus.skipped.map { "\($0.document) \($0.fault.code)" } == [
                    "b two data.offset", "c data.pair", "d data.surface",
                ])
            #expect(throws: FaultReport.self) {
                try CorpusReader.corpus(path: folder, labels: LabelMap(), badDocuments: .fail)
            }
        }
        let lines = """
            {"id":"a","text":"pain","entities":[]}
            {"id":"b","text":"pain","entities":[{"id":"T1","type":"problem","start":2,"end":9}]}
            none
            """
        try withFolder(["n.jsonl": Array(lines.utf8)]) { folder in
            let corpus = try CorpusReader.corpus(path: "\(folder)/n.jsonl", labels: LabelMap(), badDocuments: .skip)
            #expect(corpus.documents.map(\.id) == ["a"])
            #expect(corpus.skipped.map(\.document) == ["b", "line 3"])
        }
        // A corpus with nothing left is a fault, whatever was asked for.
        try withFolder(["n.jsonl": Array("none\n".utf8)]) { folder in
            #expect(throws: FaultReport.self) {
                try CorpusReader.corpus(path: "\(folder)/n.jsonl", labels: LabelMap(), badDocuments: .skip)
            }
        }
    }

    @Test func moreThanTheListedFaultsAreSkippedToo() throws {
        var files = ["good.txt": Array("pain".utf8), "good.ann": []]
        for number in 0..<70 { files["n\(number).txt"] = Array("pain".utf8) }
        try withFolder(files) { folder in
            let corpus = try CorpusReader.corpus(path: folder, labels: LabelMap(), badDocuments: .skip)
            #expect(corpus.documents.count == 1 && corpus.skipped.count == 70)
        }
    }

    @Test func aNoteOf20MegabytesIsRefused() throws {
        let note = [UInt8](repeating: 0x61, count: 20_000_000)
        try withFolder(["n.txt": note, "n.ann": []]) { folder in
            let report = #expect(throws: FaultReport.self) { try CorpusReader.read(path: folder) }
            #expect(report?.faults.map(\.code) == ["data.too-large"])
            #expect(report?.faults.first?.place?.document == "n")
            #expect(throws: Fault.self) { try NoteReader.notes(at: ["\(folder)/n.txt"]) }
        }
    }

    @Test func mixedLineEndsAreNamedWhereOffsetsFail() throws {
        let files = ["n.txt": "one\r\ntwo\npain", "n.ann": "T1\tproblem 8 12\tpain\n"]
        try withFolder(files.mapValues { Array($0.utf8) }) { folder in
            let report = #expect(throws: FaultReport.self) { try CorpusReader.read(path: folder) }
            #expect(report?.faults.first?.code == "data.surface")
            #expect(report?.faults.first?.mend.contains("line ends of both kinds") == true)
        }
    }

    @Test func attributesOfNothingAreFaults() throws {
        #expect(
            try faults(["n.txt": "pain", "n.ann": "T1\tproblem 0 4\tpain\nA1\tNegation T9\nA2\tNegation\n"]) == [
                "data.annotation-line n A2", "data.relation-end n A1",
            ])
    }
}

@Suite struct BioCTests {
    private func read(_ text: String) throws -> [Document] {
        try withFolder(["n.json": Array(text.utf8)]) { try CorpusReader.read(path: "\($0)/n.json") }
    }
    private func codes(_ text: String) throws -> [String] {
        do {
            _ = try read(text)
            return []
        } catch let report as FaultReport { return report.faults.map(\.code) }
    }
    private func collection(_ document: String) -> String {
        #"{"source":"","date":"","key":"","documents":[\#(document)]}"#
    }

    @Test func readsPassagesAnnotationsAndRelations() throws {
        let document = try read(
            collection(
                #"{"id":"d","infons":{},"passages":[{"offset":0,"infons":{},"text":"Plan","annotations":[],"relations":[]},{"offset":6,"infons":{},"text":"aspirin 5 mg é pain","annotations":[{"id":"T1","infons":{"type":"drug"},"text":"aspirin","locations":[{"offset":6,"length":7}]},{"id":"T2","infons":{"type":"dosage"},"locations":[{"offset":14,"length":4}]},{"id":"T3","infons":{"type":"problem"},"text":"aspirin pain","locations":[{"offset":21,"length":4},{"offset":6,"length":7}]}],"relations":[{"id":"R1","infons":{"type":"hasAttr"},"nodes":[{"refid":"T2","role":"modifier"},{"refid":"T1","role":"head"}]}]}],"relations":[]}"#
            ))[0]
        #expect(string(document.text) == "Plan\n\naspirin 5 mg é pain")
        #expect(document.entities.map(\.spans) == [[6..<13], [14..<18], [6..<13, 21..<25]])
        #expect(document.relations == [Relation(head: "T1", modifier: "T2")])
    }

    @Test func sentencesStandInForThePassagesText() throws {
        let document = try read(
            collection(
                #"{"id":"d","passages":[{"offset":0,"sentences":[{"offset":0,"text":"Pain.","annotations":[{"id":"T1","infons":{"type":"problem"},"locations":[{"offset":0,"length":4}]}]},{"offset":6,"text":"No."}]}]}"#
            ))[0]
        #expect(string(document.text) == "Pain.\nNo." && document.entities.count == 1)
    }

    @Test func malformedCollectionsAreFaults() throws {
        func one(_ annotation: String, relations: String = "") -> String {
            collection(
                #"{"id":"d","passages":[{"offset":0,"text":"pain","annotations":[\#(annotation)],"relations":[\#(relations)]}]}"#
            )
        }
        let good = #"{"id":"T1","infons":{"type":"problem"},"locations":[{"offset":0,"length":4}]}"#
        #expect(try codes(one(good)) == [])
        for (text, code) in [
            ("", "data.bioc"), ("{}", "data.bioc"), (#"{"documents":[{"id":"d"}]}"#, "data.bioc"),
            (collection(""), "data.no-documents"),
            (one("\(good),\(good)"), "data.duplicate-annotation"),
            (one(good.replacing("\"length\":4", with: "\"length\":5")), "data.offset"),
            (one(good.replacing("\"length\":4", with: "\"length\":9223372036854775807")), "data.offset"),
            (one(good.replacing("\"type\":\"problem\"", with: "\"kind\":\"problem\"")), "data.bioc"),
            (one(good.replacing("problem", with: "disease")), "data.unknown-type"),
            (one(good.replacing("\"locations\"", with: "\"text\":\"cough\",\"locations\"")), "data.surface"),
            (one(good, relations: #"{"id":"R1","infons":{"type":"hasAttr"},"nodes":[]}"#), "data.bioc"),
            (
                one(
                    good,
                    relations:
                        #"{"id":"R1","infons":{"type":"hasAttr"},"nodes":[{"refid":"T1","role":""},{"refid":"T9","role":""}]}"#
                ), "data.relation-end"
            ),
            (
                one(
                    good,
                    relations:
                        #"{"id":"R1","infons":{"type":"x"},"nodes":[{"refid":"T1","role":""},{"refid":"T1","role":""}]}"#
                ), "data.relation-type"
            ),
            (
                collection(#"{"id":"d","passages":[{"offset":0,"text":"pain"},{"offset":2,"text":"x"}]}"#), "data.bioc"
            ),
            (collection(#"{"id":"d","passages":[]},{"id":"d","passages":[]}"#), "data.duplicate-document"),
        ] {
            #expect(try codes(text) == [code], "\(text)")
        }
    }

    @Test func sharedWordingIsFound() {
        let words = (0..<30).map { "w\($0)" }.joined(separator: " ")
        func document(_ id: String, _ text: String) -> Document { Document(id: id, text: scalars(text)) }
        let other = [document("o", "before \(words) after")]
        let found = WordingOverlap.documents(
            of: [
                document("same", words.uppercased()), document("half", words + " " + words.replacing("w", with: "v")),
                document("none", "a b c"),
            ],
            in: other, share: 0.3)
        #expect(found.map(\.document) == ["same", "half"])
        #expect(found[0].share == 1 && found[1].share > 0.3 && found[1].share < 0.5)
    }
}
