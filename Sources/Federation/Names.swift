// Names of sites, cohorts and runs: kebab-case, short, safe as a path component and as part of a git ref.

import Faults

/// The name of a site, such as `general`.
public struct SiteID: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The name as written.
    public let name: String

    /// Takes a kebab-case name of at most 64 characters; nil for anything else.
    public init?(_ name: String) {
        guard KebabCase.accepts(name) else { return nil }
        self.name = name
    }

    /// Site order is the byte order of the names, everywhere.
    public static func < (left: SiteID, right: SiteID) -> Bool {
        left.name.utf8.lexicographicallyPrecedes(right.name.utf8)
    }
    /// The name.
    public var description: String { name }
}

/// The name of a test set, such as `general-test`.
public struct CohortID: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The name as written.
    public let name: String

    /// Takes a kebab-case name of at most 64 characters; nil for anything else.
    public init?(_ name: String) {
        guard KebabCase.accepts(name) else { return nil }
        self.name = name
    }

    /// Cohort order is the byte order of the names.
    public static func < (left: CohortID, right: CohortID) -> Bool {
        left.name.utf8.lexicographicallyPrecedes(right.name.utf8)
    }
    /// The name.
    public var description: String { name }
}

/// The name of one execution of a workflow: `<workflow>-<number>`.
public struct RunName: Hashable, Sendable, CustomStringConvertible {
    /// The name as written.
    public let name: String

    /// Takes a kebab-case name of at most 64 characters; nil for anything else.
    public init?(_ name: String) {
        guard KebabCase.accepts(name) else { return nil }
        self.name = name
    }
    /// The name.
    public var description: String { name }
}

/// The definition of a kebab-case name: a-z and 0-9 in groups joined by single hyphens, at most 64 characters.
public enum KebabCase {
    /// Whether the text is such a name.
    public static func accepts(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard (1...64).contains(bytes.count), bytes.first != 0x2d, bytes.last != 0x2d else { return false }
        var previousIsHyphen = false
        for byte in bytes {
            let isHyphen = byte == 0x2d
            guard isHyphen || (0x61...0x7a).contains(byte) || (0x30...0x39).contains(byte) else { return false }
            if isHyphen && previousIsHyphen { return false }
            previousIsHyphen = isHyphen
        }
        return true
    }
}
