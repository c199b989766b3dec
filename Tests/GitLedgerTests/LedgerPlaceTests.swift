// Places where a ledger cannot be read or made: the fault gives the true reason and a mend that fits, and nothing is left behind.

import Faults
import Federation
import Foundation
import GitLedger
import TestSupport
import Testing

@Suite struct LedgerPlaceTests {
    private func fault(_ body: () throws(Fault) -> Void) throws -> Fault {
        var found: Fault?
        do throws(Fault) { try body() } catch { found = error }
        return try #require(found)
    }

    /// Repositories that git can read but libgit2 1.5 cannot.
    @Test func extensionsOfGitAreCalledByName() throws {
        let folder = try TemporaryFolder()
        _ = try SmallRun(in: try Ledger.create(path: folder.ledger))
        let config = "\(folder.ledger)/config"
        let good = try contents(config)
        for (name, value) in [
            ("preciousObjects", "true"), ("worktreeConfig", "true"), ("refStorage", "reftable"),
            ("partialClone", "origin"),
            ("compatObjectFormat", "sha256"), ("whatever", "1"),
        ] {
            try overwrite(config, good)
            try git(folder.ledger, "config", "core.repositoryformatversion", "1")
            try git(folder.ledger, "config", "extensions.\(name)", value)
            let found = try fault { () throws(Fault) in _ = try Ledger.open(path: folder.ledger) }
            #expect(found.code == "ledger.extension")
            #expect(
                found.what.contains("may be sound") && found.what.lowercased().contains("\(name.lowercased())=\(value)")
            )
            #expect(found.mend.contains("bundle create"))
        }
        // The mend works: git makes a bundle, and a new ledger imports it.
        try git(folder.ledger, "config", "--unset", "extensions.compatObjectFormat")
        try overwrite(config, good)
        try git(folder.ledger, "config", "core.repositoryformatversion", "1")
        try git(folder.ledger, "config", "extensions.worktreeConfig", "true")
        let bundle = "\(folder.path)/ledger.bundle"
        #expect(try git(folder.ledger, "bundle", "create", "-q", bundle, "--branches").status == 0)
        let other = "\(folder.path)/other.git"
        #expect(try Ledger.takeBundle(bundle, into: other).count { $0.isNew } == 3)
        #expect(try Ledger.open(path: other).runs().count == 1)
        // Version 0 gives extensions no meaning, and `noop` never has one.
        try git(folder.ledger, "config", "core.repositoryformatversion", "0")
        #expect(try Ledger.open(path: folder.ledger).runs().count == 1)
        try overwrite(config, good)
        try git(folder.ledger, "config", "core.repositoryformatversion", "1")
        try git(folder.ledger, "config", "extensions.noop", "1")
        #expect(try Ledger.open(path: folder.ledger).runs().count == 1)
        let sha256 = "\(folder.path)/sha256.git"
        #expect(try execute("git", ["init", "-q", "--bare", "--object-format=sha256", sha256]).status == 0)
        let found = try fault { () throws(Fault) in _ = try Ledger.create(path: sha256) }
        #expect(found.code == "ledger.extension" && found.what.contains("objectformat=sha256"))
        #expect(found.mend.contains("SHA-1") && !found.mend.contains("bundle"))
    }

    @Test func aFailedImportLeavesNothing() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        _ = try SmallRun(in: ledger)
        try FileManager.default.createDirectory(atPath: "\(folder.path)/folder", withIntermediateDirectories: true)
        try folder.write("no bundle", to: "text")
        let bundle = "\(folder.path)/whole.bundle"
        _ = try ledger.writeBundle(of: nil, to: bundle)
        try Data(try contents(bundle).dropLast(5)).write(to: URL(fileURLWithPath: "\(folder.path)/cut.bundle"))
        let before = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        for (name, code, told) in [
            ("absent", "bundle.unreadable", "there is no such file"),
            ("folder", "bundle.unreadable", "this is a folder"),
            ("text", "bundle.bad", "not a git bundle"), ("cut.bundle", "bundle.bad", "pack"),
        ] {
            for place in ["new.git", "ledger.git"] {
                let found = try fault { () throws(Fault) in
                    _ = try Ledger.takeBundle("\(folder.path)/\(name)", into: "\(folder.path)/\(place)")
                }
                #expect(found.code == code && found.what.contains(told), "\(name): \(found)")
                #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == before, "\(name)")
                #expect(
                    try !FileManager.default.contentsOfDirectory(atPath: folder.ledger).contains {
                        $0.hasPrefix("incoming")
                    })
            }
        }
        #expect(try Ledger.takeBundle(bundle, into: "\(folder.path)/new.git").count { $0.isNew } == 3)
        #expect(try Ledger.takeBundle(bundle, into: "\(folder.path)/new.git").count { $0.isNew } == 0)
    }

    @Test func whatCannotBeMadeIsSaidBeforehandAndLeavesNothing() throws {
        let folder = try TemporaryFolder()
        #expect(try Ledger.openIfThere(path: "\(folder.path)/a/b/ledger.git") == nil)
        #expect(try Ledger.openIfThere(path: folder.ledger) == nil)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
        _ = try Ledger.create(path: folder.ledger)
        #expect(try Ledger.openIfThere(path: folder.ledger)?.runs() == [])
        try folder.write("text", to: "file")
        for (path, mend) in [("/proc/x.git", "Name a place on a disk"), ("\(folder.path)/file/x.git", "Move the file")]
        {
            let looked = try fault { () throws(Fault) in _ = try Ledger.openIfThere(path: path) }
            let created = try fault { () throws(Fault) in _ = try Ledger.create(path: path) }
            for found in [looked, created] {
                #expect(found.code == "ledger.not-writable", "\(found)")
                #expect(found.mend.contains(mend) && !found.mend.contains("Free disk space"), "\(found)")
            }
        }
        #expect(
            try fault { () throws(Fault) in _ = try Ledger.openIfThere(path: "\(folder.path)/file") }.code
                == "ledger.not-a-repository")
    }

    /// A pack that states or inflates to more than is accepted, or that holds an object which no line reaches.
    @Test func receivingIsLimited() throws {
        let folder = try TemporaryFolder()
        let ledger = try Ledger.create(path: folder.ledger)
        let commit = try ledger.commit(
            draft(.main(try runName()), at: nil, [("large", String(repeating: "0", count: 3_000_000)), ("b", "2")]))
        let bundle = "\(folder.path)/l.bundle"
        #expect(try git(folder.ledger, "bundle", "create", "-q", bundle, "--branches").status == 0)
        let other = "\(folder.path)/other.git"
        func taken(_ file: String, _ limits: ReceivingLimits) -> Fault? {
            do throws(Fault) { _ = try Ledger.takeBundle(file, into: other, limits: limits) } catch { return error }
            return nil
        }
        for limits in [
            ReceivingLimits(object: 2_999_999), ReceivingLimits(pack: 1000), ReceivingLimits(count: 3),
            ReceivingLimits(object: 0), ReceivingLimits(object: -1),
        ] {
            #expect(taken(bundle, limits)?.code == "bundle.bad")
            #expect(!FileManager.default.fileExists(atPath: other))
        }
        #expect(taken(bundle, ReceivingLimits(object: 3_000_000)) == nil)
        #expect(try Ledger.open(path: other).checkObjects(reachableFrom: [commit]) == [])

        // One more object in the pack, which no line reaches: another site's upload could be hidden like this.
        let stranger = try git(folder.ledger, "hash-object", "-w", "--stdin", input: Array("hidden".utf8)).line
        let reached = try git(folder.ledger, "rev-list", "--objects", "--all").text
        let ids = reached.split(separator: "\n").map { $0.prefix(40) } + [Substring(stranger)]
        let pack = try git(
            folder.ledger, "pack-objects", "--stdout", "-q", input: Array((ids.joined(separator: "\n") + "\n").utf8))
        let header = "# v2 git bundle\n\(commit) refs/heads/runs/demo-1\n\n"
        try overwrite("\(folder.path)/more.bundle", Array(header.utf8) + pack.output)
        try FileManager.default.removeItem(atPath: other)
        let fault = taken("\(folder.path)/more.bundle", ReceivingLimits())
        #expect(fault?.code == "bundle.bad" && fault?.what.contains(stranger) == true, "\(String(describing: fault))")
        #expect(!FileManager.default.fileExists(atPath: other))
    }
}
