// Templates, records and writers: from a document to prompts and back to files.

import Extraction
import Faults
import Federation
import Foundation
import TestSupport
import Testing

@Suite struct PromptTemplateTests {
    @Test func fillsThePlaceholdersOnce() throws {
        let template = try Templates.small()
        let prompt = template.prompt(task: .ner, types: ["drug", "problem"], input: "{types} of {input}")
        #expect(
            prompt
                == "### Task\nMark.\n### Types\nproblem: what problem means\ndrug: what drug means\n### Input\n{types} of {input}\n### Output\n"
        )
        #expect(
            template.prompt(task: .re, types: ["dosage"], input: "x").hasPrefix(
                "### Task\nMark modifiers.\n### Types\ndosage: "))
        #expect(template.end == "<|end|>" && template.name == "small")
        #expect(template.modifiers(of: "problem") == ["bodyloc"] && template.modifiers(of: "drug") == ["dosage"])
    }

    @Test func theInstructionIsTheSameForAllRecordsOfOneChoice() throws {
        let template = try Templates.small()
        let instruction = template.instruction(task: .ner, types: ["problem"])
        #expect(instruction.hasSuffix("### Input\n"))
        for input in ["pain", "", "{input}"] {
            #expect(template.prompt(task: .ner, types: ["problem"], input: input).hasPrefix(instruction))
        }
    }

    @Test func choosesTypesInItsOwnOrder() throws {
        let template = try Templates.small()
        #expect(try template.types(of: .ner, in: .all) == ["problem", "treatment", "test", "drug"])
        #expect(try template.types(of: .ner, in: .some(["drug", "problem"])) == ["problem", "drug"])
        for (task, name) in [(ExtractionTask.ner, "dosage"), (.re, "route")] {
            let fault = #expect(throws: Fault.self) { _ = try template.types(of: task, in: .some([name])) }
            #expect(fault?.code == "template.no-type")
        }
    }

    private func codes(_ change: (inout [String: JSONValue]) -> Void) -> [String] {
        var members = Templates.json.members ?? [:]
        change(&members)
        do {
            _ = try PromptTemplate(json: .object(members), file: "t.yaml")
            return []
        } catch {
            return error.faults.map(\.code)
        }
    }
    private func tasks(_ ner: JSONValue) -> JSONValue { ["ner": ner] }

    @Test func rejectsWhatIsNoTemplate() {
        #expect(codes { _ in } == [])
        #expect(codes { $0["tasks"] = ["ner": ["instruction": "x", "types": [Templates.type("drug")]]] } == [])
        #expect(codes { $0["ends"] = "x" } == ["template.unknown-key"])
        #expect(codes { $0["end"] = nil } == ["template.missing-key"])
        #expect(codes { $0["end"] = " " } == ["template.empty"])
        #expect(codes { $0["version"] = 2 } == ["template.version"])
        #expect(codes { $0["name"] = 3 } == ["template.wrong-type"])
        #expect(codes { $0["tasks"] = [] } == ["template.wrong-type"])
        #expect(
            codes { $0["tasks"] = ["re": ["instruction": "x", "types": []]] } == [
                "template.missing-key", "template.wrong-type",
            ])
        for layout in [
            "{task} {types}", "{input} {task} {types}", "{task} {task} {types} {input}", "{types} {types} {input}",
            "{task}{types}{input}{x}",
        ] {
            #expect(codes { $0["layout"] = .string(layout) } == ["template.placeholder"], "\(layout)")
        }
        let drug = Templates.type("drug")
        #expect(
            codes { $0["tasks"] = self.tasks(["instruction": "x", "types": [drug, drug]]) } == [
                "template.duplicate-type"
            ])
        #expect(
            codes { $0["tasks"] = self.tasks(["instruction": "x", "types": [Templates.type("dosage")]]) } == [
                "template.unknown-type"
            ])
        #expect(
            codes {
                $0["tasks"] = self.tasks(["instruction": "x", "types": [Templates.type("drug", heads: ["drug"])]])
            } == ["template.unknown-key"])
        #expect(
            codes {
                $0["version"] = nil; $0["x"] = 1; $0["name"] = 1
            }.count == 3)
        #expect(throws: FaultReport.self) { _ = try PromptTemplate(json: "x", file: "t.yaml") }
    }
}

