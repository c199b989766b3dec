// Text that a fault quotes from a file never controls a terminal.

import Faults
import Testing

@Suite struct PrintableTests {
    @Test func harmlessTextStaysAsItIs() {
        for text in ["", "rank 5000 exceeds 2048", "Fälle, 病院, e\u{301}, ق", "a\"b'c\\d<e>"] {
            #expect(Printable.text(text) == text)
        }
    }

    @Test func everyControlAndDirectionCharacterIsShownByCodePoint() {
        let hostile: [UInt32] =
            Array(0x00...0x1f) + Array(0x7f...0x9f) + [0x61c, 0xad] + Array(0x200b...0x200f) + Array(0x2028...0x202e)
            + Array(0x2060...0x2064) + Array(0x2066...0x206f) + [0xfeff, 0xe0001, 0xe0041]
        for value in hostile {
            guard let scalar = Unicode.Scalar(value) else { continue }
            let shown = Printable.text("a\(Character(scalar))b")
            #expect(!shown.unicodeScalars.contains(scalar), "U+\(String(value, radix: 16))")
            #expect(shown.hasPrefix("a\\u{") && shown.hasSuffix("}b"))
        }
        #expect(Printable.text("\u{1b}[2J") == "\\u{1b}[2J")
    }

    @Test func longTextIsCutAndItsLengthSaid() {
        let shown = Printable.text(String(repeating: "é", count: 1_000_000))
        #expect(shown.hasSuffix("... (1000000 characters)"))
        #expect(shown.count < Printable.longest + 50)
        #expect(Printable.text(String(repeating: "x", count: Printable.longest)).count == Printable.longest)
    }

    /// In each part of a fault, also where the text looks like a further line of the program's own output.
    @Test func noPartOfAFaultPrintsAControlCharacter() {
        let text = "x\u{1b}]0;title\u{07}\r\u{202e}\n  mend: Trust it.\u{9b}31m"
        let fault = Fault(
            .ledger, "a.b", text,
            at: Place(
                file: text, line: 1, column: 3, excerpt: text, commit: text, document: text, tensor: text), mend: text)
        let report = FaultReport([fault, fault]).description
        let isClean = report.unicodeScalars.allSatisfy { $0 == "\n" || Printable.text(String($0)) == String($0) }
        #expect(isClean)
        #expect(fault.description.split(separator: "\n").count == 4)
        // The caret is still under its column.
        let tab = Fault(.workflow, "a.b", "w", at: Place(file: "f", line: 1, column: 2, excerpt: "\tx"), mend: "")
        #expect(tab.description == "f:1:2: w [a.b]\n  |  x\n  |  ^")
    }
}
