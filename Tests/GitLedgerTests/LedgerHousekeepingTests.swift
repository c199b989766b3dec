// Housekeeping of stock git beside us: an object that git packs, moves or removes at that moment is looked for again.

import Faults
import Federation
import Foundation
import GitLedger
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5))) struct LedgerHousekeepingTests {
    /// How many runs of how many commits: the long form is `scripts/housekeeping-test.sh`.
    private static let runs = ProcessInfo.processInfo.environment["MEDROUNDS_HOUSEKEEPING"].flatMap { Int($0) } ?? 2

    /// One ledger that commits and one that reads all of it, while `git gc` runs without a pause.
    @Test func noRunStopsWhileGitCollectsGarbage() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let isDone = Box(false)
        let collections = Box(0)
        let path = folder.ledger
        let collector = Thread {
            while !isDone.value {
                // It may fail on our locks, which is not tested here.
                _ = try? execute("git", ["--git-dir=\(path)", "gc", "--quiet"])
                _ = try? execute("git", ["--git-dir=\(path)", "pack-refs", "--all"])
                collections.value += 1
            }
        }
        collector.start()
        defer {
            isDone.value = true
            while !collector.isFinished { usleep(1000) }
        }
        var stopped: [String] = []
        // More of them where the machine is so busy that no collection has ended yet.
        var number = 0
        while number < Self.runs || (collections.value == 0 && number < 20 * Self.runs) {
            defer { number += 1 }
            do {
                let small = try SmallRun(in: ledger, run: "gc-\(number)")
                var tip = small.aggregate
                for round in 2..<8 {
                    tip = try ledger.commit(
                        draft(
                            .main(small.run), at: tip, round: round,
                            [("rounds/\(round)/record.json", "\(number) \(round)\n")]))
                    let line = LineRef.site(small.run, try siteID("general"))
                    let site = try ledger.tip(line)
                    _ = try ledger.commit(draft(line, at: site, round: round, [("x/\(round)", "\(number)\n")]))
                }
                for reader in [ledger, try Ledger.open(path: path)] {
                    let faults = try reader.checkRun(small.run) + reader.checkObjects(reachableFrom: [tip])
                    try #require(faults == [])
                }
            } catch {
                stopped.append("gc-\(number): \(error)")
            }
        }
        #expect(stopped == [], "\(stopped.count) of \(number) runs stopped")
        #expect(collections.value > 0)
        #expect(try ledger.runs().count == number)
        print("\(number) runs, \(collections.value) collections, \(stopped.count) stopped")
    }

    /// A pack that is removed between two reads of one reader, and a pack that appears between them.
    @Test func aReaderFollowsObjectsFromPackToPackAndBack() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let small = try SmallRun(in: ledger)
        let reader = try Ledger.open(path: folder.ledger)
        for step in 0..<6 {
            let tip = try ledger.commit(
                draft(.main(try runName("other-\(step)")), at: nil, [("plan.json", "\(step)\n")]))
            if step % 2 == 0 {
                #expect(try git(folder.ledger, "repack", "-a", "-d", "-f", "-q").status == 0)
                #expect(try git(folder.ledger, "pack-refs", "--all").status == 0)
            } else {
                // Back to loose objects.
                let packs = "\(folder.ledger)/objects/pack"
                for name in try FileManager.default.contentsOfDirectory(atPath: packs) {
                    try FileManager.default.moveItem(atPath: "\(packs)/\(name)", toPath: "\(folder.path)/\(name)")
                    guard name.hasSuffix(".pack") else { continue }
                    let bytes = try contents("\(folder.path)/\(name)")
                    #expect(try git(folder.ledger, "unpack-objects", "-q", input: bytes).status == 0)
                }
            }
            #expect(try reader.file("plan.json", of: tip) == Array("\(step)\n".utf8))
            #expect(try reader.checkRun(small.run) == [])
            #expect(try reader.runs().count == step + 2)
        }
    }
}
