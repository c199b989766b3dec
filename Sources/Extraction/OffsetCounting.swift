// OffsetCounting: the ways in which other tools count offsets, and which of them explains surfaces that are not at their offsets.

/// A way to count offsets that is not ours.
struct OffsetCounting: Equatable {
    enum Unit: CaseIterable {
        case codePoints, utf16, utf8, composed
    }
    enum LineEnds: CaseIterable {
        case asTheyAre, crlfAsOne, lfAsTwo
    }
    enum Shift: Equatable {
        case none
        /// The file begins with a byte order mark that the offsets do not count, or the offsets count one that the file does not have.
        case markNotCounted, markCounted
        /// The end is the last code point itself; counting may also begin at 1.
        case inclusive, inclusiveFromOne
        /// All offsets are this many code points too small.
        case constant(Int)
    }

    var unit = Unit.codePoints
    var lineEnds = LineEnds.asTheyAre
    var shift = Shift.none

    /// Completes "if offsets ...": how they are counted.
    var description: String {
        var parts: [String] = []
        switch unit {
        case .codePoints: break
        case .utf16: parts.append("count UTF-16 units")
        case .utf8: parts.append("count UTF-8 bytes")
        case .composed: parts.append("count letters with their accents as one")
        }
        switch lineEnds {
        case .asTheyAre: break
        case .crlfAsOne: parts.append("count CR LF as one")
        case .lfAsTwo: parts.append("count every line end as two")
        }
        switch shift {
        case .none: break
        case .markNotCounted: parts.append("leave out the byte order mark")
        case .markCounted: parts.append("count a byte order mark (or begin at 1)")
        case .inclusive: parts.append("include the last character")
        case .inclusiveFromOne: parts.append("begin at 1 and include the last character")
        case .constant(let distance):
            parts.append("are \(distance.magnitude) too \(distance > 0 ? "small" : "large") throughout")
        }
        return parts.joined(separator: " and ")
    }

    /// What to do about it, in one sentence.
    func mend(mixedLineEnds: Bool) -> String {
        if lineEnds != .asTheyAre && mixedLineEnds {
            return
                "The text has line ends of both kinds, as after a careless conversion: restore the file that was annotated."
        }
        switch unit {
        case .utf16:
            return "Convert the offsets: count a character beyond U+FFFF, such as an emoji, as one and not as two."
        case .utf8: return "Convert the offsets: count characters of the decoded text, not bytes."
        case .composed: return "Restore the text in composed form (NFC), as it was annotated."
        case .codePoints: break
        }
        switch lineEnds {
        case .crlfAsOne: return "Convert the text's line ends to LF, as they were when it was annotated."
        case .lfAsTwo: return "Convert the text's line ends to CR LF, as they were when it was annotated."
        case .asTheyAre: break
        }
        switch shift {
        case .markNotCounted: return "Take the byte order mark out of the text file."
        case .markCounted: return "Subtract one from every offset: they begin at 0."
        case .inclusive: return "Add one to every end: ends are exclusive."
        case .inclusiveFromOne: return "Subtract one from every start: offsets begin at 0 and ends are exclusive."
        case .constant, .none:
            return "Restore the text that was annotated: something was added or removed before it."
        }
    }

    /// A segment of the text with the offset that the corpus gives to its first code point. BRAT has one segment, BioC one for each
    /// passage.
    struct Segment {
        var stated: Int
        var range: Range<Int>
    }

    /// A mention's offsets as stated, the segment they belong to, and its surface.
    struct Witness {
        var pairs: [(Int, Int)]
        var segment: Int
        var surface: [Unicode.Scalar]
    }

    /// The counting under which most surfaces are at their offsets; nil unless it explains more than ours and at least half of the wrong
    /// ones.
    static func explaining(
        _ witnesses: [Witness], wrong: Int, shifts: [Int], text: [Unicode.Scalar], segments: [Segment]
    ) -> (counting: OffsetCounting, explained: Int)? {
        let own = witnesses.count - wrong
        var best: (counting: OffsetCounting, explained: Int)?
        for counting in candidates(text, shifts) {
            let explained = counting.count(witnesses, text, segments)
            if explained > own, 2 * (explained - own) >= wrong, explained > best?.explained ?? 0 {
                best = (counting, explained)
            }
        }
        return best
    }

