// TreePath: which paths a tree of the ledger may hold. State-SHA256 relies on it: a path never holds a line break.

enum TreePath {
    /// Says what is wrong with the path, or nil where nothing is.
    static func flaw(_ path: String) -> String? { flaw(Array(path.utf8)) }

    /// Says what is wrong with the path's bytes, or nil where nothing is.
    static func flaw(_ bytes: [UInt8]) -> String? {
        if bytes.isEmpty { return "the path is empty" }
        if bytes.count > 4096 { return "the path has \(bytes.count) bytes; at most 4096 are allowed" }
        if let control = bytes.first(where: { $0 < 0x20 || $0 == 0x7f }) {
            return "the path holds the control character \(control)"
        }
        if String(validating: bytes, as: UTF8.self) == nil { return "the path is not UTF-8" }
        for name in bytes.split(separator: 0x2f, omittingEmptySubsequences: false) {
            switch String(decoding: name, as: UTF8.self).lowercased() {
            case "": return "the path has an empty component"
            case ".", "..", ".git", "git~1": return "the path has a component that git reserves"
            default: break
            }
        }
        return nil
    }

    /// Whether the path's last component is timing.json, the one file State-SHA256 leaves out.
    static func isTiming(_ path: String) -> Bool {
        path.utf8.split(separator: 0x2f).last.map { $0.elementsEqual("timing.json".utf8) } ?? false
    }

    /// Whether the first path comes before the second in byte order.
    static func precedes(_ left: String, _ right: String) -> Bool {
        left.utf8.lexicographicallyPrecedes(right.utf8)
    }
}
