// Reading JSON: what RFC 8259 allows, what it forbids, and bounds against hostile text.

import Faults
import Federation
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
}