    /// Countings that differ from ours in this text, the simplest first.
    private static func candidates(_ text: [Unicode.Scalar], _ shifts: [Int]) -> [OffsetCounting] {
        var units = [Unit.codePoints]
        if text.contains(where: { $0.value > 0xffff }) { units.append(.utf16) }
        if text.contains(where: { $0.value > 0x7f }) { units.append(.utf8) }
        if text.contains(where: { $0.isAccent }) { units.append(.composed) }
        var lineEnds = [LineEnds.asTheyAre]
        let pairs = text.indices.count { text[$0] == "\n" && $0 > 0 && text[$0 - 1] == "\r" }
        if pairs > 0 { lineEnds.append(.crlfAsOne) }
        if pairs < text.count(where: { $0 == "\n" }) { lineEnds.append(.lfAsTwo) }
        var found: [OffsetCounting] = []
        let mark = text.first == "\u{feff}" ? Shift.markNotCounted : .markCounted
        for shift in [Shift.none, mark] {
            for ends in lineEnds {
                for unit in units { found.append(OffsetCounting(unit: unit, lineEnds: ends, shift: shift)) }
            }
        }
        found.removeFirst()
        found += [OffsetCounting(shift: .inclusive), OffsetCounting(shift: .inclusiveFromOne)]
        var counts: [Int: Int] = [:]
        for shift in shifts where shift != 0 { counts[shift, default: 0] += 1 }
        if let most = counts.max(by: { ($0.value, $1.key) < ($1.value, $0.key) }) {
            found.append(OffsetCounting(shift: .constant(most.key)))
        }
        return found
    }

    /// How many surfaces are at their offsets, counted this way.
    private func count(_ witnesses: [Witness], _ text: [Unicode.Scalar], _ segments: [Segment]) -> Int {
        var places: [Int: [Int]] = [:]
        return witnesses.count { witness in
            let segment = segments[witness.segment]
            let starts = places[witness.segment] ?? self.starts(segment, text)
            places[witness.segment] = starts
            var spans: [Range<Int>] = []
            for (start, end) in witness.pairs {
                guard let (start, end) = moved(start, end), let first = Self.index(of: start, in: starts),
                    let last = Self.index(of: end, in: starts), first < last
                else { return false }
                spans.append(segment.range.lowerBound + first..<segment.range.lowerBound + last)
            }
            if SurfaceWitness.reads(witness.surface, at: spans, of: text) { return true }
            guard unit == .composed, spans.reduce(0, { $0 + $1.count }) <= 4 * witness.surface.count else {
                return false
            }
            return String(scalars: witness.surface)
                == spans.map { String(scalars: text[$0]) }.joined(separator: " ")
        }
    }

    /// The offset that this counting gives to every code point of a segment, and to the position after it.
    private func starts(_ segment: Segment, _ text: [Unicode.Scalar]) -> [Int] {
        var starts: [Int] = []
        starts.reserveCapacity(segment.range.count + 1)
        var offset = segment.stated
        for index in segment.range {
            starts.append(offset)
            let scalar = text[index]
            let follows = scalar == "\n" && index > segment.range.lowerBound && text[index - 1] == "\r"
            let leads = scalar == "\r" && index + 1 < segment.range.upperBound && text[index + 1] == "\n"
            switch unit {
            case .codePoints: offset += 1
            case .utf16: offset += scalar.value > 0xffff ? 2 : 1
            case .utf8: offset += UTF8.width(scalar)
            case .composed: offset += scalar.isAccent ? 0 : 1
            }
            if lineEnds == .crlfAsOne && leads { offset -= 1 }
            if lineEnds == .lfAsTwo && scalar == "\n" && !follows { offset += 1 }
        }
        starts.append(offset)
        return starts
    }

    private func moved(_ start: Int, _ end: Int) -> (Int, Int)? {
        let (first, last): (Int, Int) =
            switch shift {
            case .none: (0, 0)
            // A mark at the start of the text is counted by its own width, like everything else.
            case .markNotCounted: (markWidth, markWidth)
            case .markCounted: (-markWidth, -markWidth)
            case .inclusive: (0, 1)
            case .inclusiveFromOne: (-1, 0)
            case .constant(let distance): (distance, distance)
            }
        let (start, end) = (start.addingReportingOverflow(first), end.addingReportingOverflow(last))
        return start.overflow || end.overflow ? nil : (start.partialValue, end.partialValue)
    }

    private var markWidth: Int { unit == .utf8 ? 3 : 1 }

    /// The last code point with that offset: accents that are not counted belong to the letter before them.
    private static func index(of offset: Int, in starts: [Int]) -> Int? {
        var (low, high) = (0, starts.count)
        while low < high {
            let middle = (low + high) / 2
            if starts[middle] <= offset { low = middle + 1 } else { high = middle }
        }
        return low > 0 && starts[low - 1] == offset ? low - 1 : nil
    }
}

extension Unicode.Scalar {
    /// Whether this is a mark that belongs to the letter before it.
    var isAccent: Bool { value >= 0x300 && properties.canonicalCombiningClass != .notReordered }
    /// Whether this is a letter, a digit, or an accent on one.
    var isWordPart: Bool { isLetter || isDigit || value >= 0x80 && (isAccent || properties.numericType != nil) }
}
