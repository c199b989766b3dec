// A long signed run of ten sites: what reading and checking it costs, and that it does not grow faster than the run.

import Foundation
import Testing

@Suite struct ScaleTests {
    /// scripts/scale-test.sh raises it to 1000.
    private static let rounds = ProcessInfo.processInfo.environment["MEDROUNDS_SCALE"].flatMap { Int($0) } ?? 12

    @Test func aLongRunIsListedAndVerifiedInTime() throws {
        let federation = try TinyFederation()
        let sites = (1...10).map { "site-\($0)" }
        try federation.replace(
            """
              east: {train: east, tasks: {ner: all}}
              west: {train: west, tasks: {ner: [problem, drug]}, limit: 5}
            """,
            with: sites.map { "  \($0): {train: east, tasks: {ner: all}, limit: 2}" }.joined(separator: "\n"))
        #expect(try federation.medrounds("keys", "new", "coordinator").code == 0)
        for site in sites { #expect(try federation.medrounds("keys", "new", "site:\(site)").code == 0) }
        // Processor seconds: how long it takes does not depend on what else the machine does, and on two idle cores it takes no longer.
        func timed(_ what: String, _ body: () throws -> Finished) throws -> Double {
            let (start, before) = (Date(), Self.processorSeconds)
            let finished = try body()
            let used = Self.processorSeconds - before
            #expect(finished.code == 0, "\(what): \(finished.out)\(finished.err)")
            print(
                "\(Self.rounds) rounds of \(sites.count) sites: \(what) \(Date().timeIntervalSince(start)) s, \(used) s of processor time"
            )
            return used
        }
        _ = try timed("run") { try federation.run("--set", "rounds=\(Self.rounds)", "--quiet", "--name", "long") }
        let list = try timed("log") { try federation.medrounds("log") }
        let log = try timed("log of the run") { try federation.medrounds("log", "long") }
        let verify = try timed("verify") { try federation.medrounds("verify", "long") }
        let commits = try federation.git("rev-list", "--count", "runs/long")
        #expect(commits == String(2 + Self.rounds * 22 + 1 + sites.count + Self.rounds))
        #expect(list < 1 && log < 1 && verify < 60)
    }

    /// What the programs started so far have used of the processors.
    private static var processorSeconds: Double {
        var usage = rusage()
        guard getrusage(__rusage_who_t(RUSAGE_CHILDREN.rawValue), &usage) == 0 else { return .nan }
        return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
            + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6
    }
}
