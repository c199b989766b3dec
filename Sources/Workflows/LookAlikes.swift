// LookAlikes: characters that are invisible or look like others; faults name them by code point and place.

/// Which characters mislead a reader of YAML, and their names.
enum LookAlikes {
    /// A misleading character of a line.
    struct Finding: Equatable {
        var scalar: Unicode.Scalar
        /// One-based, in code points.
        var column: Int
        var name: String
        /// What to do about it.
        var mend: String
    }

    /// Whether the character controls the direction of text, and so can make a line look different from what is read.
    static func isDirectionControl(_ value: UInt32) -> Bool {
        (0x202a...0x202e).contains(value) || (0x2066...0x2069).contains(value)
    }

    /// Whether the character is invisible or looks like a space.
    static func isUnseen(_ value: UInt32) -> Bool { unseen(value) != nil }

    /// `U+00A0`.
    static func code(_ scalar: Unicode.Scalar) -> String {
        let hex = String(scalar.value, radix: 16, uppercase: true)
        return "U+" + String(repeating: "0", count: max(0, 4 - hex.count)) + hex
    }

    /// The first misleading character of a line; nil where there is none.
    static func first(in line: String) -> Finding? {
        let scalars = Array(line.unicodeScalars)
        for (index, scalar) in scalars.enumerated() where scalar.value > 0x7f {
            if let (name, mend) = unseen(scalar.value) ?? punctuation(scalar.value) {
                return Finding(scalar: scalar, column: index + 1, name: name, mend: mend)
            }
            if let script = letter(scalar.value), isMixed(scalars, at: index) {
                return Finding(
                    scalar: scalar, column: index + 1, name: "a \(script) letter in a word of Latin ones",
                    mend: "Write the Latin letter.")
            }
        }
        return nil
    }

    private static func unseen(_ value: UInt32) -> (name: String, mend: String)? {
        let asSpace = "Write a plain space in its place."
        let asNothing = "Delete the character."
        return switch value {
        case 0xa0, 0x202f: ("no-break space", asSpace)
        case 0x1680, 0x2000...0x200a, 0x205f: ("space of another width", asSpace)
        case 0x3000: ("ideographic space", asSpace)
        case 0x2800, 0x3164, 0xffa0, 0x115f, 0x1160: ("blank that is not a space", asSpace)
        case 0xad: ("soft hyphen", asNothing)
        case 0x200b...0x200d, 0x2060, 0xfeff: ("zero-width character", asNothing)
        case 0x61c, 0x200e, 0x200f, 0x202a...0x202e, 0x2066...0x2069:
            ("mark of the direction of text", asNothing)
        case 0x34f, 0x17b4, 0x17b5, 0x180b...0x180f, 0x2061...0x2065, 0x206a...0x206f, 0xfe00...0xfe0f,
            0xe0000...0xe0fff:
            ("character without a shape", asNothing)
        default: nil
        }
    }

    private static func punctuation(_ value: UInt32) -> (name: String, mend: String)? {
        let pairs: [(ClosedRange<UInt32>, String)] = [
            (0x2018...0x201b, "'"), (0x201c...0x201f, "\""), (0x2010...0x2015, "-"), (0x2212...0x2212, "-"),
            (0xff1a...0xff1a, ":"), (0x2236...0x2236, ":"), (0xff0c...0xff0c, ","), (0xff1d...0xff1d, "="),
            (0xff03...0xff03, "#"), (0xff3b...0xff3b, "["), (0xff3d...0xff3d, "]"), (0xff5b...0xff5b, "{"),
            (0xff5d...0xff5d, "}"),
        ]
        guard let plain = pairs.first(where: { $0.0.contains(value) })?.1 else { return nil }
        return ("looks like \(plain)", "Write \(plain) in its place.")
    }

    private static func letter(_ value: UInt32) -> String? {
        switch value {
        case 0x370...0x3ff: "Greek"
        case 0x400...0x52f: "Cyrillic"
        case 0xff10...0xff19, 0xff21...0xff3a, 0xff41...0xff5a: "full-width"
        default: nil
        }
    }

    /// Whether a Latin letter or an ASCII digit is beside the character, with at most letters of the character's own script between them.
    private static func isMixed(_ scalars: [Unicode.Scalar], at index: Int) -> Bool {
        func isPlain(_ at: Int) -> Bool {
            guard scalars.indices.contains(at) else { return false }
            let value = scalars[at].value
            return (0x61...0x7a).contains(value) || (0x41...0x5a).contains(value) || (0x30...0x39).contains(value)
        }
        var left = index - 1
        while left >= 0, letter(scalars[left].value) != nil { left -= 1 }
        var right = index + 1
        while right < scalars.count, letter(scalars[right].value) != nil { right += 1 }
        return isPlain(left) || isPlain(right)
    }
}
