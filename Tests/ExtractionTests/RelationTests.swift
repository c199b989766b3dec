// Relation extraction: records by head, their marks, and the scores of pairs.

import Extraction
import Federation
import TestSupport
import Testing

@Suite struct RelationTests {
    /// Two equal words, of which the second is a head; a modifier of two heads; a modifier beyond the sentence.
    private let document = Document(
        id: "d", text: scalars("pain, later severe pain in the arm and aspirin 5 mg.\nNo arm."),
        entities: [
            Entity(id: "T1", type: "problem", spans: [0..<4]),
            Entity(id: "T2", type: "problem", spans: [19..<34]),
            Entity(id: "T3", type: "bodyloc", spans: [31..<34]),
            Entity(id: "T4", type: "drug", spans: [39..<46]),
            Entity(id: "T5", type: "dosage", spans: [47..<51]),
            Entity(id: "T6", type: "bodyloc", spans: [56..<59]),
        ],
        relations: [
            Relation(head: "T1", modifier: "T3"), Relation(head: "T2", modifier: "T3"),
            Relation(head: "T4", modifier: "T5"), Relation(head: "T2", modifier: "T6"),
            Relation(head: "T4", modifier: "T3"),
        ])

    private func records(
        _ tasks: TaskSelection = TaskSelection(re: .all), of documents: [Document]? = nil
    ) throws -> (records: [Record], counts: RecordCounts) {
        try RecordBuilder.records(
            from: documents ?? [document], tasks: tasks, template: Templates.small(), purpose: .evaluation)
    }

