// Bundles against stock git: it reads what we write, and we read what it writes; a line only ever moves forward.

import Faults
import Federation
import Foundation
import GitLedger
import TestSupport
import Testing

@Suite struct LedgerBundleTests {
    @Test func stockGitVerifiesAndClonesABundle() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let small = try SmallRun(in: ledger)
        _ = try SmallRun(in: ledger, run: "other-1")
        let bundle = "\(folder.path)/one.bundle"
        #expect(try ledger.writeBundle(of: small.run, to: bundle).count == 4)
        let verified = try git(folder.ledger, "bundle", "verify", bundle)
        #expect(verified.status == 0, "\(verified.errors)")
        let clone = "\(folder.path)/clone.git"
        #expect(try execute("git", ["clone", "-q", "--mirror", bundle, clone]).status == 0)
        #expect(try git(clone, "fsck", "--full", "--strict").status == 0)
        #expect(try git(clone, "rev-parse", "runs/demo-1").line == small.aggregate.hex)
        #expect(try git(clone, "for-each-ref").text.contains("other-1") == false)
        #expect(FileManager.default.fileExists(atPath: "\(folder.path)/one.bundle.new") == false)
        #expect(
            code { () throws(Fault) in _ = try ledger.writeBundle(of: RunName("none-1"), to: bundle) }
                == "ledger.no-such-run")
    }

    @Test func aBundleOfStockGitIsTakenAndGoesForwardOnly() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let small = try SmallRun(in: ledger)
        let first = "\(folder.path)/first.bundle"
        #expect(try git(folder.ledger, "bundle", "create", "-q", first, "--all").status == 0)
        let other = try Ledger.create(path: "\(folder.path)/other.git")
        #expect(try other.takeBundle(first).count { $0.isNew } == 3)
        #expect(try other.takeBundle(first).count { $0.isNew } == 0)

        // A bundle that moves a line forward, also one that names the commit it continues from.
        let next = try ledger.commit(draft(.main(small.run), at: small.aggregate, round: 2, [("more", "1")]))
        let second = "\(folder.path)/second.bundle"
        #expect(
            try git(folder.ledger, "bundle", "create", "-q", second, "runs/demo-1", "^\(small.aggregate.hex)").status
                == 0)
        let empty = try Ledger.create(path: "\(folder.path)/empty.git")
        #expect(code { () throws(Fault) in _ = try empty.takeBundle(second) } == "bundle.bad")
        #expect(try empty.runs().isEmpty)
        #expect(try other.takeBundle(second).count { $0.isNew } == 1)
        #expect(try other.tip(.main(small.run)) == next)
        #expect(try other.checkObjects(reachableFrom: [next]).isEmpty)
        // An older bundle moves no line back.
        #expect(try other.takeBundle(first).count { $0.isNew } == 0)
        #expect(try other.tip(.main(small.run)) == next)

        // Another history of the same run is refused completely, although the bundle's other lines would be new.
        let forged = try Ledger.create(path: "\(folder.path)/forged.git")
        _ = try SmallRun(in: forged, run: "fresh-1")
        _ = try forged.commit(draft(.main(small.run), at: nil, [("plan.json", "another\n")]))
        let third = "\(folder.path)/third.bundle"
        _ = try forged.writeBundle(of: nil, to: third)
        #expect(code { () throws(Fault) in _ = try other.takeBundle(third) } == "bundle.rewrites")
        #expect(try other.tip(.main(small.run)) == next)
        #expect(try other.runs().map(\.name) == ["demo-1"])
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: "\(folder.path)/other.git").contains {
                $0.hasPrefix("incoming")
            } == false)
    }

    @Test func damagedAndForeignBundlesAreRefused() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        _ = try SmallRun(in: ledger)
        let bundle = "\(folder.path)/whole.bundle"
        _ = try ledger.writeBundle(of: nil, to: bundle)
        let whole = try contents(bundle)
        let other = try Ledger.create(path: "\(folder.path)/other.git")
        let header = try #require(whole.firstRange(of: Array("\n\n".utf8))).upperBound
        func refused(_ bytes: [UInt8]) throws -> Bool {
            let path = "\(folder.path)/bad.bundle"
            try overwrite(path, bytes)
            let fault = code { () throws(Fault) in _ = try other.takeBundle(path) }
            return try fault == "bundle.bad" && other.runs().isEmpty
        }
        for length in [0, 5, header - 1, header, header + 20, whole.count - 1] {
            #expect(try refused(Array(whole.prefix(length))), "cut to \(length)")
        }
        for place in stride(from: header, to: whole.count, by: 37) {
            var flipped = whole
            flipped[place] ^= 0x10
            #expect(try refused(flipped), "flipped at \(place)")
        }
        let text = String(decoding: whole.prefix(header), as: UTF8.self)
        let foreign = text.replacingOccurrences(of: "refs/heads/runs/demo-1\n", with: "refs/tags/demo-1\n")
        #expect(foreign != text)
        #expect(try refused(Array(foreign.utf8) + whole.dropFirst(header)))
        let missing = text.replacingOccurrences(
            of: "# v2 git bundle\n", with: "# v2 git bundle\n-\(String(repeating: "ab", count: 20)) \n")
        #expect(try refused(Array(missing.utf8) + whole.dropFirst(header)))
        #expect(code { () throws(Fault) in _ = try other.takeBundle("\(folder.path)/none") } == "bundle.unreadable")
    }
}
