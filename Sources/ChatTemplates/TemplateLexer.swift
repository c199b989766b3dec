// TemplateLexer: a template cut into text, outputs and statements, with Jinja's rules for white space (trim_blocks and
// lstrip_blocks set, as transformers sets them).

import Faults

/// A token of an expression.
enum TemplateToken: Sendable, Equatable {
    case string(String)
    case integer(Int)
    case name(String)
    case symbol(String)
}

/// A piece of a template before it is parsed.
enum TemplatePart: Sendable {
    case text(String)
    case output([TemplateToken])
    case statement([TemplateToken])
}

/// Reads one template from left to right.
struct TemplateLexer {
    private let scalars: [Unicode.Scalar]
    private let place: Place?
    private var index = 0

    /// The longest template that is read, in scalars: those of models have at most some ten thousand.
    private static let limit = 1 << 20
    private static let symbols = [
        "==", "!=", "<=", ">=", "//", "**", "(", ")", "[", "]", "{", "}", ".", ",", ":", "|", "~", "+", "-", "*", "/",
        "%",
        "<", ">", "=",
    ].map { Array($0.unicodeScalars) }

    /// The pieces of a template in order. Throws `tokenizer.chat-template`.
    static func parts(of source: String, place: Place?) throws(Fault) -> [TemplatePart] {
        var lexer = TemplateLexer(source, place: place)
        guard lexer.scalars.count <= limit else {
            throw .chatTemplate("is longer than \(limit) characters", place: place)
        }
        return try lexer.parts()
    }

    private init(_ source: String, place: Place?) {
        var scalars: [Unicode.Scalar] = []
        for scalar in source.unicodeScalars {
            if scalar == "\n", scalars.last == "\r" { scalars.removeLast() }
            scalars.append(scalar)
        }
        if scalars.last == "\n" { scalars.removeLast() }
        self.scalars = scalars
        self.place = place
    }

    private mutating func parts() throws(Fault) -> [TemplatePart] {
        var parts: [TemplatePart] = []
        var startsLine = true
        while index < scalars.count {
            let start = index
            while index < scalars.count && opening == nil { index += 1 }
            var text = Array(scalars[start..<index])
            guard let kind = opening else {
                parts.append(.text(Self.string(text)))
                break
            }
            index += 2
            if take("-") {
                while let last = text.last, last.properties.isWhitespace { text.removeLast() }
            } else if kind != "{", !take("+") {
                let line = text.lastIndex(of: "\n").map { $0 + 1 } ?? 0
                if line > 0 || startsLine, text[line...].allSatisfy(\.properties.isWhitespace) {
                    text.removeSubrange(line...)
                }
            }
            if !text.isEmpty { parts.append(.text(Self.string(text))) }
            switch kind {
            case "#": try comment()
            case "{": parts.append(.output(try tokens(until: "}")))
            default:
                let tokens = try tokens(until: "%")
                if tokens == [.name("raw")] { throw .chatTemplate("has a raw block", place: place) }
                parts.append(.statement(tokens))
            }
            startsLine = scalars[index - 1] == "\n"
        }
        return parts
    }

    /// The second character of the tag that begins here.
    private var opening: Unicode.Scalar? {
        guard index + 1 < scalars.count, scalars[index] == "{" else { return nil }
        let second = scalars[index + 1]
        return second == "{" || second == "%" || second == "#" ? second : nil
    }

    private static func string(_ scalars: [Unicode.Scalar]) -> String { String(String.UnicodeScalarView(scalars)) }

    private func stands(_ text: String) -> Bool {
        let wanted = Array(text.unicodeScalars)
        return index + wanted.count <= scalars.count && scalars[index..<index + wanted.count].elementsEqual(wanted)
    }

    private mutating func take(_ text: String) -> Bool {
        guard stands(text) else { return false }
        index += text.unicodeScalars.count
        return true
    }

    /// Takes the end of a tag and the white space that goes with it.
    private mutating func takeEnd(_ mark: String) -> Bool {
        if take("-\(mark)}") {
            while index < scalars.count, scalars[index].properties.isWhitespace { index += 1 }
            return true
        }
        if mark != "}", take("+\(mark)}") { return true }
        guard take("\(mark)}") else { return false }
        if mark != "}" { _ = take("\n") }
        return true
    }

    private mutating func comment() throws(Fault) {
        while !takeEnd("#") {
            guard index < scalars.count else { throw .chatTemplate("has a comment without its end", place: place) }
            index += 1
        }
    }

    private mutating func tokens(until mark: String) throws(Fault) -> [TemplateToken] {
        var tokens: [TemplateToken] = []
        var depth = 0
        while true {
            while index < scalars.count, scalars[index].properties.isWhitespace { index += 1 }
            if depth == 0, takeEnd(mark) { return tokens }
            guard index < scalars.count else { throw .chatTemplate("has a tag without its end", place: place) }
            let scalar = scalars[index]
            if scalar == "'" || scalar == "\"" {
                tokens.append(.string(try quoted(scalar)))
            } else if ("0"..."9").contains(scalar) {
                tokens.append(.integer(try integer()))
            } else if scalar == "_" || scalar.properties.isAlphabetic {
                let start = index
                while index < scalars.count,
                    scalars[index] == "_" || scalars[index].properties.isAlphabetic
                        || ("0"..."9").contains(scalars[index])
                { index += 1 }
                tokens.append(.name(Self.string(Array(scalars[start..<index]))))
            } else if let symbol = Self.symbols.first(where: {
                index + $0.count <= scalars.count && scalars[index..<index + $0.count].elementsEqual($0)
            }) {
                index += symbol.count
                if "([{".unicodeScalars.contains(symbol[0]) { depth += 1 }
                if ")]}".unicodeScalars.contains(symbol[0]) { depth -= 1 }
                tokens.append(.symbol(Self.string(symbol)))
            } else {
                throw .chatTemplate("has the character \(String(scalar).debugDescription) in a tag", place: place)
            }
        }
    }

    private mutating func integer() throws(Fault) -> Int {
        let start = index
        while index < scalars.count, ("0"..."9").contains(scalars[index]) { index += 1 }
        guard let value = Int(Self.string(Array(scalars[start..<index]))) else {
            throw .chatTemplate("has a number beyond 64 bits", place: place)
        }
        if index + 1 < scalars.count, scalars[index] == ".", ("0"..."9").contains(scalars[index + 1]) {
            throw .chatTemplate("has a fraction", place: place)
        }
        return value
    }

    /// A string between quotes, with Python's escapes.
    private mutating func quoted(_ quote: Unicode.Scalar) throws(Fault) -> String {
        var text = String.UnicodeScalarView()
        index += 1
        while index < scalars.count {
            let scalar = scalars[index]
            index += 1
            if scalar == quote { return String(text) }
            guard scalar == "\\", index < scalars.count else {
                text.append(scalar)
                continue
            }
            let escaped = scalars[index]
            index += 1
            let simple: [Unicode.Scalar: Unicode.Scalar] = [
                "n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", "\"": "\"",
            ]
            let digits: [Unicode.Scalar: Int] = ["x": 2, "u": 4, "U": 8]
            if let plain = simple[escaped] {
                text.append(plain)
            } else if let count = digits[escaped], index + count <= scalars.count,
                let value = UInt32(Self.string(Array(scalars[index..<index + count])), radix: 16),
                let scalar = Unicode.Scalar(value)
            {
                text.append(scalar)
                index += count
            } else {
                throw .chatTemplate("has the escape \\\(escaped)", place: place)
            }
        }
        throw .chatTemplate("has a string without its end", place: place)
    }
}
