// What extract, errors and data inspect do with notes and corpora on the command line: ids, files, what is refused, and what reaches a terminal.

import Foundation
import Testing

@Suite struct NotesOnTheCommandLineTests {
    private func mode(_ path: String) throws -> Int {
        (try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int) ?? -1
    }

    @Test func notesOfOneNameKeepTheirIdsAndFiles() throws {
        let federation = try TinyFederation()
        #expect(try federation.run("--set", "rounds=1").code == 0)
        try federation.write("Fever now.\n", to: "notes/patient-1/note.txt")
        try federation.write("No cough.\n", to: "notes/patient-2/note.txt")
        func extract(_ more: String...) throws -> Finished {
            try TinyFederation.run(
                TinyFederation.program,
                [
                    "extract", "notes/patient-1/note.txt", "notes/patient-2/note.txt", "--run", "tiny-1",
                    "--max-new-tokens", "4",
                ] + more,
                in: federation.folder)
        }
        let lines = try extract("--format", "jsonl", "--quiet")
        #expect(lines.code == 0, "\(lines.err)")
        #expect(lines.out.contains(#""id": "patient-1/note""#) && lines.out.contains(#""id": "patient-2/note""#))
        let mixed = try extract("--format", "brat")
        #expect(mixed.code == 2 && mixed.err.contains("extract.no-output") && mixed.err.contains("--output"))
        let files = try extract("--format", "brat", "--output", "out")
        #expect(files.code == 0, "\(files.err)")
        for name in ["patient-1/note.txt", "patient-1/note.ann", "patient-2/note.txt", "patient-2/note.ann"] {
            #expect(try mode("\(federation.folder)/out/\(name)") == 0o600)
        }
        #expect(try mode("\(federation.folder)/out") == 0o700 && mode("\(federation.folder)/out/patient-1") == 0o700)
        #expect(try federation.medrounds("data", "inspect", "out", "--model", "none").out.contains("documents    2, "))
        let again = try extract("--format", "brat", "--output", "out")
        #expect(again.code == 2 && again.err.contains("output.exists"))
        // The notes' own folder takes the .ann files: the .txt files there are the same.
        #expect(try extract("--format", "brat", "--output", "notes").code == 0)
        let page = try extract("--format", "html", "--output", "page.html")
        #expect(page.code == 0 && page.out.isEmpty)
        #expect(try mode("\(federation.folder)/page.html") == 0o600)
        for (path, code) in [("nowhere.txt", "data.missing"), ("rounds", "data.no-documents")] {
            let none = try federation.medrounds("extract", path, "--run", "tiny-1")
            #expect(none.code == 4 && none.err.contains(code), "\(none.err)")
        }
    }

    @Test func aRunWithoutAnAdapterIsNotTakenForOne() throws {
        let federation = try TinyFederation()
        #expect(try federation.run("--set", "rounds=1").code == 0)
        try federation.write("Fever now.\n", to: "note.txt")
        // Back to the plan: as if the run had stopped in its first round.
        try federation.rewindToPlan("tiny-1")
        let refused = try federation.medrounds("extract", "note.txt", "--run", "tiny-1")
        #expect(
            refused.code == 2 && refused.err.contains("run.no-adapter") && refused.err.contains("--round 0"),
            "\(refused.err)")
        #expect(refused.out.isEmpty)
        let asked = try federation.medrounds(
            "extract", "note.txt", "--run", "tiny-1", "--round", "0", "--max-new-tokens", "4", "--format", "html")
        #expect(asked.code == 0 && asked.out.contains("base model without any training"), "\(asked.err)")
    }

    @Test func errorsOfACohortBecomeAPageForTheOwnerAlone() throws {
        let federation = try TinyFederation()
        #expect(try federation.run("--set", "rounds=1").code == 0)
        let made = try federation.medrounds("errors", "tiny-1")
        #expect(made.code == 0, "\(made.err)")
        let path = "\(federation.work)/tiny-1/errors/0001-final.html"
        let page = try String(contentsOfFile: path, encoding: .utf8)
        #expect(page.contains("Errors of tiny-1 in final") && page.contains("missed") && !page.contains("<script"))
        #expect(try mode(path) == 0o600)
        #expect(try federation.medrounds("errors", "tiny-1", "--cohort", "none").err.contains("run.no-cohort"))
        #expect(try federation.medrounds("errors", "tiny-1", "--round", "9").err.contains("run.not-scored"))
        // A predictions file that is not the recorded one, and then none.
        let predictions = "\(federation.work)/tiny-1/predictions/0001-final.jsonl"
        let kept = try String(contentsOfFile: predictions, encoding: .utf8)
        try Data((kept + "\n").utf8).write(to: URL(fileURLWithPath: predictions))
        #expect(try federation.medrounds("errors", "tiny-1").err.contains("work.other-predictions"))
        try FileManager.default.removeItem(atPath: predictions)
        #expect(try federation.medrounds("errors", "tiny-1").err.contains("work.no-predictions"))
    }

    @Test func inspectIsTheFirstLookAtACorpus() throws {
        let federation = try TinyFederation()
        try federation.write("Denies chest pain. Cough.\n", to: "c/a.txt")
        try federation.write("T1\tSign_symptom 7 17\tchest pain\nT2\tproblem 19 25\tCough.\n", to: "c/a.ann")
        try federation.write("Fever.\n", to: "c/b.txt")
        try federation.write("T1\tproblem 0 9\tFever\n", to: "c/b.ann")
        try federation.write("x", to: "c/C.TXT")
        try federation.write("x", to: "c/\u{1b}[31mred.pdf")
        let none = try federation.medrounds("data", "inspect", "c", "--model", "none")
        #expect(none.code == 4 && none.err.contains("data.offset") && none.err.contains("none of the 2 documents"))
        #expect(none.out.contains("Sign_symptom") && none.out.contains("no type: map it with --label"))
        #expect(
            none.out.contains("ends in .TXT, not .txt") && !none.out.contains("\u{1b}") && !none.err.contains("\u{1b}"))
        let mapped = try federation.medrounds(
            "data", "inspect", "c", "--model", "none", "--label", "Sign_symptom=problem", "--label", "Age=")
        #expect(mapped.code == 0 && mapped.out.contains("documents    1 of 2"), "\(mapped.out)\(mapped.err)")
        #expect(mapped.out.contains("Age: mapped, but not in this corpus") && mapped.out.contains("b: data.offset"))
        let wrong = try federation.medrounds("data", "inspect", "c", "--label", "Age=age")
        #expect(wrong.code == 2 && wrong.err.contains("age is no type"))
    }

    @Test func scoresWithAndWithoutTheRuleForBoundaries() throws {
        let federation = try TinyFederation()
        try federation.write("Easy bruisability.\n", to: "gold/a.txt")
        try federation.write("T1\tproblem 5 17\tbruisability\n", to: "gold/a.ann")
        try federation.write("Easy bruisability.\n", to: "found/a.txt")
        try federation.write("T1\tproblem 5 10\tbruis\n", to: "found/a.ann")
        let card = try federation.medrounds("data", "score", "gold", "found")
        #expect(card.code == 0, "\(card.err)")
        let value = try JSONSerialization.jsonObject(with: Data(card.out.utf8)) as? [String: Any]
        func strict(_ value: Any?) -> Double? {
            (((value as? [String: Any])?["micro"] as? [String: Any])?["strict"] as? [String: Any])?["f1"] as? Double
        }
        #expect(strict(value) == 0 && strict(value?["whole_words"]) == 1)
    }
}
