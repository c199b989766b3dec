// ObjectID and CommitID: the names git gives to objects. SHA-1, so they name but do not prove: State-SHA256 does that.

import CLibgit2

/// The id of a git object: 40 lower-case hexadecimal digits.
public struct ObjectID: Hashable, Sendable, CustomStringConvertible {
    /// The 40 digits.
    public let hex: String

    /// Reads 40 lower-case hexadecimal digits; nil for anything else.
    public init?(hex: String) {
        let digits = hex.utf8
        guard digits.count == 40, digits.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }) else {
            return nil
        }
        self.hex = hex
    }

    /// Takes the 20 bytes a tree object holds.
    init(bytes: ArraySlice<UInt8>) {
        precondition(bytes.count == 20, "a SHA-1 has 20 bytes")
        let digits = Array("0123456789abcdef".utf8)
        self.hex = String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// Takes libgit2's form.
    init(_ oid: git_oid) {
        self.init(bytes: withUnsafeBytes(of: oid) { ArraySlice($0) })
    }

    /// The id in libgit2's form.
    var oid: git_oid {
        var oid = git_oid()
        git_oid_fromstr(&oid, hex)
        return oid
    }

    /// The 20 bytes, as a tree object holds them.
    var bytes: [UInt8] { withUnsafeBytes(of: oid) { Array($0) } }

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
