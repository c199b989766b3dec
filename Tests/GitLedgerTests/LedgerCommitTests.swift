// Commits, merges, trees and messages, with stock git as the second opinion.

import Faults
import Federation
import Foundation
import GitLedger
import Testing

@Suite struct LedgerCommitTests {
    @Test func chainReadsBackAsWrittenAndStockGitAgrees() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let line = LineRef.main(try runName())
        var first = draft(line, at: nil, step: "plan", [("plan.json", "{}\n")], subject: "plan: zwei Häuser, 病院")
        first.body = "A first paragraph.\n\nKey: of a body that looks like a trailer"
        let one = try ledger.commit(first)
        let two = try ledger.commit(draft(line, at: one, round: 2, [("plan.json", "{}\n"), ("a/b", "2")]))
        #expect(try ledger.tip(line) == two)
        #expect(try ledger.runs() == [try runName()])
        #expect(try ledger.lines(of: try runName()) == [line])

        let record = try ledger.read(one)
        #expect(record.id == one)
        #expect(record.parents == [])
        #expect(record.subject == "plan: zwei Häuser, 病院")
        #expect(record.body == first.body)
        #expect(record.trailers.dropLast() == first.trailers[...])
        #expect(record.trailer("State-SHA256") == (try ledger.stateDigest(of: one)).hex)
        #expect(record.author == author)
        #expect(record.time == 1_700_000_001)
        #expect(record.signature == nil)
        #expect(try ledger.read(two).parents == [one])
        #expect(try ledger.firstParents(from: two).map(\.id) == [one, two])

