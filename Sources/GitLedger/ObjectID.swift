// ObjectID and CommitID: the names that git gives to objects. They are SHA-1, so they name an object but do not prove its content;
// State-SHA256 does that.

import CLibgit2

/// The id of a git object: 40 lower-case hexadecimal digits.
public struct ObjectID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The 20 bytes, as words, because ids are compared and hashed by the million.
    private let first: UInt64
    private let second: UInt64
    private let third: UInt32

    /// Reads 40 lower-case hexadecimal digits; nil for anything else.
    public init?(hex: String) {
        self.init(digits: Array(hex.utf8)[...])
    }

    /// Reads the 40 digits of a commit object's header; nil for anything else.
    init?(digits: ArraySlice<UInt8>) {
        guard digits.count == 40 else { return nil }
        var words: (UInt64, UInt64, UInt64) = (0, 0, 0)
        for (index, digit) in digits.enumerated() {
            let value: UInt8
            switch digit {
            case 0x30...0x39: value = digit - 0x30
            case 0x61...0x66: value = digit - 0x61 + 10
            default: return nil
            }
            switch index {
            case ..<16: words.0 = words.0 << 4 | UInt64(value)
            case ..<32: words.1 = words.1 << 4 | UInt64(value)
            default: words.2 = words.2 << 4 | UInt64(value)
            }
        }
        first = words.0
        second = words.1
        third = UInt32(words.2)
    }

    /// Takes the 20 bytes a tree object holds.
    init(bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count == 20, "a SHA-1 has 20 bytes")
        first = bytes.loadUnaligned(as: UInt64.self).bigEndian
        second = bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self).bigEndian
        third = bytes.loadUnaligned(fromByteOffset: 16, as: UInt32.self).bigEndian
    }

    /// Takes libgit2's form.
    init(_ oid: git_oid) {
        self = withUnsafeBytes(of: oid) { ObjectID(bytes: $0) }
    }

    /// The id in libgit2's form.
    var oid: git_oid {
        var oid = git_oid()
        withUnsafeMutableBytes(of: &oid) { bytes in
            bytes.storeBytes(of: first.bigEndian, as: UInt64.self)
            bytes.storeBytes(of: second.bigEndian, toByteOffset: 8, as: UInt64.self)
            bytes.storeBytes(of: third.bigEndian, toByteOffset: 16, as: UInt32.self)
        }
        return oid
    }

    /// The 20 bytes, as a tree object holds them.
    var bytes: [UInt8] { withUnsafeBytes(of: oid) { Array($0) } }

    /// The first byte, which is the key of the first table in a pack's index.
    var firstByte: Int { Int(first >> 56) }

    /// Byte order.
    public static func < (left: ObjectID, right: ObjectID) -> Bool {
        (left.first, left.second, left.third) < (right.first, right.second, right.third)
    }

    /// The 40 digits.
    public var hex: String {
        String(unsafeUninitializedCapacity: 40) { digits in
            for index in 0..<40 {
                let word = index < 16 ? first : index < 32 ? second : UInt64(third) << 32
                let value = UInt8(truncatingIfNeeded: word >> UInt64(60 - 4 * (index & 15))) & 15
                digits[index] = value < 10 ? 0x30 + value : 0x61 + value - 10
            }
            return 40
        }
    }

    /// The 40 digits.
    public var description: String { hex }
}

/// The id of a commit.
public struct CommitID: Hashable, Sendable, CustomStringConvertible {
    /// The commit's object id.
    public let object: ObjectID

    /// Takes an object id that is known to name a commit.
    public init(_ object: ObjectID) { self.object = object }

    /// Reads 40 lower-case hexadecimal digits; nil for anything else.
    public init?(hex: String) {
        guard let object = ObjectID(hex: hex) else { return nil }
        self.object = object
    }

    /// The 40 digits.
    public var hex: String { object.hex }
    /// The 40 digits.
    public var description: String { object.hex }
}
