// HTML: text that is escaped wherever a value is inserted, so that no name, path or summary can become markup.

import Faults
import Federation
import RunRecords

/// A piece of HTML or SVG. The text of a literal is markup; an interpolated value is text and is escaped, unless it is HTML itself.
struct HTML: ExpressibleByStringInterpolation, Equatable {
    var source: String

    init(stringLiteral value: String) { source = value }
    init(stringInterpolation: StringInterpolation) { source = stringInterpolation.source }

    /// The pieces one after the other.
    init(_ pieces: [HTML]) { source = pieces.map(\.source).joined(separator: "\n") }

    struct StringInterpolation: StringInterpolationProtocol {
        var source = ""
        init(literalCapacity: Int, interpolationCount: Int) { source.reserveCapacity(literalCapacity * 2) }

        mutating func appendLiteral(_ literal: String) { source += literal }
        mutating func appendInterpolation(_ html: HTML) { source += html.source }
        mutating func appendInterpolation(_ pieces: [HTML]) { source += HTML(pieces).source }
        mutating func appendInterpolation(_ number: Int) { source += String(number) }
        /// A length or coordinate of a drawing, with one decimal.
        mutating func appendInterpolation(_ length: Double) { source += Figures.fixed(length, 1) }
        mutating func appendInterpolation(_ text: String) { source += text.escapedForMarkup }
    }

    /// A table: the first cell of each row names it; columns in `numeric` are aligned to the right.
    static func table(_ header: [String], numeric: Set<Int> = [], _ rows: [[HTML]]) -> HTML {
        func cell(_ tag: String, _ column: Int, _ content: HTML) -> HTML {
            let kind: HTML = numeric.contains(column) ? " class=\"n\"" : ""
            return HTML(raw: "<\(tag)\(kind.source)>\(content.source)</\(tag)>")
        }
        let head = header.enumerated().map { cell("th", $0, "\($1)") }
        let body = rows.map { row -> HTML in
            HTML(raw: "<tr>" + row.enumerated().map { cell("td", $0, $1).source }.joined() + "</tr>")
        }
        return """
            <div class="scroll"><table><thead><tr>\(head)</tr></thead><tbody>
            \(body)
            </tbody></table></div>
            """
    }

    private init(raw: String) { source = raw }
}