@Suite struct RecordTests {
    private let document = Document(
        id: "n", text: scalars("HPI: Chest pain. On as-\npirin <now>.\n\nPlan: rest.  "),
        entities: [
            Entity(id: "T1", type: "problem", spans: [5..<15]), Entity(id: "T2", type: "drug", spans: [20..<29]),
            Entity(id: "T3", type: "bodyloc", spans: [5..<10]),
        ])

    private func build(_ purpose: RecordPurpose, _ selection: TypeSelection = .all, _ documents: [Document]? = nil)
        throws
        -> (records: [Record], counts: RecordCounts)
    {
        try RecordBuilder.records(
            from: documents ?? [document], tasks: TaskSelection(ner: selection), template: Templates.small(),
            purpose: purpose)
    }

    @Test func trainingJoinsWhatAMentionRunsAcross() throws {
        let (records, counts) = try build(.training)
        #expect(records.map { string($0.text) } == ["HPI: Chest pain.", "On as-\npirin <now>.", "Plan: rest."])
        #expect(records[1].completion == "On <span class=\"drug\">as-\npirin</span> <now>.")
        #expect(records[1].range == 17..<36)
        #expect(counts.joined == 1 && counts.expressed == 2 && counts.mentions == 2 && counts.withoutMentions == 1)
        #expect(records[2].completion == "Plan: rest.")
        #expect(records[0].prompt.hasSuffix("### Input\nHPI: Chest pain.\n### Output\n"))
    }

    @Test func evaluationCutsAsIfThereWereNoAnnotation() throws {
        let (records, counts) = try build(.evaluation)
        #expect(records.map { string($0.text) } == ["HPI: Chest pain.", "On as-", "pirin <now>.", "Plan: rest."])
        #expect(records.flatMap(\.gold).map(\.id) == ["T1", "T2"])
        #expect(counts.beyond == 1 && counts.joined == 0)
        let bare = Document(id: "n", text: document.text)
        #expect(try build(.evaluation, .all, [bare]).records.map(\.prompt) == records.map(\.prompt))
    }

    @Test func namesAndMarksOnlyWhatTheSourceAnnotates() throws {
        let (records, _) = try build(.training, .some(["drug"]))
        #expect(records[0].completion == "HPI: Chest pain." && records[0].gold.isEmpty && records[0].types == ["drug"])
        #expect(!records[0].prompt.contains("problem"))
        #expect(
            try RecordBuilder.records(
                from: [document], tasks: TaskSelection(), template: Templates.small(), purpose: .training
            ).records.isEmpty)
    }

    @Test func whatMarksCannotSayIsCountedAndStaysGold() throws {
        let odd = Document(
            id: "o", text: scalars(" left arm and leg pain here "),
            entities: [
                Entity(id: "T1", type: "problem", spans: [1..<9, 18..<22]),
                Entity(id: "T2", type: "problem", spans: [14..<27]),
                Entity(id: "T3", type: "test", spans: [23..<28]), Entity(id: "T4", type: "test", spans: [23..<28]),
                Entity(id: "T5", type: "test", spans: [0..<1]),
            ])
        let (records, counts) = try build(.training, .all, [odd])
        #expect(records.count == 1 && records[0].gold.count == 5)
        #expect(
            records[0].completion
                == "<span class=\"problem\">left arm and leg pain</span> <span class=\"test\">here</span>")
        #expect(
            counts.covered == 1 && counts.crossing == 1 && counts.clipped == 1 && counts.repeated == 1
                && counts.beyond == 1)
        #expect(counts.expressed == 0 && counts.mentions == 5)
    }

    @Test func drawsAndCutsWithoutLosingGold() throws {
        let records = try build(.training).records
        #expect(RecordBuilder.draw(records, limit: 2, by: [2, 0, 1]) == [records[0], records[2]])
        #expect(RecordBuilder.draw(records, limit: nil, by: []) == records)
        #expect(RecordBuilder.draw(records, limit: 0, by: [2, 0, 1]) == [])
        let template = try Templates.small()
        let cut = RecordBuilder.cut(records[0], to: 12, template: template)
        #expect(
            string(cut.text) == "HPI: Chest" && cut.completion == "HPI: Chest" && cut.gold == records[0].gold
                && cut.range == 0..<10)
        #expect(RecordBuilder.cut(records[0], to: 99, template: template) == records[0])
        #expect(string(RecordBuilder.cut(records[0], to: 2, template: template).text) == "HP")
    }
}

