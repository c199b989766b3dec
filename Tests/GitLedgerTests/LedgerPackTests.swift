// Packs as stock git writes them give the same bytes; damaged and hostile packs are refused.

import Faults
import Federation
import Foundation
import GitLedger
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(3))) struct LedgerPackTests {
    /// A run whose records change little from round to round, so that stock git makes long chains of deltas.
    private func run(in ledger: Ledger, rounds: Int) throws -> CommitID {
        var tip: CommitID?
        for round in 0..<rounds {
            let record = (0..<200).map {
                "\"loss_\($0)\": \($0 * 7919 % 97 + ($0 <= round * 4 ? 1000 * round : 0)).25\n"
            }.joined()
            tip = try ledger.commit(
                draft(
                    .main(try runName()), at: tip, round: round,
                    [("record.json", record), ("rounds/\(round)/x", "\(round)")]))
        }
        return try #require(tip)
    }

    private func pack(_ ledger: String) throws -> String {
        let names = try FileManager.default.contentsOfDirectory(atPath: "\(ledger)/objects/pack")
        return "\(ledger)/objects/pack/" + (try #require(names.first { $0.hasSuffix(".pack") }))
    }

    /// With deltas by offset and by id, in chains of 1, 5 and 50, and with an index of another kind.
    @Test(arguments: [("1", "true"), ("5", "true"), ("50", "true"), ("50", "false")])
    func everyObjectOfAPackIsThatOfStockGit(depth: String, byOffset: String) throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let tip = try run(in: ledger, rounds: 40)
        try git(folder.ledger, "config", "repack.useDeltaBaseOffset", byOffset)
        let repack = try git(folder.ledger, "repack", "-a", "-d", "-f", "-q", "--depth=\(depth)", "--window=50")
        #expect(repack.status == 0, "\(repack.errors)")
        #expect(try looseObjects(folder.ledger).isEmpty)
        let verified = try git(folder.ledger, "verify-pack", "-v", try pack(folder.ledger)).text
        #expect(
            verified.contains("chain length = \(depth):") || depth == "50" && verified.contains("chain length = 6:"))
        for ledger in [ledger, try Ledger.open(path: folder.ledger)] {
            #expect(try ledger.checkObjects(reachableFrom: [tip]) == [])
            for record in try ledger.firstParents(from: tip) {
                let object = try git(folder.ledger, "cat-file", "blob", "\(record.id):record.json").output
                #expect(try ledger.file("record.json", of: record.id) == object)
                let sizes = try ledger.files(of: record.id).map(\.size)
                #expect(sizes.max() == object.count)
            }
        }
    }

    @Test func aPackOfManyMegabytesIsReadAsWritten() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        var large = draft(.main(try runName()), at: nil, [])
        var state: UInt64 = 9
        let bytes = (0..<9_800_000).map { index -> UInt8 in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return index % 3 == 0 ? 0 : UInt8(state >> 56)
        }
        large.changes = [FileChange(path: "adapter.safetensors", bytes: bytes)]
        let commit = try ledger.commit(large)
        for compression in ["0", "6"] {
            try git(folder.ledger, "config", "pack.compression", compression)
            #expect(try git(folder.ledger, "repack", "-a", "-d", "-F", "-q").status == 0)
            #expect(try ledger.file("adapter.safetensors", of: commit) == bytes)
        }
    }

    /// Every byte of a small pack, and of its index, is altered in several ways: no crash, and never a wrong content.
    @Test func damagedPacksAndIndexesNeverCrash() throws {
        let folder = try TemporaryFolder()
        let tip = try run(in: try Ledger.create(path: folder.ledger), rounds: 6)
        #expect(try git(folder.ledger, "repack", "-a", "-d", "-f", "-q", "--depth=50").status == 0)
        let path = try pack(folder.ledger)
        for file in [path, path.replacingOccurrences(of: ".pack", with: ".idx")] {
            let whole = try contents(file)
            var found = 0
            var tried = 0
            for index in stride(from: 0, to: whole.count, by: file == path ? 3 : 7) {
                for value in [whole[index] ^ 0x10, 0xff, 0] where value != whole[index] {
                    var damaged = whole
                    damaged[index] = value
                    try overwrite(file, damaged)
                    tried += 1
                    let ledger = try Ledger.open(path: folder.ledger)
                    if try !ledger.checkObjects(reachableFrom: [tip]).isEmpty { found += 1 }
                }
            }
            #expect(tried > 500)
            // Bytes that no object needs, such as checksums of the whole file, are not checked here.
            #expect(found * 2 > tried || file != path, "\(found) of \(tried) in \(file)")
            for length in [0, 8, 31, 1032, whole.count / 2, whole.count - 21] where length < whole.count {
                try overwrite(file, Array(whole[..<length]))
                let faults = try Ledger.open(path: folder.ledger).checkObjects(reachableFrom: [tip])
                #expect(!faults.isEmpty && faults.allSatisfy { $0.code == "ledger.corrupt" }, "\(length): \(faults)")
            }
            try overwrite(file, whole)
        }
        #expect(try Ledger.open(path: folder.ledger).checkObjects(reachableFrom: [tip]) == [])
        mkfifo("\(folder.ledger)/objects/pack/pack-1.idx", 0o644)
        #expect(try Ledger.open(path: folder.ledger).checkObjects(reachableFrom: [tip]) == [])
    }
}
