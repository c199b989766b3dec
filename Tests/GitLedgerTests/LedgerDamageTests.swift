// Damage: flipped bits, truncated and missing objects, refs that name nothing, packed ledgers and foreign commits.

import Faults
import Federation
import Foundation
import GitLedger
import TestSupport
import Testing

@Suite struct LedgerDamageTests {
    /// Every byte of every object file, one bit each. The few bits that deflate leaves unused have no meaning for stock git either.
    @Test func flippedBitInAnyObjectIsFoundAndNamed() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let line = LineRef.main(try runName())
        let one = try ledger.commit(draft(line, at: nil, [("plan.json", "{}\n")]))
        let two = try ledger.commit(draft(line, at: one, [("rounds/0001/record.json", "{\"loss\": 1.07}\n")]))
        var unused = 0
        for (id, file) in try looseObjects(folder.ledger) {
            let whole = try contents(file)
            for index in whole.indices {
                var damaged = whole
                damaged[index] ^= 1 << UInt8(index % 8)
                try overwrite(file, damaged)
                let faults = try ledger.checkObjects(reachableFrom: [two, Ledger.readmeCommit])
                if faults.contains(where: { $0.code == "ledger.corrupt" && $0.what.contains(id) }) { continue }
                unused += 1
                try #require(faults.isEmpty, "\(id) byte \(index)")
                try #require(try git(folder.ledger, "cat-file", "-t", id).status == 0)
                try #require(try git(folder.ledger, "fsck", "--strict", "--full").status == 0, "\(id) byte \(index)")
            }
            try overwrite(file, whole)
        }
        #expect(unused <= (try looseObjects(folder.ledger)).count)
        #expect(try ledger.checkObjects(reachableFrom: [two, Ledger.readmeCommit]) == [])
    }

    @Test func everyDamagedObjectIsListedWithItsPath() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let small = try SmallRun(in: ledger)
        let files = try ledger.files(of: small.aggregate)
        let objects = Dictionary(uniqueKeysWithValues: try looseObjects(folder.ledger))
        let blobs = Set(files.map(\.blob))
        for blob in blobs {
            let file = try #require(objects[blob.hex])
            var bytes = try contents(file)
            bytes[bytes.count - 1] ^= 1
            try overwrite(file, bytes)
        }
        let faults = try ledger.checkObjects(reachableFrom: [small.aggregate])
        #expect(Set(faults.map(\.code)) == ["ledger.corrupt"])
        #expect(faults.count == blobs.count)
        for fault in faults { #expect(files.map(\.path).contains(fault.place?.file ?? "")) }
        #expect(code { () throws(Fault) in _ = try ledger.file("plan.json", of: small.start) } == "ledger.corrupt")
        // A draft that would reuse the damaged copy does not build on it.
        let line = LineRef.main(try runName("demo-2"))
        #expect(
            code { () throws(Fault) in _ = try ledger.commit(draft(line, at: nil, [("x", "{}\n")])) }
                == "ledger.corrupt")
    }

    @Test func truncatedAndMissingObjectsAreFaults() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let small = try SmallRun(in: ledger)
        let tips = [small.aggregate, Ledger.readmeCommit]
        for (id, file) in try looseObjects(folder.ledger) {
            let whole = try contents(file)
            for length in [0, 1, 2, whole.count / 2, whole.count - 4, whole.count - 1] {
                try overwrite(file, Array(whole[..<length]))
                let faults = try ledger.checkObjects(reachableFrom: tips)
                #expect(faults.contains { $0.code == "ledger.corrupt" && $0.what.contains(id) }, "\(id) \(length)")
            }
            try FileManager.default.removeItem(atPath: file)
            let faults = try ledger.checkObjects(reachableFrom: tips)
            #expect(faults.contains { $0.code == "ledger.missing-object" && $0.what.contains(id) })
            try overwrite(file, whole)
        }
    }

    /// An intact object under another object's name: zlib and its checksum find no error.
    @Test func exchangedObjectIsFound() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let small = try SmallRun(in: ledger)
        let objects = Dictionary(uniqueKeysWithValues: try looseObjects(folder.ledger))
        let files = try ledger.files(of: small.start)
        let plan = try #require(objects[files[0].blob.hex])
        let workflow = try #require(objects[files[1].blob.hex])
        try overwrite(plan, try contents(workflow))
        let faults = try ledger.checkObjects(reachableFrom: [small.start])
        #expect(faults.map(\.code) == ["ledger.corrupt"])
        #expect(faults.first?.place?.file == "plan.json")
        #expect(faults.first?.place?.commit == small.start.hex)
    }

    @Test func packedLedgerReadsOnAndTakesCommits() throws {
        let folder = try TemporaryFolder()
        let small = try SmallRun(in: try Ledger.create(path: folder.ledger))
        let open = try Ledger.open(path: folder.ledger)
        #expect(try git(folder.ledger, "gc", "--quiet").status == 0)
        #expect(try looseObjects(folder.ledger).isEmpty)
        for ledger in [open, try Ledger.open(path: folder.ledger)] {
            #expect(try ledger.checkRun(small.run) == [])
            #expect(try ledger.lines(of: small.run).count == 3)
            #expect(try ledger.files(of: small.start).map(\.size) == [3, 11])
        }
        let next = try open.commit(
            draft(.main(small.run), at: small.aggregate, round: 2, [("adapter.safetensors", "new")]))
        #expect(try open.tip(.main(small.run)) == next)
        #expect(try open.checkRun(small.run) == [])
        #expect(try git(folder.ledger, "fsck", "--strict", "--full").status == 0)
    }

    @Test func flippedBitInAPackIsFoundUnlessStockGitReadsTheSame() throws {
        let folder = try TemporaryFolder()
        let small = try SmallRun(in: try Ledger.create(path: folder.ledger))
        try git(folder.ledger, "gc", "--quiet")
        let packs = try FileManager.default.contentsOfDirectory(atPath: "\(folder.ledger)/objects/pack")
        let pack = "\(folder.ledger)/objects/pack/" + (try #require(packs.first { $0.hasSuffix(".pack") }))
        let whole = try contents(pack)
        var tried = 0
        var missed = 0
        for index in stride(from: 12, to: whole.count - 20, by: 5) {
            var damaged = whole
            damaged[index] ^= 16
            try overwrite(pack, damaged)
            tried += 1
            let tips = [small.aggregate, Ledger.readmeCommit]
            if try Ledger.open(path: folder.ledger).checkObjects(reachableFrom: tips).isEmpty {
                missed += 1
                let read = try git(folder.ledger, "log", "--format=%H", "-p", small.aggregate.hex)
                #expect(read.status == 0, "byte \(index)")
            }
        }
        #expect(tried > 100)
        #expect(missed * 10 < tried, "\(missed) of \(tried)")
    }

    @Test func refThatNamesNothingIsAFault() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let small = try SmallRun(in: ledger)
        let main = LineRef.main(small.run)
        let file = "\(folder.ledger)/\(main.ref)"
        let absent = String(repeating: "1", count: 40)
        try overwrite(file, Array("\(absent)\n".utf8))
        let tip = try #require(try ledger.tip(main))
        #expect(code { () throws(Fault) in _ = try ledger.read(tip) } == "ledger.missing-object")
        #expect(
            try ledger.checkRun(small.run).contains { $0.code == "ledger.missing-object" && $0.what.contains(absent) })
        // A ref to something that is not a commit.
        try overwrite(file, Array("\(try ledger.read(small.start).tree)\n".utf8))
        #expect(try ledger.checkRun(small.run).contains { $0.code == "ledger.corrupt" })
        for garbage in ["", "garbage\n", "ref: refs/heads/elsewhere\n", String(absent.dropLast())] {
            try overwrite(file, Array(garbage.utf8))
            #expect(try ledger.runs() == [small.run], "a damaged ref must not look like an absent run")
            #expect(code { () throws(Fault) in _ = try ledger.tip(main) } == "ledger.corrupt", "\(garbage)")
            #expect(
                code { () throws(Fault) in _ = try ledger.commit(draft(main, at: nil, [("a", "1")])) }
                    == "ledger.corrupt")
        }
        try overwrite(file, Array("\(small.aggregate)\n".utf8))
        #expect(try ledger.checkRun(small.run) == [])
    }

    @Test func absentThingsAreNilOrNamed() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        #expect(try ledger.tip(.main(try runName())) == nil)
        #expect(try ledger.lines(of: try runName()) == [])
        let run = try runName("absent-1")
        #expect(try ledger.checkRun(run).map(\.code) == ["ledger.no-such-run"])
        let nowhere = try #require(CommitID(hex: String(repeating: "0", count: 40)))
        #expect(code { () throws(Fault) in _ = try ledger.files(of: nowhere) } == "ledger.missing-object")
        #expect(CommitID(hex: "HEAD") == nil)
        #expect(CommitID(hex: String(repeating: "A", count: 40)) == nil)
    }

    /// Thirty trees of ten entries each that all name the next one: 10^30 paths in a kilobyte or two.
    @Test func treesThatNameEachOtherDoNotHang() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let small = try SmallRun(in: ledger)
        var inner = "100644 blob \(try ledger.files(of: small.start)[0].blob)\tfile\n"
        for _ in 0..<30 {
            let tree = try git(folder.ledger, "mktree", input: Array(inner.utf8)).line
            inner = (0..<10).map { "040000 tree \(tree)\td\($0)\n" }.joined()
        }
        let tree = try git(folder.ledger, "mktree", input: Array(inner.utf8)).line
        let message = try git(folder.ledger, "log", "-1", "--format=%B", small.aggregate.hex).output
        let names = ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"]
        let bomb = try execute(
            "git", ["--git-dir=\(folder.ledger)", "commit-tree", tree, "-p", small.aggregate.hex], input: message,
            environment: Dictionary(uniqueKeysWithValues: names.map { ($0, "x") })
        ).line
        try git(folder.ledger, "update-ref", LineRef.main(small.run).ref, bomb)
        let id = try #require(CommitID(hex: bomb))
        #expect(try ledger.checkObjects(reachableFrom: [id]) == [])
        #expect(try ledger.checkRun(small.run).map(\.code).contains("ledger.invalid-path"))
    }

    /// Commits made by hand with stock git on top of a good run.
    @Test func commitsByHandAreFound() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let small = try SmallRun(in: ledger)
        let good = try ledger.read(small.aggregate)
        let message = try git(folder.ledger, "log", "-1", "--format=%B", small.aggregate.hex).line + "\n"
        func byHand(_ message: String, tree: String, parents: [CommitID]) throws -> [String] {
            let arguments = ["--git-dir=\(folder.ledger)", "commit-tree", tree] + parents.flatMap { ["-p", $0.hex] }
            let names = ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"]
            let id = try execute(
                "git", arguments, input: Array(message.utf8),
                environment: Dictionary(uniqueKeysWithValues: names.map { ($0, "x") })
            ).line
            try git(folder.ledger, "update-ref", LineRef.main(small.run).ref, id)
            return try ledger.checkRun(small.run).map(\.code)
        }
        let tree = good.tree.hex
        #expect(try byHand(message, tree: tree, parents: [small.aggregate]) == [])
        #expect(
            try byHand(message, tree: try ledger.read(small.start).tree.hex, parents: [small.aggregate])
                == ["ledger.state-mismatch"])
        #expect(
            try byHand("no trailers\n", tree: tree, parents: [small.aggregate]).count == Ledger.requiredTrailers.count)
        let other = message.replacingOccurrences(of: "Run: demo-1", with: "Run: demo-2")
        #expect(try byHand(other, tree: tree, parents: [small.aggregate]) == ["ledger.trailer"])
        #expect(try byHand(message + "Run: demo-1\n", tree: tree, parents: [small.aggregate]) == ["ledger.trailer"])
        #expect(try byHand(message, tree: tree, parents: []) == ["ledger.broken-chain"])
        // An executable, a link and a name with a line break, which State-SHA256 would not tell apart.
        let blob = try ledger.files(of: small.start)[0].blob.hex
        for (mode, name, code) in [
            ("100755", "plan.json", "ledger.foreign-entry"), ("120000", "plan.json", "ledger.foreign-entry"),
            ("100644", "a\nb", "ledger.invalid-path"), ("100644", "\u{7f}", "ledger.invalid-path"),
        ] {
            let entry = Array("\(mode) blob \(blob)\t\(name)\0".utf8)
            let made = try git(folder.ledger, "mktree", "-z", input: entry).line
            #expect(try byHand(message, tree: made, parents: [small.aggregate]) == [code], "\(mode)")
        }
    }
}
