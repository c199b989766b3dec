// Runs with relations: sites of different tasks, both sources of heads, and an evaluation that is killed on the way.

import Foundation
import Testing

@Suite struct RelationRunTests {
    private func federation() throws -> TinyFederation {
        let federation = try TinyFederation()
        try federation.replace("tasks: {ner: all}}\n  west", with: "tasks: {ner: all, re: all}}\n  west")
        try federation.replace("tasks: {ner: [problem, drug]}, limit: 5", with: "tasks: {re: [negation]}, limit: 5")
        try federation.replace("validation: validation,", with: "validation: validation, tasks: {ner: all, re: all},")
        try federation.replace(
            "final: {data: test, tasks: {ner: all}}",
            with: """
                final: {data: test, tasks: {ner: all, re: all}}
                  found: {data: test, tasks: {ner: all, re: all}, limit: 6, heads: predicted}
                  bonds: {data: test, tasks: {re: [negation]}}
                """)
        try federation.replace("cohorts: [final]", with: "compat: authors, cohorts: [final, found, bonds]")
        return federation
    }

    @Test func sitesOfDifferentTasksMakeOneAdapterThatIsScoredOnBoth() throws {
        let federation = try federation()
        let run = try federation.run()
        #expect(run.code == 0, "\(run.err)")
        #expect(try federation.medrounds("verify", "tiny-1").code == 0)
        #expect(try federation.medrounds("replay", "tiny-1", "--level", "full").code == 0)
        let folder = "runs/tiny-1:rounds/0002/evaluate"
        let gold = try federation.git("show", "\(folder)/final/record.json")
        #expect(
            gold.contains("\"relation_scores\"") && gold.contains("\"by_document\"")
                && gold.contains("\"heads\": \"gold\""))
        #expect(gold.contains("\"published_counting\""))
        let found = try federation.git("show", "\(folder)/found/record.json")
        #expect(found.contains("\"heads\": \"predicted\""))
        let bonds = try federation.git("show", "\(folder)/bonds/record.json")
        #expect(bonds.contains("\"relation_scores\"") && !bonds.contains("\n  \"scores\""))
        #expect(run.out.contains("RE strict F1"), "\(run.out)")
        // Text of the notes stays in the work folder.
        for word in ["fever", "night", "aspirin"] { #expect(!gold.contains(word) && !found.contains(word)) }
    }

    @Test func predictedHeadsNeedMentions() throws {
        let federation = try federation()
        try federation.replace(
            "bonds: {data: test, tasks: {re: [negation]}}",
            with: "bonds: {data: test, tasks: {re: [negation]}, heads: predicted}")
        let refused = try federation.run()
        #expect(refused.code == 3 && refused.err.contains("workflow.predicted-heads"), "\(refused.err)")
    }

    @Test func aKilledEvaluationGoesOnAndEndsInTheSameState() throws {
        let federation = try federation()
        #expect(try federation.run("--name", "whole").code == 0)
        let kept = "\(federation.work)/whole/predictions"
        #expect(try FileManager.default.contentsOfDirectory(atPath: kept).allSatisfy { !$0.hasSuffix(".parts") })
        // The cohort's first answers are there already, as after a kill between its tasks; damaged ones are decoded again.
        let name = "halted"
        #expect(try federation.runAndKill(afterCommits: 11, "--name", name))
        let parts = "\(federation.work)/\(name)/predictions/0002-final.jsonl.parts"
        try FileManager.default.createDirectory(atPath: parts, withIntermediateDirectories: true)
        try Data("of another run\nl 1 2 3\n".utf8).write(to: URL(fileURLWithPath: "\(parts)/ner.txt"))
        let resumed = try federation.run("--name", name, "--resume")
        #expect(resumed.code == 0, "\(resumed.err)")
        #expect(try federation.state("runs/\(name)") == federation.state("runs/whole"))
        #expect(!FileManager.default.fileExists(atPath: parts))
    }

    @Test func extractsInEveryFormWithRelations() throws {
        let federation = try federation()
        #expect(try federation.run("--set", "rounds=1").code == 0)
        try federation.write("Fever <now>.\nNo cough.\n", to: "note.txt")
        for format in ["table", "jsonl", "brat", "html"] {
            let found = try federation.medrounds(
                "extract", "--run", "tiny-1", "note.txt", "--format", format, "--max-new-tokens", "12", "--quiet")
            #expect(found.code == 0, "\(format): \(found.err)")
            if format == "html" { #expect(found.out.contains("Fever &lt;now&gt;") && found.out.hasSuffix("</html>\n")) }
        }
    }
}
