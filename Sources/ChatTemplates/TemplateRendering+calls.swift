// Functions, methods, filters and tests of templates. Every text is paid for before it is made.

import Faults

extension TemplateRendering {
    private mutating func values(_ arguments: TemplateArguments) throws(Fault) -> [TemplateValue] {
        guard arguments.named.isEmpty else { throw refused("names an argument that is not known") }
        var values: [TemplateValue] = []
        for argument in arguments.plain { values.append(try value(of: argument)) }
        return values
    }

    // MARK: Functions

    mutating func call(function: String, _ arguments: TemplateArguments) throws(Fault) -> TemplateValue {
        switch function {
        case "namespace":
            guard arguments.plain.isEmpty else { throw refused("makes a namespace of a mapping") }
            var members: [String: TemplateValue] = [:]
            for (key, expression) in arguments.named { members[key] = try value(of: expression) }
            namespaces.append(members)
            return .namespace(namespaces.count - 1)
        case "raise_exception":
            // A reason that is built while rendering may hold text of the conversation.
            guard case .literal(.string(let reason))? = arguments.plain.first else {
                throw refused("refuses the conversation")
            }
            throw refused("refuses the conversation: \(Fault.shown(reason, limit: 160))")
        case "range": return try range(try values(arguments))
        default: throw refused("calls \(Fault.shown(function)), which is not supported")
        }
    }

    private mutating func range(_ bounds: [TemplateValue]) throws(Fault) -> TemplateValue {
        var numbers: [Int] = []
        for bound in bounds {
            guard case .integer(let number) = bound else { throw refused("calls range with a bound that is no number") }
            numbers.append(number)
        }
        guard (1...2).contains(numbers.count), let last = numbers.last else {
            throw refused("calls range with more than two numbers or none")
        }
        let first = numbers.count == 2 ? numbers[0] : 0
        guard first < last else { return try list([]) }
        let (count, overflow) = last.subtractingReportingOverflow(first)
        try budget.step(overflow ? .max : count)
        return .list(TemplateList((first..<last).map { .integer($0) }))
    }

    // MARK: Methods

    mutating func call(
        method: String, of receiver: TemplateValue, _ arguments: TemplateArguments
    ) throws(Fault) -> TemplateValue {
        let given = try values(arguments)
        switch (receiver, method, given.first) {
        case (.string(let text), _, _): return try call(method: method, of: text, given)
        case (.mapping(let members), "items", nil):
            try budget.step(2 * members.count)
            return .list(TemplateList(members.map { .list(TemplateList([.string($0.key), $0.value])) }))
        case (.mapping(let members), "keys", nil): return .texts(members.map(\.key))
        case (.mapping(let members), "get", .string(let key)?):
            return members.first { $0.key.isSame(key) }?.value ?? (given.count > 1 ? given[1] : .none)
        default: throw refused("calls \(Fault.shown(method)), which is not supported")
        }
    }

    private mutating func call(method: String, of text: String, _ given: [TemplateValue]) throws(Fault) -> TemplateValue
    {
        var texts: [String] = []
        for value in given {
            guard case .string(let text) = value else {
                throw refused("calls \(Fault.shown(method)) with a value that is not text")
            }
            try budget.text(text.utf8.count)
            texts.append(text)
        }
        try budget.text(text.utf8.count)
        switch (method, texts.count) {
        case ("strip", 0...1): return .string(text.stripped(of: texts.first, start: true, end: true))
        case ("lstrip", 0...1): return .string(text.stripped(of: texts.first, start: true, end: false))
        case ("rstrip", 0...1): return .string(text.stripped(of: texts.first, start: false, end: true))
        case ("upper", 0): return .string(text.uppercased())
        case ("lower", 0): return .string(text.lowercased())
        case ("startswith", 1): return .bool(text.utf8.starts(with: texts[0].utf8))
        case ("endswith", 1):
            return .bool(text.utf8.reversed().starts(with: texts[0].utf8.reversed()))
        case ("split", 1) where !texts[0].isEmpty:
            let parts = text.split(between: texts[0])
            try budget.step(parts.count)
            return .texts(parts)
        case ("replace", 2) where !texts[0].isEmpty:
            let parts = text.split(between: texts[0])
            try budget.step(parts.count)
            try budget.text(parts.count - 1, times: texts[1].utf8.count)
            return .string(parts.joined(separator: texts[1]))
        default: throw refused("calls \(Fault.shown(method)) of a text, which is not supported")
        }
    }

