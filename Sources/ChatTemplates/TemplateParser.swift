// TemplateParser: the pieces of a template as a tree, by Jinja's grammar and precedence. What the templates of instruct models do
// not use (macros, imports, raw blocks) is refused by name.

import Faults

/// Parses the pieces of one template.
struct TemplateParser {
    private let parts: [TemplatePart]
    private let place: Place?
    private var part = 0
    private var tokens: [TemplateToken] = []
    private var index = 0
    private var depth = 0

    /// How deep expressions and blocks may nest: far beyond what a person writes, far below what the stack holds.
    private static let depthLimit = 64

    init(_ parts: [TemplatePart], place: Place?) {
        self.parts = parts
        self.place = place
    }

    mutating func document() throws(Fault) -> [TemplateNode] {
        let nodes = try body(until: [])
        guard part == parts.count else { throw refused("has \(shown(statementName)) where no block is open") }
        return nodes
    }

    private func refused(_ what: String) -> Fault { .chatTemplate(what, place: place) }

    private func shown(_ name: String?) -> String { (name.map { String($0.prefix(40)) } ?? "nothing").debugDescription }

    private mutating func enter() throws(Fault) {
        depth += 1
        guard depth <= Self.depthLimit else { throw refused("nests deeper than \(Self.depthLimit)") }
    }

    // MARK: Statements

    /// The name of the statement that stands next.
    private var statementName: String? {
        guard part < parts.count, case .statement(let tokens) = parts[part], case .name(let name)? = tokens.first else {
            return nil
        }
        return name
    }

    /// The nodes up to one of these statements, which is left standing.
    private mutating func body(until ends: [String]) throws(Fault) -> [TemplateNode] {
        try enter()
        defer { depth -= 1 }
        var nodes: [TemplateNode] = []
        while part < parts.count {
            switch parts[part] {
            case .text(let text):
                nodes.append(.text(text))
                part += 1
            case .output(let tokens):
                open(tokens)
                nodes.append(.output(try expression()))
                try close()
            case .statement(let tokens):
                guard let name = statementName else { throw refused("has a statement without a name") }
                if ends.contains(name) { return nodes }
                switch name {
                case "if": nodes.append(try condition(tokens))
                case "for": nodes.append(try loop(tokens))
                case "set": nodes.append(try assignment(tokens))
                case "elif", "else", "endif", "endfor": return nodes
                default: throw refused("has the statement \(shown(name)), which is not supported")
                }
            }
        }
        return nodes
    }

    private mutating func open(_ tokens: [TemplateToken]) {
        self.tokens = tokens
        index = 0
        part += 1
    }

    private func close() throws(Fault) {
        guard index == tokens.count else { throw refused("has a tag with more in it than was understood") }
    }

    /// Takes a statement that is its name alone.
    private mutating func take(end name: String) throws(Fault) {
        guard statementName == name, case .statement(let tokens) = parts[part], tokens.count == 1 else {
            throw refused("has a block without \(name)")
        }
        part += 1
    }

    private mutating func condition(_ tokens: [TemplateToken]) throws(Fault) -> TemplateNode {
        var branches: [(test: TemplateExpression, body: [TemplateNode])] = []
        var otherwise: [TemplateNode] = []
        var tokens = tokens
        while true {
            open(tokens)
            index = 1
            let test = try expression()
            try close()
            branches.append((test, try body(until: ["elif", "else", "endif"])))
            guard statementName == "elif", case .statement(let next) = parts[part] else { break }
            tokens = next
        }
        if statementName == "else" {
            try take(end: "else")
            otherwise = try body(until: ["endif"])
        }
        try take(end: "endif")
        return .condition(branches, otherwise: otherwise)
    }

    private mutating func loop(_ tokens: [TemplateToken]) throws(Fault) -> TemplateNode {
        open(tokens)
        index = 1
        var names = [try name()]
        while take(",") { names.append(try name()) }
        guard take(name: "in") else { throw refused("has a for without in") }
        let list = try disjunction()
        let filter = take(name: "if") ? try expression() : nil
        try close()
        let body = try body(until: ["else", "endfor"])
        var otherwise: [TemplateNode] = []
        if statementName == "else" {
            try take(end: "else")
            otherwise = try self.body(until: ["endfor"])
        }
        try take(end: "endfor")
        return .loop(names: names, over: list, where: filter, body: body, otherwise: otherwise)
    }

    private mutating func assignment(_ tokens: [TemplateToken]) throws(Fault) -> TemplateNode {
        open(tokens)
        index = 1
        let target = try name()
        let member = take(".") ? try name() : nil
        guard take("=") else { throw refused("has a set without a value on its line") }
        let value = try expression()
        try close()
        return .set(name: target, member: member, value)
    }

    // MARK: Expressions

    private var next: TemplateToken? { index < tokens.count ? tokens[index] : nil }

    private mutating func take(_ symbol: String) -> Bool {
        guard next == .symbol(symbol) else { return false }
        index += 1
        return true
    }

    private mutating func take(name: String) -> Bool {
        guard next == .name(name) else { return false }
        index += 1
        return true
    }

    private mutating func expect(_ symbol: String) throws(Fault) {
        guard take(symbol) else { throw refused("has no \(symbol) where one is due") }
    }

    private mutating func name() throws(Fault) -> String {
        guard case .name(let name)? = next else { throw refused("has no name where one is due") }
        index += 1
        return name
    }

    private mutating func expression() throws(Fault) -> TemplateExpression {
        try enter()
        defer { depth -= 1 }
        let value = try disjunction()
        guard take(name: "if") else { return value }
        let test = try disjunction()
        return .conditional(test, then: value, otherwise: take(name: "else") ? try expression() : nil)
    }

