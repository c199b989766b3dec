// KeyHint: what a person may have meant by an unknown key.

import Federation

/// The likely meaning of an unknown key.
struct KeyHint {
    /// `; did you mean "rank"?`, or nothing.
    var words = ""
    /// What to do, where that is not to choose one of the known keys.
    var mend: String?

    init(_ key: String, known: [String]) {
        // `limit:32` is one word to YAML, since no space follows the colon.
        if let colon = key.firstIndex(of: ":"), known.contains(String(key[..<colon])) {
            let name = key[..<colon]
            words = "; a key ends with a colon and a space"
            mend = "Write a space after the colon: \(name): \(Wording.bare(String(key[key.index(after: colon)...])))."
            return
        }
        // `- upload` and `-score` on two lines are one text for YAML.
        if known.contains(where: { key == "-\($0)" || key.contains(" -\($0)") }) {
            words = "; a list item begins with a hyphen and a space"
            mend = "Write a space after each hyphen: \"- score\", not \"-score\"."
            return
        }
        words = Wording.hint(key, among: known)
        guard words.isEmpty else { return }
        var elsewhere = WorkflowTables.paths.filter { $0.split(separator: ".").last.map(String.init) == key }
        guard !elsewhere.isEmpty else { return }
        // Of a key of the whole workflow and the same of one site, the former is meant: `rank` is adapter.rank.
        let whole = elsewhere.filter { !$0.contains("<") }
        if elsewhere.count == 2, whole.count == 1 { elsewhere = whole }
        words = "; did you mean \(elsewhere.prefix(4).joined(separator: " or "))?"
        mend = elsewhere.count == 1 ? "Write \(elsewhere[0])." : nil
    }
}
