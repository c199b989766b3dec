// Compare-and-swap: threads, handles, lock files and kills.

import Faults
import Federation
import Foundation
import GitLedger
import Testing

@Suite struct LedgerRaceTests {
    @Test func staleExpectationIsRaced() throws {
        let folder = try TemporaryFolder()
        let first = try Ledger.create(path: folder.ledger)
        let second = try Ledger.open(path: folder.ledger)
        let line = LineRef.main(try runName())
        let one = try first.commit(draft(line, at: nil, [("a", "1")]))
        #expect(
            code { () throws(Fault) in _ = try second.commit(draft(line, at: nil, [("a", "2")])) } == "ledger.raced")
        let two = try second.commit(draft(line, at: one, [("a", "2")]))
        #expect(code { () throws(Fault) in _ = try first.commit(draft(line, at: one, [("a", "3")])) } == "ledger.raced")
        let other = LineRef.main(try runName("demo-2"))
        #expect(
            code { () throws(Fault) in _ = try first.commit(draft(other, at: one, [("a", "3")])) } == "ledger.raced")
        #expect(try first.tip(line) == two)
        #expect(try first.tip(other) == nil)
    }

    /// Another handle moves the ref between the draft's first look and its lock.
    @Test func moveAfterTheFirstLookIsRaced() throws {
        let folder = try TemporaryFolder()
        let first = try Ledger.create(path: folder.ledger)
        let second = try Ledger.open(path: folder.ledger)
        for (name, expected) in [("demo-1", false), ("demo-2", true)] {
            let line = LineRef.main(try runName(name))
            let start = expected ? try first.commit(draft(line, at: nil, [("a", "0")])) : nil
            let winner = Box<CommitID?>(nil)
            var late = draft(line, at: start, [("a", "2")])
            late.signer = { (_: [UInt8]) throws(Fault) -> String in
                winner.value = try second.commit(draft(line, at: start, [("a", "1")]))
                return "signature"
            }
            #expect(code { () throws(Fault) in _ = try first.commit(late) } == "ledger.raced")
            #expect(winner.value != nil)
            #expect(try first.tip(line) == winner.value)
        }
    }

    @Test(arguments: [true, false]) func threadsLoseNoCommit(sharing: Bool) throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let others = try (0..<3).map { _ in sharing ? ledger : try Ledger.open(path: folder.ledger) }
        let line = LineRef.main(try runName())
        let landed = Box<[CommitID]>([])
        let unexpected = Box<[String]>([])
        DispatchQueue.concurrentPerform(iterations: others.count) { worker in
            var done = 0
            while done < 8 {
                let found = code { () throws(Fault) in
                    let tip = try others[worker].tip(line)
                    let id = try others[worker].commit(draft(line, at: tip, round: done, [("\(worker)/\(done)", "x")]))
                    landed.value += [id]
                    done += 1
                }
                if let found, found != "ledger.raced" {
                    unexpected.value += [found]
                    return
                }
            }
        }
        #expect(unexpected.value == [])
        let tip = try #require(try ledger.tip(line))
        #expect(Set(try ledger.firstParents(from: tip).map(\.id)) == Set(landed.value))
        #expect(landed.value.count == 24)
        #expect(try ledger.files(of: tip).count == 24)
        #expect(try git(folder.ledger, "fsck", "--strict").status == 0)
    }

    @Test func onlyOneOfTwoCreatorsOfARefWins() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let handles = [ledger, try Ledger.open(path: folder.ledger)]
        for round in 0..<25 {
            let line = LineRef.main(try runName("race-\(round)"))
            let won = Box<[CommitID]>([])
            let lost = Box<[String]>([])
            DispatchQueue.concurrentPerform(iterations: 2) { worker in
                let found = code { () throws(Fault) in
                    let id = try handles[worker].commit(draft(line, at: nil, [("worker", "\(worker)")]))
                    won.value += [id]
                }
                if let found { lost.value += [found] }
            }
            #expect(won.value.count == 1)
            #expect(lost.value == ["ledger.raced"])
            #expect(try ledger.tip(line) == won.value.first)
        }
    }

    @Test func staleLockIsNamedAndDeletingItMends() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let line = LineRef.main(try runName())
        let one = try ledger.commit(draft(line, at: nil, [("a", "1")]))
        let lock = "\(folder.ledger)/\(line.ref).lock"
        try Data().write(to: URL(fileURLWithPath: lock))
        var found: Fault?
        let waited = ContinuousClock().measure {
            do throws(Fault) { _ = try ledger.commit(draft(line, at: one, [("a", "2")])) } catch { found = error }
        }
        let fault = try #require(found)
        #expect(fault.code == "ledger.locked")
        #expect(fault.place?.file == lock)
        #expect(waited > .seconds(2) && waited < .seconds(30))
        #expect(try ledger.tip(line) == one)
        #expect(try ledger.runs() == [try runName()])
        try FileManager.default.removeItem(atPath: lock)
        let two = try ledger.commit(draft(line, at: one, [("a", "2")]))
        #expect(try ledger.tip(line) == two)
    }

    @Test func shortLockIsWaitedFor() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let line = LineRef.main(try runName())
        let one = try ledger.commit(draft(line, at: nil, [("a", "1")]))
        let lock = "\(folder.ledger)/\(line.ref).lock"
        try Data().write(to: URL(fileURLWithPath: lock))
        // A new thread: those of dispatch may all be busy with other tests.
        Thread.detachNewThread {
            usleep(300_000)
            unlink(lock)
        }
        let two = try ledger.commit(draft(line, at: one, [("a", "2")]))
        #expect(try ledger.tip(line) == two)
    }

    /// The child kills itself after the blobs and trees are written and before the commit is; then the same draft is committed.
    @Test func killInTheMiddleLeavesTheLineAndTheDraftCanBeRepeated() async throws {
        let path = KilledChild.folder(of: getpid())
        try? FileManager.default.removeItem(atPath: path)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let ledger = try Ledger.create(path: path)
        let line = LineRef.main(try runName())
        let one = try ledger.commit(draft(line, at: nil, [("a", "1")]))
        await #expect(processExitsWith: .signal(SIGKILL)) {
            let ledger = try Ledger.open(path: KilledChild.folder(of: getppid()))
            let line = LineRef.main(try runName())
            var next = draft(line, at: try ledger.tip(line), [("a", "2"), ("b/c", "3")])
            next.signer = { (_: [UInt8]) throws(Fault) -> String in
                kill(getpid(), SIGKILL)
                return ""
            }
            _ = try ledger.commit(next)
        }
        // Three objects of the page, three of the first commit, two blobs and two trees of the killed one.
        #expect(try looseObjects(path).count == 10)
        #expect(try ledger.tip(line) == one)
        #expect(try git(path, "fsck", "--strict").status == 0)
        let two = try ledger.commit(draft(line, at: one, [("a", "2"), ("b/c", "3")]))
        #expect(try ledger.files(of: two).map(\.path) == ["a", "b/c"])
        #expect(try ledger.checkRun(try runName()) == [])
    }
}

enum KilledChild {
    /// The folder that parent and child both use.
    static func folder(of parent: Int32) -> String {
        FileManager.default.temporaryDirectory.appendingPathComponent("ledger-killed-\(parent).git").path
    }
}