    private mutating func disjunction() throws(Fault) -> TemplateExpression {
        var left = try conjunction()
        while take(name: "or") { left = .binary("or", left, try conjunction()) }
        return left
    }

    private mutating func conjunction() throws(Fault) -> TemplateExpression {
        var left = try negation()
        while take(name: "and") { left = .binary("and", left, try negation()) }
        return left
    }

    private mutating func negation() throws(Fault) -> TemplateExpression {
        guard take(name: "not") else { return try comparison() }
        try enter()
        defer { depth -= 1 }
        return .not(try negation())
    }

    private mutating func comparison() throws(Fault) -> TemplateExpression {
        var left = try sum()
        while let token = next {
            if case .symbol(let symbol) = token, ["==", "!=", "<", "<=", ">", ">="].contains(symbol) {
                index += 1
                left = .binary(symbol, left, try sum())
            } else if take(name: "in") {
                left = .binary("in", left, try sum())
            } else if token == .name("not"), index + 1 < tokens.count, tokens[index + 1] == .name("in") {
                index += 2
                left = .not(.binary("in", left, try sum()))
            } else {
                break
            }
        }
        return left
    }

    private mutating func sum() throws(Fault) -> TemplateExpression {
        var left = try concatenation()
        while true {
            if take("+") {
                left = .binary("+", left, try concatenation())
            } else if take("-") {
                left = .binary("-", left, try concatenation())
            } else {
                return left
            }
        }
    }

    private mutating func concatenation() throws(Fault) -> TemplateExpression {
        var left = try product()
        while take("~") { left = .binary("~", left, try product()) }
        return left
    }

    private mutating func product() throws(Fault) -> TemplateExpression {
        var left = try unary(filters: true)
        while case .symbol(let symbol)? = next, ["*", "//", "%"].contains(symbol) {
            index += 1
            left = .binary(symbol, left, try unary(filters: true))
        }
        return left
    }

    private mutating func unary(filters: Bool) throws(Fault) -> TemplateExpression {
        try enter()
        defer { depth -= 1 }
        var value: TemplateExpression
        if take("-") {
            value = .negative(try unary(filters: false))
        } else {
            value = try postfix(try primary())
        }
        guard filters else { return value }
        while true {
            if take("|") {
                let filter = try name()
                value = .filter(value, filter, take("(") ? try arguments() : TemplateArguments())
            } else if take(name: "is") {
                value = try test(of: value)
            } else {
                return value
            }
        }
    }

    private mutating func test(of value: TemplateExpression) throws(Fault) -> TemplateExpression {
        let isNegated = take(name: "not")
        let test = try name()
        var arguments = TemplateArguments()
        if take("(") {
            arguments = try self.arguments()
        } else {
            switch next {
            case .string, .integer: arguments.plain = [try postfix(try primary())]
            default: break
            }
        }
        let tested = TemplateExpression.test(value, test, arguments)
        return isNegated ? .not(tested) : tested
    }

    private mutating func primary() throws(Fault) -> TemplateExpression {
        guard let token = next else { throw refused("has an expression that ends too early") }
        index += 1
        switch token {
        case .string(var text):
            while case .string(let more)? = next {
                text += more
                index += 1
            }
            return .literal(.string(text))
        case .integer(let value): return .literal(.integer(value))
        case .name("true"), .name("True"): return .literal(.bool(true))
        case .name("false"), .name("False"): return .literal(.bool(false))
        case .name("none"), .name("None"): return .literal(.none)
        case .name(let name): return .name(name)
        case .symbol("("):
            let value = try expression()
            try expect(")")
            return value
        case .symbol("["):
            var elements: [TemplateExpression] = []
            while !take("]") {
                elements.append(try expression())
                if !take(",") {
                    try expect("]")
                    break
                }
            }
            return .list(elements)
        case .symbol(let symbol): throw refused("has \(shown(symbol)) where a value is due")
        }
    }

    private mutating func postfix(_ value: TemplateExpression) throws(Fault) -> TemplateExpression {
        var value = value
        var length = 0
        while true {
            length += 1
            guard length <= Self.depthLimit else { throw refused("nests deeper than \(Self.depthLimit)") }
            if take(".") {
                let member = try name()
                value =
                    take("(")
                    ? .call(value, method: member, try arguments()) : .item(value, .literal(.string(member)))
            } else if take("[") {
                value = try subscripted(value)
            } else if take("(") {
                value = .call(value, method: nil, try arguments())
            } else {
                return value
            }
        }
    }

    private mutating func subscripted(_ value: TemplateExpression) throws(Fault) -> TemplateExpression {
        var bounds: [TemplateExpression?] = [nil]
        var isSlice = false
        while !take("]") {
            if take(":") {
                isSlice = true
                bounds.append(nil)
                guard bounds.count <= 3 else { throw refused("has a slice of more than three parts") }
            } else {
                guard bounds[bounds.count - 1] == nil else { throw refused("has no ] where one is due") }
                bounds[bounds.count - 1] = try expression()
            }
        }
        if isSlice {
            return .slice(value, from: bounds[0], to: bounds[1], by: bounds.count > 2 ? bounds[2] : nil)
        }
        guard let key = bounds[0] else { throw refused("has empty brackets") }
        return .item(value, key)
    }

    /// The arguments up to the closing parenthesis.
    private mutating func arguments() throws(Fault) -> TemplateArguments {
        var arguments = TemplateArguments()
        while !take(")") {
            if case .name(let key)? = next, index + 1 < tokens.count, tokens[index + 1] == .symbol("=") {
                index += 2
                arguments.named.append((key, try expression()))
            } else {
                arguments.plain.append(try expression())
            }
            if !take(",") {
                try expect(")")
                break
            }
        }
        return arguments
    }
}
