// The text functions of templates, scalar by scalar as in Python, each in time linear in the texts.

extension String {
    /// Whether both have the same scalars. Swift's own == also treats differently composed texts as equal.
    func isSame(_ other: String) -> Bool { utf8.count == other.utf8.count && utf8.elementsEqual(other.utf8) }

    /// Without the scalars of `set` (white space where nil) at its ends, as Python's strip.
    func stripped(of set: String?, start: Bool, end: Bool) -> String {
        let marks = set.map { Set($0.unicodeScalars) }
        func goes(_ scalar: Unicode.Scalar) -> Bool {
            // Python also treats the four separators U+001C to U+001F as white space.
            marks.map { $0.contains(scalar) }
                ?? (scalar.properties.isWhitespace || (0x1c...0x1f).contains(scalar.value))
        }
        var rest = unicodeScalars[...]
        if start { rest = rest.drop(while: goes) }
        while end, let last = rest.last, goes(last) { rest.removeLast() }
        return String(rest)
    }

    /// Where a text that is not empty occurs, from left to right and without overlap, in bytes (Knuth, Morris and Pratt 1977).
    private func places(of part: String, most: Int) -> [Int] {
        let mark = Array(part.utf8)
        // The longest proper beginning of mark[...i] that is also an end of it.
        var borders = [Int](repeating: 0, count: mark.count)
        var length = 0
        for index in mark.indices.dropFirst() {
            while length > 0, mark[index] != mark[length] { length = borders[length - 1] }
            if mark[index] == mark[length] { length += 1 }
            borders[index] = length
        }
        var found: [Int] = []
        length = 0
        for (index, byte) in utf8.enumerated() {
            while length > 0, byte != mark[length] { length = borders[length - 1] }
            if byte == mark[length] { length += 1 }
            guard length == mark.count else { continue }
            found.append(index + 1 - mark.count)
            length = 0
            if found.count == most { break }
        }
        return found
    }

    /// The parts between occurrences of a text that is not empty.
    func split(between separator: String) -> [String] {
        let places = places(of: separator, most: .max)
        let bytes = Array(utf8)
        var parts: [String] = []
        var start = 0
        for place in places {
            parts.append(String(decoding: bytes[start..<place], as: UTF8.self))
            start = place + separator.utf8.count
        }
        parts.append(String(decoding: bytes[start...], as: UTF8.self))
        return parts
    }

    /// Whether a text occurs in this one.
    func holds(_ part: String) -> Bool { part.isEmpty || !places(of: part, most: 1).isEmpty }
}
