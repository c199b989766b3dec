// The readers on small corpora: offsets in code points, nested and discontinuous mentions, and malformed input with its codes and places.

import Extraction
import Faults
import Federation
import Foundation
import TestSupport
import Testing

@Suite struct CorpusReaderTests {
    private func read(_ files: [String: String], jsonl: String? = nil) throws -> [Document] {
        try withFolder(files.mapValues { Array($0.utf8) }) { folder in
            try CorpusReader.read(path: jsonl.map { "\(folder)/\($0)" } ?? folder)
        }
    }

    @Test func countsCodePointsAndKeepsNestedAndDiscontinuousMentions() throws {
        // CRLF is two code points, an emoji one, a decomposed letter two.
        let text = "a\u{1f600}b\r\ncafe\u{301} left arm and leg pain\r\n"
        let annotation = """
            T1\tproblem 11 28;29 32\tright knee
            T2\tbodyloc 11 19\tleft arm
            """
        #expect(throws: FaultReport.self) { try read(["n.txt": text, "n.ann": annotation]) }
        let good = """
            T1\tproblem 11 19;28 32\tleft arm pain\r
            T2\tbodyloc 11 19\tleft arm
            T3\tproblem 1 2\t\u{1f600}
            #1\tAnnotatorNotes T1\tsome note
            A1\tNegated T1
            M1\tUncertain T1
            N1\tReference T1 ICD:1\tpain
            *\tEquiv T1 T3
            R1\thasAttr Arg1:T1 Arg2:T2\t

            """
        let document = try #require(try read(["n.txt": text, "n.ann": good, "README.md": "x"]).first)
        #expect(document.id == "n")
        #expect(document.text.count == 34)
        #expect(document.entities.map(\.spans) == [[11..<19, 28..<32], [11..<19], [1..<2]])
        #expect(document.relations == [Relation(head: "T1", modifier: "T2")])
        #expect(document.entities[0].hull == 11..<32)
    }

    @Test func eventsGiveRelationsToTheirModifiers() throws {
        let annotation = """
            T1\tdrug 0 7\taspirin
            T2\tdosage 8 13\t81 mg
            T3\tproblem 18 22\tpain
            E1\tMedication:T1 Dosage:T2 Reason:E2
            E2\tFinding:T3
            R1\thasAttr Arg1:E1 Arg2:T2
            """
        let document = try #require(try read(["n.txt": "aspirin 81 mg for pain", "n.ann": annotation]).first)
        #expect(document.relations == [Relation(head: "T1", modifier: "T2")])
    }

    @Test(arguments: [
        ("T1\tproblem 0 99\tx", "data.offset n T1"), ("T1\tproblem 4 4\t", "data.offset n T1"),
        ("T1\tproblem 3 1\tx", "data.offset n T1"), ("T1\tproblem -1 4\tx", "data.annotation-line n T1"),
        ("T1\tproblem 0 99999999999999999999\tx", "data.annotation-line n T1"),
        ("T1\tproblem 0 4;2 6\tpain in", "data.fragments n T1"),
        ("T1\tproblem 0 4;\tpain", "data.annotation-line n T1"),
        ("T1\tproblem 0 4", "data.annotation-line n T1"), ("T1 problem 0 4 pain", "data.annotation-line n line 1"),
        ("T1\tSign_symptom 0 4\tpain", "data.unknown-type n T1"),
        ("X1\tproblem 0 4\tpain", "data.annotation-line n X1"),
        ("John Smith\tproblem 0 4\tpain", "data.annotation-line n line 1"),
        ("T1\tproblem 0 4\tpain\nT1\tproblem 0 4\tpain", "data.duplicate-annotation n T1"),
        ("T1\tproblem 0 4\tpain\nR1\thasAttr Arg1:T1 Arg2:T9", "data.relation-end n R1"),
        ("T1\tproblem 0 4\tpain\nR1\tcauses Arg1:T1 Arg2:T1", "data.relation-type n R1"),
        ("T1\tproblem 0 4\tpain\nR1\thasAttr Arg1:T1", "data.annotation-line n R1"),
        ("T1\tproblem 0 4\tpain\nR1\thasAttr T1 T1", "data.annotation-line n R1"),
        ("E1\tFinding:T7", "data.relation-end n E1"), ("E1\t", "data.annotation-line n E1"),
    ])
    func rejectsMalformedAnnotation(line: String, fault: String) throws {
        #expect(try faults(["n.txt": "pain in the arm", "n.ann": line]) == [fault])
    }

    @Test func aRelationToARefusedMentionIsNoSecondFault() throws {
        let annotation = "T1\tproblem 0 99\tx\nT2\tbodyloc 12 15\tarm\nR1\thasAttr Arg1:T1 Arg2:T2"
        #expect(try faults(["n.txt": "pain in the arm", "n.ann": annotation]) == ["data.offset n T1"])
    }

