// The development corpora as a whole: every document can be read, every sentence's completion is read back, every count is as the README
// says.

import Extraction
import Federation
import TestSupport
import Testing

@Suite(.needsSharedData)
struct RealCorporaTests {
    static let documents = [
        ("mtsamples-general/train", 53), ("mtsamples-general/test", 24), ("mtsamples-discharge/train", 27),
        ("mtsamples-discharge/test", 14), ("mtsamples-other/test", 12), ("maccrobat/train", 150),
        ("maccrobat/test", 42),
        ("phee/train.jsonl", 1500), ("phee/test.jsonl", 400), ("validation/mtsamples", 10), ("validation/maccrobat", 8),
        ("validation/phee.jsonl", 60),
    ]

    @Test(arguments: documents)
    func readsWithoutFaults(path: String, count: Int) throws {
        let documents = try CorpusReader.read(path: Shared.path(path))
        #expect(documents.count == count)
        #expect(documents.map(\.id) == documents.map(\.id).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) })
        #expect(documents.allSatisfy { !$0.entities.isEmpty })
    }

    @Test(arguments: documents)
    func completionsReadBackAsExpressibleGold(path: String, count: Int) throws {
        let template = try Templates.small()
        let documents = try CorpusReader.read(path: Shared.path(path))
        for purpose in [RecordPurpose.training, .evaluation] {
            let (records, counts) = try RecordBuilder.records(
                from: documents, tasks: TaskSelection(ner: .all), template: template, purpose: purpose)
            var card = ScoreCard(task: .ner, types: ["problem", "treatment", "test", "drug"])
            for record in records {
                let parsed = MarkupParser.parse(generated: record.completion)
                if parsed.text != record.text || parsed.faults != MarkupFaults() {
                    Issue.record("\(record.document) \(record.range) does not read back")
                }
                card.add(RecordPrediction(generated: record.completion, for: record), for: record)
            }
            let micro = card.micro(.strict)
            #expect(micro.truePositives == counts.expressed)
            #expect(micro.falsePositives == counts.covered + counts.clipped)
            // Gold that repeats type and boundaries counts once.
            #expect(micro.truePositives + micro.falseNegatives == counts.mentions - counts.repeated)
            #expect(
                counts.mentions
                    == counts.expressed + counts.covered + counts.clipped + counts.repeated + counts.crossing
                    + counts.beyond)
            #expect(Double(counts.expressed) >= 0.98 * Double(counts.mentions))
        }
    }

    @Test func sentencesAreOfTheExpectedLength() throws {
        let documents = try CorpusReader.read(path: Shared.path("mtsamples-general/train"))
        let (records, _) = try RecordBuilder.records(
            from: documents, tasks: TaskSelection(ner: .all), template: Templates.small(), purpose: .training)
        #expect(records.count >= 480)
        let words = records.map { $0.text.split { $0 == " " }.count }
        #expect(words.allSatisfy { $0 <= 2 * SentenceSplitter.longestSentence })
    }
}
