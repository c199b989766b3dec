// RecordReader: the fields of a committed record, each with its type; a field that is missing or of another type is a fault with its place.

import Faults

/// Reads the fields of a committed record; a missing field is damage of the ledger, not an error of the program.
public struct RecordReader {
    /// The object.
    public let value: JSONValue
    /// The path of the file in the tree.
    public let path: String
    /// The commit that it was read from; nil where it is not committed yet.
    public let commit: String?

    /// Wraps an object.
    public init(_ value: JSONValue, path: String, commit: String? = nil) {
        self.value = value
        self.path = path
        self.commit = commit
    }

    /// Parses a file. Throws the faults of `JSONValue(parsing:)`.
    public init(parsing bytes: [UInt8], path: String, commit: String? = nil) throws(Fault) {
        self.init(try JSONValue(parsing: bytes, at: Place(file: path, commit: commit)), path: path, commit: commit)
    }

    /// The member of that name, or nil.
    public subscript(_ key: String) -> JSONValue? { value[key] }

    /// A string. Throws `ledger.bad-record`, as all of these do.
    public func text(_ key: String) throws(Fault) -> String {
        guard let text = value[key]?.text else { throw missing(key, "a string") }
        return text
    }
    /// A count, 0 to 2^40.
    public func int(_ key: String) throws(Fault) -> Int {
        guard let int = value[key]?.int, Count.range.contains(int) else { throw missing(key, "a count up to 2^40") }
        return int
    }
    /// A finite number.
    public func double(_ key: String) throws(Fault) -> Double {
        guard let double = value[key]?.double, double.isFinite else { throw missing(key, "a finite number") }
        return double
    }
    /// A SHA-256.
    public func digest(_ key: String) throws(Fault) -> Digest {
        guard let digest = value[key]?.text.flatMap(Digest.init(hex:)) else { throw missing(key, "a SHA-256") }
        return digest
    }
    /// An object.
    public func object(_ key: String) throws(Fault) -> RecordReader {
        guard let object = value[key], object.members != nil else { throw missing(key, "an object") }
        return RecordReader(object, path: path, commit: commit)
    }
    /// A list of objects or values.
    public func list(_ key: String) throws(Fault) -> [RecordReader] {
        guard let list = value[key]?.elements else { throw missing(key, "a list") }
        return list.map { RecordReader($0, path: path, commit: commit) }
    }
    /// The name of a site.
    public func site(_ key: String) throws(Fault) -> SiteID {
        guard let site = SiteID(try text(key)) else { throw missing(key, "a site name") }
        return site
    }

    private func missing(_ key: String, _ kind: String) -> Fault {
        Fault(
            .ledger, "ledger.bad-record", "\(key) should be \(kind)", at: Place(file: path, commit: commit),
            mend: "Fetch the run again from a copy whose verification passes.", cause: .badRecord)
    }
}
