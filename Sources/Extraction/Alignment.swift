// Alignment: which code point of the source each generated code point repeats, by edit distance; monotone, so every mention finds its own
// occurrence.

/// A monotone alignment of generated text to its source.
package struct Alignment {
    /// For every generated code point, the source code point that it repeats, or -1.
    package let source: [Int]

    /// A larger distance table is not computed: the text between the common start and the common end then stays unaligned.
    static let largestTable = 16_000_000

    /// Aligns by Levenshtein distance on code points: any white space equals any other, and ASCII letters are compared without case.
    ///
    /// A number (digits, with inner points and commas) is aligned whole or not at all: 10 is not a part of 100.
    package init(of generated: [Unicode.Scalar], to text: [Unicode.Scalar]) {
        if generated == text {
            source = Array(0..<text.count)
            return
        }
        let rows = generated.map(Self.symbol)
        let columns = text.map(Self.symbol)
        var aligned = [Int](repeating: -1, count: rows.count)
        var head = 0
        while head < rows.count && head < columns.count && rows[head] == columns[head] {
            aligned[head] = head
            head += 1
        }
        var rowEnd = rows.count
        var columnEnd = columns.count
        while rowEnd > head && columnEnd > head && rows[rowEnd - 1] == columns[columnEnd - 1] {
            rowEnd -= 1
            columnEnd -= 1
            aligned[rowEnd] = columnEnd
        }
        let (height, width) = (rowEnd - head, columnEnd - head)
        if height > 0 && width > 0 && height <= Self.largestTable / width {
            Self.fill(&aligned, rows[head..<rowEnd], columns[head..<columnEnd])
        }
        Self.dropTornNumbers(&aligned, generated, text)
        source = aligned
    }

    private static func symbol(_ scalar: Unicode.Scalar) -> UInt32 {
        if scalar.isSpace { return 0x20 }
        return (0x41...0x5a).contains(scalar.value) ? scalar.value + 0x20 : scalar.value
    }

    private enum Move: UInt8 {
        /// A pair, equal or not; an additional generated code point; a source code point that is missing.
        case pair, insert, delete
    }

    private static func fill(_ aligned: inout [Int], _ rows: ArraySlice<UInt32>, _ columns: ArraySlice<UInt32>) {
        let (height, width) = (rows.count, columns.count)
        var moves = [UInt8](repeating: 0, count: height * width)
        var above = [Int32](0...Int32(width))
        var cost = above
        for row in 0..<height {
            cost[0] = Int32(row + 1)
            let symbol = rows[rows.startIndex + row]
            for column in 0..<width {
                let pair = above[column] + (symbol == columns[columns.startIndex + column] ? 0 : 1)
                let insert = above[column + 1] + 1
                let delete = cost[column] + 1
                let best = min(pair, insert, delete)
                cost[column + 1] = best
                moves[row * width + column] = (best == pair ? Move.pair : best == insert ? .insert : .delete).rawValue
            }
            swap(&above, &cost)
        }
        var (row, column) = (height, width)
        while row > 0 && column > 0 {
            switch Move(rawValue: moves[(row - 1) * width + column - 1]) {
            case .insert: row -= 1
            case .delete: column -= 1
            case .pair, nil:
                row -= 1
                column -= 1
                let (i, j) = (rows.startIndex + row, columns.startIndex + column)
                if rows[i] == columns[j] { aligned[i] = j }
            }
        }
    }

    /// Removes the alignment of numbers that are not the same whole number on both sides.
    private static func dropTornNumbers(_ aligned: inout [Int], _ generated: [Unicode.Scalar], _ text: [Unicode.Scalar])
    {
        let numbers = numberRanges(text)
        var ends = [Int](repeating: -1, count: text.count)
        for number in numbers { for index in number { ends[index] = number.upperBound } }
        for number in numberRanges(generated) {
            let first = aligned[number.lowerBound]
            let whole =
                first >= 0 && ends[first] == first + number.count && (first == 0 || ends[first - 1] != ends[first])
                && number.allSatisfy { aligned[$0] == first + $0 - number.lowerBound }
            if !whole { for index in number { aligned[index] = -1 } }
        }
        // A generated code point outside a number must not be aligned to one inside a source number.
        let inNumber = Set(numberRanges(generated).flatMap { Array($0) })
        for index in aligned.indices where aligned[index] >= 0 && ends[aligned[index]] >= 0 && !inNumber.contains(index)
        {
            aligned[index] = -1
        }
    }

    private static func numberRanges(_ text: [Unicode.Scalar]) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        var index = 0
        while index < text.count {
            guard text[index].isDigit else {
                index += 1
                continue
            }
            let start = index
            while index < text.count,
                text[index].isDigit
                    || ((text[index] == "." || text[index] == ",") && index + 1 < text.count && text[index + 1].isDigit)
            {
                index += 1
            }
            ranges.append(start..<index)
        }
        return ranges
    }
}
