// SentenceSplitter: cuts a clinical note into sentences, at most one line each; it does not know annotations.

/// Cuts notes into sentences: first by line, then by closing marks; clinical abbreviations and list numbers are not cut.
public enum SentenceSplitter {
    /// A sentence of more words than this is cut at semicolons or commas.
    public static let longestSentence = 60

    /// The sentences in order: ranges of code points without surrounding white space, none empty.
    public static func sentences(in text: [Unicode.Scalar]) -> [Range<Int>] {
        var sentences: [Range<Int>] = []
        for line in lines(of: text) {
            for sentence in cut(line, of: text) { shorten(sentence, of: text, into: &sentences) }
        }
        return sentences
    }

    /// The lines that hold more than white space, trimmed.
    private static func lines(of text: [Unicode.Scalar]) -> [Range<Int>] {
        var lines: [Range<Int>] = []
        var start = 0
        for index in 0...text.count {
            guard index == text.count || [0x0a, 0x0b, 0x0c, 0x0d, 0x85, 0x2028, 0x2029].contains(text[index].value)
            else {
                continue
            }
            if let line = trimmed(start..<index, of: text) { lines.append(line) }
            start = index + 1
        }
        return lines
    }

    /// The range without surrounding white space, or nil where nothing is left.
    static func trimmed(_ range: Range<Int>, of text: [Unicode.Scalar]) -> Range<Int>? {
        var start = range.lowerBound
        var end = range.upperBound
        while start < end && text[start].isSpace { start += 1 }
        while end > start && text[end - 1].isSpace { end -= 1 }
        return start < end ? start..<end : nil
    }

    /// Cuts a line after `.`, `!` or `?` where a sentence ends there.
    private static func cut(_ line: Range<Int>, of text: [Unicode.Scalar]) -> [Range<Int>] {
        var sentences: [Range<Int>] = []
        var start = line.lowerBound
        var index = start
        while index < line.upperBound {
            let mark = text[index]
            index += 1
            guard mark == "." || mark == "!" || mark == "?" else { continue }
            var end = index
            while end < line.upperBound
                && [".", "!", "?", ")", "]", "\"", "'", "\u{201d}", "\u{2019}"].contains(text[end])
            {
                end += 1
            }
            var next = end
            while next < line.upperBound && text[next].isSpace { next += 1 }
            guard next > end, next < line.upperBound else {
                index = end
                continue
            }
            if mark != "." || endsSentence(dot: index - 1, start: start, next: next, of: text) {
                sentences.append(start..<end)
                start = next
            }
            index = next
        }
        if let last = trimmed(start..<line.upperBound, of: text) { sentences.append(last) }
        return sentences
    }

    /// Abbreviations that are followed by something: a name, a number, the other side of a comparison.
    private static let leading: Set<String> = [
        "dr", "mr", "mrs", "ms", "prof", "st", "vs", "fig", "figs", "approx", "e.g", "i.e", "cf", "al", "sgt", "capt",
        "rev", "ca",
    ]
    /// Abbreviations that may end a sentence: only a capital letter after them begins a new one.
    private static let trailing: Set<String> = [
        "mg", "mcg", "ml", "cc", "kg", "lb", "lbs", "oz", "mm", "cm", "hr", "hrs", "min", "mins", "sec", "wk", "wks",
        "mo", "mos",
        "yr", "yrs", "wt", "ht", "temp", "resp", "tab", "tabs", "cap", "caps", "inj", "susp", "soln", "etc", "pt",
        "pts", "dx", "hx",
        "tx", "rx", "sx", "fx", "abd", "ext", "neuro", "dept", "hosp", "prob", "prn", "bid", "tid", "qid", "qd", "qhs",
        "jr", "sr",
        "inc", "est", "max", "inf", "sup", "ant", "post", "lat", "med", "meds", "diff", "vol", "ref", "no", "nos",
        "gtt", "units", "rt", "lt", "ft",
    ]
    /// Abbreviations with inner dots that may end a sentence; other capitals with inner dots are the initials of a name.
    private static let dotted: Set<String> = [
        "p.o", "i.v", "i.m", "s.c", "s.q", "s.l", "b.i.d", "t.i.d", "q.i.d", "q.d", "q.h", "q.h.s", "q.o.d", "q.a.m",
        "q.p.m", "p.r.n",
        "h.s", "a.c", "p.c", "n.p.o", "d.c", "m.d", "d.o", "r.n", "ph.d", "u.s", "e.r", "o.r", "a.m", "p.m", "a.k.a",
        "c.c", "o.d",
        "o.s", "o.u",
    ]
    /// Words after which a single letter is not an initial: hepatitis C, vitamin D.
    private static let lettered: Set<String> = [
        "hepatitis", "vitamin", "type", "grade", "stage", "class", "group", "influenza",
    ]

