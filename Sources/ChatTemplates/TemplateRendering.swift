// TemplateRendering: a template's tree evaluated, with Python's meaning of operators, strings and slices. Steps and text are
// bounded, so that no template of a model file can hang or fill the memory.

import Faults

/// One rendering of a template.
struct TemplateRendering {
    let place: Place?
    private var scopes: [[String: TemplateValue]] = []
    private var namespaces: [[String: TemplateValue]] = []
    private var out = ""
    private var steps = 0
    private var written = 0

    /// Nodes and expressions that a rendering may take: a conversation of ten turns takes some thousand.
    private static let stepLimit = 200_000
    /// Bytes of text that a rendering may make, in all its strings together.
    private static let textLimit = 1 << 26

    init(place: Place?) { self.place = place }

    mutating func text(of nodes: [TemplateNode], globals: [String: TemplateValue]) throws(Fault) -> String {
        scopes = [globals]
        try render(nodes)
        return out
    }

    private func refused(_ what: String) -> Fault { .chatTemplate(what, place: place) }

    private mutating func step() throws(Fault) {
        steps += 1
        guard steps <= Self.stepLimit else { throw refused("takes more than \(Self.stepLimit) steps") }
    }

    /// The value of a string made here.
    private mutating func made(_ text: String) throws(Fault) -> TemplateValue {
        written += text.utf8.count
        guard written <= Self.textLimit else { throw refused("makes more than \(Self.textLimit) bytes of text") }
        return .string(text)
    }

    // MARK: Nodes

