// Creating and opening: idempotence, paths that are taken, and independence of the machine's configuration.

import Faults
import Federation
import Foundation
import GitLedger
import TestSupport
import Testing

@Suite struct LedgerCreateTests {
    @Test func createdLedgerIsABareRepositoryForStockGit() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        #expect(try ledger.runs() == [])
        #expect(ledger.path == folder.ledger)
        #expect(try git(folder.ledger, "rev-parse", "--is-bare-repository").line == "true")
        #expect(try git(folder.ledger, "fsck", "--strict").status == 0)
        #expect(try git(folder.ledger, "config", "pack.deltaCacheSize").line == "1048576")
        #expect(try git(folder.ledger, "config", "pack.compression").line == "0")
        #expect(try git(folder.ledger, "config", "core.bigFileThreshold").line == "1m")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["ledger.git"])
    }

    @Test func creatingAgainOpensAndChangesNothing() throws {
        let folder = try TemporaryFolder()
        let small = try SmallRun(in: try Ledger.create(path: folder.ledger))
        let config = try contents("\(folder.ledger)/config")
        let again = try Ledger.create(path: folder.ledger)
        #expect(try again.tip(.main(small.run)) == small.aggregate)
        #expect(try contents("\(folder.ledger)/config") == config)
        #expect(try Ledger.open(path: folder.ledger).tip(.main(small.run)) == small.aggregate)
        #expect(try Ledger.open(path: folder.ledger + "/").runs() == [small.run])
    }

    @Test func createsFoldersOnTheWayAndTakesAwkwardNames() throws {
        let folder = try TemporaryFolder()
        for name in ["a/b/c/ledger.git", "with space.git", "病院-é.git", "e\u{301}.git", "quote\"'.git", "-dash"] {
            let path = "\(folder.path)/\(name)"
            let small = try SmallRun(in: try Ledger.create(path: path))
            #expect(try Ledger.open(path: path).tip(.main(small.run)) == small.aggregate)
            #expect(try git(path, "fsck", "--strict").status == 0)
        }
    }

    @Test func fillsAnEmptyFolderAndAddsSettingsToAPlainBareRepository() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: folder.ledger, withIntermediateDirectories: false)
        #expect(try Ledger.create(path: folder.ledger).runs() == [])
        let plain = "\(folder.path)/plain.git"
        try execute("git", ["init", "--quiet", "--bare", plain])
        try git(plain, "config", "pack.compression", "9")
        _ = try SmallRun(in: try Ledger.create(path: plain))
        #expect(try git(plain, "config", "core.bigFileThreshold").line == "1m")
        #expect(try git(plain, "config", "pack.compression").line == "9")
    }

    @Test func killedCreationLeavesNothingInTheWay() throws {
        let folder = try TemporaryFolder()
        // A creation that was killed before its rename leaves a half-made folder beside the place.
        let half = "\(folder.ledger).new-Abc123"
        try FileManager.default.createDirectory(atPath: "\(half)/objects", withIntermediateDirectories: true)
        #expect(code { () throws(Fault) in _ = try Ledger.open(path: folder.ledger) } == "ledger.missing")
        #expect(try Ledger.create(path: folder.ledger).runs() == [])
    }

    @Test func creatorsAtTheSameTimeAllGetTheSameLedger() throws {
        let folder = try TemporaryFolder()
        let path = folder.ledger
        let codes = Box<[String]>([])
        DispatchQueue.concurrentPerform(iterations: 8) { _ in
            let found = code { () throws(Fault) in _ = try Ledger.create(path: path).runs() }
            if let found { codes.value += [found] }
        }
        #expect(codes.value == [])
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["ledger.git"])
    }

    @Test func namesWhatStandsInTheWay() throws {
        let folder = try TemporaryFolder()
        try folder.write("text", to: "file")
        try FileManager.default.createDirectory(
            atPath: "\(folder.path)/other/sub", withIntermediateDirectories: true)
        try execute("git", ["init", "--quiet", "\(folder.path)/work"])
        let expected: [(String, open: String, create: String)] = [
            ("file", "ledger.not-a-repository", "ledger.not-a-repository"),
            ("file/ledger.git", "ledger.not-a-repository", "ledger.not-writable"),
            ("other", "ledger.not-a-repository", "ledger.not-a-repository"),
            // A folder inside a repository is not that repository.
            ("work", "ledger.not-bare", "ledger.not-bare"),
            ("work/.git", "ledger.not-bare", "ledger.not-bare"),
            ("work/.git/refs", "ledger.not-a-repository", "ledger.not-a-repository"),
        ]
        for (name, open, create) in expected {
            let path = "\(folder.path)/\(name)"
            #expect(code { () throws(Fault) in _ = try Ledger.open(path: path) } == open, "open \(name)")
            #expect(code { () throws(Fault) in _ = try Ledger.create(path: path) } == create, "create \(name)")
        }
        #expect(code { () throws(Fault) in _ = try Ledger.open(path: "\(folder.path)/absent") } == "ledger.missing")
        #expect(code { () throws(Fault) in _ = try Ledger.open(path: "") } == "ledger.missing")
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(folder.path)/other") == ["sub"])
    }

    @Test func brokenRepositoryIsAFault() throws {
        let folder = try TemporaryFolder()
        _ = try Ledger.create(path: folder.ledger)
        try overwrite("\(folder.ledger)/config", Array("[core\nbroken".utf8))
        #expect(code { () throws(Fault) in _ = try Ledger.open(path: folder.ledger) } == "ledger.corrupt")
        try FileManager.default.removeItem(atPath: "\(folder.ledger)/HEAD")
        #expect(code { () throws(Fault) in _ = try Ledger.open(path: folder.ledger) } == "ledger.not-a-repository")
    }

    @Test(.enabled(if: getuid() != 0, "needs another user than root, who may write anywhere"))
    func readOnlyFolderIsNotWritable() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let line = LineRef.main(try runName())
        for name in ["", "/objects", "/refs/heads"] { chmod(folder.ledger + name, 0o555) }
        defer { for name in ["", "/objects", "/refs/heads"] { chmod(folder.ledger + name, 0o755) } }
        #expect(
            code { () throws(Fault) in _ = try ledger.commit(draft(line, at: nil, [("a", "1")])) }
                == "ledger.not-writable")
        #expect(try ledger.tip(line) == nil)
    }

    @Test func unwritableObjectsAndRefsAreFaultsAndLoseNothing() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let line = LineRef.main(try runName())
        let one = try ledger.commit(draft(line, at: nil, [("a", "1")]))
        // Not even root can write where a file is in place of a folder.
        let blob = try git(folder.ledger, "hash-object", "--stdin", input: Array("2".utf8)).line
        let obstacle = "\(folder.ledger)/objects/\(blob.prefix(2))"
        try Data().write(to: URL(fileURLWithPath: obstacle))
        let two = draft(line, at: one, [("a", "2")])
        #expect(code { () throws(Fault) in _ = try ledger.commit(two) } == "ledger.not-writable")
        #expect(try ledger.tip(line) == one)
        try FileManager.default.removeItem(atPath: obstacle)

        let site = LineRef.site(try runName(), try siteID("general"))
        let sites = "\(folder.ledger)/refs/heads/runs/demo-1.sites"
        try Data().write(to: URL(fileURLWithPath: sites))
        let upload = draft(site, at: nil, parents: [one], [("b", "1")])
        #expect(code { () throws(Fault) in _ = try ledger.commit(upload) } == "ledger.not-writable")
        try FileManager.default.removeItem(atPath: sites)

        #expect(try ledger.tip(line) == one)
        #expect(try ledger.read(try ledger.commit(upload)).parents == [one])
        #expect(try ledger.read(try ledger.commit(two)).parents == [one])
        #expect(try git(folder.ledger, "fsck", "--strict").status == 0)
    }

    /// A limit on the size of files, in a child process, simulates the full disk: the write fails half-way.
    @Test func fullDiskIsAFaultAndLosesNothing() async {
        await #expect(processExitsWith: .success) {
            let folder = try TemporaryFolder()
            let ledger = try Ledger.create(path: folder.ledger)
            let line = LineRef.main(try runName())
            let one = try ledger.commit(draft(line, at: nil, [("a", "1")]))
            var state: UInt32 = 17
            let noise: [UInt8] = (0..<1_000_000).map { _ in
                state = state &* 1_664_525 &+ 1_013_904_223
                return UInt8(truncatingIfNeeded: state >> 24)
            }
            var two = draft(line, at: one, [])
            two.changes = [FileChange(path: "adapter.safetensors", bytes: noise)]
            signal(SIGXFSZ, SIG_IGN)
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
            let before = limit.rlim_cur
            limit.rlim_cur = 100_000
            setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
            try #require(code { () throws(Fault) in _ = try ledger.commit(two) } == "ledger.not-writable")
            try #require(try ledger.tip(line) == one)
            limit.rlim_cur = before
            setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
            let id = try ledger.commit(two)
            try #require(try ledger.file("adapter.safetensors", of: id) == noise)
            try #require(try git(folder.ledger, "fsck", "--strict").status == 0)
        }
    }

    @Test func configurationOfThePersonIsNotRead() async {
        await #expect(processExitsWith: .success) {
            // A configuration that no git can parse: a program that reads it fails.
            let folder = try TemporaryFolder()
            try FileManager.default.createDirectory(atPath: "\(folder.path)/git", withIntermediateDirectories: true)
            try folder.write("[core\nbroken", to: ".gitconfig")
            try folder.write("[core\nbroken", to: "git/config")
            setenv("HOME", folder.path, 1)
            setenv("XDG_CONFIG_HOME", folder.path, 1)
            setenv("GIT_DIR", "\(folder.path)/elsewhere", 1)
            setenv("GIT_OBJECT_DIRECTORY", "\(folder.path)/elsewhere", 1)
            let small = try SmallRun(in: try Ledger.create(path: folder.ledger))
            let ledger = try Ledger.open(path: folder.ledger)
            try #require(try ledger.tip(.main(small.run)) == small.aggregate)
            try #require(try ledger.checkRun(small.run) == [])
        }
    }
}