    /// Words that may precede a person's initial: seen by J. Smith.
    private static let naming: Set<String> = ["by", "with", "from", "to", "for", "and", "of", "saw", "see"]

    /// Whether the dot ends the sentence that began at `start`, given the first code point after it.
    private static func endsSentence(dot: Int, start: Int, next: Int, of text: [Unicode.Scalar]) -> Bool {
        // Tokenised notes have a blank before the dot: `3 . Dementia`.
        guard let spoken = trimmed(start..<dot, of: text) else { return true }
        let token = word(before: spoken.upperBound, from: start, of: text)
        if token.isEmpty { return true }
        let follower = text[next]
        let capital = follower.isUpper
        let small = follower.isLetter && !capital
        let scalars = text[token]
        let before = trimmed(start..<token.lowerBound, of: text)
        let numeric = scalars.allSatisfy { $0.isDigit || $0 == "." || $0 == "," || $0 == "/" || $0 == "%" }
        if numeric || scalars.count == 1 {
            // `1.` or `a.` at the head of a list item.
            guard let before else { return false }
            let last = text[before.upperBound - 1]
            if scalars.count <= 2 && (last == ":" || last == ";" || last == ",") { return false }
            if numeric { return true }
        }
        let name = String(scalars: scalars).lowercased()
        if leading.contains(name) { return false }
        if name == "no" || name == "nos" { return !follower.isDigit }
        if scalars.count == 1 && text[token.lowerBound].isUpper {
            guard capital, let before else { return !small }
            let previous = word(before: before.upperBound, from: start, of: text)
            let lead = String(scalars: text[previous]).lowercased()
            if lettered.contains(lead) { return true }
            let beforeInitial = next + 1 < text.count && text[next + 1] == "."
            return !beforeInitial && !text[previous.lowerBound].isUpper && !naming.contains(lead)
        }
        if name.unicodeScalars.contains(".") {
            if dotted.contains(name) { return capital }
            return !scalars.allSatisfy { $0.isUpper || $0 == "." } && !small
        }
        if trailing.contains(name) { return capital }
        return !small || (scalars.count >= 2 && scalars.allSatisfy(\.isLetter))
    }

    /// The word that ends before `end`: back to white space or an opening bracket.
    private static func word(before end: Int, from start: Int, of text: [Unicode.Scalar]) -> Range<Int> {
        var first = end
        while first > start, !text[first - 1].isSpace, !["(", "[", "\"", "\u{201c}"].contains(text[first - 1]) {
            first -= 1
        }
        return first..<end
    }

    /// Cuts a sentence of too many words after its last semicolon, otherwise its last comma, within the limit; does not cut it where there
    /// is neither.
    private static func shorten(_ sentence: Range<Int>, of text: [Unicode.Scalar], into sentences: inout [Range<Int>]) {
        var start = sentence.lowerBound
        var words = 0
        var semicolon: (end: Int, words: Int)?
        var comma: (end: Int, words: Int)?
        for index in sentence {
            let endsWord = !text[index].isSpace && (index + 1 == sentence.upperBound || text[index + 1].isSpace)
            guard endsWord else { continue }
            words += 1
            if words > longestSentence, let cut = semicolon ?? comma, cut.end < sentence.upperBound {
                if let piece = trimmed(start..<cut.end, of: text) { sentences.append(piece) }
                start = cut.end
                words -= cut.words
                semicolon = nil
                comma = nil
            }
            if text[index] == ";" { semicolon = (index + 1, words) }
            if text[index] == "," { comma = (index + 1, words) }
        }
        if let rest = trimmed(start..<sentence.upperBound, of: text) { sentences.append(rest) }
    }
}
