// Commits with everything in them: each way in which an object differs from what the ledger writes is named.

import Faults
import Federation
import Foundation
import GitLedger
import Testing

@Suite struct RawCommitTests {
    @Test func aCommitOfOursDeviatesInNothing() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        var signed = draft(.main(try runName()), at: nil, [("plan.json", "{}\n")])
        signed.body = "One paragraph.\n\nAnother."
        signed.signer = { (_: [UInt8]) throws(Fault) -> String in "-----BEGIN-----\nabc\n-----END-----" }
        let raw = try ledger.raw(try ledger.commit(signed))
        #expect(raw.record.isAsWritten && raw.deviations == [])
        #expect(raw.headers.map(\.key) == ["tree", "author", "committer", "gpgsig"])
        #expect(raw.value("gpgsig") == "-----BEGIN-----\nabc\n-----END-----")
        #expect(raw.committer?.zone == "+0000" && raw.author == raw.committer)
        #expect(raw.paragraphs.count == 4 && raw.paragraphs[0] == "round 1 train" && raw.paragraphs[2] == "Another.")
        #expect(try git(folder.ledger, "cat-file", "-s", raw.id.hex).line == "\(raw.size)")
    }

    /// The object of a good commit with one thing changed, written as it is by stock git.
    @Test func eachDeviationIsTold() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let small = try SmallRun(in: ledger)
        let good = String(
            decoding: try git(folder.ledger, "cat-file", "commit", small.aggregate.hex).output, as: UTF8.self)
        func changed(_ old: String, _ new: String) throws -> RawCommit {
            let text = good.replacingOccurrences(of: old, with: new)
            try #require(text != good, "\(old)")
            let made = try git(
                folder.ledger, "hash-object", "-t", "commit", "-w", "--stdin", "--literally", input: Array(text.utf8))
            return try ledger.raw(try #require(CommitID(hex: made.line)))
        }
        let committer = "committer MedRounds <medrounds@localhost> 1700000001 +0000\n"
        let cases: [(String, String, String)] = [
            (committer, committer + "encoding ISO-8859-1\n", "header encoding"),
            (committer, committer + "mergetag object 1\n type commit\n", "header mergetag"),
            (committer, committer + committer, "committer occurs 2 times"),
            (committer, committer.replacingOccurrences(of: "+0000", with: "+0200"), "time zone is +0200"),
            (committer, committer.replacingOccurrences(of: "01 +", with: "02 +"), "time is not the committer's"),
            (committer, committer.replacingOccurrences(of: "MedRounds <", with: "Other <"), "not the same"),
            ("round 1 aggregate\n\n", "round 1 aggregate\n\n\n", "white space"),
            ("Run: demo-1\n", "Run:  demo-1\n", "white space"),
            ("round 1 aggregate\n", "round 1 \u{1b}[2Jaggregate\n", "control character"),
            ("\n\nRun: ", "\n\nRun? ", "trailers"),
        ]
        for (old, new, told) in cases {
            let raw = try changed(old, new)
            #expect(!raw.record.isAsWritten, "\(told)")
            #expect(try !ledger.isAsWritten(raw.id))
            #expect(raw.deviations.contains { $0.contains(told) }, "\(told): \(raw.deviations)")
            #expect(raw.deviations.allSatisfy { Printable.text($0) == $0 })
        }
        // Doubled trailers and further parents do not change the form: all are read, in order.
        let doubled = try changed("Round: 1\n", "Round: 1\nRound: 2\nExtra: x\n")
        #expect(doubled.record.isAsWritten)
        #expect(
            doubled.record.trailers.map(\.key) == [
                "Run", "Round", "Round", "Extra", "Step", "Plan-SHA256", "State-SHA256",
            ])
        let author = "author MedRounds"
        #expect(try changed(author, "parent \(small.start)\n\(author)").record.parents.count == 4)
    }

    /// Trailers of any length and times of any value are read or refused, and no sum with them overflows.
    @Test func worstValuesAreReadOrRefused() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let small = try SmallRun(in: ledger)
        let good = String(decoding: try git(folder.ledger, "cat-file", "commit", small.start.hex).output, as: UTF8.self)
        func read(_ old: String, _ new: String) throws -> String? {
            let text = good.replacingOccurrences(of: old, with: new)
            try #require(text != good, "\(old)")
            let made = try git(
                folder.ledger, "hash-object", "-t", "commit", "-w", "--stdin", "--literally", input: Array(text.utf8))
            let id = try #require(CommitID(hex: made.line))
            let found = code { () throws(Fault) in _ = try ledger.raw(id) }
            #expect(code { () throws(Fault) in _ = try ledger.read(id) } == found)
            _ = try ledger.checkObjects(reachableFrom: [id])
            return found
        }
        for value in [
            "-1", "253402300800", "2147483648000000", "9223372036854775807", "9223372036854775808", "", "x", "1e9",
        ] {
            #expect(try read("1700000000 +0000", "\(value) +0000") == "ledger.corrupt", "\(value)")
        }
        for value in ["0", "253402300799"] { #expect(try read("1700000000 +0000", "\(value) +0000") == nil) }
        #expect(try read("Round: 0", "Round: " + String(repeating: "9", count: 1_000_000)) == nil)
        #expect(try read("Round: 0", "Round: " + String(repeating: "9", count: 1 << 20)) == "ledger.too-large")
        let tree = "tree " + (try ledger.read(small.start)).tree.hex + "\n"
        let parent = "parent \(small.start)\n"
        #expect(try read(tree, tree + String(repeating: parent, count: 20_000)) == nil)
        #expect(try read(tree, tree + String(repeating: parent, count: 1_000_000)) == "ledger.too-large")
        #expect(try read(tree, tree.replacingOccurrences(of: "tree", with: "tee")) == "ledger.corrupt")
        #expect(try read("MedRounds <", "Med\u{0}Rounds <") == nil)
    }
}
