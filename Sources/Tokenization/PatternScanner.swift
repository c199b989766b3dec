// PatternScanner: finds words by a SplitPattern in valid UTF-8, without allocating.

/// A pattern prepared for scanning.
struct PatternScanner: Sendable {
    private let alternatives: [[SplitPattern.Piece]]
    /// Bit a of entry c: alternative a may start with the ASCII scalar c; entry 128 is for all others.
    private let starts: [UInt64]

    init(_ pattern: SplitPattern) {
        alternatives = pattern.alternatives
        var starts = [UInt64](repeating: 0, count: 129)
        for (place, pieces) in pattern.alternatives.enumerated() {
            starts[128] |= 1 << UInt64(place)
            for value in UInt32(0)..<128 {
                let kind = WordScanner.asciiClasses[Int(value)]
                for piece in pieces {
                    if piece.isRefusal || piece.set.contains(value, kind) {
                        starts[Int(value)] |= 1 << UInt64(place)
                        break
                    }
                    if piece.least > 0 { break }
                }
            }
        }
        self.starts = starts
    }

    /// The end of the word that starts at `start`, which is below `limit`. What no alternative matches, up to the next place
    /// where one does, is a word as well.
    func wordEnd(in scanner: WordScanner, from start: Int, limit: Int) -> Int {
        if let end = match(scanner, start, limit) { return end }
        var end = start + scanner.scalar(at: start).length
        while end < limit, match(scanner, end, limit) == nil { end += scanner.scalar(at: end).length }
        return end
    }

    private func match(_ scanner: WordScanner, _ start: Int, _ limit: Int) -> Int? {
        var left = starts[Int(min(scanner.bytes[start], 128))]
        while left != 0 {
            let place = left.trailingZeroBitCount
            if let end = match(scanner, alternatives[place], 0, start, limit), end > start { return end }
            left &= left - 1
        }
        return nil
    }

    private func match(
        _ scanner: WordScanner, _ pieces: [SplitPattern.Piece], _ index: Int, _ start: Int, _ limit: Int
    ) -> Int? {
        guard index < pieces.count else { return start }
        let piece = pieces[index]
        if piece.isRefusal {
            if start < limit {
                let next = scanner.scalar(at: start)
                if piece.set.contains(next.value, next.kind) { return nil }
            }
            return match(scanner, pieces, index + 1, start, limit)
        }
        var end = start
        var count = 0
        while count < piece.most, end < limit {
            let next = scanner.scalar(at: end)
            guard piece.set.contains(next.value, next.kind) else { break }
            end += next.length
            count += 1
        }
        while count >= piece.least {
            if let found = match(scanner, pieces, index + 1, end, limit) { return found }
            guard count > 0 else { return nil }
            count -= 1
            end -= 1
            while scanner.bytes[end] & 0xc0 == 0x80 { end -= 1 }
        }
        return nil
    }
}
