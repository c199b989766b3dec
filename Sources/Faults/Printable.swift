// Printable: text from a file, made harmless for a terminal. Everything that a fault quotes goes through it.

/// Makes text of unknown origin safe to show.
public enum Printable {
    /// How many characters of one quoted text are shown at most.
    public static let longest = 2_000

    /// The text without anything that a terminal acts on or that changes the order of what is read: control characters, invisible
    /// characters (direction marks, zero-width characters, tags, unassigned ones) and line and paragraph separators are shown by code
    /// point, `\u{1b}`. Text longer than `longest` characters is cut, and its length is given.
    public static func text(_ text: String) -> String {
        if text.utf8.count <= longest, text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7f }) { return text }
        var shown = ""
        var count = 0
        for scalar in text.unicodeScalars {
            if count == longest { return "\(shown)... (\(text.unicodeScalars.count) characters)" }
            count += 1
            if isHarmless(scalar) {
                shown.unicodeScalars.append(scalar)
            } else {
                shown += "\\u{\(String(scalar.value, radix: 16))}"
            }
        }
        return shown
    }

    /// As `text`, with a tab shown as one space and no cut, so that every other character keeps its column.
    static func excerpt(_ text: String) -> String {
        var shown = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            shown.append(isHarmless(scalar) ? scalar : scalar == "\t" ? " " : "\u{fffd}")
        }
        return String(shown)
    }

    private static func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.isASCII { return scalar.value >= 0x20 && scalar.value != 0x7f }
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned: return false
        default: return true
        }
    }
}
