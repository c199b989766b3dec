// YAMLSource: the text of one YAML file as lines, checked for size, encoding and control characters before libyaml sees it.

import Faults

/// The text of one YAML file (or of one `--set`), kept so that faults can show the line that they refer to.
public final class YAMLSource: Sendable {
    /// The largest file that is read, in bytes.
    public static let maximumBytes = 1 << 20
    /// Lines up to this many code points are shown in faults; longer ones are cut.
    static let maximumExcerpt = 200

    /// The file as the person named it.
    public let file: String
    /// The UTF-8 without a byte order mark.
    let bytes: [UInt8]
    /// The lines as faults show them, without line breaks.
    let lines: [String]
    /// Whether faults may show lines and words of the text: only where it is known to be a workflow, a template or a `--set`.
    let isShown: Bool
    /// Whether this is the text of a `--set`.
    let isOverride: Bool

    /// Checks and splits the text. Throws `workflow.too-large`, `workflow.not-utf8` and `workflow.syntax` (control characters).
    init(bytes: [UInt8], file: String) throws(Fault) {
        guard bytes.count <= Self.maximumBytes else { throw .tooLarge(bytes: bytes.count, file: file) }
        self.file = file
        let body = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? Array(bytes.dropFirst(3)) : bytes
        self.bytes = body
        self.lines = try Self.split(body, file: file)
        self.isShown = false
        self.isOverride = false
    }

    private init(_ source: YAMLSource, isShown: Bool) {
        file = source.file
        bytes = source.bytes
        lines = source.lines
        self.isShown = isShown
        self.isOverride = source.isOverride
    }

    /// The same text, with permission for faults to show lines.
    var shown: YAMLSource { YAMLSource(self, isShown: true) }

    /// A source whose shown text is known to be correct and whose parsed bytes differ from it only by padding.
    init(shown: [String], bytes: [UInt8], file: String, isOverride: Bool = false) {
        self.file = file
        self.bytes = bytes
        self.lines = shown
        self.isShown = true
        self.isOverride = isOverride
    }

    /// The place of a mark in this text; line and column are one-based, the column in code points.
    func place(line: Int, column: Int) -> Place {
        guard line >= 1 else { return Place(file: file) }
        return Place(file: file, line: line, column: column, excerpt: excerpt(line: line, column: column))
    }

    /// The text of a one-based line without its line break, or the empty text past the end.
    package func line(_ number: Int) -> String { lines.indices.contains(number - 1) ? lines[number - 1] : "" }

    /// The line with a visible sign in place of invisible characters, so that they are seen and the caret is under the right column.
    private func excerpt(line number: Int, column: Int) -> String? {
        guard isShown, lines.indices.contains(number - 1) else { return nil }
        let scalars = lines[number - 1].unicodeScalars
        guard scalars.count <= Self.maximumExcerpt || column <= Self.maximumExcerpt else { return nil }
        let visible = scalars.prefix(Self.maximumExcerpt).map { LookAlikes.isUnseen($0.value) ? "\u{fffd}" : $0 }
        return String(String.UnicodeScalarView(visible)) + (scalars.count > Self.maximumExcerpt ? "..." : "")
    }

    /// Splits at the line breaks that libyaml knows (LF, CR, CR LF, NEL, LS, PS), so that line numbers agree.
    private static func split(_ bytes: [UInt8], file: String) throws(Fault) -> [String] {
        var lines: [String] = []
        var line = String.UnicodeScalarView()
        var column = 1
        var decoder = Unicode.UTF8()
        var iterator = bytes.makeIterator()
        var afterReturn = false
        decoding: while true {
            let scalar: Unicode.Scalar
            switch decoder.decode(&iterator) {
            case .emptyInput: break decoding
            case .error:
                throw .notUTF8(at: Place(file: file, line: lines.count + 1, column: column))
            case .scalarValue(let value): scalar = value
            }
            let value = scalar.value
            if value == 0x0a && afterReturn {
                afterReturn = false
                continue
            }
            afterReturn = value == 0x0d
            if value == 0x0a || value == 0x0d || value == 0x85 || value == 0x2028 || value == 0x2029 {
                lines.append(String(line))
                line = String.UnicodeScalarView()
                column = 1
                continue
            }
            guard isPrintable(value), !LookAlikes.isDirectionControl(value) else {
                throw .controlCharacter(scalar, at: Place(file: file, line: lines.count + 1, column: column))
            }
            line.append(scalar)
            column += 1
        }
        lines.append(String(line))
        return lines
    }

    /// YAML 1.2 section 5.1, c-printable, without the byte order mark.
    static func isPrintable(_ value: UInt32) -> Bool {
        switch value {
        case 0x09, 0x20...0x7e, 0xa0...0xd7ff, 0xe000...0xfefe, 0xff00...0xfffd, 0x10000...0x10ffff: true
        default: false
        }
    }
}

/// A place in a YAML source: one-based line and column, the column in code points.
public struct YAMLMark: Sendable {
    let source: YAMLSource
    /// One-based line; zero where the node was not read from text.
    public let line: Int
    /// One-based column in code points.
    public let column: Int

    /// The mark of a value that was not read from text.
    static let nowhere = YAMLMark(source: YAMLSource(shown: [], bytes: [], file: "plan.json"), line: 0, column: 0)

    /// Whether the value was given by `--set`.
    var isOverride: Bool { source.isOverride }

    /// The place as faults show it, with the line as excerpt.
    public var place: Place { source.place(line: line, column: column) }
}
