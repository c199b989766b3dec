// Setting and Section: every key of a mapping is declared once. The reader, the plan, the JSON Schema and the docs are made from this
// declaration.

import Faults
import Federation

/// What an absent key means.
package enum Standard: Sendable, Equatable {
    /// Nothing: the key is required.
    case required
    /// This value.
    case value(JSONValue)
    /// What the text says.
    case words(String)
}

/// The description of a key for people and editors.
package struct SettingDescription: Sendable {
    /// The key.
    var name: String
    /// The kind of its value.
    var words: String
    /// One sentence or clause; may be empty where the kind says everything.
    var note: String
    /// What an absent key means.
    var standard: Standard
    /// The version of the format that introduced it.
    var since: Int
    /// The JSON Schema of its value.
    var schema: [String: JSONValue]

    /// The kind and the note; a note that begins with the values replaces the kind.
    var sentence: String {
        if note.isEmpty { return words }
        return note.hasPrefix("`") ? note : "\(words); \(note)"
    }
}

/// One key of a mapping that becomes an `Owner`.
package struct Setting<Owner: Sendable>: Sendable {
    var description: SettingDescription
    /// Sets the default.
    var fill: @Sendable (inout Owner) -> Void
    /// Reads the value in the file.
    package var read: @Sendable (YAMLNode, _ path: String, FaultCollector, inout Owner) -> Void
    /// The value as a plan writes it; nil where the plan leaves the key out.
    package var write: @Sendable (Owner) -> JSONValue?

    /// A key with a default. A plan leaves it out where `omitted` says so.
    package init<Value>(
        _ name: String, _ type: ValueType<Value>, default standard: Value, shown: Standard? = nil,
        _ field: any WritableKeyPath<Owner, Value> & Sendable, _ note: String = "", since: Int = 1,
        omitted: @escaping @Sendable (Owner) -> Bool = { _ in false }
    ) {
        description = SettingDescription(
            name: name, words: type.words, note: note, standard: shown ?? .value(type.write(standard)), since: since,
            schema: type.schema)
        fill = { $0[keyPath: field] = standard }
        read = { node, path, faults, owner in
            if let value = type.read(node, path, faults) { owner[keyPath: field] = value }
        }
        write = { omitted($0) ? nil : type.write($0[keyPath: field]) }
    }

    /// A key that must be present. If it is missing, the owner holds a placeholder that is never used.
    package init<Value>(
        _ name: String, required type: ValueType<Value>, _ field: any WritableKeyPath<Owner, Value> & Sendable,
        _ note: String = "", since: Int = 1
    ) {
        description = SettingDescription(
            name: name, words: type.words, note: note, standard: .required, since: since, schema: type.schema)
        fill = { _ in }
        read = { node, path, faults, owner in
            if let value = type.read(node, path, faults) { owner[keyPath: field] = value }
        }
        write = { type.write($0[keyPath: field]) }
    }
}

/// A mapping with declared keys.
package struct Section<Owner: Sendable>: Sendable {
    /// The keys in the order of the docs.
    var settings: [Setting<Owner>]
    /// The owner with every default.
    var standard: Owner

    /// Takes an owner with any content; the defaults of the settings are filled in.
    package init(_ blank: Owner, _ settings: [Setting<Owner>]) {
        self.settings = settings
        standard = blank
        for setting in settings { setting.fill(&standard) }
    }

    /// The names of the keys.
    var keys: [String] { settings.map(\.description.name) }
    /// The descriptions of the keys.
    var descriptions: [SettingDescription] { settings.map(\.description) }

    /// Reads a mapping; every unknown, missing or wrong key is a fault, and the owner then holds a default for it.
    package func read(_ mapping: MappingReader) -> Owner {
        var owner = standard
        for setting in settings {
            let name = setting.description.name
            guard let node = mapping.node(name, required: setting.description.standard == .required) else { continue }
            setting.read(node, mapping.path(of: name), mapping.faults, &owner)
        }
        return owner
    }

    /// Reads a node that must be a mapping.
    package func read(_ node: YAMLNode, _ path: String, _ faults: FaultCollector) -> Owner? {
        MappingReader(node, path: path, keys: keys, faults: faults).map { read($0) }
    }

    /// The members that a plan writes.
    package func write(_ owner: Owner) -> JSONValue {
        var members: [String: JSONValue] = [:]
        for setting in settings {
            if let value = setting.write(owner) { members[setting.description.name] = value }
        }
        return .object(members)
    }

    /// The JSON Schema of the mapping.
    var schema: [String: JSONValue] { sectionSchema(descriptions) }

    /// The mapping as a kind of value.
    var type: ValueType<Owner> {
        ValueType(words: "mapping, below", schema: schema, read: { read($0, $1, $2) }, write: { write($0) })
    }
}

/// The schema of a mapping with these keys and no others.
func sectionSchema(_ settings: [SettingDescription]) -> [String: JSONValue] {
    var properties: [String: JSONValue] = [:]
    for setting in settings {
        var schema = setting.schema
        schema["description"] = .string(setting.sentence.filter { $0 != "`" })
        if case .value(let value) = setting.standard, value != .null { schema["default"] = value }
        properties[setting.name] = .object(schema)
    }
    var schema: [String: JSONValue] = [
        "type": "object", "properties": .object(properties), "additionalProperties": false,
    ]
    let required = settings.filter { $0.standard == .required }.map(\.name)
    if !required.isEmpty { schema["required"] = .array(required.map { .string($0) }) }
    return schema
}
