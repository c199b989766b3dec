// A site's copy of a ledger: its own lines and what was published, without the main line. The checker judges it by the same table.

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
        let published = "refs/heads/runs/small.published"
        let answers = "refs/heads/runs/small.answers/east"
        #expect(
            try git(
                "--git-dir", copy, "fetch", "--quiet", federation.ledger, "\(line):\(line)",
                "\(published):\(published)",
                "\(answers):\(answers)"
            ).code == 0)
        // Nothing of another site came along: no upload, no record, no score.
        let objects = try git("--git-dir", copy, "cat-file", "--batch-check", "--batch-all-objects").out
        for path in [
            "rounds/0001/upload/west/adapter.safetensors", "rounds/0001/train/west/record.json",
            "rounds/0001/score/record.json", "rounds/0001/aggregate/record.json", "rounds/0002/score/record.json",
            "plan.json", "workflow.yaml",
        ] {
            let blob = try federation.git("rev-parse", "runs/small:\(path)")
            #expect(!objects.contains(blob), "\(path)")
        }
        let own = try federation.git("rev-parse", "runs/small:rounds/0001/upload/east/adapter.safetensors")
        #expect(objects.contains(own))
        let verify = try federation.medrounds("verify", "small", "--ledger", copy)
        #expect(verify.code == 0, "\(verify.out)\(verify.err)")
        #expect(verify.out.contains("a site's copy"), "\(verify.out)")
        // The same copy with its line rolled back to what no plan has as an end of a line.
        let train = try federation.git("rev-parse", "runs/small.sites/east~1")
        #expect(try git("--git-dir", copy, "update-ref", line, "\(train)~1").code == 0)
        #expect(try federation.medrounds("verify", "small", "--ledger", copy).code != 0)
    }
}
