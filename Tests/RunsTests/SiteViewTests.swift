// A site's copy of a ledger: its own line and what that grows from, without the main line. The checker judges it by the same table.

import Foundation
import Testing

@Suite struct SiteViewTests {
    @Test func aCopyOfASitesLineAloneIsVerified() throws {
        let federation = try TinyFederation()
        #expect(try federation.run("--name", "small").code == 0)
        let copy = "\(federation.folder)/site.git"
        func git(_ arguments: String...) throws -> Finished {
            try TinyFederation.run("/usr/bin/env", ["git"] + arguments, in: federation.folder)
        }
        #expect(try git("init", "--quiet", "--bare", copy).code == 0)
        let line = "refs/heads/runs/small.sites/east"
        #expect(try git("--git-dir", copy, "fetch", "--quiet", federation.ledger, "\(line):\(line)").code == 0)
        let verify = try federation.medrounds("verify", "small", "--ledger", copy)
        #expect(verify.code == 0, "\(verify.out)\(verify.err)")
        #expect(verify.out.contains("a site's copy"), "\(verify.out)")
        // The same copy with its line rolled back to what no plan has as an end of a line.
        let train = try federation.git("rev-parse", "runs/small.sites/east~1")
        #expect(try git("--git-dir", copy, "update-ref", line, "\(train)~1").code == 0)
        #expect(try federation.medrounds("verify", "small", "--ledger", copy).code != 0)
    }
}
