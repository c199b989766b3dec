// The layouts inside a pack: an entry's header, and the instructions of a delta.

/// What precedes an entry's zlib stream: kind and inflated size, and for a delta the object it starts from.
struct PackEntryHeader {
    enum Form {
        case whole(ObjectKind)
        /// The base begins this many bytes before this entry.
        case offsetDelta(Int)
        case idDelta(ObjectID)
    }

    let form: Form
    /// The size of the inflated stream in bytes.
    let size: Int
    /// The length of the header in bytes.
    let length: Int

    /// Reads the header at the start of the bytes; nil where it is cut short or not a header.
    init?(_ bytes: [UInt8]) {
        guard var byte = bytes.first else { return nil }
        let type = byte >> 4 & 7
        var size = Int(byte & 15)
        var shift = 4
        var place = 1
        while byte & 0x80 != 0 {
            // Sizes above 2^60 are refused here, so that no sum overflows.
            guard place < bytes.count, shift <= 53 else { return nil }
            byte = bytes[place]
            size |= Int(byte & 0x7f) << shift
            shift += 7
            place += 1
        }
        switch type {
        case 1: form = .whole(.commit)
        case 2: form = .whole(.tree)
        case 3: form = .whole(.blob)
        case 4: form = .whole(.tag)
        case 6:
            guard place < bytes.count else { return nil }
            byte = bytes[place]
            var distance = Int(byte & 0x7f)
            place += 1
            while byte & 0x80 != 0 {
                guard place < bytes.count, distance < 1 << 53 else { return nil }
                byte = bytes[place]
                distance = (distance + 1) << 7 | Int(byte & 0x7f)
                place += 1
            }
            form = .offsetDelta(distance)
        case 7:
            guard place + 20 <= bytes.count else { return nil }
            form = .idDelta(
                bytes.withUnsafeBytes { ObjectID(bytes: UnsafeRawBufferPointer(rebasing: $0[place..<(place + 20)])) })
            place += 20
        default: return nil
        }
        self.size = size
        length = place
    }
}

/// A delta: the sizes of base and result, then copies from the base and pieces of new bytes.
enum PackDelta {
    /// Both sizes; nil where the bytes end before both are read.
    static func sizes(_ delta: [UInt8]) -> (base: Int, result: Int, length: Int)? {
        var place = 0
        guard let base = number(delta, &place), let result = number(delta, &place) else { return nil }
        return (base, result, place)
    }

    /// The result, which has exactly the stated size; nil where an instruction goes beyond the base, the delta or that size.
    static func apply(_ delta: [UInt8], to base: [UInt8]) -> [UInt8]? {
        guard let (expected, size, start) = sizes(delta), expected == base.count else { return nil }
        var isWhole = false
        let result = [UInt8](unsafeUninitializedCapacity: size) { output, count in
            var place = start
            while place < delta.count {
                let order = delta[place]
                place += 1
                if order & 0x80 != 0 {
                    var from = 0
                    var length = 0
                    for bit in 0..<4 where order & (1 << UInt8(bit)) != 0 {
                        guard place < delta.count else { return }
                        from |= Int(delta[place]) << (8 * bit)
                        place += 1
                    }
                    for bit in 0..<3 where order & (0x10 << UInt8(bit)) != 0 {
                        guard place < delta.count else { return }
                        length |= Int(delta[place]) << (8 * bit)
                        place += 1
                    }
                    if length == 0 { length = 0x10000 }
                    guard from + length <= base.count, count + length <= size else { return }
                    _ = UnsafeMutableBufferPointer(rebasing: output[count...])
                        .update(fromContentsOf: base[from..<(from + length)])
                    count += length
                } else {
                    let length = Int(order)
                    guard length > 0, place + length <= delta.count, count + length <= size else { return }
                    _ = UnsafeMutableBufferPointer(rebasing: output[count...])
                        .update(fromContentsOf: delta[place..<(place + length)])
                    place += length
                    count += length
                }
            }
            isWhole = count == size
        }
        return isWhole ? result : nil
    }

    private static func number(_ bytes: [UInt8], _ place: inout Int) -> Int? {
        var value = 0
        var shift = 0
        // Sizes above 2^56 are refused here, so that no sum overflows.
        while place < bytes.count, shift <= 49 {
            let byte = bytes[place]
            value |= Int(byte & 0x7f) << shift
            place += 1
            shift += 7
            if byte & 0x80 == 0 { return value }
        }
        return nil
    }
}
