// The YAML layer as other readers use it: scalars under the core schema, nodes as JSON.

import Faults
import Federation
import Testing
import Workflows

@Suite struct YAMLNodeTests {
    @Test(
        arguments: [
            ("null", .null), ("~", .null), ("", .null), ("NULL", .null), ("nULL", .string("nULL")),
            ("true", .bool(true)), ("FALSE", .bool(false)), ("yes", .string("yes")), ("no", .string("no")),
            ("on", .string("on")),
            ("12", .integer(12)), ("-3", .integer(-3)), ("+4", .integer(4)), ("0o17", .integer(15)),
            ("0xfF", .integer(255)),
            ("017", .integer(17)), ("1_000", .string("1_000")), ("0b1", .string("0b1")), ("-0x1", .string("-0x1")),
            ("0x", .string("0x")), ("0o8", .string("0o8")), ("+-1", .string("+-1")), ("-", .string("-")),
            ("9223372036854775807", .integer(.max)), ("-9223372036854775808", .integer(.min)),
            ("9223372036854775808", .string("9223372036854775808")),
            ("2e-4", .number(2e-4)), ("1.", .number(1)), (".5", .number(0.5)), ("+.5E+1", .number(5)),
            ("1e3", .number(1000)),
            (".", .string(".")), ("1e", .string("1e")), ("e3", .string("e3")), ("1.2.3", .string("1.2.3")),
            ("0x1p3", .string("0x1p3")), ("nan", .string("nan")), ("inf", .string("inf")), (".inf", .string(".inf")),
            ("1e999", .string("1e999")), ("12:30:45", .string("12:30:45")), ("2026-01-01", .string("2026-01-01")),
        ] as [(String, JSONValue)])
    func typesPlainScalarsByTheCoreSchema(text: String, expected: JSONValue) throws {
        let node = try YAMLReader.read(bytes: Array("[\(text)]".utf8), file: "t", form: .unknown)
        #expect(node.plain == .array(text.isEmpty ? [] : [expected]))
        guard !text.isEmpty else { return }
        let quoted = try YAMLReader.read(bytes: Array("['\(text)']".utf8), file: "t", form: .unknown)
        #expect(quoted.plain == .array([.string(text)]))
    }

    @Test func becomesPlainJSON() throws {
        let text = """
            a: &x {b: 1, c: [1.5, yes, 'no']}
            d: *x
            e: |
              two
              lines
            f:
            "g h": true
            """
        let node = try YAMLReader.read(bytes: Array(text.utf8), file: "t", form: .unknown)
        let inner: JSONValue = ["b": 1, "c": [.number(1.5), "yes", "no"]]
        #expect(node.plain == ["a": inner, "d": inner, "e": "two\nlines\n", "f": .null, "g h": true])
        #expect(node["e"]?.mark.place.line == 3)
        // A node begins at its anchor.
        #expect(node["a"]?.mark.column == 4)
    }
}
