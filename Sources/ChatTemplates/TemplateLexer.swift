// TemplateLexer: cuts a template into text, outputs and statements, with Jinja's rules for white space (trim_blocks and lstrip_blocks are
// set, as transformers sets them).

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
    private var index = 0

    /// The longest template that is read, in bytes: those of models have at most some ten thousand.
    private static let limit = 1 << 20
    /// The longest name, so that a look-up costs little.
    private static let nameLimit = 128
    /// Longer symbols come before the symbols that they begin with.
    private static let symbols: [(text: String, scalars: [Unicode.Scalar])] = [
        "==", "!=", "<=", ">=", "//", "**", "(", ")", "[", "]", "{", "}", ".", ",", ":", "|", "~", "+", "-", "*", "/",
        "%", "<", ">", "=",
    ].map { ($0, Array($0.unicodeScalars)) }

    /// The pieces of a template in order. Throws `tokenizer.chat-template`.
    static func parts(of source: String, _ budget: inout TemplateBudget) throws(Fault) -> [TemplatePart] {
        guard source.utf8.count <= limit else { throw budget.refused("is longer than \(limit) bytes") }
        var lexer = TemplateLexer(source)
        return try lexer.parts(&budget)
    }

    private init(_ source: String) {
        var scalars: [Unicode.Scalar] = []
        for scalar in source.unicodeScalars {
            if scalar == "\n", scalars.last == "\r" { scalars.removeLast() }
            scalars.append(scalar)
        }
        if scalars.last == "\n" { scalars.removeLast() }
        self.scalars = scalars
    }

    private mutating func parts(_ budget: inout TemplateBudget) throws(Fault) -> [TemplatePart] {
        var parts: [TemplatePart] = []
        var startsLine = true
        while index < scalars.count {
            try budget.step()
            let start = index
            while index < scalars.count && opening == nil { index += 1 }
            var text = scalars[start..<index]
            guard let kind = opening else {
                parts.append(.text(Self.string(text)))
                break
            }
            index += 2
            if take("-") {
                while let last = text.last, last.properties.isWhitespace { text.removeLast() }
            } else if kind != "{", !take("+") {
                let line = text.lastIndex(of: "\n").map { $0 + 1 } ?? text.startIndex
                if line > text.startIndex || startsLine, text[line...].allSatisfy(\.properties.isWhitespace) {
                    text.removeSubrange(line...)
                }
            }
            if !text.isEmpty { parts.append(.text(Self.string(text))) }
            switch kind {
            case "#": try comment(budget)
            case "{": parts.append(.output(try tokens(until: "}", &budget)))
            default:
                let tokens = try tokens(until: "%", &budget)
                if tokens == [.name("raw")] { throw budget.refused("has a raw block") }
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

    private static func string(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
        String(String.UnicodeScalarView(scalars))
    }

    /// Takes these scalars if they come next.
    private mutating func take(_ wanted: Unicode.Scalar...) -> Bool {
        guard scalars[index...].starts(with: wanted) else { return false }
        index += wanted.count
        return true
    }

    /// Takes the end of a tag and the white space that belongs to it.
    private mutating func takeEnd(_ mark: Unicode.Scalar) -> Bool {
        guard index < scalars.count, "-+}%#".unicodeScalars.contains(scalars[index]) else { return false }
        if take("-", mark, "}") {
            while index < scalars.count, scalars[index].properties.isWhitespace { index += 1 }
            return true
        }
        if mark != "}", take("+", mark, "}") { return true }
        guard take(mark, "}") else { return false }
        if mark != "}" { _ = take("\n") }
        return true
    }

    private mutating func comment(_ budget: TemplateBudget) throws(Fault) {
        while !takeEnd("#") {
            guard index < scalars.count else { throw budget.refused("has a comment without its end") }
            index += 1
        }
    }

    private mutating func tokens(
        until mark: Unicode.Scalar, _ budget: inout TemplateBudget
    ) throws(Fault) -> [TemplateToken] {
        var tokens: [TemplateToken] = []
        var depth = 0
        while true {
            try budget.step()
            while index < scalars.count, scalars[index].properties.isWhitespace { index += 1 }
            if depth == 0, takeEnd(mark) { return tokens }
            guard index < scalars.count else { throw budget.refused("has a tag without its end") }
            let scalar = scalars[index]
            if scalar == "'" || scalar == "\"" {
                tokens.append(.string(try quoted(scalar, budget)))
            } else if ("0"..."9").contains(scalar) {
                tokens.append(.integer(try integer(budget)))
            } else if scalar == "_" || scalar.properties.isAlphabetic {
                tokens.append(.name(try name(budget)))
            } else if let symbol = Self.symbols.first(where: { scalars[index...].starts(with: $0.scalars) }) {
                index += symbol.scalars.count
                if "([{".contains(symbol.text) { depth += 1 }
                if ")]}".contains(symbol.text) { depth -= 1 }
                tokens.append(.symbol(symbol.text))
            } else {
                throw budget.refused("has the character \(Fault.shown(String(scalar))) in a tag")
            }
        }
    }

    private mutating func name(_ budget: TemplateBudget) throws(Fault) -> String {
        let start = index
        while index < scalars.count,
            scalars[index] == "_" || scalars[index].properties.isAlphabetic || ("0"..."9").contains(scalars[index])
        { index += 1 }
        guard index - start <= Self.nameLimit else {
            throw budget.refused("has a name of \(index - start) characters; at most \(Self.nameLimit) are possible")
        }
        return Self.string(scalars[start..<index])
    }

    private mutating func integer(_ budget: TemplateBudget) throws(Fault) -> Int {
        let start = index
        while index < scalars.count, ("0"..."9").contains(scalars[index]) { index += 1 }
        guard let value = Int(Self.string(scalars[start..<index])) else {
            throw budget.refused("has a number beyond 64 bits")
        }
        if index + 1 < scalars.count, scalars[index] == ".", ("0"..."9").contains(scalars[index + 1]) {
            throw budget.refused("has a fraction")
        }
        return value
    }

    /// A string between quotes, with Python's escapes.
    private mutating func quoted(_ quote: Unicode.Scalar, _ budget: TemplateBudget) throws(Fault) -> String {
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
            switch escaped {
            case "n": text.append("\n")
            case "t": text.append("\t")
            case "r": text.append("\r")
            case "\\", "'", "\"": text.append(escaped)
            default:
                let count = escaped == "x" ? 2 : escaped == "u" ? 4 : escaped == "U" ? 8 : 0
                guard count > 0, index + count <= scalars.count,
                    scalars[index..<index + count].allSatisfy(\.properties.isASCIIHexDigit),
                    let value = UInt32(Self.string(scalars[index..<index + count]), radix: 16),
                    let scalar = Unicode.Scalar(value)
                else { throw budget.refused("has the escape \(Fault.shown("\\" + String(escaped)))") }
                text.append(scalar)
                index += count
            }
        }
        throw budget.refused("has a string without its end")
    }
}
