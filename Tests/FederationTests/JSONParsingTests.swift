// Reading JSON: what RFC 8259 allows, what it forbids, and limits against hostile text.

import Faults
import Federation
import Foundation
import Testing

@Suite struct JSONParsingTests {
    private func parse(_ text: String) throws -> JSONValue { try JSONValue(parsing: Array(text.utf8)) }

    @Test func readsEveryKindOfValue() throws {
        #expect(
            try parse(" {\"a\" : [1, -2.5, 1e3, 1.0, true, false, null], \"b\":{}, \"c\": []}\r\n\t")
                == [
                    "a": [1, .number(-2.5), .number(1000), .number(1), true, false, .null], "b": [:], "c": [],
                ])
        #expect(try parse("9223372036854775807") == .integer(.max))
        #expect(try parse("-9223372036854775808") == .integer(.min))
        #expect(try parse("9223372036854775808") == .number(9223372036854775808))
        #expect(try parse("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE00é😀\"") == "\"\\/\u{8}\u{c}\n\r\té😀é😀")
    }

    @Test(arguments: [
        "", " ", "{", "}", "[1", "[1,]", "[,1]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "01", "-", "1.", ".5",
        "1e",
        "+1", "1e999", "NaN", "tru", "nulll", "1 2", "\"", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\udc00\"",
        "\"\\ud800\\u0041\"", "\"a\nb\"", "{\"a\":1,\"a\":2}", "\u{feff}1", "'a'", "[1]]", "// x\n1",
    ]) func rejects(_ text: String) {
        #expect(throws: Fault.self) { try JSONValue(parsing: Array(text.utf8)) }
    }

    @Test func rejectsBrokenUTF8AndDeepNesting() {
        #expect(throws: Fault.self) { try JSONValue(parsing: [0x22, 0xc3, 0x22]) }
        #expect(throws: Fault.self) { try JSONValue(parsing: [0x22, 0x5c, 0x6e, 0xff, 0x22]) }
        let fits = String(repeating: "[", count: 512) + String(repeating: "]", count: 512)
        #expect(throws: Never.self) { try JSONValue(parsing: Array(fits.utf8)) }
        let deep = String(repeating: "[", count: 513) + String(repeating: "]", count: 513)
        #expect(throws: Fault.self) { try JSONValue(parsing: Array(deep.utf8)) }
        #expect(throws: Fault.self) { try JSONValue(parsing: Array(String(repeating: "[", count: 1_000_000).utf8)) }
    }

    @Test func rejectsEveryPrefixOfADocument() throws {
        let text = Array("{\"a\": [1.5, {\"b\": \"\\u00e9\\n\"}], \"c\": true}".utf8)
        #expect(throws: Never.self) { try JSONValue(parsing: text) }
        for count in 0..<text.count {
            #expect(throws: Fault.self) { try JSONValue(parsing: Array(text[..<count])) }
        }
    }

    @Test func readsBackTheCanonicalForm() throws {
        let value: JSONValue = [
            "text": "a\u{1}\u{7f}\"\\é😀\u{2028}", "numbers": [0, -1, .number(0.1), .number(1e-300), .number(3), 7],
            "nested": ["x": [["y": .null]], "empty": []],
        ]
        #expect(try JSONValue(parsing: value.canonical) == value)
    }

    /// Found by the fuzzer: the smallest integer written as a fraction has no absolute value in 64 bits.
    @Test(arguments: [
        "-9223372036854775808.0", "9223372036854775808.0", "-9007199254740992.0", "1e19", "-0.0", "5e-324",
    ])
    func writesNumbersAtTheLimits(text: String) throws {
        let value = try parse(text)
        #expect(try JSONValue(parsing: value.canonical) == value)
    }

    @Test(arguments: [
        ("{\"a\":1,\"a\":2}", "at byte 12: an object names a member twice"), ("1e999", "beyond 64-bit"),
        ("-1e999", "beyond 64-bit"),
        ("[NaN]", "NaN and Infinity"), ("[-Infinity]", "NaN and Infinity"), ("\"\\ud800\"", "surrogate"),
        ("\"\\udc00\"", "surrogate"), ("\"\\ud800\\ud800\"", "surrogate"), ("\"a", "no end"),
        ("\"a\nb\"", "control character"),
        ("\"\\x\"", "escape"), ("[1]]", "at byte 3: more follows"), ("[1", "at byte 2"), ("[", "ends too early"),
    ]) func saysWhereAndWhy(text: String, reason: String) {
        let fault = #expect(throws: Fault.self) { try parse(text) }
        #expect(fault?.what.contains(reason) == true, "\(fault?.what ?? "")")
    }

    @Test func readsNumbersOfAnySize() throws {
        #expect(try parse("-0") == .integer(0))
        #expect(try parse("-0.0") == .number(0))
        #expect(try parse("18446744073709551616") == .number(18446744073709551616))
        #expect(try parse("1e-999") == .number(0))
        #expect(try parse("0." + String(repeating: "0", count: 1_000_000) + "1") == .number(0))
        for bad in ["00", "-01", "0x1", "1e+", "1.e1", "--1", "- 1", "-", "1_0", "\u{0661}"] {
            #expect(throws: Fault.self) { try parse(bad) }
        }
        #expect(throws: Fault.self) { try parse(String(repeating: "9", count: 1_000_000)) }
    }

    /// Python writes NaN into configurations. It is neither a number nor a missing value.
    @Test func readsPythonsWordsForNumbersAsTextsWhereAskedTo() throws {
        let text = Array("{\"a\": NaN, \"b\": [Infinity, -Infinity, 1e999, -1e999, 0.5], \"c\": \"NaN\"}".utf8)
        let limits = JSONLimits(allowsNonFinite: true)
        let value = try JSONValue(parsing: text, limits: limits)
        #expect(
            value == [
                "a": "NaN", "b": ["Infinity", "-Infinity", "Infinity", "-Infinity", .number(0.5)], "c": "NaN",
            ])
        #expect(try JSONValue(parsing: value.canonical) == value)
        for bad in ["Nan", "nan", "NaNx", "Inf", "-NaN", "+Infinity", "-"] {
            #expect(throws: Fault.self) { try JSONValue(parsing: Array(bad.utf8), limits: limits) }
        }
    }

    @Test func countsValuesAndDepth() throws {
        let limits = JSONLimits(depth: 3, values: 5)
        for (text, fits) in [
            ("[1,2,3,4]", true), ("[1,2,3,4,5]", false), ("[[[1]]]", true), ("[[[[]]]]", false),
            ("{\"a\":{\"b\":{}}}", true),
            ("{\"a\":{\"b\":{\"c\":{}}}}", false), ("{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5}", false),
        ] {
            let value = try? JSONValue(parsing: Array(text.utf8), limits: limits)
            #expect((value != nil) == fits, "\(text)")
        }
        let many = "[" + String(repeating: "1,", count: 1 << 22) + "1]"
        let fault = #expect(throws: Fault.self) { try parse(many) }
        #expect(fault?.what.contains("more than 4194304 values") == true)
    }

    /// All depths, on a thread whose stack is 1/16 of the usual size: parsed, compared, written and freed.
    @Test func nestsAsDeepAsItMayOnASmallStack() async {
        let texts = [
            String(repeating: "[", count: 512) + String(repeating: "]", count: 512),
            String(repeating: "{\"a\":", count: 512) + "1" + String(repeating: "}", count: 512),
            String(repeating: "[{\"a\":", count: 256) + "1" + String(repeating: "}]", count: 256),
        ]
        let failures = await withCheckedContinuation { continuation in
            let thread = Thread {
                var failures = 0
                for text in texts {
                    let value = try? JSONValue(parsing: Array(text.utf8))
                    let again = value.flatMap { try? JSONValue(parsing: $0.canonical) }
                    if value == nil || value != again { failures += 1 }
                }
                continuation.resume(returning: failures)
            }
            thread.stackSize = 512 << 10
            thread.start()
        }
        #expect(failures == 0)
    }

    /// If the time grew with the square of the text, this would take hours.
    @Test(arguments: [
        ("[", "\"\\u00e9\\n\",", "1]"), ("[", "1e5,", "1]"), ("\"", "\\ud83d\\ude00", "\""), ("", " ", "1"),
        ("[", "[],", "1]"),
        ("[", "-", "]"), ("", "1", ""), ("\"", "\\\\", "\""),
    ]) func takesTimeLinearInTheText(start: String, link: String, end: String) {
        let text = Array((start + String(repeating: link, count: 4_000_000 / link.utf8.count) + end).utf8)
        let clock = ContinuousClock()
        let begun = clock.now
        _ = try? JSONValue(parsing: text)
        #expect(clock.now - begun < .seconds(20))
    }
}
