// How a fault is printed in plain text: one generator words all of them.

extension Fault: CustomStringConvertible {
    /// The fault as a person reads it: place, fact, code, the line with a caret, and the mend. Nothing that it quotes from a file can
    /// control a terminal: see `Printable`.
    public var description: String {
        var lines: [String] = []
        let lead = place.map { $0.description.isEmpty ? "" : "\($0): " } ?? ""
        lines.append("\(lead)\(Printable.text(what)) [\(code)]")
        if let excerpt = place?.excerpt {
            lines.append("  | \(Printable.excerpt(excerpt))")
            if let column = place?.column, column >= 1 {
                lines.append("  | \(String(repeating: " ", count: column - 1))^")
            }
        }
        if !mend.isEmpty { lines.append("  mend: \(Printable.text(mend))") }
        return lines.joined(separator: "\n")
    }
}

extension FaultReport: CustomStringConvertible {
    /// All faults, one after another.
    public var description: String { faults.map(\.description).joined(separator: "\n") }
}