    private mutating func render(_ nodes: [TemplateNode]) throws(Fault) {
        for node in nodes {
            try step()
            switch node {
            case .text(let text): out += text
            case .output(let expression): out += try printed(try value(of: expression))
            case .set(let name, let member, let expression):
                let value = try value(of: expression)
                guard let member else {
                    scopes[scopes.count - 1][name] = value
                    continue
                }
                guard case .namespace(let index) = lookUp(name) else {
                    throw refused("sets a member of \(name.prefix(40)), which is no namespace")
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
            }
        }
    }

    private mutating func loop(
        _ names: [String], _ over: TemplateExpression, _ filter: TemplateExpression?, _ body: [TemplateNode],
        _ otherwise: [TemplateNode]
    ) throws(Fault) {
        var rounds: [[String: TemplateValue]] = []
        for element in try elements(of: try value(of: over)) {
            try step()
            var scope: [String: TemplateValue] = [:]
            if names.count == 1 {
                scope[names[0]] = element
            } else {
                guard case .list(let parts) = element, parts.count == names.count else {
                    throw refused("takes apart what has not \(names.count) parts")
                }
                for (name, part) in zip(names, parts) { scope[name] = part }
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

    private func elements(of value: TemplateValue) throws(Fault) -> [TemplateValue] {
        switch value {
        case .list(let elements): return elements
        case .mapping(let members): return members.map { .string($0.key) }
        case .undefined: return []
        default: throw refused("loops over what is no list")
        }
    }

    private func lookUp(_ name: String) -> TemplateValue {
        for scope in scopes.reversed() {
            if let value = scope[name] { return value }
        }
        return .undefined
    }

    private func printed(_ value: TemplateValue) throws(Fault) -> String {
        switch value {
        case .undefined: return ""
        case .none: return "None"
        case .bool(let value): return value ? "True" : "False"
        case .integer(let value): return "\(value)"
        case .string(let text): return text
        case .list, .mapping, .namespace: throw refused("prints a list or mapping")
        }
    }

    // MARK: Expressions

    private mutating func value(of expression: TemplateExpression) throws(Fault) -> TemplateValue {
        try step()
        switch expression {
        case .literal(let value): return value
        case .name(let name): return lookUp(name)
        case .list(let parts):
            var elements: [TemplateValue] = []
            for part in parts { elements.append(try value(of: part)) }
            return .list(elements)
        case .item(let base, let key):
            // Both first: what they make, a namespace, must be there when it is looked into.
            let whole = try value(of: base)
            let part = try value(of: key)
            return try item(whole, part)
        case .slice(let base, let from, let to, let by):
            return try slice(try value(of: base), try bound(from), try bound(to), try bound(by))
        case .call(let base, let method, let arguments): return try call(base, method, arguments)
        case .filter(let base, let name, let arguments):
            return try filtered(try value(of: base), name, arguments)
        case .test(let base, let name, let arguments):
            return .bool(try holds(try value(of: base), name, arguments))
        case .not(let base): return .bool(!(try value(of: base).isTrue))
        case .negative(let base):
            guard case .integer(let number) = try value(of: base) else { throw refused("negates what is no number") }
            return .integer(0 &- number)
        case .binary(let symbol, let left, let right): return try binary(symbol, left, right)
        case .conditional(let test, let then, let otherwise):
            if try value(of: test).isTrue { return try value(of: then) }
            return if let otherwise { try value(of: otherwise) } else { .undefined }
        }
    }

    private mutating func binary(
        _ symbol: String, _ leftExpression: TemplateExpression, _ rightExpression: TemplateExpression
    ) throws(Fault) -> TemplateValue {
        let left = try value(of: leftExpression)
        if symbol == "and" { return left.isTrue ? try value(of: rightExpression) : left }
        if symbol == "or" { return left.isTrue ? left : try value(of: rightExpression) }
        let right = try value(of: rightExpression)
        switch symbol {
        case "==": return .bool(left == right)
        case "!=": return .bool(left != right)
        case "~": return try made(try printed(left) + printed(right))
        case "in": return .bool(try contains(right, left))
        default: break
        }
        switch (left, right) {
        case (.string(let a), .string(let b)):
            switch symbol {
            case "+": return try made(a + b)
            case "<": return .bool(a.unicodeScalars.lexicographicallyPrecedes(b.unicodeScalars))
            case ">": return .bool(b.unicodeScalars.lexicographicallyPrecedes(a.unicodeScalars))
            default: throw refused("applies \(symbol) to texts")
            }
        case (.list(let a), .list(let b)) where symbol == "+":
            steps += a.count + b.count
            return .list(a + b)
        case (.integer(let a), .integer(let b)): return try arithmetic(symbol, a, b)
        default: throw refused("applies \(symbol) to values of kinds that do not go together")
        }
    }

    private func arithmetic(_ symbol: String, _ a: Int, _ b: Int) throws(Fault) -> TemplateValue {
        switch symbol {
        case "+": return .integer(a &+ b)
        case "-": return .integer(a &- b)
        case "*": return .integer(a &* b)
        case "<": return .bool(a < b)
        case "<=": return .bool(a <= b)
        case ">": return .bool(a > b)
        case ">=": return .bool(a >= b)
        case "//", "%":
            guard b != 0, !(a == .min && b == -1) else { throw refused("divides by \(b)") }
            let (quotient, remainder) = a.quotientAndRemainder(dividingBy: b)
            // Python rounds towards minus infinity.
            let turns = remainder != 0 && (remainder < 0) != (b < 0)
            return .integer(symbol == "%" ? (turns ? remainder + b : remainder) : (turns ? quotient - 1 : quotient))
        default: throw refused("applies \(symbol) to numbers")
        }
    }

    private func contains(_ container: TemplateValue, _ value: TemplateValue) throws(Fault) -> Bool {
        switch (container, value) {
        case (.string(let text), .string(let part)): return text.holds(part)
        case (.list(let elements), _): return elements.contains(value)
        case (.mapping(let members), .string(let key)): return members.contains { $0.key == key }
        default: throw refused("looks for a value in what holds none")
        }
    }

    private func item(_ base: TemplateValue, _ key: TemplateValue) throws(Fault) -> TemplateValue {
        switch (base, key) {
        case (.mapping(let members), .string(let name)):
            return members.first { $0.key == name }?.value ?? .undefined
        case (.namespace(let index), .string(let name)): return namespaces[index][name] ?? .undefined
        case (.list(let elements), .integer(let at)):
            let place = at < 0 ? at + elements.count : at
            return elements.indices.contains(place) ? elements[place] : .undefined
        case (.string(let text), .integer(let at)):
            let scalars = Array(text.unicodeScalars)
            let place = at < 0 ? at + scalars.count : at
            return scalars.indices.contains(place) ? .string(String(Character(scalars[place]))) : .undefined
        case (.undefined, _): throw refused("asks for a part of what is not defined")
        default: return .undefined
        }
    }

    private mutating func bound(_ expression: TemplateExpression?) throws(Fault) -> Int? {
        guard let expression else { return nil }
        switch try value(of: expression) {
        case .integer(let number): return number
        case .none: return nil
        default: throw refused("slices by what is no number")
        }
    }

    private mutating func slice(_ base: TemplateValue, _ from: Int?, _ to: Int?, _ by: Int?) throws(Fault)
        -> TemplateValue
    {
        let step = by ?? 1
        guard step == 1 || step == -1 else { throw refused("slices by steps of \(step)") }
        func indices(_ count: Int) -> [Int] {
            func clamped(_ bound: Int, _ low: Int, _ high: Int) -> Int {
                min(max(bound < 0 ? bound + count : bound, low), high)
            }
            if step > 0 {
                let first = from.map { clamped($0, 0, count) } ?? 0
                return Array(first..<max(first, to.map { clamped($0, 0, count) } ?? count))
            }
            let first = from.map { clamped($0, -1, count - 1) } ?? count - 1
            let last = to.map { clamped($0, -1, count - 1) } ?? -1
            return last < first ? Array((last + 1...first).reversed()) : []
        }
        switch base {
        case .list(let elements):
            steps += elements.count
            return .list(indices(elements.count).map { elements[$0] })
        case .string(let text):
            let scalars = Array(text.unicodeScalars)
            return try made(String(String.UnicodeScalarView(indices(scalars.count).map { scalars[$0] })))
        default: throw refused("slices what is neither a list nor a text")
        }
    }

    // MARK: Functions, methods, filters, tests

    private mutating func values(_ arguments: TemplateArguments) throws(Fault) -> [TemplateValue] {
        guard arguments.named.isEmpty else { throw refused("names an argument that is not known") }
        var values: [TemplateValue] = []
        for argument in arguments.plain { values.append(try value(of: argument)) }
        return values
    }

    private mutating func call(
        _ base: TemplateExpression, _ method: String?, _ arguments: TemplateArguments
    ) throws(Fault) -> TemplateValue {
        guard let method else {
            guard case .name(let function) = base else { throw refused("calls what is no function") }
            return try call(function: function, arguments)
        }
        let receiver = try value(of: base)
        let given = try values(arguments)
        switch receiver {
        case .string(let text): return try call(method: method, of: text, given)
        case .mapping(let members):
            switch (method, given.first) {
            case ("items", nil):
                return .list(members.map { .list([.string($0.key), $0.value]) })
            case ("keys", nil): return .list(members.map { .string($0.key) })
            case ("get", .string(let key)?):
                return members.first { $0.key == key }?.value ?? (given.count > 1 ? given[1] : .none)
            default: break
            }
        default: break
        }
        throw refused("calls \(method.prefix(40).debugDescription), which is not supported")
    }

    private mutating func call(function: String, _ arguments: TemplateArguments) throws(Fault) -> TemplateValue {
        switch function {
        case "namespace":
            guard arguments.plain.isEmpty else { throw refused("makes a namespace of a mapping") }
            var members: [String: TemplateValue] = [:]
            for (key, expression) in arguments.named { members[key] = try value(of: expression) }
            namespaces.append(members)
            return .namespace(namespaces.count - 1)
        case "raise_exception":
            guard case .string(let reason)? = try values(arguments).first else { throw refused("refuses it") }
            let shown = String.UnicodeScalarView(reason.unicodeScalars.prefix(160).filter { $0.value >= 0x20 })
            throw refused("refuses it: \(String(shown))")
        case "range":
            let bounds = try values(arguments).map { value -> Int? in
                if case .integer(let number) = value { number } else { nil }
            }
            guard (1...2).contains(bounds.count), let last = bounds[bounds.count - 1],
                let first = bounds.count == 2 ? bounds[0] : 0, last < 10_000, first > -10_000
            else { throw refused("calls range with more than it may") }
            steps += max(0, last - first)
            return .list(first < last ? (first..<last).map { .integer($0) } : [])
        default: throw refused("calls \(function.prefix(40).debugDescription), which is not supported")
        }
    }

    private mutating func call(method: String, of text: String, _ given: [TemplateValue]) throws(Fault) -> TemplateValue
    {
        var texts: [String] = []
        for value in given {
            guard case .string(let text) = value else {
                throw refused("calls \(method.prefix(40)) with what is no text")
            }
            texts.append(text)
        }
        switch (method, texts.count) {
        case ("strip", 0...1): return try made(text.stripped(of: texts.first, start: true, end: true))
        case ("lstrip", 0...1): return try made(text.stripped(of: texts.first, start: true, end: false))
        case ("rstrip", 0...1): return try made(text.stripped(of: texts.first, start: false, end: true))
        case ("upper", 0): return try made(text.uppercased())
        case ("lower", 0): return try made(text.lowercased())
        case ("startswith", 1): return .bool(text.unicodeScalars.starts(with: texts[0].unicodeScalars))
        case ("endswith", 1):
            return .bool(text.unicodeScalars.reversed().starts(with: texts[0].unicodeScalars.reversed()))
        case ("split", 1) where !texts[0].isEmpty:
            var parts: [TemplateValue] = []
            for part in text.split(between: texts[0]) { parts.append(try made(part)) }
            steps += parts.count
            return .list(parts)
        case ("replace", 2) where !texts[0].isEmpty:
            return try made(text.split(between: texts[0]).joined(separator: texts[1]))
        default:
            throw refused("calls \(method.prefix(40).debugDescription) of a text, which is not supported")
        }
    }

    private mutating func filtered(_ value: TemplateValue, _ name: String, _ arguments: TemplateArguments) throws(Fault)
        -> TemplateValue
    {
        let given = try values(arguments)
        switch (name, value) {
        case ("trim", .string(let text)) where given.isEmpty:
            return try made(text.stripped(of: nil, start: true, end: true))
        case ("upper", .string(let text)): return try made(text.uppercased())
        case ("lower", .string(let text)): return try made(text.lowercased())
        case ("string", _): return try made(try printed(value))
        case ("length", .string(let text)), ("count", .string(let text)): return .integer(text.unicodeScalars.count)
        case ("length", .list(let elements)), ("count", .list(let elements)): return .integer(elements.count)
        case ("length", .mapping(let members)), ("count", .mapping(let members)): return .integer(members.count)
        case ("list", .list): return value
        case ("first", .list(let elements)): return elements.first ?? .undefined
        case ("last", .list(let elements)): return elements.last ?? .undefined
        case ("default", _), ("d", _): return value == .undefined ? given.first ?? .string("") : value
        case ("join", .list(let elements)):
            var texts: [String] = []
            for element in elements { texts.append(try printed(element)) }
            guard case .string(let separator) = given.first ?? .string("") else { break }
            return try made(texts.joined(separator: separator))
        case ("selectattr", .list(let elements)), ("rejectattr", .list(let elements)):
            guard given.count == 3, case .string(let test) = given[1], ["equalto", "==", "eq"].contains(test) else {
                break
            }
            var kept: [TemplateValue] = []
            for element in elements where (try item(element, given[0]) == given[2]) == (name == "selectattr") {
                kept.append(element)
            }
            return .list(kept)
        default: break
        }
        throw refused("has the filter \(name.prefix(40).debugDescription) where it is not supported")
    }

    private mutating func holds(_ value: TemplateValue, _ name: String, _ arguments: TemplateArguments) throws(Fault)
        -> Bool
    {
        let given = try values(arguments)
        switch name {
        case "defined": return value != .undefined
        case "undefined": return value == .undefined
        case "none": return value == .none
        case "true": return value == .bool(true)
        case "false": return value == .bool(false)
        case "boolean": if case .bool = value { return true } else { return false }
        case "string": if case .string = value { return true } else { return false }
        case "number", "integer": if case .integer = value { return true } else { return false }
        case "mapping": if case .mapping = value { return true } else { return false }
        case "iterable", "sequence":
            switch value {
            case .string, .list, .mapping: return true
            default: return false
            }
        case "equalto",
            "eq" where given.count == 1:
            return value == given[0]
        default: throw refused("has the test \(name.prefix(40).debugDescription), which is not supported")
        }
    }
}

extension String {
    /// Without the scalars of `set` (white space where nil) at its ends, as Python's strip.
    fileprivate func stripped(of set: String?, start: Bool, end: Bool) -> String {
        func goes(_ scalar: Unicode.Scalar) -> Bool {
            // Python takes the four separators U+001C to U+001F for white space as well.
            set.map { $0.unicodeScalars.contains(scalar) }
                ?? (scalar.properties.isWhitespace || (0x1c...0x1f).contains(scalar.value))
        }
        var rest = unicodeScalars[...]
        if start { rest = rest.drop(while: goes) }
        while end, let last = rest.last, goes(last) { rest.removeLast() }
        return String(rest)
    }

    /// The parts between occurrences of a text that is not empty, by scalars.
    fileprivate func split(between separator: String) -> [String] {
        var parts: [String] = []
        let bytes = Array(utf8)
        let mark = Array(separator.utf8)
        var start = 0
        var index = 0
        while index + mark.count <= bytes.count {
            if bytes[index] == mark[0], bytes[index..<index + mark.count].elementsEqual(mark) {
                parts.append(String(decoding: bytes[start..<index], as: UTF8.self))
                index += mark.count
                start = index
            } else {
                index += 1
            }
        }
        parts.append(String(decoding: bytes[start...], as: UTF8.self))
        return parts
    }

    /// Whether a text occurs in this one, scalar by scalar.
    fileprivate func holds(_ part: String) -> Bool { part.isEmpty || split(between: part).count > 1 }
}
