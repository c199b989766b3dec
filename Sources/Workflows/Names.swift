// Lists of names and mappings of named values, as kinds of values.

import Faults
import Federation

/// A name and the place where it is written.
struct PlacedName: Sendable {
    var name: String
    var mark: YAMLMark
}

/// A value under its name.
struct Named<Thing: Sendable>: Sendable {
    var name: String
    var mark: YAMLMark
    var thing: Thing
}

/// The schema of a list of distinct names, which is never empty.
func nameListSchema(_ item: [String: JSONValue] = ["type": "string"]) -> [String: JSONValue] {
    ["type": "array", "items": .object(item), "minItems": 1, "uniqueItems": true]
}

extension ValueType where Value == [PlacedName] {
    /// A list of distinct names, never empty; `orElse` is the one word that may be in its place, which the caller reads.
    static func names(of things: String, orElse word: String? = nil) -> ValueType {
        let expected = (word.map { "\($0) or " } ?? "") + "a list of \(things)"
        return ValueType(
            words: "list of at least one of the \(things)", schema: nameListSchema(),
            read: { node, path, faults in
                guard let elements = node.elements else {
                    faults.wrongType(path, node, expected)
                    return nil
                }
                if elements.isEmpty { faults.add(.emptyList(path, of: things, at: node.mark.place)) }
                var seen: Set<String> = []
                var names: [PlacedName] = []
                for element in elements {
                    guard
                        let name = MappingReader.string(
                            element, path: path, expected: "a list of \(things)", faults: faults)
                    else { continue }
                    if seen.insert(name).inserted {
                        names.append(PlacedName(name: name, mark: element.mark))
                    } else {
                        faults.add(.duplicateName(path, name, at: element.mark.place))
                    }
                }
                return names
            },
            write: { .array($0.map { .string($0.name) }) })
    }
}

extension ValueType {
    /// A mapping from kebab-case names to values; an entry with a bad name is a fault and is left out. The order is that of the file.
    static func named<Thing>(_ noun: String, _ type: ValueType<Thing>) -> ValueType where Value == [Named<Thing>] {
        ValueType(
            words: "mapping of \(noun) names, below",
            schema: [
                "type": "object", "propertyNames": .object(kebabCaseSchema),
                "additionalProperties": .object(type.schema),
            ],
            read: { node, path, faults in
                guard let mapping = MappingReader(node, path: path, keys: nil, faults: faults) else { return nil }
                return mapping.pairs.compactMap { pair in
                    guard KebabCase.accepts(pair.key) else {
                        faults.add(.badName("the \(noun)", pair.key, at: pair.keyMark.place))
                        return nil
                    }
                    return type.read(pair.value, mapping.path(of: pair.key), faults).map {
                        Named(name: pair.key, mark: pair.keyMark, thing: $0)
                    }
                }
            },
            write: { things in
                .object(Dictionary(things.map { ($0.name, type.write($0.thing)) }) { first, _ in first })
            })
    }
}