@Suite struct AnnotationWriterTests {
    private let document = Document(
        id: "n", text: scalars("\u{1f600} as-\r\npirin \"81\" mg"),
        entities: [
            Entity(id: "T1", type: "drug", spans: [2..<12]),
            Entity(id: "T2", type: "dosage", spans: [13..<17, 18..<20]),
        ],
        relations: [Relation(head: "T1", modifier: "T2")])

    @Test func writesWhatTheReadersRead() throws {
        let brat = AnnotationWriter.brat(document)
        #expect(brat == "T1\tdrug 2 12\tas-  pirin\nT2\tdosage 13 17;18 20\t\"81\" mg\nR1\thasAttr Arg1:T1 Arg2:T2\n")
        let line = AnnotationWriter.jsonLine(document)
        #expect(line.utf8.count { $0 == 0x0a } == 1)
        let files = [
            "n.txt": Array(string(document.text).utf8), "n.ann": Array(brat.utf8), "n.jsonl": Array(line.utf8),
        ]
        try withFolder(files) { folder in
            let paired = try CorpusReader.read(path: folder)
            #expect(paired == [document])
            let lined = try CorpusReader.read(path: "\(folder)/n.jsonl")
            #expect(lined == [document])
            let note = try #require(try NoteReader.notes(at: ["\(folder)/n.txt"]).first)
            #expect(note == Document(id: "n", text: document.text))
        }
        #expect(
            AnnotationWriter.rows(document)[0]
                == AnnotationWriter.Row(id: "T1", type: "drug", start: 2, end: 12, text: "as-  pirin"))
    }

    @Test func numbersPredictionsInTheOrderOfTheText() {
        let predictions = [
            Prediction(type: "drug", range: 5..<8), Prediction(type: "problem", range: 0..<9),
            Prediction(type: "drug", range: nil),
            Prediction(type: "headache", range: 0..<2), Prediction(type: "drug", range: 5..<8),
            Prediction(type: "problem", range: 0..<3),
        ]
        let entities = AnnotationWriter.entities(of: predictions, types: ["problem", "drug"])
        #expect(entities.map(\.id) == ["T1", "T2", "T3"])
        #expect(entities.map(\.hull) == [0..<9, 0..<3, 5..<8])
    }
}

@Suite(.needsSharedData)
struct WriterOnRealCorporaTests {
    @Test(arguments: ["maccrobat/test", "phee/test.jsonl", "mtsamples-other/test"])
    func whatIsWrittenReadsBack(path: String) throws {
        let documents = try CorpusReader.read(path: Shared.path(path))
        var files: [String: [UInt8]] = [
            "all.jsonl": Array(documents.map { AnnotationWriter.jsonLine($0) }.joined().utf8)
        ]
        for document in documents {
            files["\(document.id).txt"] = Array(string(document.text).utf8)
            files["\(document.id).ann"] = Array(AnnotationWriter.brat(document).utf8)
        }
        try withFolder(files) { folder in
            let paired = try CorpusReader.read(path: folder)
            #expect(paired == documents)
            let lined = try CorpusReader.read(path: "\(folder)/all.jsonl")
            #expect(lined == documents)
        }
    }
}