    @Test func aHeadIsMarkedByItsOffsetAndItsModifiersInTheAnswer() throws {
        let (records, counts) = try records()
        #expect(records.map { $0.head?.id } == ["T1", "T2", "T4"])
        let inputs = records.map { $0.prompt.split(separator: "\n").dropLast().last ?? "" }
        #expect(
            inputs == [
                "<span class=\"problem\">pain</span>, later severe pain in the arm and aspirin 5 mg.",
                "pain, later severe <span class=\"problem\">pain in the arm</span> and aspirin 5 mg.",
                "pain, later severe pain in the arm and <span class=\"drug\">aspirin</span> 5 mg.",
            ])
        #expect(
            records.map(\.completion) == [
                "pain, later severe pain in the <span class=\"bodyloc\">arm</span> and aspirin 5 mg.",
                "pain, later severe pain in the <span class=\"bodyloc\">arm</span> and aspirin 5 mg.",
                "pain, later severe pain in the arm and aspirin <span class=\"dosage\">5 mg</span>.",
            ])
        #expect(counts.mentions == 4 && counts.expressed == 3 && counts.beyond == 1)
        // bodyloc of a drug: the template has no such pair.
        #expect(counts.notApplicable == 1)
        #expect(records[1].gold.map(\.id) == ["T3", "T6"])
    }

    @Test func promptsNameOnlyWhatTheSiteAnnotatesAndHeadsWithoutSuchTypesAreNotAsked() throws {
        let (records, _) = try records(TaskSelection(re: .some(["dosage"])))
        #expect(records.map { $0.head?.id } == ["T4"])
        #expect(records[0].types == ["dosage"] && !records[0].prompt.contains("bodyloc"))
        let both = try self.records(TaskSelection(ner: .some(["drug"]), re: .all)).records
        #expect(both.map(\.task) == [.ner, .ner, .re, .re, .re])
        #expect(Set(both.filter { $0.task == .re }.map { $0.prompt.prefix(60) }).count == 1)
    }

    @Test func equalHeadsAreAskedAboutOnce() throws {
        var twice = document
        twice.entities.append(Entity(id: "T7", type: "problem", spans: [0..<4]))
        twice.entities.append(Entity(id: "T8", type: "bodyloc", spans: [19..<23]))
        twice.relations.append(Relation(head: "T7", modifier: "T8"))
        let records = try records(of: [twice]).records
        #expect(records.count == 3)
        #expect(records[0].gold.map(\.id) == ["T3", "T8"])
    }

    @Test func cuttingKeepsTheHead() throws {
        let record = try records().records[2]
        for count in [1, 7, 12, 20, 40, 51] {
            let cut = RecordBuilder.cut(record, to: count, template: try Templates.small())
            #expect(cut.prompt.contains("<span class=\"drug\">aspirin</span>"), "\(count)")
            #expect(cut.text.count <= max(count, 7))
            #expect(string(document.text[cut.range]) == string(cut.text))
            #expect(cut.gold == record.gold && cut.head == record.head)
        }
    }

    @Test func goldAnswersScoreOneButForWhatMarksCannotExpress() throws {
        let records = try records().records
        var card = RelationCard(types: ["bodyloc", "dosage"])
        card.add(
            document: records.map {
                HeadAnswer(head: $0.head ?? $0.gold[0], prediction: RecordPrediction(generated: $0.completion, for: $0))
            }, gold: records)
        #expect(card.pairs.micro(.strict) == MatchCounts(truePositives: 3, falsePositives: 0, falseNegatives: 1))
        // "arm" belongs to two heads: two pairs, one modifier.
        #expect(card.modifiers.micro(.strict) == MatchCounts(truePositives: 2, falsePositives: 0, falseNegatives: 1))
    }

    @Test func aPairNeedsItsHead() throws {
        let gold = try records().records
        func score(_ head: Entity) -> RelationCard {
            var card = RelationCard(types: ["bodyloc", "dosage"])
            card.add(
                document: [
                    HeadAnswer(head: head, prediction: RecordPrediction(generated: gold[2].completion, for: gold[2]))
                ],
                gold: gold)
            return card
        }
        let right = score(Entity(id: "P", type: "drug", spans: [39..<46])).pairs
        #expect(right.micro(.strict).truePositives == 1)
        let longer = score(Entity(id: "P", type: "drug", spans: [39..<51])).pairs
        #expect(longer.micro(.strict).truePositives == 0 && longer.micro(.lenient).truePositives == 1)
        let otherType = score(Entity(id: "P", type: "treatment", spans: [39..<46])).pairs
        #expect(otherType.micro(.lenient).truePositives == 0)
        #expect(otherType.micro(.exact).truePositives == 1)
        let elsewhere = score(Entity(id: "P", type: "drug", spans: [0..<4]))
        #expect(elsewhere.pairs.micro(.overlap).truePositives == 0)
        #expect(elsewhere.modifiers.micro(.strict).truePositives == 1)
    }

    @Test func aPredictedHeadIsAskedAboutInItsSentence() throws {
        let template = try Templates.small()
        let sentence = try records(TaskSelection(ner: .all)).records[0]
        let head = Entity(id: "T1", type: "drug", spans: [39..<46])
        let record = RecordBuilder.relationRecord(
            in: sentence, head: head, types: ["bodyloc", "dosage"], template: template)
        let annotated = try records().records[2]
        #expect(record?.prompt == annotated.prompt)
        #expect(RecordBuilder.relationRecord(in: sentence, head: head, types: ["bodyloc"], template: template) == nil)
    }

    @Test(.needsSharedData)
    func realRelationsAreNearlyAllExpressed() throws {
        for path in ["mtsamples-general/test", "mtsamples-discharge/test", "maccrobat/test", "phee/test.jsonl"] {
            let documents = try CorpusReader.read(path: Shared.path(path))
            let modifiers = AnnotationType.modifiers.map {
                Templates.type($0, heads: ["problem", "treatment", "test", "drug"])
            }
            guard case .object(var json) = Templates.json, case .object(var tasks)? = json["tasks"] else { return }
            tasks["re"] = ["instruction": "Mark modifiers.", "types": .array(modifiers)]
            json["tasks"] = .object(tasks)
            let (records, counts) = try RecordBuilder.records(
                from: documents, tasks: TaskSelection(re: .all),
                template: PromptTemplate(json: .object(json), file: "t"), purpose: .evaluation)
            for record in records where MarkupParser.parse(generated: record.completion).text != record.text {
                Issue.record("\(record.document) \(record.range) does not read back")
            }
            #expect(counts.notApplicable == 0)
            #expect(Double(counts.expressed) >= 0.95 * Double(counts.mentions), "\(path) \(counts)")
        }
    }

    @Test func thePublishedCountingHasItsFaultsAndOursDoesNot() throws {
        // Every type is wrong; 10 for 100; the second of two equal mentions.
        let text = "fever, was 100 and fever"
        let record = Record(
            document: "d", task: .ner, types: ["problem", "drug"], range: 0..<24, text: scalars(text), prompt: "",
            completion: "",
            gold: [
                Entity(id: "T1", type: "problem", spans: [0..<5]), Entity(id: "T2", type: "drug", spans: [11..<14]),
            ], head: nil)
        var published = PublishedCounting(goldTypes: ["problem", "drug"])
        let answer =
            "fever, was <span class=\"problem\">10</span> and <span class=\"drug\">fever</span> <span class=\"test\">x</span>"
        published.add(generated: answer, for: record)
        #expect(published.strict == MatchCounts(truePositives: 2, falsePositives: 0, falseNegatives: 0))
        var card = ScoreCard(task: .ner, types: ["problem", "drug"])
        card.add(RecordPrediction(generated: answer, for: record), for: record)
        #expect(card.micro(.strict).truePositives == 0 && card.micro(.lenient).truePositives == 0)
    }
}
