// State-SHA256 against a separate computation, and the commands of docs/ledger.md executed.

import Digests
import Faults
import Federation
import Foundation
import GitLedger
import Testing

@Suite struct StateDigestTests {
    @Test func emptyTreeHasTheDigestOfNothing() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let id = try ledger.commit(draft(.main(try runName()), at: nil, []))
        #expect(
            try ledger.stateDigest(of: id).hex == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(try git(folder.ledger, "fsck", "--strict").status == 0)
    }

    /// sha256("abc") and sha256("") are the published test vectors.
    @Test func bytesAreThoseOfTheDocument() throws {
        let place = try TemporaryFolder()
        let ledger = try Ledger.create(path: place.ledger)
        let id = try ledger.commit(
            draft(
                .main(try runName()), at: nil,
                [("b", "abc"), ("a/empty", ""), ("a.timing.json", ""), ("timing.json", "x")]))
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        let folder = Digest.sha256("\(nothing) 0 empty\n")
        let expected = Digest.sha256("\(nothing) 0 a.timing.json\n\(folder.hex) folder a\n\(abc) 3 b\n")
        #expect(try ledger.stateDigest(of: id) == expected)
        #expect(try ledger.read(id).trailer("State-SHA256") == expected.hex)
    }

    @Test func onlyTimingMayDiffer() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        func state(_ name: String, _ files: [(String, String)]) throws -> Digest {
            try ledger.stateDigest(of: try ledger.commit(draft(.main(try runName(name)), at: nil, files)))
        }
        let base = try state("a-1", [("r/record.json", "1"), ("r/timing.json", "1"), ("timing.json", "1")])
        #expect(try state("a-2", [("r/record.json", "1"), ("r/timing.json", "2"), ("timing.json", "3")]) == base)
        #expect(try state("a-3", [("r/record.json", "1")]) == base)
        #expect(try state("a-4", [("r/record.json", "2")]) != base)
        #expect(try state("a-5", [("s/record.json", "1")]) != base)
        #expect(try state("a-6", [("r/record.json", "1"), ("r/xtiming.json", "1")]) != base)
        #expect(try state("a-7", [("r/record.json", "1"), ("timing.json/a", "1")]) != base)
    }

    @Test func documentedCommandsGiveTheSame() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let small = try SmallRun(in: ledger)
        let files = LedgerCommitTests.awkwardPaths.map { ($0, "content of \($0)") } + [("x/timing.json", "1")]
        let awkward = try ledger.commit(draft(.main(small.run), at: small.aggregate, round: 2, files))
        let blocks = try Document.shellBlocks()
        let block = try #require(blocks.first { $0.contains("sha256sum") })
        for commit in [small.start, small.uploads[0], small.aggregate, awkward] {
            let run = try execute(
                "bash", ["-euo", "pipefail", "-c", block],
                environment: ["LEDGER": folder.ledger, "COMMIT": commit.hex])
            #expect(run.status == 0, "\(run.errors)")
            #expect(run.text.prefix(64) == (try ledger.stateDigest(of: commit)).hex)
            #expect(run.text.contains((try ledger.read(commit)).trailer("State-SHA256") ?? "no trailer"))
        }
    }

    @Test func everyDocumentedCommandRuns() throws {
        let folder = try TemporaryFolder()
        let small = try SmallRun(in: try Ledger.create(path: folder.ledger))
        let blocks = try Document.shellBlocks()
        #expect(blocks.count >= 3)
        for block in blocks {
            let environment = [
                "LEDGER": folder.ledger, "RUN": small.run.name, "COMMIT": small.aggregate.hex, "TMPDIR": folder.path,
            ]
            let run = try execute("bash", ["-euo", "pipefail", "-c", block], environment: environment)
            #expect(run.status == 0, "\(block)\n\(run.errors)")
            #expect(!run.text.isEmpty)
        }
    }
}

/// docs/ledger.md.
enum Document {
    static func shellBlocks() throws -> [String] {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("docs/ledger.md")
        let parts = try String(contentsOf: file, encoding: .utf8).components(separatedBy: "```")
        return parts.enumerated().filter { $0.offset % 2 == 1 && $0.element.hasPrefix("bash\n") }
            .map { String($0.element.dropFirst(5)) }
    }
}
