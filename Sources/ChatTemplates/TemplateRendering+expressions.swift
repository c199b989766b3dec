// Evaluates expressions of templates: operators, comparisons, items and slices. Every loop over elements or text pays first.

import Faults

extension TemplateRendering {
    mutating func value(of expression: TemplateExpression) throws(Fault) -> TemplateValue {
        try budget.step()
        switch expression {
        case .literal(let value): return value
        case .name(let name): return lookUp(name)
        case .list(let parts):
            var elements: [TemplateValue] = []
            for part in parts { elements.append(try value(of: part)) }
            return try list(elements)
        case .linked(let base, let links): return try linked(base, links)
        case .truth(let base, let isNegated): return .bool(try value(of: base).isTrue != isNegated)
        case .negative(let base, let count):
            guard case .integer(let number) = try value(of: base) else { throw refused("negates a non-number") }
            guard number != .min else { throw refused("calculates beyond 64 bits") }
            return .integer(count % 2 == 1 ? -number : number)
        case .all(let operands):
            var last = TemplateValue.undefined
            for operand in operands {
                last = try value(of: operand)
                if !last.isTrue { break }
            }
            return last
        case .any(let operands):
            var last = TemplateValue.undefined
            for operand in operands {
                last = try value(of: operand)
                if last.isTrue { break }
            }
            return last
        case .comparison(let first, let rest):
            var left = try value(of: first)
            for (sign, operand) in rest {
                let right = try value(of: operand)
                guard try compare(left, sign, right) else { return .bool(false) }
                left = right
            }
            return .bool(true)
        case .arithmetic(let first, let rest):
            var result = try value(of: first)
            for (sign, operand) in rest { result = try combined(result, sign, try value(of: operand)) }
            return result
        case .joined(let operands):
            var text = ""
            for operand in operands {
                let part = try printed(try value(of: operand))
                try budget.text(part.utf8.count)
                text += part
            }
            return .string(text)
        case .conditional(let branches, let otherwise):
            for branch in branches where try value(of: branch.test).isTrue { return try value(of: branch.then) }
            return if let otherwise { try value(of: otherwise) } else { .undefined }
        }
    }

    /// A list made here. Throws where it is too long or nested too deeply.
    mutating func list(_ elements: [TemplateValue]) throws(Fault) -> TemplateValue {
        try budget.step(elements.count)
        let list = TemplateList(elements)
        try budget.check(depth: list.depth)
        return .list(list)
    }

    private mutating func linked(_ base: TemplateExpression, _ links: [TemplateLink]) throws(Fault) -> TemplateValue {
        var links = links[...]
        var result: TemplateValue
        if case .name(let function) = base, case .call(let arguments)? = links.first {
            try budget.step()
            links.removeFirst()
            result = try call(function: function, arguments)
        } else {
            result = try value(of: base)
        }
        for link in links {
            try budget.step()
            switch link {
            case .item(let key): result = try item(result, try value(of: key))
            case .slice(let from, let to, let by):
                result = try slice(result, try bound(from), try bound(to), try bound(by))
            case .method(let name, let arguments): result = try call(method: name, of: result, arguments)
            case .call: throw refused("calls a value that is not a function")
            case .filter(let name, let arguments): result = try filtered(result, name, arguments)
            case .test(let name, let arguments, let isNegated):
                result = .bool(try holds(result, name, arguments) != isNegated)
            }
        }
        return result
    }

    // MARK: Comparisons

    private mutating func compare(
        _ left: TemplateValue, _ sign: String, _ right: TemplateValue
    ) throws(Fault) -> Bool {
        switch sign {
        case "==": return try areEqual(left, right)
        case "!=": return try !areEqual(left, right)
        case "in": return try contains(right, left)
        case "not in": return try !contains(right, left)
        default: break
        }
        switch (left, right) {
        case (.string(let a), .string(let b)):
            try budget.text(min(a.utf8.count, b.utf8.count))
            // The order of UTF-8 is the order of scalars.
            switch sign {
            case "<": return a.utf8.lexicographicallyPrecedes(b.utf8)
            case ">": return b.utf8.lexicographicallyPrecedes(a.utf8)
            case "<=": return !b.utf8.lexicographicallyPrecedes(a.utf8)
            default: return !a.utf8.lexicographicallyPrecedes(b.utf8)
            }
        case (.integer(let a), .integer(let b)):
            switch sign {
            case "<": return a < b
            case ">": return a > b
            case "<=": return a <= b
            default: return a >= b
            }
        default: throw refused("applies \(sign) to values of kinds that do not go together")
        }
    }

    /// Python's ==. Every pair of elements and every byte that is compared costs: lists may share their parts, so that a list made in few
    /// steps can have very many elements.
    mutating func areEqual(_ left: TemplateValue, _ right: TemplateValue) throws(Fault) -> Bool {
        try budget.step()
        switch (left, right) {
        case (.undefined, .undefined), (.none, .none): return true
        case (.bool(let a), .bool(let b)): return a == b
        case (.integer(let a), .integer(let b)): return a == b
        case (.bool(let a), .integer(let b)), (.integer(let b), .bool(let a)): return (a ? 1 : 0) == b
        case (.string(let a), .string(let b)):
            guard a.utf8.count == b.utf8.count else { return false }
            try budget.text(a.utf8.count)
            return a.isSame(b)
        case (.namespace(let a), .namespace(let b)): return a == b
        case (.list(let a), .list(let b)):
            guard a.elements.count == b.elements.count else { return false }
            for (one, other) in zip(a.elements, b.elements) where try !areEqual(one, other) { return false }
            return true
        case (.mapping(let a), .mapping(let b)):
            guard a.count == b.count else { return false }
            // Mappings here are turns of the conversation or a loop's state: their keys are always in the same order.
            for (one, other) in zip(a, b) {
                guard one.key == other.key, try areEqual(one.value, other.value) else { return false }
            }
            return true
        default: return false
        }
    }