        let fsck = try git(folder.ledger, "fsck", "--strict", "--full")
        #expect(fsck.status == 0, "\(fsck.text) \(fsck.errors)")
        #expect(try git(folder.ledger, "rev-parse", line.ref).line == two.hex)
        #expect(try git(folder.ledger, "log", "--format=%H", line.ref).line == "\(two)\n\(one)")
        #expect(
            try git(folder.ledger, "log", "-1", "--format=%an <%ae> %ct %s", one.hex).line
                == "MedRounds <medrounds@localhost> 1700000001 plan: zwei Häuser, 病院")
        #expect(try git(folder.ledger, "log", "-1", "--format=%b", one.hex).text.hasPrefix(first.body))
        let trailers = record.trailers.map { "\($0.key): \($0.value)" }.joined(separator: "\n")
        #expect(try git(folder.ledger, "log", "-1", "--format=%(trailers)", one.hex).line == trailers)
        let message = try git(folder.ledger, "log", "-1", "--format=%B", one.hex).output
        #expect(try git(folder.ledger, "interpret-trailers", "--parse", input: message).line == trailers)
    }

    /// Files of a megabyte and more are stored and not compressed; stock git reads, checks and packs them like any other.
    @Test(arguments: [(1 << 20) - 1, 1 << 20, 2_100_001])
    func largeFilesAreStored(size: Int) throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let line = LineRef.main(try runName())
        var state: UInt64 = 5
        let bytes = (0..<size).map { index -> UInt8 in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return index % 2 == 0 ? UInt8(state >> 56) : 0
        }
        var large = draft(line, at: nil, [("plan.json", "{}\n")])
        large.changes.append(FileChange(path: "adapter.safetensors", bytes: bytes))
        let commit = try ledger.commit(large)
        let id = try git(folder.ledger, "rev-parse", "\(commit.hex):adapter.safetensors").line
        let file = "\(folder.ledger)/objects/\(id.prefix(2))/\(id.dropFirst(2))"
        let attributes = try FileManager.default.attributesOfItem(atPath: file)
        let written = try #require(attributes[.size] as? Int)
        #expect(size >= 1 << 20 ? written > size && written < size + size / 1000 : written < size)
        #expect(attributes[.posixPermissions] as? Int == 0o444)
        #expect(try git(folder.ledger, "cat-file", "blob", id).output == bytes)
        #expect(try ledger.file("adapter.safetensors", of: commit) == bytes)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: "\(folder.ledger)/objects/\(id.prefix(2))").count == 1)
        let fsck = try git(folder.ledger, "fsck", "--strict", "--full")
        #expect(fsck.status == 0, "\(fsck.text) \(fsck.errors)")
        // The same files again beside the existing copy, then packed by stock git.
        #expect(try ledger.commit(draft(line, at: commit, round: 2, [("plan.json", "2")])) != commit)
        #expect(try git(folder.ledger, "gc", "--quiet").status == 0)
        #expect(try Ledger.open(path: folder.ledger).file("adapter.safetensors", of: commit) == bytes)
    }

    /// If the disk has no room for the file, nothing of it stays.
    @Test func aLargeFileThatCannotBeWrittenLeavesNothing() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let line = LineRef.main(try runName())
        var large = draft(line, at: nil, [("plan.json", "{}\n")])
        let bytes = [UInt8](repeating: 7, count: 1 << 21)
        large.changes.append(FileChange(path: "adapter.safetensors", bytes: bytes))
        // A file where the object's folder should be.
        let id = try git(folder.ledger, "hash-object", "--stdin", input: bytes).line
        try folder.write("", to: "ledger.git/objects/\(id.prefix(2))")
        #expect(code { () throws(Fault) in _ = try ledger.commit(large) } == "ledger.not-writable")
        #expect(try ledger.tip(line) == nil)
    }

    @Test func mergeTakesTheUploadsOver() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let small = try SmallRun(in: ledger)
        let record = try ledger.read(small.aggregate)
        #expect(record.parents == [small.start] + small.uploads)
        let paths = try ledger.files(of: small.aggregate).map(\.path)
        #expect(
            paths == [
                "adapter.safetensors", "plan.json", "rounds/0001/aggregate/record.json",
                "rounds/0001/train/discharge/record.json", "rounds/0001/train/discharge/timing.json",
                "rounds/0001/train/general/record.json", "rounds/0001/train/general/timing.json",
                "rounds/0001/upload/discharge/adapter.safetensors", "rounds/0001/upload/general/adapter.safetensors",
                "workflow.yaml",
            ])
        #expect(
            try git(folder.ledger, "ls-tree", "-r", "--name-only", small.aggregate.hex).line
                == paths.joined(separator: "\n"))
        #expect(
            try ledger.file("rounds/0001/upload/general/adapter.safetensors", of: small.aggregate)
                == Array("weights of general".utf8))
        #expect(try ledger.file("rounds/0001/upload/general", of: small.aggregate) == nil)
        #expect(try ledger.file("rounds/0001/absent", of: small.aggregate) == nil)
        #expect(try ledger.file("", of: small.aggregate) == nil)
        let lines = try ledger.lines(of: small.run)
        #expect(
            lines == [
                .main(small.run), .site(small.run, try siteID("discharge")), .site(small.run, try siteID("general")),
            ])
        #expect(try ledger.ancestry(of: [small.aggregate]).count == 6)
        #expect(try ledger.ancestry(of: [small.aggregate]).first?.id == small.start)
        #expect(try ledger.ancestry(of: [small.aggregate]).last?.id == small.aggregate)
        #expect(try ledger.checkRun(small.run) == [])
        #expect(try ledger.checkObjects(reachableFrom: [small.aggregate]) == [])
        #expect(try git(folder.ledger, "fsck", "--strict", "--full").status == 0)
    }

    @Test func parentsComeBeforeChildrenInTheAncestry() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let small = try SmallRun(in: ledger)
        let records = try ledger.ancestry(of: small.uploads.reversed() + [small.aggregate, small.start])
        var seen: Set<CommitID> = []
        for record in records {
            #expect(record.parents.allSatisfy(seen.contains))
            #expect(seen.insert(record.id).inserted)
        }
        #expect(seen.count == 6)
    }

    /// Names that order differently as files and as folders, and Unicode in both normal forms.
    static let awkwardPaths = [
        "a", "a-b/c", "a.b", "a0", "b/c/d/e/f/g", "b/c-d", "b/c.d/x", "b/c/d.e", "z z/with space", "é", "e\u{301}",
        "病院/記録",
        "Z", "_", "~tilde", "quote\"'", "back\\slash", "rounds/0001/x", "rounds/0001.x", "rounds/0001-x", "rounds-x/y",
    ]

    @Test func treesAreThoseOfStockGit() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let files = Self.awkwardPaths.enumerated().map { ($1, "content \($0)") }
        let commit = try ledger.commit(draft(.main(try runName()), at: nil, files))
        var index: [UInt8] = []
        for (path, content) in files {
            let blob = try git(folder.ledger, "hash-object", "-w", "--stdin", input: Array(content.utf8)).line
            index += Array("100644 \(blob)\t\(path)\0".utf8)
        }
        let environment = ["GIT_INDEX_FILE": "\(folder.path)/index"]
        try execute(
            "git", ["--git-dir=\(folder.ledger)", "update-index", "-z", "--index-info"], input: index,
            environment: environment)
        let tree = try execute("git", ["--git-dir=\(folder.ledger)", "write-tree"], environment: environment).line
        #expect(try ledger.read(commit).tree.hex == tree)
        let sorted = files.map(\.0).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        #expect(try ledger.files(of: commit).map { Array($0.path.utf8) } == sorted.map { Array($0.utf8) })
        for (path, content) in files { #expect(try ledger.file(path, of: commit) == Array(content.utf8)) }
    }

    @Test func replacementsShowInTheTree() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let line = LineRef.main(try runName())
        let one = try ledger.commit(draft(line, at: nil, [("a", "1"), ("b/c", "2"), ("b/d", "3")]))
        let two = try ledger.commit(draft(line, at: one, [("a", "4"), ("b/e", "5")]))
        #expect(try ledger.files(of: two).map(\.path) == ["a", "b/c", "b/d", "b/e"])
        #expect(try ledger.files(of: two).map(\.size) == [1, 1, 1, 1])
        #expect(try ledger.file("a", of: two) == Array("4".utf8))
        #expect(try ledger.file("a", of: one) == Array("1".utf8))
    }

    @Test func sameDraftGivesTheSameCommit() throws {
        let folders = [try TemporaryFolder(), try TemporaryFolder()]
        let ids = try folders.map { try SmallRun(in: try Ledger.create(path: $0.ledger)).aggregate }
        #expect(ids[0] == ids[1])
    }

    @Test(arguments: [
        "", "/a", "a/", "a//b", "..", "a/../b", ".git/config", "a/.GIT", "a\nb", "a\0b", "a\tb", "a\u{7f}", "./a",
    ])
    func rejectsPath(_ path: String) throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let line = LineRef.main(try runName())
        #expect(
            code { () throws(Fault) in _ = try ledger.commit(draft(line, at: nil, [(path, "x")])) }
                == "ledger.invalid-path")
        #expect(try ledger.tip(line) == nil)
    }

    @Test func rejectsPathThatIsFileAndFolder() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let line = LineRef.main(try runName())
        let both = draft(line, at: nil, [("a", "1"), ("a-b", "2"), ("a/c", "3")])
        #expect(code { () throws(Fault) in _ = try ledger.commit(both) } == "ledger.invalid-path")
        let twice = draft(line, at: nil, [("a", "1"), ("a", "2")])
        #expect(code { () throws(Fault) in _ = try ledger.commit(twice) } == "ledger.invalid-path")
        let one = try ledger.commit(draft(line, at: nil, [("a", "1")]))
        #expect(
            code { () throws(Fault) in _ = try ledger.commit(draft(line, at: one, [("a/b", "1")])) }
                == "ledger.invalid-path")
        #expect(try ledger.tip(line) == one)
    }

    @Test func rejectsMessageThatGitWouldReadOtherwise() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let line = LineRef.main(try runName())
        let good = draft(line, at: nil, [("a", "1")])
        var bad: [CommitDraft] = []
        for subject in ["", " a", "a ", "a\nb", "a\r", "a\0b"] {
            bad.append(good)
            bad[bad.count - 1].subject = subject
        }
        for body in ["---\nrest", "a\n--- a/file", "a\rb", "nul\0"] {
            bad.append(good)
            bad[bad.count - 1].body = body
        }
        for trailer in [
            ("", "a"), ("A b", "c"), ("A:", "b"), ("A", ""), ("A", "b\nc"), ("A", " b"), ("Ä", "b"),
            ("State-SHA256", "0"),
        ] {
            bad.append(good)
            bad[bad.count - 1].trailers.append(Trailer(trailer.0, trailer.1))
        }
        for name in ["", "a<b", "a\nb"] {
            bad.append(good)
            bad[bad.count - 1].author.name = name
        }
        bad.append(good)
        bad[bad.count - 1].time = -1
        for draft in bad {
            #expect(code { () throws(Fault) in _ = try ledger.commit(draft) } == "ledger.invalid-message", "\(draft)")
        }
        // The objects of the page.
        #expect(try looseObjects(folder.ledger).count == 3)
    }

    @Test func rejectsAbsentFilesAndParents() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let line = LineRef.main(try runName())
        let one = try ledger.commit(draft(line, at: nil, [("a", "1")]))
        var taken = draft(line, at: one, [("b", "1")])
        taken.taken = [TakenFolder(from: one, path: "absent")]
        #expect(code { () throws(Fault) in _ = try ledger.commit(taken) } == "ledger.missing-file")
        let nowhere = try #require(CommitID(hex: String(repeating: "1", count: 40)))
        let orphan = draft(line, at: one, parents: [one, nowhere], [("b", "1")])
        #expect(code { () throws(Fault) in _ = try ledger.commit(orphan) } == "ledger.missing-object")
        #expect(try ledger.tip(line) == one)
    }

    @Test func refusesToDropATipFromItsLine() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let small = try SmallRun(in: ledger)
        let line = LineRef.site(small.run, try siteID("general"))
        let aside = draft(line, at: small.uploads[1], parents: [small.start], round: 2, [("b", "1")])
        #expect(code { () throws(Fault) in _ = try ledger.commit(aside) } == "ledger.not-forward")
        // The aggregate merged the upload, so the site's next round may start from the aggregate.
        let next = draft(line, at: small.uploads[1], parents: [small.aggregate], round: 2, [("b", "1")])
        #expect(try ledger.tip(line) == small.uploads[1])
        let id = try ledger.commit(next)
        #expect(try ledger.tip(line) == id)
    }

    @Test func signatureCoversTheCommitAndIsCarried() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let line = LineRef.main(try runName())
        let unsigned = try ledger.commit(draft(line, at: nil, [("a", "1")]))
        let armour = "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----"
        let other = LineRef.main(try runName("demo-2"))
        var signed = draft(other, at: nil, [("a", "1")])
        let seen = Box<[UInt8]>([])
        signed.signer = { (bytes: [UInt8]) throws(Fault) -> String in
            seen.value = bytes
            return armour
        }
        let id = try ledger.commit(signed)
        #expect(try ledger.read(id).signature == armour)
        #expect(try ledger.read(unsigned).signature == nil)
        #expect(try ledger.read(id).trailers.count == 5)
        let stored = try git(folder.ledger, "cat-file", "commit", id.hex).text
        #expect(stored.contains("\ngpgsig -----BEGIN SSH SIGNATURE-----\n U1NIU0lH\n -----END SSH SIGNATURE-----\n"))
        let without = stored.replacingOccurrences(
            of: "gpgsig -----BEGIN SSH SIGNATURE-----\n U1NIU0lH\n -----END SSH SIGNATURE-----\n", with: "")
        #expect(without == String(decoding: seen.value, as: UTF8.self))
        #expect(try git(folder.ledger, "fsck", "--strict").status == 0)

        var refused = draft(other, at: id, [("b", "1")])
        refused.signer = { (_: [UInt8]) throws(Fault) -> String in
            throw Fault(.failed, "test.no-key", "no key", mend: "")
        }
        #expect(code { () throws(Fault) in _ = try ledger.commit(refused) } == "test.no-key")
        #expect(try ledger.tip(other) == id)
    }

    @Test func tenMegabytesAreWrittenAndReadInReasonableTime() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        var state: UInt64 = 17
        let bytes: [UInt8] = (0..<10_000_000).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1
            return UInt8(truncatingIfNeeded: state >> 56)
        }
        var big = draft(.main(try runName()), at: nil, [])
        big.changes = [FileChange(path: "adapter.safetensors", bytes: bytes)]
        let clock = ContinuousClock()
        var commit: CommitID?
        let writing = try clock.measure { commit = try ledger.commit(big) }
        let id = try #require(commit)
        var back: [UInt8]?
        let reading = try clock.measure { back = try ledger.file("adapter.safetensors", of: id) }
        #expect(back == bytes)
        let hashing = try clock.measure { _ = try Ledger.open(path: folder.ledger).stateDigest(of: id) }
        let again = try clock.measure { _ = try ledger.stateDigest(of: id) }
        print("10 MB: commit \(writing), read \(reading), state fresh \(hashing), state known \(again)")
        #expect(writing < .seconds(20))
    }
}

/// Holds a value that a closure saw.
final class Box<Value: Sendable>: @unchecked Sendable {
    private let lock = NSLock()
    private var held: Value
    init(_ value: Value) { held = value }
    var value: Value {
        get { lock.withLock { held } }
        set { lock.withLock { held = newValue } }
    }
}
