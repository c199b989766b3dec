// JSONSlices: where the parts of a JSON text are, found without parsing them, so that a broken part is refused alone.

/// Finds the bytes of elements and members. It knows only strings and brackets: the parser decides whether a part is JSON.
struct JSONSlices {
    private let bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 }

    /// The first byte from `start` on that is not white space.
    func first(from start: Int = 0) -> Int? {
        var index = start
        while index < bytes.count, Self.isSpace(bytes[index]) { index += 1 }
        return index < bytes.count ? index : nil
    }

    /// An array or object: its elements or members, the position after its last byte, and whether its end was found.
    struct Group {
        var isObject: Bool
        var parts: [Range<Int>] = []
        var end: Int
        var isClosed = false
    }

    /// The array or object that begins at the place; nil where there is none.
    func group(at place: Int) -> Group? {
        guard place < bytes.count, bytes[place] == 0x5b || bytes[place] == 0x7b else { return nil }
        var group = Group(isObject: bytes[place] == 0x7b, end: bytes.count)
        var depth = 0
        var start = place + 1
        var index = place + 1
        func add(to end: Int) {
            guard let head = first(from: start), head < end else { return }
            var tail = end
            while tail > head, Self.isSpace(bytes[tail - 1]) { tail -= 1 }
            group.parts.append(head..<tail)
        }
        while index < bytes.count {
            switch bytes[index] {
            case 0x22: index = endOfString(at: index) - 1
            case 0x5b, 0x7b: depth += 1
            case 0x5d, 0x7d:
                if depth == 0 {
                    add(to: index)
                    group.end = index + 1
                    group.isClosed = true
                    return group
                }
                depth -= 1
            case 0x2c where depth == 0:
                add(to: index)
                start = index + 1
            default: break
            }
            index += 1
        }
        add(to: bytes.count)
        return group
    }

    /// The name of a member and where its value begins; nil where the part is not a member, or its name is written with escapes.
    func member(_ part: Range<Int>) -> (name: String, value: Int)? {
        guard bytes[part.lowerBound] == 0x22 else { return nil }
        let end = endOfString(at: part.lowerBound)
        guard end <= part.upperBound, let colon = first(from: end), colon < part.upperBound, bytes[colon] == 0x3a,
            let value = first(from: colon + 1), value < part.upperBound,
            let name = String(validating: bytes[part.lowerBound + 1..<end - 1], as: UTF8.self)
        else { return nil }
        return (name, value)
    }

    /// The line number of each of the places, which must be ascending.
    func lines(of places: [Int]) -> [Int] {
        var line = 1
        var index = 0
        return places.map { place in
            while index < place {
                if bytes[index] == 0x0a { line += 1 }
                index += 1
            }
            return line
        }
    }

    /// The position after the closing quote of the string that begins at the place.
    private func endOfString(at place: Int) -> Int {
        var index = place + 1
        while index < bytes.count {
            if bytes[index] == 0x22 { return index + 1 }
            index += bytes[index] == 0x5c ? 2 : 1
        }
        return bytes.count + 1
    }
}
