// Text inside HTML and XML: one escaping for every page that this program writes.

extension String {
    /// The five characters that mean something in markup as references; control characters, which XML forbids, as U+FFFD.
    package var escapedForMarkup: String {
        var result = UnicodeScalarView()
        for scalar in unicodeScalars {
            switch scalar {
            case "&": result.append(contentsOf: "&amp;".unicodeScalars)
            case "<": result.append(contentsOf: "&lt;".unicodeScalars)
            case ">": result.append(contentsOf: "&gt;".unicodeScalars)
            case "\"": result.append(contentsOf: "&quot;".unicodeScalars)
            case "'": result.append(contentsOf: "&#39;".unicodeScalars)
            case "\n", "\t", "\r": result.append(scalar)
            case _ where scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value): result.append("\u{fffd}")
            default: result.append(scalar)
            }
        }
        return String(result)
    }
}
