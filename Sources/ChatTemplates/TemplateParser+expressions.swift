// Expressions of templates, by Jinja's precedence. A chain of operators of one precedence becomes one list, so that only brackets need
// recursion.

import Faults

extension TemplateParser {
    // MARK: Tokens

    private var next: TemplateToken? { index < tokens.count ? tokens[index] : nil }

    mutating func take(_ symbol: String) -> Bool {
        guard next == .symbol(symbol) else { return false }
        index += 1
        return true
    }

    mutating func take(name: String) -> Bool {
        guard next == .name(name) else { return false }
        index += 1
        return true
    }

    private mutating func expect(_ symbol: String) throws(Fault) {
        guard take(symbol) else { throw refused("has no \(symbol) where one is expected") }
    }

    mutating func name() throws(Fault) -> String {
        guard case .name(let name)? = next else { throw refused("has no name where one is expected") }
        index += 1
        return name
    }

    /// How many times the token comes next. Throws where it is more than anybody writes.
    private mutating func count(of take: (inout TemplateParser) -> Bool) throws(Fault) -> Int {
        var count = 0
        while take(&self) { count += 1 }
        try budget.check(depth: count)
        return count
    }

    // MARK: Operators

    mutating func expression() throws(Fault) -> TemplateExpression {
        try budget.enter()
        defer { budget.leave() }
        var branches: [(test: TemplateExpression, then: TemplateExpression)] = []
        while true {
            let value = try disjunction()
            guard take(name: "if") else {
                return branches.isEmpty ? value : .conditional(branches, otherwise: value)
            }
            branches.append((try disjunction(), value))
            guard take(name: "else") else { return .conditional(branches, otherwise: nil) }
        }
    }

    mutating func disjunction() throws(Fault) -> TemplateExpression {
        var operands = [try conjunction()]
        while take(name: "or") { operands.append(try conjunction()) }
        return operands.count == 1 ? operands[0] : .any(operands)
    }

    private mutating func conjunction() throws(Fault) -> TemplateExpression {
        var operands = [try negation()]
        while take(name: "and") { operands.append(try negation()) }
        return operands.count == 1 ? operands[0] : .all(operands)
    }

    private mutating func negation() throws(Fault) -> TemplateExpression {
        let count = try count { $0.take(name: "not") }
        let value = try comparison()
        return count == 0 ? value : .truth(value, isNegated: count % 2 == 1)
    }

    private mutating func comparison() throws(Fault) -> TemplateExpression {
        let first = try sum()
        var rest: [(sign: String, operand: TemplateExpression)] = []
        while let token = next {
            if case .symbol(let symbol) = token, ["==", "!=", "<", "<=", ">", ">="].contains(symbol) {
                index += 1
                rest.append((symbol, try sum()))
            } else if take(name: "in") {
                rest.append(("in", try sum()))
            } else if token == .name("not"), index + 1 < tokens.count, tokens[index + 1] == .name("in") {
                index += 2
                rest.append(("not in", try sum()))
            } else {
                break
            }
        }
        return rest.isEmpty ? first : .comparison(first, rest)
    }

    private mutating func sum() throws(Fault) -> TemplateExpression {
        let first = try concatenation()
        var rest: [(sign: String, operand: TemplateExpression)] = []
        while case .symbol(let symbol)? = next, symbol == "+" || symbol == "-" {
            index += 1
            rest.append((symbol, try concatenation()))
        }
        return rest.isEmpty ? first : .arithmetic(first, rest)
    }

    private mutating func concatenation() throws(Fault) -> TemplateExpression {
        var operands = [try product()]
        while take("~") { operands.append(try product()) }
        return operands.count == 1 ? operands[0] : .joined(operands)
    }

    private mutating func product() throws(Fault) -> TemplateExpression {
        let first = try unary()
        var rest: [(sign: String, operand: TemplateExpression)] = []
        while case .symbol(let symbol)? = next, ["*", "//", "%"].contains(symbol) {
            index += 1
            rest.append((symbol, try unary()))
        }
        return rest.isEmpty ? first : .arithmetic(first, rest)
    }

    /// A value with its minus signs, then filters and tests, which apply to the negated number.
    private mutating func unary() throws(Fault) -> TemplateExpression {
        let signs = try count { $0.take("-") }
        let base = try primary()
        var links = try parts()
        var value = base
        if signs > 0 {
            value = .negative(links.isEmpty ? base : .linked(base, links), count: signs)
            links = []
        }
        while true {
            if take("|") {
                try budget.step()
                let filter = try name()
                links.append(.filter(filter, take("(") ? try arguments() : TemplateArguments()))
            } else if take(name: "is") {
                links.append(try test())
            } else {
                return links.isEmpty ? value : .linked(value, links)
            }
        }
    }

    private mutating func test() throws(Fault) -> TemplateLink {
        try budget.step()
        let isNegated = take(name: "not")
        let test = try name()
        var arguments = TemplateArguments()
        if take("(") {
            arguments = try self.arguments()
        } else {
            switch next {
            case .string, .integer:
                let base = try primary()
                let links = try parts()
                arguments.plain = [links.isEmpty ? base : .linked(base, links)]
            default: break
            }
        }
        return .test(test, arguments, isNegated: isNegated)
    }

    // MARK: Values

    private mutating func primary() throws(Fault) -> TemplateExpression {
        try budget.step()
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
        case .symbol(let symbol): throw refused("has \(Fault.shown(symbol)) where a value is expected")
        }
    }

    /// The attributes, items, slices and calls that follow a value.
    private mutating func parts() throws(Fault) -> [TemplateLink] {
        var links: [TemplateLink] = []
        while true {
            try budget.check(depth: links.count)
            if take(".") {
                let member = try name()
                links.append(
                    take("(") ? .method(member, try arguments()) : .item(.literal(.string(member))))
            } else if take("[") {
                links.append(try subscripted())
            } else if take("(") {
                links.append(.call(try arguments()))
            } else {
                return links
            }
        }
    }

    private mutating func subscripted() throws(Fault) -> TemplateLink {
        var bounds: [TemplateExpression?] = [nil]
        var isSlice = false
        while !take("]") {
            if take(":") {
                isSlice = true
                bounds.append(nil)
                guard bounds.count <= 3 else { throw refused("has a slice of more than three parts") }
            } else {
                guard bounds[bounds.count - 1] == nil else { throw refused("has no ] where one is expected") }
                bounds[bounds.count - 1] = try expression()
            }
        }
        if isSlice { return .slice(from: bounds[0], to: bounds[1], by: bounds.count > 2 ? bounds[2] : nil) }
        guard let key = bounds[0] else { throw refused("has empty brackets") }
        return .item(key)
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