    @Test func collectsTheFaultsOfAllDocumentsAndCountsTheRest() throws {
        let lines = (1...60).map { "T\($0)\tproblem 0 99\tx" }.joined(separator: "\n")
        let found = try faults(["a.txt": "pain", "a.ann": lines, "b.ann": "", "c.txt": "x"])
        #expect(found.count == 21)
        #expect(found.last == "data.more-faults")
        #expect(try faults(["b.ann": "", "c.txt": "x"]) == ["data.pair b", "data.pair c"])
    }

    @Test func faultsNeverHoldTextOfTheNote() throws {
        let files = [
            "n.txt": "Zebediah has pain",
            "n.ann":
                "T1\tZebediah 0 8\tZebediah has\nZebediah was here\nR1\tZebediah x Arg2:T1\nT2\tdrug 9 12\tZebediah!",
        ]
        try withFolder(files.mapValues { Array($0.utf8) }) { folder in
            let report = #expect(throws: FaultReport.self) { try CorpusReader.read(path: folder) }
            let text = try #require(report).description
            #expect(!text.contains("Zebedia"))
            #expect(try #require(report).faults.count == 4)
        }
    }

    @Test func rejectsWhatIsNoCorpus() throws {
        #expect(try faults([:]) == ["data.no-documents"])
        #expect(try faults(["n.txt": "", "n.ann": "", "m.bio": ""]) == ["data.mixed-forms"])
        #expect(throws: FaultReport.self) { try CorpusReader.read(path: "/nowhere/at/all") }
        #expect(throws: FaultReport.self) { try CorpusReader.read(path: "/nowhere/at/all.jsonl") }
        #expect(try faults(["n.jsonl": "\n\n"], jsonl: true) == ["data.no-documents"])
        try withFolder(["n.txt": [0x70, 0xff, 0x70], "n.ann": [], "m.txt": [0x70], "m.ann": [0xc0, 0x80]]) { folder in
            let report = #expect(throws: FaultReport.self) { try CorpusReader.read(path: folder) }
            #expect(report?.faults.map(\.code) == ["data.utf8", "data.utf8"])
            #expect(report?.faults.map(\.place?.document) == ["m", "n"])
            #expect(throws: Fault.self) { try NoteReader.notes(at: ["\(folder)/n.txt"]) }
        }
    }

    /// A note of 20 MB is refused in every form, before it is processed; and it alone, where bad documents are skipped.
    @Test func rejectsANoteThatIsTooLarge() throws {
        let large = String(repeating: "pain\n", count: 4_000_000)
        let small = "T1\tproblem 0 4\tpain"
        #expect(try faults(["n.txt": large, "n.ann": small]) == ["data.too-large n"])
        #expect(try faults(["n.txt": "pain", "n.ann": large]) == ["data.too-large n"])
        #expect(try faults(["n.bio": large]) == ["data.too-large n"])
        let line = #"{"id": "n", "text": "\#(large.replacing("\n", with: " "))", "entities": []}"#
        #expect(try faults(["n.jsonl": line], jsonl: true) == ["data.too-large line 1"])
        let files = ["m.txt": "pain", "m.ann": small, "n.txt": large, "n.ann": small].mapValues { Array($0.utf8) }
        try withFolder(files) { folder in
            let found = try CorpusReader.corpus(path: folder, labels: LabelMap(), badDocuments: .skip)
            #expect(found.documents.map(\.id) == ["m"])
            #expect(found.skipped.map(\.document) == ["n"])
        }
    }

    @Test func readsJSONLines() throws {
        let lines = """
            {"id": "b", "text": "\\ud83d\\ude00 pain\\r\\nin arm", "entities": [{"id": "T1", "type": "problem", "start": 2, "end": 6}, \
            {"id": "T2", "type": "bodyloc", "start": 2, "end": 14, "spans": [[2, 6], [11, 14]], "text": "pain arm"}], \
            "relations": [{"type": "hasAttr", "head": "T1", "modifier": "T2"}]}

            {"id": "a", "text": "", "entities": [], "extra": 1}
            """
        let documents = try read(["n.jsonl": lines], jsonl: "n.jsonl")
        #expect(documents.map(\.id) == ["a", "b"])
        #expect(documents[1].text.count == 14)
        #expect(documents[1].entities.map(\.spans) == [[2..<6], [2..<6, 11..<14]])
        #expect(documents[1].relations == [Relation(head: "T1", modifier: "T2")])
    }

