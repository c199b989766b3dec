// Clones, by this program and by stock git: none of them can remove a line from its source; a plain clone shows the page and can be read as
// a ledger.

import Faults
import Federation
import Foundation
import GitLedger
import TestSupport
import Testing

@Suite struct LedgerCloneTests {
    @Test func aPlainCloneShowsThePageWithoutAWarningAndIsReadAsALedger() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let small = try SmallRun(in: ledger)
        let work = "\(folder.path)/work"
        let cloned = try execute("git", ["clone", "-q", folder.ledger, work])
        #expect(cloned.status == 0 && cloned.errors.isEmpty, "\(cloned.errors)")
        #expect(try contents("\(work)/README.md").starts(with: "# A ledger of MedRounds\n".utf8))
        for path in [work, "\(work)/", "\(work)/.git"] {
            let clone = try Ledger.open(path: path)
            #expect(try clone.runs() == [small.run])
            #expect(try clone.lines(of: small.run) == ledger.lines(of: small.run))
            #expect(try clone.tip(.main(small.run)) == small.aggregate)
            #expect(try clone.tip(.readme) == Ledger.readmeCommit)
            #expect(try clone.checkRun(small.run) == [])
            #expect(try clone.foreignRefs() == [])
            let local = try clone.survey().refs.filter { $0.kind == .local }
            #expect(local.map(\.name) == ["refs/heads/readme"])
            // Nothing can be written to it.
            let next = draft(.main(small.run), at: small.aggregate, [("a", "1")])
            #expect(code { () throws(Fault) in _ = try clone.commit(next) } == "ledger.not-bare")
            #expect(code { () throws(Fault) in _ = try Ledger.create(path: path).path } == "ledger.not-bare")
            let none = "\(folder.path)/none"
            #expect(code { () throws(Fault) in _ = try clone.takeBundle(none).count } == "ledger.not-bare")
        }
        // Also when all refs are packed, and after a git fetch.
        try git("\(work)/.git", "pack-refs", "--all")
        let next = try ledger.commit(draft(.main(small.run), at: small.aggregate, round: 2, [("a", "1")]))
        #expect(try git("\(work)/.git", "fetch", "-q").status == 0)
        #expect(try Ledger.open(path: work).tip(.main(small.run)) == next)
        // And a ledger can be made from it again.
        let bare = "\(folder.path)/bare.git"
        _ = try Ledger.clone(from: work, to: bare)
        #expect(try Ledger.open(path: bare).checkRun(small.run) == [])
    }

    @Test func thePageIsTheSameCommitInEveryLedger() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        #expect(try ledger.tip(.readme) == Ledger.readmeCommit)
        #expect(try ledger.read(Ledger.readmeCommit).isAsWritten)
        #expect(try ledger.files(of: Ledger.readmeCommit).map(\.path) == ["README.md"])
        #expect(try git(folder.ledger, "symbolic-ref", "HEAD").line == "refs/heads/readme")
        // A repository of an older version gets the page and the settings when it is opened for writing; a HEAD that names something stays.
        let old = "\(folder.path)/old.git"
        try execute("git", ["init", "-q", "--bare", "-b", "main", old])
        let small = try SmallRun(in: try Ledger.create(path: old))
        #expect(try git(old, "symbolic-ref", "HEAD").line == "refs/heads/readme")
        #expect(try git(old, "config", "receive.denyDeletes").line == "true")
        try git(old, "symbolic-ref", "HEAD", "refs/heads/runs/\(small.run.name)")
        #expect(try Ledger.create(path: old).tip(.readme) == Ledger.readmeCommit)
        #expect(try git(old, "symbolic-ref", "HEAD").line == "refs/heads/runs/\(small.run.name)")
    }

    /// What happened in an older version: a mirror's push deleted the coordinator's other runs.
    @Test func noPushDeletesOrRewindsALine() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let small = try SmallRun(in: ledger)
        let clones = ["own.git", "mirror.git", "bare.git"].map { "\(folder.path)/\($0)" }
        _ = try Ledger.clone(from: folder.ledger, to: clones[0])
        for (clone, option) in [(clones[1], "--mirror"), (clones[2], "--bare")] {
            #expect(try execute("git", ["clone", "-q", option, folder.ledger, clone]).status == 0)
        }
        let other = try SmallRun(in: ledger, run: "other-1")
        let before = try git(folder.ledger, "for-each-ref").text
        let pushes = [
            ["push", "origin"], ["push", "--mirror", "origin"],
            ["push", "--prune", "origin", "refs/heads/*:refs/heads/*"],
            ["push", "origin", ":refs/heads/runs/other-1"],
            ["push", "-f", "origin", "\(small.start):refs/heads/runs/demo-1"],
        ]
        for clone in clones {
            for push in pushes {
                _ = try execute("git", ["--git-dir=\(clone)"] + push)
                #expect(try git(folder.ledger, "for-each-ref").text == before, "\(clone) \(push)")
            }
        }
        #expect(try git(clones[0], "config", "remote.origin.mirror").status != 0)
        // From our clone, a line that moves forward can be pushed, and git fetch brings the rest, without force.
        let copy = try Ledger.open(path: clones[0])
        let line = LineRef.answers(small.run, try siteID("general"))
        let answer = try copy.commit(draft(line, at: nil, parents: [small.aggregate], [("approval.json", "{}")]))
        #expect(try git(clones[0], "push", "-q", "origin", "runs/demo-1.answers/general").status == 0)
        #expect(try ledger.tip(line) == answer)
        #expect(try git(clones[0], "fetch", "-q", "origin").status == 0)
        #expect(try copy.tip(.main(other.run)) == other.aggregate)
        #expect(try copy.checkRun(other.run) == [])
        // A source that was rewritten is not followed.
        try git(folder.ledger, "update-ref", "refs/heads/runs/demo-1", small.start.hex)
        #expect(try git(clones[0], "fetch", "-q", "origin").status != 0)
        #expect(try copy.tip(.main(small.run)) == small.aggregate)
    }

    @Test func whatCannotBeClonedLeavesNothing() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let small = try SmallRun(in: ledger)
        func refused(_ source: String, _ name: String = "copy.git") -> String? {
            code { () throws(Fault) in _ = try Ledger.clone(from: source, to: "\(folder.path)/\(name)") }
        }
        #expect(refused("ssh://host/ledger.git") == "clone.remote")
        #expect(refused("host:ledger.git") == "clone.remote")
        #expect(refused("\(folder.path)/none.git") == "ledger.missing")
        #expect(refused(folder.ledger, "ledger.git") == "ledger.exists")
        let blob = try ledger.files(of: small.start)[0].blob
        let file = "\(folder.ledger)/objects/\(blob.hex.prefix(2))/\(blob.hex.dropFirst(2))"
        let whole = try contents(file)
        try overwrite(file, Array(whole.prefix(9)))
        #expect(refused(folder.ledger) == "ledger.corrupt")
        unlink(file)
        #expect(refused(folder.ledger) == "ledger.missing-object")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["ledger.git"])
        try overwrite(file, whole)
        #expect(refused(folder.ledger) == nil)
        #expect(try git("\(folder.path)/copy.git", "fsck", "--full", "--strict").status == 0)
    }
}