    private mutating func contains(_ container: TemplateValue, _ value: TemplateValue) throws(Fault) -> Bool {
        switch (container, value) {
        case (.string(let text), .string(let part)):
            try budget.text(text.utf8.count)
            try budget.text(part.utf8.count)
            return text.holds(part)
        case (.list(let list), _):
            for element in list.elements where try areEqual(element, value) { return true }
            return false
        case (.mapping(let members), .string(let key)): return members.contains { $0.key.isSame(key) }
        default: throw refused("looks for a value in something that holds none")
        }
    }

    // MARK: Arithmetic

    private mutating func combined(
        _ left: TemplateValue, _ sign: String, _ right: TemplateValue
    ) throws(Fault) -> TemplateValue {
        switch (left, right) {
        case (.string(let a), .string(let b)) where sign == "+":
            try budget.text(a.utf8.count)
            try budget.text(b.utf8.count)
            return .string(a + b)
        case (.list(let a), .list(let b)) where sign == "+":
            // The cost is paid before the list is made.
            try budget.step(a.elements.count)
            try budget.step(b.elements.count)
            return .list(TemplateList(a.elements + b.elements))
        case (.integer(let a), .integer(let b)): return .integer(try number(a, sign, b))
        default: throw refused("applies \(sign) to values of kinds that do not go together")
        }
    }

    private func number(_ a: Int, _ sign: String, _ b: Int) throws(Fault) -> Int {
        let result: (partialValue: Int, overflow: Bool)
        switch sign {
        case "+": result = a.addingReportingOverflow(b)
        case "-": result = a.subtractingReportingOverflow(b)
        case "*": result = a.multipliedReportingOverflow(by: b)
        default:
            guard b != 0, !(a == .min && b == -1) else { throw refused("divides by \(b)") }
            let (quotient, remainder) = a.quotientAndRemainder(dividingBy: b)
            // Python rounds towards minus infinity. Neither sum can overflow: the remainder is nearer to 0 than b, and the quotient is the
            // smallest number only where b is 1 and the remainder is 0.
            let turns = remainder != 0 && (remainder < 0) != (b < 0)
            return sign == "%" ? (turns ? remainder + b : remainder) : (turns ? quotient - 1 : quotient)
        }
        guard !result.overflow else { throw refused("calculates beyond 64 bits") }
        return result.partialValue
    }

    // MARK: Items and slices

    /// A member, an element or a character; one that does not exist is undefined.
    mutating func item(_ base: TemplateValue, _ key: TemplateValue) throws(Fault) -> TemplateValue {
        switch (base, key) {
        case (.mapping(let members), .string(let name)):
            return members.first { $0.key.isSame(name) }?.value ?? .undefined
        case (.namespace(let index), .string(let name)):
            try budget.text(name.utf8.count)
            return namespaces[index][name] ?? .undefined
        case (.list(let list), .integer(let at)):
            let place = at < 0 ? at + list.elements.count : at
            return list.elements.indices.contains(place) ? list.elements[place] : .undefined
        case (.string(let text), .integer(let at)):
            try budget.text(text.utf8.count)
            let scalars = text.unicodeScalars
            let place = at < 0 ? at + scalars.count : at
            guard place >= 0,
                let index = scalars.index(scalars.startIndex, offsetBy: place, limitedBy: scalars.endIndex),
                index < scalars.endIndex
            else { return .undefined }
            return .string(String(Character(scalars[index])))
        case (.undefined, _): throw refused("asks for a part of an undefined value")
        default: return .undefined
        }
    }

    private mutating func bound(_ expression: TemplateExpression?) throws(Fault) -> Int? {
        guard let expression else { return nil }
        switch try value(of: expression) {
        case .integer(let number): return number
        case .none: return nil
        default: throw refused("slices by a value that is not a number")
        }
    }

    private mutating func slice(
        _ base: TemplateValue, _ from: Int?, _ to: Int?, _ by: Int?
    ) throws(Fault) -> TemplateValue {
        let step = by ?? 1
        guard step == 1 || step == -1 else { throw refused("slices by steps of \(step)") }
        /// The part from one bound to the other, in reverse where the step says so.
        func part<Element>(_ all: [Element]) -> [Element] {
            let count = all.count
            func clamped(_ bound: Int, _ low: Int, _ high: Int) -> Int {
                min(max(bound < 0 ? bound + count : bound, low), high)
            }
            if step > 0 {
                let first = from.map { clamped($0, 0, count) } ?? 0
                let end = to.map { clamped($0, 0, count) } ?? count
                return first < end ? Array(all[first..<end]) : []
            }
            let first = from.map { clamped($0, -1, count - 1) } ?? count - 1
            let last = to.map { clamped($0, -1, count - 1) } ?? -1
            return last < first ? all[last + 1...first].reversed() : []
        }
        switch base {
        case .list(let list):
            try budget.step(list.elements.count)
            return .list(TemplateList(part(list.elements)))
        case .string(let text):
            try budget.text(text.utf8.count)
            return .string(String(String.UnicodeScalarView(part(Array(text.unicodeScalars)))))
        default: throw refused("slices a value that is neither a list nor text")
        }
    }
}
