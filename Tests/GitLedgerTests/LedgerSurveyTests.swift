// The survey: every ref and every influence is named, whatever its name and content.

import Faults
import Federation
import Foundation
import GitLedger
import Testing

@Suite struct LedgerSurveyTests {
    @Test func everyRefIsNamedAndClassified() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let small = try SmallRun(in: ledger)
        let main = small.aggregate
        let blob = try ledger.files(of: main)[0].blob
        let run = small.run.name
        let refs: [(String, RefEntry.Kind)] = [
            ("refs/heads/runs/\(run).published", .line(.published(small.run))),
            ("refs/heads/runs/\(run).answers/general", .line(.answers(small.run, try siteID("general")))),
            ("refs/heads/identities", .line(.identities)), ("refs/heads/pruned", .line(.pruned)),
            ("refs/heads/main", .branch), ("refs/heads/runs/\(run).approvals/general", .branch),
            ("refs/heads/runs/Bad_Name", .branch), ("refs/heads/runs/\(run).sites/a/b", .branch),
            ("refs/heads/runs/\(run).published.sites/general", .branch), ("refs/heads/readme-2", .branch),
            ("refs/tags/v1", .tag), ("refs/remotes/origin/x", .remote), ("refs/pull/3/head", .forge),
            ("refs/merge-requests/4/head", .forge), ("refs/changes/01/1/1", .forge), ("refs/notes/commits", .tool),
            ("refs/stash", .tool), ("refs/bisect/bad", .tool), ("refs/replace/\(blob)", .replacement),
            ("refs/odd/x", .other), ("refs/heads/zwei-Häuser", .branch),
        ]
        for (name, _) in refs { try git(folder.ledger, "update-ref", name, main.hex) }
        try git(
            folder.ledger, "-c", "user.name=a", "-c", "user.email=b", "tag", "-a", "-m", "note", "annotated", main.hex)
        try git(folder.ledger, "update-ref", "refs/tags/blob", blob.hex)
        try git(folder.ledger, "symbolic-ref", "refs/heads/alias", "refs/heads/runs/\(run)")
        for isPacked in [false, true] {
            if isPacked { try git(folder.ledger, "pack-refs", "--all") }
            try overwrite("\(folder.ledger)/refs/heads/broken", Array("garbage".utf8))
            try overwrite("\(folder.ledger)/refs/heads/nowhere", Array("\(String(repeating: "1", count: 40))\n".utf8))
            let survey = try ledger.survey()
            let found = Dictionary(uniqueKeysWithValues: survey.refs.map { ($0.name, $0) })
            for (name, kind) in refs {
                #expect(found[name]?.kind == kind, "\(name)")
                #expect(found[name]?.target == .commit(main), "\(name)")
            }
            #expect(found["refs/tags/blob"]?.target == .object(blob, kind: "blob"))
            if case .object(_, let kind) = found["refs/tags/annotated"]?.target {
                #expect(kind == "tag")
            } else {
                Issue.record("an annotated tag is no commit")
            }
            #expect(found["refs/heads/alias"]?.target == .symbolic("refs/heads/runs/\(run)"))
            if case .damaged = found["refs/heads/broken"]?.target {} else { Issue.record("a damaged ref is named") }
            if case .missing = found["refs/heads/nowhere"]?.target {} else { Issue.record("a dangling ref is named") }
            #expect(
                survey.refs.map(\.name) == survey.refs.map(\.name).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            )
            #expect(found["refs/heads/runs/\(run)"]?.kind == .line(.main(small.run)))
            #expect(survey.influences == [])
        }
        #expect(try ledger.lines(of: small.run).count == 5)
        #expect(code { () throws(Fault) in _ = try ledger.tip(.identities) } == nil)
    }

    @Test func namesOfLinesAndNothingElse() {
        #expect(LineRef(named: "refs/heads/runs/a.published") != nil)
        for name in [
            "refs/heads/runs/", "refs/heads/runs/a.b", "refs/heads/runs/a.published/x", "refs/heads/runs/a.sites",
            "refs/heads/runs/a.sites/", "refs/heads/runs/a.sites/B", "refs/heads/runs/.published", "refs/tags/readme",
            "refs/heads/runs/a.answers/b/c", "refs/heads/runs/A", "", "readme", "refs/heads/runs/a.published.published",
        ] {
            #expect(LineRef(named: name) == nil, "\(name)")
        }
    }

    @Test func whatChangesOtherProgramsViewIsNamedAndNotBelieved() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let small = try SmallRun(in: ledger)
        let other = try ledger.commit(draft(.main(try runName("other-1")), at: nil, [("plan.json", "other\n")]))
        let before = try ledger.ancestry(of: [small.aggregate])
        // Stock git shows the other commit in place of the aggregate, and a shortened history.
        try git(folder.ledger, "replace", small.aggregate.hex, other.hex)
        #expect(
            try git(folder.ledger, "log", "-1", "--format=%T", small.aggregate.hex).line
                == (try ledger.read(other)).tree.hex)
        try folder.write("\(small.aggregate)\n", to: "ledger.git/shallow")
        try FileManager.default.createDirectory(
            atPath: "\(folder.ledger)/info", withIntermediateDirectories: true)
        try folder.write("\(small.aggregate)\n", to: "ledger.git/info/grafts")
        for ledger in [ledger, try Ledger.open(path: folder.ledger)] {
            #expect(try ledger.ancestry(of: [small.aggregate]) == before)
            #expect(try ledger.read(small.aggregate).parents.count == 3)
            #expect(try ledger.checkRun(small.run) == [])
        }
        let survey = try ledger.survey()
        #expect(survey.refs.contains { $0.kind == .replacement })
        #expect(Set(survey.influences.map(\.kind)) == [.grafts, .shallow])
    }

    @Test func objectsOfAlternatesAreReadAndTheAlternateIsNamed() throws {
        let folder = try TemporaryFolder()
        let small = try SmallRun(in: try Ledger.create(path: folder.ledger))
        let copy = "\(folder.path)/copy.git"
        #expect(try execute("git", ["clone", "-q", "--bare", "--shared", folder.ledger, copy]).status == 0)
        let ledger = try Ledger.open(path: copy)
        #expect(try ledger.checkRun(small.run) == [])
        #expect(try ledger.survey().influences.map(\.kind) == [.alternates])
        // A chain of alternates that leads back to its start ends.
        try FileManager.default.createDirectory(
            atPath: "\(folder.ledger)/objects/info", withIntermediateDirectories: true)
        try overwrite("\(folder.ledger)/objects/info/alternates", Array("\(copy)/objects\n".utf8))
        #expect(try Ledger.open(path: copy).checkRun(small.run) == [])
    }

    @Test func theNewestTimeIsThatOfTheTips() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        #expect(try ledger.newestTime() == nil)
        let small = try SmallRun(in: ledger)
        #expect(try ledger.newestTime() == 1_700_000_001)
        _ = try ledger.commit(draft(.main(try runName("late-1")), at: nil, round: 500, [("plan.json", "1")]))
        #expect(try ledger.newestTime() == 1_700_000_500)
        // A tip that cannot be read is skipped.
        try overwrite("\(folder.ledger)/\(LineRef.main(small.run).ref)", Array("garbage".utf8))
        #expect(try ledger.newestTime() == 1_700_000_500)
    }
}
