// A plan as a flat list of settings, and what changed between two plans, as text.

import Federation

extension Plan {
    /// Every setting and input as a path and a value, in the byte order of the paths (list elements in their own order).
    ///
    /// Settings have the path that `--set` takes; inputs begin with `inputs.`. A step is listed under its name where the name is unique,
    /// otherwise under its index.
    public var rows: [(key: String, value: String)] { Self.rows(json) }

    /// The differences from an older plan, one per line: `adapter.rank: 16 -> 8`. Empty exactly where the plans are equal.
    public func differences(from older: Plan) -> [String] {
        let lines = Self.differences(from: older.json, to: json)
        return lines.isEmpty && older != self ? ["the plan differs in something that is not a setting"] : lines
    }

    static func differences(from older: JSONValue, to newer: JSONValue) -> [String] {
        let before = rows(older)
        let after = rows(newer)
        let old = Dictionary(before.map { ($0.key, $0.value) }) { first, _ in first }
        let new = Dictionary(after.map { ($0.key, $0.value) }) { first, _ in first }
        var lines: [String] = []
        for (key, value) in before where new[key] == nil { lines.append("\(key): \(value) -> (absent)") }
        for (key, value) in after {
            guard let earlier = old[key] else {
                lines.append("\(key): (absent) -> \(value)")
                continue
            }
            if earlier != value { lines.append("\(key): \(earlier) -> \(value)") }
        }
        return lines
    }

    private static func rows(_ json: JSONValue) -> [(key: String, value: String)] {
        var rows: [(key: String, value: String)] = []
        flatten(json["workflow"] ?? .null, path: "", into: &rows)
        for (key, value) in (json.members ?? [:]).sorted(by: { $0.key < $1.key }) where key != "workflow" {
            flatten(value, path: key, into: &rows)
        }
        return rows
    }

    private static func flatten(_ json: JSONValue, path: String, into rows: inout [(key: String, value: String)]) {
        let lead = path.isEmpty ? "" : "\(path)."
        switch json {
        case .object(let members) where !members.isEmpty:
            for key in members.keys.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
                flatten(members[key] ?? .null, path: lead + key, into: &rows)
            }
        case .array(let elements) where elements.contains(where: { $0.members != nil || $0.elements != nil }):
            let names = elements.map { $0.members?.count == 1 ? $0.members?.keys.first : nil }
            for (index, element) in elements.enumerated() {
                if let name = names[index], names.count(where: { $0 == name }) == 1, let value = element[name] {
                    flatten(value, path: lead + name, into: &rows)
                } else {
                    flatten(element, path: lead + String(index), into: &rows)
                }
            }
        default: rows.append((path, words(json)))
        }
    }

    private static func words(_ json: JSONValue) -> String {
        switch json {
        case .null: "none"
        case .bool(let value): value ? "true" : "false"
        case .integer(let value): String(value)
        case .number(let value): "\(value)"
        case .string(let value): isClear(value) ? value : "\"\(value)\""
        case .array(let elements): "[" + elements.map(words).joined(separator: ", ") + "]"
        case .object: "{}"
        }
    }

    /// Whether a text without quotes cannot be mistaken for another value.
    private static func isClear(_ text: String) -> Bool {
        CoreScalar(text, plain: true) == .string(text) && text != "none"
            && !text.contains(where: { ",[]{}\"".contains($0) })
    }
}
