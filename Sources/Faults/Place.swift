// Place: where a fault was found, in a file, a commit, a document or a tensor.

/// Where a fault was found.
public struct Place: Sendable, Equatable {
    /// The file, as the person named it, or the repository path inside a commit.
    public var file: String?
    /// One-based line.
    public var line: Int?
    /// One-based column, in Unicode code points.
    public var column: Int?
    /// The offending line of a *workflow or template* file, shown with a caret; never a line of a note.
    public var excerpt: String?
    /// A commit id or ref name.
    public var commit: String?
    /// A document id, with code point offsets or an annotation id where they help: `note-12 T4`.
    public var document: String?
    /// A tensor name.
    public var tensor: String?

    /// Makes a place from whatever is known.
    public init(
        file: String? = nil, line: Int? = nil, column: Int? = nil, excerpt: String? = nil, commit: String? = nil,
        document: String? = nil, tensor: String? = nil
    ) {
        self.file = file
        self.line = line
        self.column = column
        self.excerpt = excerpt
        self.commit = commit
        self.document = document
        self.tensor = tensor
    }
}

extension Place: CustomStringConvertible {
    /// `file:line:column`, then the other parts that are known, separated by commas; made harmless for a terminal.
    public var description: String {
        var parts: [String] = []
        if let file {
            let numbers = [line, column].compactMap { $0.map(String.init) }
            parts.append(([Printable.text(file)] + numbers).joined(separator: ":"))
        }
        if let commit { parts.append("commit \(Printable.text(commit))") }
        if let document { parts.append("document \(Printable.text(document))") }
        if let tensor { parts.append("tensor \(Printable.text(tensor))") }
        return parts.joined(separator: ", ")
    }

    /// A file name or similar, with everything escaped that a terminal would obey or not show: control characters, line breaks, direction
    /// marks and invisible characters are written as `\u{1b}`.
    public static func printable(_ name: String) -> String { Printable.text(name) }
}
