// TreePath: which paths a tree of the ledger may hold. State-SHA256 relies on it: a path never holds a line break.

enum TreePath {
    /// Says what is wrong with the path; nil if nothing is.
    static func flaw(_ path: String) -> String? { flaw(Array(path.utf8)) }

    /// Says what is wrong with the path's bytes; nil if nothing is.
    static func flaw(_ bytes: [UInt8]) -> String? {
        for name in bytes.split(separator: 0x2f, omittingEmptySubsequences: false) {
            if let flaw = flaw(name: name, below: 0) { return flaw }
        }
        if bytes.count(where: { $0 == 0x2f }) > deepest { return "the path has more than \(deepest) folders" }
        return bytes.count > longest ? "the path has \(bytes.count) bytes; at most \(longest) are allowed" : nil
    }

    /// Says what is wrong with one component below a folder whose path has this many bytes; nil if nothing is.
    static func flaw(name: ArraySlice<UInt8>, below folder: Int) -> String? {
        if name.isEmpty { return "the path has an empty component" }
        if folder + name.count >= longest { return "the path has more than \(longest) bytes" }
        if name.contains(0x2f) { return "a name holds a slash" }
        if let control = name.first(where: { $0 < 0x20 || $0 == 0x7f }) {
            return "the path holds the control character \(control)"
        }
        guard let text = String(validating: name, as: UTF8.self) else { return "the path is not UTF-8" }
        let isReserved = name.count <= 5 && [".", "..", ".git", "git~1"].contains(text.lowercased())
        return isReserved ? "the path has a component that git reserves" : nil
    }

    private static let longest = 4096
    /// How deep folders may be nested; those of a run are five deep.
    static let deepest = 32

    /// The names that a path is made of.
    static func components(_ path: String) -> [[UInt8]] {
        path.utf8.split(separator: 0x2f, omittingEmptySubsequences: false).map(Array.init)
    }

    /// The path made of the names.
    static func joined(_ names: some Collection<[UInt8]>) -> String {
        String(decoding: Array(names.joined(separator: [0x2f])), as: UTF8.self)
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
