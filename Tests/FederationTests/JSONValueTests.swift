// Canonical JSON and names.

import Digests
import Faults
import Federation
import Testing

@Suite struct JSONValueTests {
    @Test func canonicalFormIsPinned() {
        let value: JSONValue = [
            "b": [1, 2.5, "x\n\u{1}\"\\é"], "a": ["z": .null, "y": true], "empty": [:], "list": [["k": 1], []],
        ]
        #expect(
            value.canonicalText == """
                {
                  "a": {
                    "y": true,
                    "z": null
                  },
                  "b": [1, 2.5, "x\\n\\u0001\\"\\\\é"],
                  "empty": {},
                  "list": [
                    {
                      "k": 1
                    },
                    []
                  ]
                }

                """)
    }

    @Test func roundTripsThroughText() throws {
        let value: JSONValue = [
            "big": .integer(.max), "small": .integer(.min), "tenth": .number(0.1), "tiny": .number(5e-324),
            "large": .number(1.7976931348623157e308), "text": "🩺 \u{2028}", "nested": [["a": [1, [2, [3]]]]],
        ]
        #expect(try JSONValue(parsing: value.canonical) == value)
    }

    @Test func refusesWhatIsNoJSON() {
        for text in ["", "{", "{\"a\":}", "[1,]x", "nul", "\"\\x\"", String(repeating: "[", count: 100_000)] {
            let fault = #expect(throws: Fault.self) { try JSONValue(parsing: Array(text.utf8)) }
            #expect(fault?.code == "data.json")
        }
    }

    @Test func digestsMatchPublishedVectors() {
        // FIPS 180-4 example "abc" and RFC 4231 test case 2.
        #expect(Digest.sha256("abc").hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(
            Digest.hmac(Array("what do ya want for nothing?".utf8), key: Array("Jefe".utf8)).hex
                == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        #expect(Digest(hex: Digest.sha256("x").hex) == Digest.sha256("x"))
        #expect(Digest(hex: "00") == nil)
        #expect(Digest(hex: String(repeating: "G", count: 64)) == nil)
        var builder = DigestBuilder()
        builder.update("a")
        builder.update("bc")
        #expect(builder.digest() == .sha256("abc"))
    }

    @Test func namesAreKebabCase() {
        for good in ["a", "general", "site-2", "0"] { #expect(SiteID(good) != nil) }
        for bad in ["", "-a", "a-", "a--b", "A", "a_b", "ä", "a/b", "..", String(repeating: "a", count: 65)] {
            #expect(SiteID(bad) == nil, "\(bad)")
        }
    }
}
