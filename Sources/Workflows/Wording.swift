// Wording: how names and values are shown in faults, and which known name is nearest to a wrong one.

import Federation

/// Phrases that this target's faults have in common.
enum Wording {
    /// The text in quotes, cut at 60 code points, with control characters written out.
    static func shown(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars.prefix(60) {
            if YAMLSource.isPrintable(scalar.value) && scalar.value != 0x09 && !LookAlikes.isUnseen(scalar.value) {
                out.unicodeScalars.append(scalar)
            } else {
                out += "\\u{\(String(scalar.value, radix: 16))}"
            }
        }
        if text.unicodeScalars.count > 60 { out += "..." }
        return out + "\""
    }

    /// `; did you mean "rank"?`, or nothing where no name is near.
    static func hint(_ text: String, among names: [String]) -> String {
        nearest(text, among: names).map { "; did you mean \(shown($0))?" } ?? ""
    }

    /// A word of a key without quotes, cut at 40 code points.
    static func bare(_ text: String) -> String { String(shown(String(text.prefix(40))).dropFirst().dropLast()) }

    /// A value as YAML writes it on one line: `{ner: all}`.
    static func flow(_ value: JSONValue) -> String {
        switch value {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .integer(let value): String(value)
        case .number(let value): "\(value)"
        case .string(let text): text.isEmpty ? "\"\"" : text
        case .array(let elements): "[" + elements.map(flow).joined(separator: ", ") + "]"
        case .object(let members):
            "{" + members.keys.sorted().map { "\($0): \(flow(members[$0] ?? .null))" }.joined(separator: ", ") + "}"
        }
    }

    /// `a, b, c`, cut after 24 names.
    static func list(_ names: [String]) -> String {
        names.prefix(24).joined(separator: ", ") + (names.count > 24 ? ", ..." : "")
    }

    /// The name at the smallest edit distance, where that is at most 2 or a third of the longer text; the first of equals.
    static func nearest(_ text: String, among names: [String]) -> String? {
        let wrong = Array(text.lowercased().unicodeScalars)
        guard (1...64).contains(wrong.count) else { return nil }
        var best: (name: String, distance: Int)?
        for name in names {
            let known = Array(name.unicodeScalars)
            guard known.count <= 64 else { continue }
            let distance = distance(wrong, known)
            let longer = max(wrong.count, known.count)
            let limit = min(max(2, longer / 3), longer - 1)
            if distance <= limit && distance < (best?.distance ?? Int.max) { best = (name, distance) }
        }
        return best?.name
    }

    /// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
    static func distance(_ left: [Unicode.Scalar], _ right: [Unicode.Scalar]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...right.count)
        for i in 0..<left.count {
            var row = [i + 1]
            for j in 0..<right.count {
                var least = min(last[j + 1] + 1, row[j] + 1, last[j] + (left[i] == right[j] ? 0 : 1))
                if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
                    least = min(least, beforeLast[j - 1] + 1)
                }
                row.append(least)
            }
            beforeLast = last
            last = row
        }
        return last[right.count]
    }
}