    @Test(arguments: [
        ("{", "data.json-line"), ("[]", "data.json-line"), ("{\"text\": \"x\", \"entities\": []}", "data.document-id"),
        ("{\"id\": \"a\\nb\", \"text\": \"x\", \"entities\": []}", "data.document-id"),
        ("{\"id\": \"n\", \"entities\": []}", "data.json-line n"),
        ("{\"id\": \"n\", \"text\": \"x\"}", "data.json-line n"),
        (
            "{\"id\": \"n\", \"text\": \"x\", \"entities\": []}\n{\"id\": \"n\", \"text\": \"x\", \"entities\": []}",
            "data.duplicate-document n"
        ),
        ("{\"id\": \"n\", \"text\": \"x\", \"entities\": [{\"id\": \"T1\"}]}", "data.json-line n entity 1"),
        (entity("\"start\": 0, \"end\": 9, \"type\": \"drug\""), "data.offset n T1"),
        (entity("\"start\": -3, \"end\": 1, \"type\": \"drug\""), "data.offset n T1"),
        (entity("\"start\": 0.5, \"end\": 1, \"type\": \"drug\""), "data.json-line n entity 1"),
        (entity("\"start\": 0, \"end\": 1, \"type\": \"Drug\""), "data.unknown-type n T1"),
        (entity("\"start\": 0, \"end\": 1, \"type\": \"drug\", \"text\": \"y\""), "data.surface n T1"),
        (entity("\"start\": 0, \"end\": 1, \"type\": \"drug\", \"spans\": [[0, 2]]"), "data.json-line n entity 1"),
        ("{\"id\": \"n\", \"text\": \"x\", \"entities\": [], \"relations\": 3}", "data.json-line n"),
        (
            "{\"id\": \"n\", \"text\": \"x\", \"entities\": [], \"relations\": [{\"type\": \"hasAttr\", \"head\": \"T1\", \"modifier\": \"T2\"}]}",
            "data.relation-end n relation 1"
        ),
    ])
    func rejectsMalformedJSONLines(line: String, fault: String) throws {
        #expect(try faults(["n.jsonl": line], jsonl: true) == [fault])
    }

    @Test func readsTokenFiles() throws {
        let iob2 =
            "Chest\tB-problem\r\npain\tI-problem\nand\tO\nfever\tB-problem\nchills\tB-problem\n\n\nCa\u{301}\tO\nMRI\tB-test\nnow\tI-drug\n"
        let io = "severe\tI-severity\nchest\tI-problem\npain\tI-problem\n"
        let documents = try read(["b.bio": iob2, "a.bio": io])
        #expect(documents.map(\.id) == ["a", "b"])
        #expect(string(documents[0].text) == "severe chest pain")
        #expect(documents[0].entities.map { string(documents[0].text[$0.hull]) } == ["severe", "chest pain"])
        #expect(string(documents[1].text) == "Chest pain and fever chills\nCa\u{301} MRI now")
        #expect(
            documents[1].entities.map { string(documents[1].text[$0.hull]) } == [
                "Chest pain", "fever", "chills", "MRI", "now",
            ])
        #expect(documents[1].entities.map(\.type) == ["problem", "problem", "problem", "test", "drug"])
        #expect(
            try faults(["a.bio": "x\ty\nb B-drug\nc\tB-\nd\tB-Drug\n\tO\ne\tO\tO"]) == [
                "data.bio-line a line 1", "data.bio-line a line 2", "data.bio-line a line 3",
                "data.unknown-type a line 4",
                "data.bio-line a line 5", "data.bio-line a line 6",
            ])
    }

    @Test func survivesRandomBytes() throws {
        var numbers = SeededGenerator(state: 7)
        let alphabet = Array("T1R2E3\t\t  \n;:0459problem hasAttr Arg1:T1{}[]\"id,text\r\u{e9}".utf8)
        for _ in 0..<5000 {
            let bytes = (0..<Int.random(in: 0...120, using: &numbers)).map { _ in
                Bool.random(using: &numbers) || Bool.random(using: &numbers)
                    ? alphabet.randomElement(using: &numbers) ?? 0 : UInt8.random(in: 0...255, using: &numbers)
            }
            var reading = CorpusReading()
            var documents = CorpusReader.jsonLines(bytes, file: "n", reading: &reading)
            documents += CorpusReader.bioc(bytes, file: "n", reading: &reading)
            for document in [
                CorpusReader.brat(
                    id: "n", text: Array("pain in the arm".utf8), annotation: bytes, file: "n.ann", reading: &reading),
                CorpusReader.bio(id: "n", lines: bytes, file: "n", reading: &reading),
            ] {
                if let document { documents.append(document) }
            }
            guard
                documents.allSatisfy({ document in
                    document.entities.allSatisfy { $0.hull.upperBound <= document.text.count }
                })
            else {
                Issue.record("offsets beyond the text from \(bytes)")
                return
            }
        }
    }
}

private func entity(_ members: String) -> String {
    "{\"id\": \"n\", \"text\": \"xyz\", \"entities\": [{\"id\": \"T1\", \(members)}]}"
}