    // MARK: Filters

    mutating func filtered(
        _ value: TemplateValue, _ name: String, _ arguments: TemplateArguments
    ) throws(Fault) -> TemplateValue {
        let given = try values(arguments)
        switch value {
        case .string(let text):
            try budget.text(text.utf8.count)
            switch name {
            case "trim" where given.isEmpty: return .string(text.stripped(of: nil, start: true, end: true))
            case "upper": return .string(text.uppercased())
            case "lower": return .string(text.lowercased())
            case "length", "count": return .integer(text.unicodeScalars.count)
            default: break
            }
        case .list(let list):
            switch name {
            case "length", "count": return .integer(list.elements.count)
            case "list": return value
            case "first": return list.elements.first ?? .undefined
            case "last": return list.elements.last ?? .undefined
            case "join": return try joined(list.elements, given)
            case "selectattr", "rejectattr":
                guard given.count == 3, case .string(let test) = given[1], ["equalto", "==", "eq"].contains(test) else {
                    break
                }
                var kept: [TemplateValue] = []
                for element in list.elements
                where try areEqual(try item(element, given[0]), given[2]) == (name == "selectattr") {
                    kept.append(element)
                }
                return .list(TemplateList(kept))
            default: break
            }
        case .mapping(let members) where name == "length" || name == "count": return .integer(members.count)
        default: break
        }
        switch name {
        case "string": return .string(try printed(value))
        case "default", "d":
            if case .undefined = value { return given.first ?? .string("") }
            return value
        default: throw refused("has the filter \(Fault.shown(name)) where it is not supported")
        }
    }

    private mutating func joined(_ elements: [TemplateValue], _ given: [TemplateValue]) throws(Fault) -> TemplateValue {
        guard case .string(let separator) = given.first ?? .string("") else {
            throw refused("joins with a value that is not text")
        }
        try budget.step(elements.count)
        try budget.text(elements.count, times: separator.utf8.count)
        var texts: [String] = []
        for element in elements {
            let text = try printed(element)
            try budget.text(text.utf8.count)
            texts.append(text)
        }
        return .string(texts.joined(separator: separator))
    }

    // MARK: Tests

    mutating func holds(
        _ value: TemplateValue, _ name: String, _ arguments: TemplateArguments
    ) throws(Fault) -> Bool {
        let given = try values(arguments)
        switch (name, value) {
        case ("defined", _): if case .undefined = value { return false } else { return true }
        case ("undefined", _): if case .undefined = value { return true } else { return false }
        case ("none", _): if case .none = value { return true } else { return false }
        case ("true", .bool(let truth)): return truth
        case ("false", .bool(let truth)): return !truth
        case ("boolean", .bool), ("string", .string), ("number", .integer), ("integer", .integer),
            ("mapping", .mapping), ("iterable", .string), ("iterable", .list), ("iterable", .mapping),
            ("sequence", .string), ("sequence", .list), ("sequence", .mapping):
            return true
        case ("true", _), ("false", _), ("boolean", _), ("string", _), ("number", _), ("integer", _), ("mapping", _),
            ("iterable", _), ("sequence", _):
            return false
        case ("equalto", _) where given.count == 1, ("eq", _) where given.count == 1:
            return try areEqual(value, given[0])
        default: throw refused("has the test \(Fault.shown(name)), which is not supported")
        }
    }
}
