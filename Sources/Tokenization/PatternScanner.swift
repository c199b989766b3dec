// PatternScanner: finds words by a SplitPattern in valid UTF-8, without allocating.

/// A pattern prepared for scanning.
struct PatternScanner: Sendable {
    /// A piece of the pattern as plain numbers, so that reading one needs no reference counting.
    private struct Piece: Sendable {
        /// Which ASCII scalars are in the set.
        var low: UInt64 = 0
        var high: UInt64 = 0
        var kinds: UInt8
        /// The single scalars of the set, in `singles`.
        var plus: Range<Int>
        var minus: Range<Int>
        var least: Int
        var most: Int
        var isRefusal: Bool
    }

    private var pieces: [Piece] = []
    private var singles: [UInt32] = []
    /// Where the pieces of each alternative begin, and where the last one ends.
    private var firsts: [Int] = [0]
    /// Bit a of entry c: alternative a may start with the ASCII scalar c; entry 128 is for all others.
    private let starts: [UInt64]

    init(_ pattern: SplitPattern) {
        var starts = [UInt64](repeating: 0, count: 129)
        for (place, alternative) in pattern.alternatives.enumerated() {
            starts[128] |= 1 << UInt64(place)
            for value in UInt32(0)..<128 {
                let kind = WordScanner.asciiClasses[Int(value)]
                for piece in alternative {
                    if piece.isRefusal || piece.set.contains(value, kind) {
                        starts[Int(value)] |= 1 << UInt64(place)
                        break
                    }
                    if piece.least > 0 { break }
                }
            }
        }
        self.starts = starts
        for alternative in pattern.alternatives {
            for piece in alternative {
                let plus = singles.count..<singles.count + piece.set.plus.count
                let minus = plus.upperBound..<plus.upperBound + piece.set.minus.count
                singles += piece.set.plus + piece.set.minus
                var flat = Piece(
                    kinds: piece.set.kinds, plus: plus, minus: minus, least: piece.least, most: piece.most,
                    isRefusal: piece.isRefusal)
                for value in UInt32(0)..<64 where piece.set.contains(value, WordScanner.asciiClasses[Int(value)]) {
                    flat.low |= 1 << UInt64(value)
                }
                for value in UInt32(64)..<128 where piece.set.contains(value, WordScanner.asciiClasses[Int(value)]) {
                    flat.high |= 1 << UInt64(value - 64)
                }
                pieces.append(flat)
            }
            firsts.append(pieces.count)
        }
    }

    /// The end of the word that starts at `start`, which is below `limit`. Text that no alternative matches, up to the next place where one
    /// does, is also a word.
    func wordEnd(in scanner: WordScanner, from start: Int, limit: Int) -> Int {
        if let end = match(scanner, start, limit) { return end }
        var end = start + scanner.value(at: start).length
        while end < limit, match(scanner, end, limit) == nil { end += scanner.value(at: end).length }
        return end
    }

    private func match(_ scanner: WordScanner, _ start: Int, _ limit: Int) -> Int? {
        var left = starts[Int(min(scanner.bytes[start], 128))]
        while left != 0 {
            let place = left.trailingZeroBitCount
            if let end = match(scanner, firsts[place], firsts[place + 1], start, limit), end > start { return end }
            left &= left - 1
        }
        return nil
    }

    /// The length of the scalar at `index` where the piece holds it, otherwise 0.
    private func length(of piece: Piece, _ scanner: WordScanner, _ index: Int) -> Int {
        let byte = scanner.bytes[index]
        if byte < 64 { return Int(truncatingIfNeeded: piece.low >> UInt64(byte) & 1) }
        if byte < 128 { return Int(truncatingIfNeeded: piece.high >> UInt64(byte - 64) & 1) }
        let next = scanner.scalar(at: index)
        let isOfKind = piece.kinds & (1 << next.kind.rawValue) != 0
        return singles[isOfKind ? piece.minus : piece.plus].contains(next.value) == isOfKind ? 0 : next.length
    }

    private func match(_ scanner: WordScanner, _ index: Int, _ last: Int, _ start: Int, _ limit: Int) -> Int? {
        guard index < last else { return start }
        let piece = pieces[index]
        if piece.isRefusal {
            if start < limit, length(of: piece, scanner, start) > 0 { return nil }
            return match(scanner, index + 1, last, start, limit)
        }
        var end = start
        var count = 0
        while count < piece.most, end < limit {
            let length = length(of: piece, scanner, end)
            if length == 0 { break }
            end += length
            count += 1
        }
        while count >= piece.least {
            if let found = match(scanner, index + 1, last, end, limit) { return found }
            guard count > 0 else { return nil }
            count -= 1
            end -= 1
            while scanner.bytes[end] & 0xc0 == 0x80 { end -= 1 }
        }
        return nil
    }
}
