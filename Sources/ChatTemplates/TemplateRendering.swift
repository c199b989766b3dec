// TemplateRendering: evaluates a template's tree, with Python's meaning of operators, strings and slices. Nodes are rendered here, values
// are computed in TemplateRendering+expressions, functions, methods, filters and tests in TemplateRendering+calls.

import Faults

/// One rendering of a template.
struct TemplateRendering {
    var budget: TemplateBudget
    var namespaces: [[String: TemplateValue]] = []
    private var scopes: [[String: TemplateValue]]
    private var out = ""

    /// Starts with the cost of reading the template.
    init(_ budget: TemplateBudget, globals: [String: TemplateValue]) {
        self.budget = budget
        scopes = [globals]
    }

    mutating func text(of nodes: [TemplateNode]) throws(Fault) -> String {
        try render(nodes)
        return out
    }

    func refused(_ what: String) -> Fault { budget.refused(what) }

    private mutating func write(_ text: String) throws(Fault) {
        try budget.text(text.utf8.count)
        out += text
    }

    private mutating func render(_ nodes: [TemplateNode]) throws(Fault) {
        for node in nodes {
            try budget.step()
            switch node {
            case .text(let text): try write(text)
            case .output(let expression): try write(try printed(try value(of: expression)))
            case .set(let name, let member, let expression):
                let value = try value(of: expression)
                guard let member else {
                    scopes[scopes.count - 1][name] = value
                    continue
                }
                guard case .namespace(let index) = lookUp(name) else {
                    throw refused("sets a member of \(Fault.shown(name)), which is not a namespace")
                }
                namespaces[index][member] = value
            case .condition(let branches, let otherwise):
                var taken = otherwise
                for branch in branches where try value(of: branch.test).isTrue {
                    taken = branch.body
                    break
                }
                try render(taken)
            case .loop(let names, let over, let filter, let body, let otherwise):
                try loop(names, over, filter, body, otherwise)
            case .scope(let body):
                scopes.append([:])
                defer { scopes.removeLast() }
                try render(body)
            }
        }
    }

    private mutating func loop(
        _ names: [String], _ over: TemplateExpression, _ filter: TemplateExpression?, _ body: [TemplateNode],
        _ otherwise: [TemplateNode]
    ) throws(Fault) {
        var rounds: [[String: TemplateValue]] = []
        for element in try elements(of: try value(of: over)) {
            try budget.step(names.count)
            var scope: [String: TemplateValue] = [:]
            if names.count == 1 {
                scope[names[0]] = element
            } else {
                guard case .list(let parts) = element, parts.elements.count == names.count else {
                    throw refused("unpacks a value that does not have \(names.count) parts")
                }
                for (name, part) in zip(names, parts.elements) { scope[name] = part }
            }
            if let filter {
                scopes.append(scope)
                defer { scopes.removeLast() }
                guard try value(of: filter).isTrue else { continue }
            }
            rounds.append(scope)
        }
        guard !rounds.isEmpty else { return try render(otherwise) }
        for (index, scope) in rounds.enumerated() {
            var scope = scope
            scope["loop"] = .mapping([
                TemplateMember(key: "index0", value: .integer(index)),
                TemplateMember(key: "index", value: .integer(index + 1)),
                TemplateMember(key: "first", value: .bool(index == 0)),
                TemplateMember(key: "last", value: .bool(index == rounds.count - 1)),
                TemplateMember(key: "length", value: .integer(rounds.count)),
            ])
            scopes.append(scope)
            defer { scopes.removeLast() }
            try render(body)
        }
    }

    private mutating func elements(of value: TemplateValue) throws(Fault) -> [TemplateValue] {
        switch value {
        case .list(let list):
            try budget.step(list.elements.count)
            return list.elements
        case .mapping(let members): return members.map { .string($0.key) }
        case .undefined: return []
        default: throw refused("loops over a value that is not a list")
        }
    }

    /// The value of a name, looked up from the innermost block outwards.
    func lookUp(_ name: String) -> TemplateValue {
        for scope in scopes.reversed() {
            if let value = scope[name] { return value }
        }
        return .undefined
    }

    /// A value as text; lists and mappings are not printed. Throws `tokenizer.chat-template`.
    func printed(_ value: TemplateValue) throws(Fault) -> String {
        switch value {
        case .undefined: return ""
        case .none: return "None"
        case .bool(let value): return value ? "True" : "False"
        case .integer(let value): return "\(value)"
        case .string(let text): return text
        case .list, .mapping, .namespace: throw refused("prints a list or mapping")
        }
    }
}
