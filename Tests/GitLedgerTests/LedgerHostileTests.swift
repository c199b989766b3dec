// Objects, trees, packs and configurations that are made to do harm: refused with a fault, in bounded memory and time.

import Faults
import Federation
import Foundation
import GitLedger
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(3))) struct LedgerHostileTests {
    /// A zlib stream of stored blocks, so that a test can choose what the bytes inflate to.
    static func stored(_ bytes: [UInt8]) -> [UInt8] {
        var stream: [UInt8] = [0x78, 0x01]
        var start = 0
        repeat {
            let end = min(start + 65535, bytes.count)
            let size = UInt16(end - start)
            stream += [
                end == bytes.count ? 1 : 0, UInt8(size & 255), UInt8(size >> 8), UInt8(~size & 255), UInt8(~size >> 8),
            ]
            stream += bytes[start..<end]
            start = end
        } while start < bytes.count
        var (low, high): (UInt32, UInt32) = (1, 0)
        for byte in bytes {
            low = (low + UInt32(byte)) % 65521
            high = (high + low) % 65521
        }
        let sum = high << 16 | low
        return stream + [UInt8(sum >> 24), UInt8(sum >> 16 & 255), UInt8(sum >> 8 & 255), UInt8(sum & 255)]
    }

    @Test func aFileBeyondItsReadersLimitIsNotInflated() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let zeros = String(repeating: "0", count: 3_000_000)
        let commit = try ledger.commit(draft(.main(try runName()), at: nil, [("large", zeros), ("small", "1")]))
        // First loose and compressed, then in a pack.
        let blob = try #require(try ledger.blob("large", of: commit))
        for isPacked in [false, true] {
            if isPacked {
                try git(folder.ledger, "gc", "-q")
            } else {
                // The ledger stores large files; stock git compresses this one a hundred times.
                let file = "\(folder.ledger)/objects/\(blob.hex.prefix(2))/\(blob.hex.dropFirst(2))"
                try FileManager.default.removeItem(atPath: file)
                try git(
                    folder.ledger, "-c", "core.bigFileThreshold=1g", "hash-object", "-w", "--stdin",
                    input: Array(zeros.utf8))
                #expect(try contents(file).count < 100_000)
            }
            #expect(try ledger.file("large", of: commit, limit: 3_000_000)?.count == 3_000_000)
            for limit in [2_999_999, 1, 0] {
                #expect(
                    code { () throws(Fault) in _ = try ledger.file("large", of: commit, limit: limit) }
                        == "ledger.too-large")
            }
            #expect(try ledger.file("small", of: commit, limit: 1) == [0x31])
            let found = try ledger.check(reachableFrom: [commit]) { $0 == "large" ? 1000 : 100 }
            #expect(found.faults.map(\.code) == ["ledger.too-large"])
            #expect(found.faults.first?.place?.file == "large")
        }
    }

    /// The header's size is wrong in both directions, and has every worst value.
    @Test func looseObjectsThatLieAboutTheirSize() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let commit = try ledger.commit(draft(.main(try runName()), at: nil, [("file", "content of the file")]))
        let blob = try #require(try ledger.blob("file", of: commit))
        let path = "\(folder.ledger)/objects/\(blob.hex.prefix(2))/\(blob.hex.dropFirst(2))"
        let content = Array("content of the file".utf8)
        let sizes = [
            "0", "1", "18", "20", "-1", "2147483648", "562949953421312", "9223372036854775807", "9223372036854775808",
            "", " 19",
            "19 ", "+19", "0x13", String(repeating: "9", count: 60),
        ]
        for size in sizes {
            try overwrite(path, Self.stored(Array("blob \(size)\0".utf8) + content))
            let found = code { () throws(Fault) in _ = try ledger.file("file", of: commit) }
            #expect(found == "ledger.corrupt", "\(size)")
            _ = code { () throws(Fault) in _ = try ledger.files(of: commit) }
            #expect(try ledger.checkObjects(reachableFrom: [commit]).count == 1)
        }
        // Ten bytes are stated and twenty megabytes follow.
        try overwrite(path, Self.stored(Array("blob 10\0".utf8) + [UInt8](repeating: 0, count: 20_000_000)))
        #expect(code { () throws(Fault) in _ = try ledger.file("file", of: commit) } == "ledger.corrupt")
        for kind in [
            "tree", "commit", "tag", "blub", "blobblobblobblobblobblobblobblobblobblobblobblobblobblobblobblobblob",
        ] {
            try overwrite(path, Self.stored(Array("\(kind) 19\0".utf8) + content))
            #expect(code { () throws(Fault) in _ = try ledger.file("file", of: commit) } == "ledger.corrupt")
        }
        // A pipe, a folder and a link in its place: no reader waits for ever.
        try FileManager.default.removeItem(atPath: path)
        mkfifo(path, 0o644)
        #expect(code { () throws(Fault) in _ = try ledger.file("file", of: commit) } == "ledger.corrupt")
        unlink(path)
        mkdir(path, 0o755)
        #expect(code { () throws(Fault) in _ = try ledger.file("file", of: commit) } == "ledger.corrupt")
    }

    private func commit(_ tree: String, in ledger: String) throws -> CommitID {
        let text = "tree \(tree)\nauthor a <b> 1 +0000\ncommitter a <b> 1 +0000\n\nx\n\nStep: x\n"
        let made = try git(ledger, "hash-object", "-t", "commit", "-w", "--stdin", input: Array(text.utf8))
        return try #require(CommitID(hex: made.line))
    }

    /// Every reader of a hostile tree returns a fault or an answer.
    private func readAll(_ id: CommitID, in ledger: Ledger, beside small: SmallRun) throws -> Set<String> {
        var found: Set<String> = Set(try ledger.checkObjects(reachableFrom: [id]).map(\.code))
        let next = draft(.main(small.run), at: small.aggregate, base: id, [("b", "1")])
        let codes = [
            code { () throws(Fault) in _ = try ledger.files(of: id).count },
            code { () throws(Fault) in _ = try ledger.stateDigest(of: id).hex },
            code { () throws(Fault) in _ = try ledger.differences(from: nil, to: id).count },
            code { () throws(Fault) in _ = try ledger.differences(from: small.start, to: id).count },
            code { () throws(Fault) in _ = try ledger.file("a/a/a", of: id)?.count },
            code { () throws(Fault) in _ = try ledger.commit(next).hex },
        ]
        found.formUnion(codes.compactMap { $0 })
        return found
    }

    @Test func aFolderOfAMillionFilesIsRefused() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let small = try SmallRun(in: ledger)
        let blob = try ledger.files(of: small.start)[0].blob
        let id = stride(from: 0, to: 40, by: 2).map { UInt8(blob.hex.dropFirst($0).prefix(2), radix: 16) ?? 0 }
        for (count, expected) in [(500_000, "ledger.invalid-path"), (1_000_000, "ledger.too-large")] {
            var bytes: [UInt8] = []
            bytes.reserveCapacity(count * 35)
            for number in 0..<count {
                bytes += Array("100644 ".utf8) + Array(String(1_000_000 + number).utf8) + [0] + id
            }
            let made = try git(folder.ledger, "hash-object", "-t", "tree", "-w", "--stdin", "--literally", input: bytes)
            let found = try readAll(try commit(made.line, in: folder.ledger), in: ledger, beside: small)
            #expect(found == [expected], "\(found)")
        }
        #expect(try ledger.tip(.main(small.run)) == small.aggregate)
    }

    /// Deeper than a stack of half a megabyte can hold, read on such a stack.
    @Test func foldersNestedAHundredThousandDeepAreRefused() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let small = try SmallRun(in: ledger)
        let deep = 3_000
        // fast-import makes it, because update-index is too slow; a path component may be one letter.
        let path = String(repeating: "a/", count: deep) + "f"
        let stream = """
            blob
            mark :1
            data 1
            x
            commit refs/heads/deep
            committer a <b> 1 +0000
            data 1
            x
            M 100644 :1 \(path)

            """
        let made = try git(folder.ledger, "fast-import", "--quiet", input: Array(stream.utf8))
        #expect(made.status == 0, "\(made.errors)")
        let id = try #require(CommitID(hex: try git(folder.ledger, "rev-parse", "refs/heads/deep").line))
        #expect(try readAll(id, in: ledger, beside: small) == ["ledger.invalid-path"])
        // A hundred thousand trees in each other, from the innermost out.
        var pack = "blob\nmark :1\ndata 1\nx\n"
        pack += "commit refs/heads/deeper\ncommitter a <b> 1 +0000\ndata 1\nx\nM 100644 :1 f\n\n"
        for _ in 0..<2_000 { pack += "commit refs/heads/deeper\ncommitter a <b> 1 +0000\ndata 1\nx\n\n" }
        #expect(try git(folder.ledger, "fast-import", "--quiet", "--force", input: Array(pack.utf8)).status == 0)
        let long = try #require(CommitID(hex: try git(folder.ledger, "rev-parse", "refs/heads/deeper").line))
        #expect(try ledger.ancestry(of: [long]).count == 2_001)
        let codes = Box<Set<String>>([])
        let thread = Thread { codes.value = (try? self.readAll(id, in: ledger, beside: small)) ?? [] }
        thread.stackSize = 512 << 10
        thread.start()
        while !thread.isFinished { usleep(1000) }
        #expect(codes.value == ["ledger.invalid-path"])
    }

    @Test func configurationsThatReachElsewhereAreRefused() throws {
        let folder = try TemporaryFolder()
        _ = try SmallRun(in: try Ledger.create(path: folder.ledger))
        let config = "\(folder.ledger)/config"
        let good = try contents(config)
        mkfifo("\(folder.path)/pipe", 0o644)
        for line in [
            "[include]\n\tpath = \(folder.path)/pipe\n", "[Include] path = /dev/zero\n",
            "[includeIf \"gitdir:/\"]\n\tpath = x\n", "[core] x = 1\n[includeif \"onbranch:x\"] path = y\n",
        ] {
            try overwrite(config, good + Array(line.utf8))
            let fault = code { () throws(Fault) in _ = try Ledger.open(path: folder.ledger) }
            #expect(fault == "ledger.config", "\(line)")
        }
        try overwrite(config, good + [UInt8](repeating: 0x0a, count: 2 << 20))
        #expect(code { () throws(Fault) in _ = try Ledger.open(path: folder.ledger) } == "ledger.config")
        for name in ["config", "HEAD", "commondir"] {
            try overwrite(config, good)
            let path = "\(folder.ledger)/\(name)"
            let before = try? contents(path)
            unlink(path)
            mkfifo(path, 0o644)
            #expect(code { () throws(Fault) in _ = try Ledger.open(path: folder.ledger) } == "ledger.config", "\(name)")
            unlink(path)
            if let before { try overwrite(path, before) }
        }
        #expect(try Ledger.open(path: folder.ledger).runs().count == 1)
    }

    @Test func refsThatAreManyDeepOrNoFilesAreNamed() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let small = try SmallRun(in: ledger)
        mkfifo("\(folder.ledger)/refs/heads/pipe", 0o644)
        symlink("/etc/passwd", "\(folder.ledger)/refs/heads/link")
        try overwrite("\(folder.ledger)/refs/heads/large", [UInt8](repeating: 0x61, count: 100_000))
        let survey = try ledger.survey()
        for name in ["pipe", "link", "large"] {
            let entry = survey.refs.first { $0.name == "refs/heads/\(name)" }
            if case .damaged = entry?.target {} else { Issue.record("\(name) is not named") }
        }
        let packed = "\(folder.ledger)/packed-refs"
        try overwrite(packed, Array("# pack-refs\nnot a ref\n".utf8))
        #expect(code { () throws(Fault) in _ = try ledger.survey() } == "ledger.corrupt")
        #expect(try ledger.tip(.main(small.run)) == small.aggregate)
        let line = "\(small.aggregate) refs/heads/x"
        try overwrite(packed, Array((0..<200_001).map { "\(line)\($0)\n" }.joined().utf8))
        #expect(code { () throws(Fault) in _ = try ledger.runs() } == "ledger.too-large")
        try overwrite(packed, [])
        try FileManager.default.createDirectory(
            atPath: "\(folder.ledger)/refs/" + (0..<70).map { "d\($0)" }.joined(separator: "/"),
            withIntermediateDirectories: true)
        #expect(code { () throws(Fault) in _ = try ledger.survey() } == "ledger.corrupt")
    }
}
