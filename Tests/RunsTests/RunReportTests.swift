// The report: one file that fetches nothing, the same bytes for the same ledger, well formed, and no text of a note or of a person as
// markup.

import Foundation
import Testing

@Suite struct RunReportTests {
    private func report(_ federation: TinyFederation, _ name: String = "tiny-1") throws -> String {
        let made = try federation.medrounds("report", name, "--output", "out/report.html")
        #expect(made.code == 0, "\(made.err)")
        return try String(contentsOfFile: "\(federation.folder)/out/report.html", encoding: .utf8)
    }

    @Test func saysWhatTheRunDidAndFetchesNothing() throws {
        let federation = try TinyFederation()
        #expect(try federation.run("--set", "steps.evaluate.when=every_round").code == 0)
        let html = try report(federation)
        for expected in [
            "Nothing contradicts its history", "unproven", "east", "west", "final", "Loss by site", "Weights by round",
            "F1 by type",
            "Bytes by step", "What was checked", "Environment", "Glossary", "<svg", "@media print",
        ] {
            #expect(html.contains(expected), "\(expected)")
        }
        for forbidden in ["<script", "http://", "https://", "url(", "src=", "@import", "<link", "NaN", "inf\""] {
            #expect(!html.contains(forbidden), "\(forbidden)")
        }
        for word in ["aspirin", "insulin", "fever", "at night", "treated with", federation.folder] {
            #expect(!html.contains(word), "\(word)")
        }
        #expect(try report(federation) == html)
        #expect(Self.isBalanced(html))
    }

    @Test func escapesWhatPeopleWrite() throws {
        let federation = try TinyFederation()
        try federation.replace("name: tiny\n", with: "name: tiny\nsummary: \"<script>alert('x')</script> & more\"\n")
        #expect(try federation.run("--set", "rounds=1").code == 0)
        let html = try report(federation)
        #expect(!html.contains("<script"))
        #expect(html.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; more"))
        #expect(Self.isBalanced(html))
    }

    @Test func tellsOfAnUnfinishedAndOfAZeroRoundRun() throws {
        let federation = try TinyFederation()
        #expect(try federation.runAndKill(afterCommits: 3, "--name", "halted"))
        let halted = try report(federation, "halted")
        #expect(halted.contains("The run is not finished") && Self.isBalanced(halted))
        let zero = try federation.run(
            "--set", "rounds=0", "--set", "steps=[{evaluate: {cohorts: [final], max_new_tokens: 4}}]", "--name", "zero")
        #expect(zero.code == 0, "\(zero.err)")
        let html = try report(federation, "zero")
        #expect(html.contains("base model") && Self.isBalanced(html))
        #expect(try federation.medrounds("report", "tiny-9").code == 2)
    }

    @Test func showsAFailedCheck() throws {
        let federation = try TinyFederation()
        #expect(try federation.run("--set", "rounds=1").code == 0)
        try federation.forge("rounds/0001/train/east/record.json") {
            $0.replacingOccurrences(of: "\"seed\": \"5\"", with: "\"seed\": \"6\"")
        }
        let html = try report(federation)
        #expect(html.contains("FAIL") && html.contains("✗ FAILS"), "a forged record went unseen")
    }

    /// Whether every element that is opened is closed, in order.
    private static func isBalanced(_ html: String) -> Bool {
        var open: [Substring] = []
        let void: Set<Substring> = ["meta", "br", "line", "rect", "circle", "path", "polyline", "!DOCTYPE"]
        var rest = html[...]
        while let start = rest.firstIndex(of: "<"), let end = rest[start...].firstIndex(of: ">") {
            let tag = rest[rest.index(after: start)..<end]
            rest = rest[rest.index(after: end)...]
            let name = tag.drop { $0 == "/" }.prefix { $0.isLetter || $0.isNumber || $0 == "!" }
            if tag.hasPrefix("/") {
                guard open.popLast() == name else { return false }
            } else if !void.contains(name) {
                open.append(name)
            }
        }
        return open.isEmpty
    }
}
