// TemplateParser: the pieces of a template as a tree, by Jinja's grammar. Statements are parsed here, expressions in
// TemplateParser+expressions. Constructs that the templates of instruct models do not use (macros, imports, raw blocks) are refused by
// name.

import Faults

/// Parses the pieces of one template.
struct TemplateParser {
    private let parts: [TemplatePart]
    private var part = 0
    /// The tokens of the current tag; `index` is the next of them.
    var tokens: [TemplateToken] = []
    var index = 0
    var budget: TemplateBudget

    /// The tree of a template's pieces. Throws `tokenizer.chat-template`.
    static func nodes(of parts: [TemplatePart], _ budget: inout TemplateBudget) throws(Fault) -> [TemplateNode] {
        var parser = TemplateParser(parts: parts, budget: budget)
        let nodes = try parser.body(until: [])
        guard parser.part == parts.count else {
            throw budget.refused("has \(Fault.shown(parser.statementName ?? "nothing")) where no block is open")
        }
        budget = parser.budget
        return nodes
    }

    private init(parts: [TemplatePart], budget: TemplateBudget) {
        self.parts = parts
        self.budget = budget
    }

    func refused(_ what: String) -> Fault { budget.refused(what) }

    /// The name of the statement that comes next.
    private var statementName: String? {
        guard part < parts.count, case .statement(let tokens) = parts[part], case .name(let name)? = tokens.first else {
            return nil
        }
        return name
    }

    /// The nodes up to one of these statements, which is not consumed.
    private mutating func body(until ends: [String]) throws(Fault) -> [TemplateNode] {
        try budget.enter()
        defer { budget.leave() }
        var nodes: [TemplateNode] = []
        while part < parts.count {
            try budget.step()
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
                case "generation":
                    // It marks the assistant's words for trainers; the output is the same without it.
                    try take(end: name)
                    nodes.append(.scope(try body(until: ["endgeneration"])))
                    try take(end: "endgeneration")
                case "elif", "else", "endif", "endfor", "endgeneration": return nodes
                default: throw refused("has the statement \(Fault.shown(name)), which is not supported")
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

    /// Takes a statement that consists only of its name.
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
}
