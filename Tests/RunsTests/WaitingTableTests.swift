// The table of who is waited for: no line is wider than its terminal, no table higher, and a log hears of states alone.

import Federation
import Runs
import Testing

@Suite struct WaitingTableTests {
    private func table(_ count: Int, left: Double? = 7140) throws -> WaitingTable {
        let states = WaitingTable.State.allCases
        let rows = try (0..<count).map { index in
            WaitingTable.Row(
                try #require(SiteID("st-\(String(repeating: "long-", count: index % 12))\(index)")),
                states[index % states.count], seconds: Double(index * index * 977),
                bytes: index % 3 == 0 ? 123_456_789 : nil)
        }
        return WaitingTable("uploads of round 1", rows, left: left)
    }

    @Test(arguments: [21, 40, 60, 80, 200], [1, 3, 24, 200])
    func fitsTheTerminal(columns: Int, rows: Int) throws {
        for count in [1, 2, 8, 100] {
            let lines = try table(count).lines(columns: columns, rows: rows)
            #expect(lines.allSatisfy { $0.count <= columns })
            #expect(lines.count <= max(4, rows), "\(lines.count) lines of \(count) sites in \(rows)")
        }
    }

    @Test func sixtyColumnsShowEveryColumn() throws {
        let site = try #require(SiteID("st-mary"))
        let lines = WaitingTable(
            "uploads of round 1",
            [
                WaitingTable.Row(site, .waitingForApproval, seconds: 7800),
                WaitingTable.Row(site, .uploadReceived, seconds: 5, bytes: 9_812_345),
            ], left: 95
        ).lines(columns: 59, rows: 23)
        #expect(
            lines == [
                "waiting for uploads of round 1; 1 min 35 s left",
                "site      state                   since     bytes",
                "st-mary   waiting for approval   2h 10m         -",
                "st-mary   upload received            5s    9.8 MB",
            ])
    }

    /// Those that are waited for are seen where not all have room.
    @Test func theMissingComeFirst() throws {
        let sites = try (0..<50).map { try #require(SiteID("s\($0)")) }
        let rows = sites.map {
            WaitingTable.Row($0, $0.name == "s49" ? .training : .uploadReceived, seconds: 0, bytes: 10)
        }
        let lines = WaitingTable("x", rows).lines(columns: 80, rows: 10)
        #expect(lines.count == 10 && lines[2].hasPrefix("s49 ") && lines[9] == "and 43 more", "\(lines)")
    }

    @Test func aLogHearsOfStatesAlone() throws {
        var table = try table(3)
        let key = table.key
        table.left = 12
        #expect(table.key == key)
        table = WaitingTable(
            "uploads of round 1",
            try (0..<3).map {
                WaitingTable.Row(try #require(SiteID("s\($0)")), .training, seconds: Double($0))
            }, left: 5)
        #expect(table.key != key)
        let later = WaitingTable(
            "uploads of round 1",
            try (0..<3).map {
                WaitingTable.Row(try #require(SiteID("s\($0)")), .training, seconds: Double($0 + 60))
            }, left: 4)
        #expect(later.key == table.key)
        #expect(later.line == "waiting for uploads of round 1; 4 s left; training: s0, s1, s2")
        let over = WaitingTable(
            "uploads of round 1",
            try (0..<7).map { WaitingTable.Row(try #require(SiteID("s\($0)")), .late, seconds: 0) }, left: -1)
        #expect(over.key.last == "over")
        #expect(over.line.hasSuffix("deadline over, below quorum; late: s0, s1, s2, s3, s4 and 2 more"))
    }
}
