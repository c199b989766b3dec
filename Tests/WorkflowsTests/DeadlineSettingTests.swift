// The key deadline: its forms and their one text in a plan, its bounds, and the quorum that it needs.

import Federation
import Testing
import Workflows

@Suite struct DeadlineSettingTests {
    private static func workflow(_ lines: String) -> String { Samples.least("rounds: 1", "\(lines)\nrounds: 1") }

    @Test(arguments: [
        ("90s", 90, "90s"), ("30m", 1800, "30m"), ("2h", 7200, "2h"), ("3d", 259_200, "3d"), ("120m", 7200, "2h"),
        ("1s", 1, "1s"), ("365d", 31_536_000, "365d"), ("3600s", 3600, "1h"), ("48h", 172_800, "2d"),
        ("'2h'", 7200, "2h"),
    ])
    func readsEveryForm(text: String, seconds: Int, written: String) throws {
        let declaration = try Samples.read(Self.workflow("quorum: 1\ndeadline: \(text)"))
        #expect(declaration.deadline?.seconds == seconds)
        #expect(declaration.json["deadline"] == .string(written))
        #expect(try Samples.read(declaration.json.canonical).deadline == declaration.deadline)
    }

    @Test(arguments: [
        "2 h", "2H", "h", "''", "1.5h", "-1h", "02h", "0s", "1h30m", "1000000000s", "2", "true", "[2h]", "\u{662}h",
        "2\u{301}h", "2h\u{301}", "null",
    ])
    func refusesOtherForms(text: String) {
        #expect(Samples.faults(Self.workflow("quorum: 1\ndeadline: \(text)")) == ["wrong-type 7:11"])
    }

    @Test(arguments: ["366d", "31536001s", "999999999d"])
    func refusesMoreThanAYear(text: String) {
        #expect(Samples.faults(Self.workflow("quorum: 1\ndeadline: \(text)")) == ["out-of-range 7:11"])
    }

    @Test func needsAQuorum() {
        #expect(Samples.faults(Self.workflow("deadline: 2h")) == ["needs-quorum 6:11"])
        // What is wrong already is told once.
        #expect(Samples.faults(Self.workflow("deadline: soon")) == ["wrong-type 6:11"])
    }

    @Test func aPlanWithoutTheKeyIsWrittenAsBefore() throws {
        #expect(try Samples.read(Samples.least).json["deadline"] == nil)
    }
}
