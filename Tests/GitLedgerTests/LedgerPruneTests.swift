// Pruning: contents are removed from files and from packs, everything else stays, and a kill at any moment loses nothing else.

import Faults
import Federation
import Foundation
import GitLedger
import Testing

@Suite(.timeLimit(.minutes(5))) struct LedgerPruneTests {
    /// The uploads of a small run, which are what a pruning removes.
    static func uploads(_ small: SmallRun, in ledger: Ledger) throws -> Set<ObjectID> {
        let files = try ledger.files(of: small.aggregate)
        return Set(files.filter { $0.path.contains("upload") }.map(\.blob))
    }

    static func prune(
        _ blobs: Set<ObjectID>, in ledger: Ledger, unless check: () throws(Fault) -> Void = { () throws(Fault) in }
    ) throws(Fault) -> (count: Int, bytes: Int) {
        try ledger.prune(blobs, unless: check) { (before, list) throws(Fault) in
            CommitDraft(
                line: .pruned, expectedTip: before, parents: [before].compactMap { $0 }, base: before, changes: [list],
                subject: "prune", trailers: [Trailer("Step", "prune")], author: author, time: 1_700_000_900)
        }
    }

    /// The rest of a run: everything but the pruned contents, as this program and as stock git sees it.
    static func expectPruned(_ blobs: Set<ObjectID>, _ small: SmallRun, _ path: String) throws {
        let ledger = try Ledger.open(path: path)
        #expect(try ledger.checkObjects(reachableFrom: [small.aggregate]) == [])
        #expect(try ledger.checkRun(small.run) == [])
        let fsck = try git(path, "fsck", "--full", "--no-dangling")
        let missing = Set(
            (fsck.text + fsck.errors).split(separator: "\n").filter { $0.hasPrefix("missing blob ") }.map {
                String($0.dropFirst(13))
            })
        #expect(missing == Set(blobs.map(\.hex)))
        let file = "rounds/0001/upload/general/adapter.safetensors"
        #expect(code { () throws(Fault) in _ = try ledger.file(file, of: small.aggregate) } == "ledger.pruned")
    }

    /// Loose, in one pack, in several packs with a common index, and both loose and packed.
    @Test(arguments: ["loose", "pack", "packs", "both"]) func contentsGoFromFilesAndPacks(form: String) throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let small = try SmallRun(in: ledger)
        let blobs = try Self.uploads(small, in: ledger)
        switch form {
        case "pack": #expect(try git(folder.ledger, "gc", "-q").status == 0)
        case "packs":
            #expect(try git(folder.ledger, "repack", "-d", "-q").status == 0)
            _ = try SmallRun(in: ledger, run: "other-1")
            #expect(try git(folder.ledger, "repack", "-d", "-q").status == 0)
            #expect(try git(folder.ledger, "multi-pack-index", "write").status == 0)
        case "both": #expect(try git(folder.ledger, "repack", "-a", "-q").status == 0)
        default: break
        }
        let all = try git(folder.ledger, "rev-list", "--objects", "--all").text.split(separator: "\n").count
        let reader = try Ledger.open(path: folder.ledger)
        _ = try reader.files(of: small.aggregate)
        let pruned = try Self.prune(blobs, in: ledger)
        #expect(pruned.count == 2 && pruned.bytes == "weights of dischargeweights of general".utf8.count)
        try Self.expectPruned(blobs, small, folder.ledger)
        // A reader that was opened earlier finds the rest in the new pack.
        #expect(try reader.checkRun(small.run) == [])
        #expect(try reader.file("adapter.safetensors", of: small.aggregate) == Array("the mean of both".utf8))
        let left = try git(folder.ledger, "cat-file", "--batch-all-objects", "--batch-check").text
        #expect(left.split(separator: "\n").count == all - 2 + 3)
        #expect(try Self.prune(blobs, in: ledger).count == 0)
        #expect(try ledger.prunedCount() == 2)
        // The run continues, whether git packed it again or not, and is cloned without the pruned contents.
        _ = try ledger.commit(draft(.main(small.run), at: small.aggregate, round: 2, [("a", "1")]))
        let copy = "\(folder.path)/copy.git"
        _ = try Ledger.clone(from: folder.ledger, to: copy)
        try Self.expectPruned(blobs, small, copy)
        #expect(
            code { () throws(Fault) in _ = try ledger.writeBundle(of: nil, to: "\(folder.path)/x") } == "ledger.pruned")
    }

    @Test func aRefusedPruningChangesNothing() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let small = try SmallRun(in: ledger)
        let blobs = try Self.uploads(small, in: ledger)
        let busy = Fault(.usage, "run.busy", "a run is under way", mend: "Wait.")
        #expect(
            code { () throws(Fault) in _ = try Self.prune(blobs, in: ledger) { () throws(Fault) in throw busy } }
                == "run.busy")
        #expect(try ledger.tip(.pruned) == nil)
        #expect(try ledger.checkObjects(reachableFrom: [small.aggregate]) == [])
        // Contents of another repository must not be removed from here.
        let copy = "\(folder.path)/copy.git"
        #expect(try execute("git", ["clone", "-q", "--bare", "--shared", folder.ledger, copy]).status == 0)
        let shared = try Ledger.open(path: copy)
        #expect(code { () throws(Fault) in _ = try Self.prune(blobs, in: shared) } == "ledger.kept")
        #expect(try shared.tip(.pruned) == nil)
    }

    /// What a killed pruning left goes with the next one; two at once would take each other's waiting packs away.
    @Test func aLeftoverGoesAndASecondPruningWaits() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let small = try SmallRun(in: ledger)
        let blobs = try Self.uploads(small, in: ledger)
        #expect(try git(folder.ledger, "gc", "-q").status == 0)
        let left = "\(folder.ledger)/pruning-abc123"
        try FileManager.default.createDirectory(atPath: "\(left)/pack", withIntermediateDirectories: true)
        try Data("half a pack".utf8).write(to: URL(fileURLWithPath: "\(left)/pack/pack-1.pack"))
        let other = open(folder.ledger, O_RDONLY | O_DIRECTORY)
        #expect(flock(other, LOCK_EX | LOCK_NB) == 0)
        #expect(code { () throws(Fault) in _ = try Self.prune(blobs, in: ledger) } == "ledger.kept")
        #expect(try ledger.checkObjects(reachableFrom: [small.aggregate]) == [])
        #expect(FileManager.default.fileExists(atPath: left))
        close(other)
        #expect(try Self.prune(blobs, in: ledger).count == 2)
        #expect(!FileManager.default.fileExists(atPath: left))
        try Self.expectPruned(blobs, small, folder.ledger)
    }

    /// A list of worst values: sums never overflow.
    @Test func hostileListsAreRefused() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let small = try SmallRun(in: ledger)
        let blob = try ledger.files(of: small.start)[0].blob.hex
        let digest = String(repeating: "a", count: 64)
        var tip: CommitID?
        for size in ["-1", "1099511627777", "9223372036854775807", "9223372036854775808", "", "x", "1 1"] {
            tip = try ledger.commit(draft(.pruned, at: tip, [("pruned", "\(blob) \(digest) \(size)\n")]))
            let opened = try Ledger.open(path: folder.ledger)
            #expect(code { () throws(Fault) in _ = try opened.prunedCount() } == "ledger.corrupt", "\(size)")
            #expect(try opened.checkObjects(reachableFrom: [small.aggregate]) == [])
        }
        _ = try ledger.commit(draft(.pruned, at: tip, [("pruned", "\(blob) \(digest) 1099511627776\n")]))
        #expect(try Ledger.open(path: folder.ledger).prunedCount() == 1)
    }

    /// The child kills itself at a random moment of its pruning; then the pruning is repeated.
    @Test func aKillAtAnyMomentLosesNothingElse() async throws {
        let folder = URL(fileURLWithPath: KilledChild.folder(of: getpid()) + "-prune")
        let path = folder.path
        let kills = ProcessInfo.processInfo.environment["MEDROUNDS_KILLS"].flatMap { Int($0) } ?? 6
        for number in 0..<kills {
            try? FileManager.default.removeItem(at: folder)
            let ledger = try Ledger.create(path: path)
            let small = try SmallRun(in: ledger)
            for other in 0..<5 { _ = try SmallRun(in: ledger, run: "other-\(other)") }
            try git(path, "repack", "-a", "-d", "-q")
            let blobs = try Self.uploads(small, in: ledger)
            // From the first microsecond to about the end.
            let delay = number * 60_000 / kills
            try "\(delay)".write(toFile: "\(path)/delay", atomically: true, encoding: .utf8)
            await #expect(processExitsWith: .signal(SIGKILL)) {
                let path = KilledChild.folder(of: getppid()) + "-prune"
                let ledger = try Ledger.open(path: path)
                let tip = try #require(try ledger.tip(.main(try runName())))
                let blobs = Set(try ledger.files(of: tip).filter { $0.path.contains("upload") }.map(\.blob))
                let delay = UInt32(try String(contentsOfFile: "\(path)/delay", encoding: .utf8)) ?? 0
                Thread.detachNewThread {
                    usleep(delay)
                    kill(getpid(), SIGKILL)
                }
                _ = try LedgerPruneTests.prune(blobs, in: ledger)
                sleep(5)
            }
            // Only listed contents may be gone.
            let after = try Ledger.open(path: path)
            #expect(try after.checkObjects(reachableFrom: [small.aggregate]) == [], "killed after \(delay) us")
            for run in try after.runs() { #expect(try after.checkRun(run) == []) }
            // As the mend of `ledger.locked` says: the killed process left the lock of the ref that it was moving.
            unlink("\(path)/refs/heads/pruned.lock")
            _ = try Self.prune(blobs, in: after)
            try Self.expectPruned(blobs, small, path)
        }
        try? FileManager.default.removeItem(at: folder)
    }
}
