// CorpusTally: what a reader found in a corpus besides its documents: every label with its count, surfaces that differ, files that were
// passed over.

import Federation

/// Counts over a whole corpus, refused documents included. It holds no text of a note.
public struct CorpusTally: Sendable, Equatable {
    /// How often a label occurs, and whether it may be shown.
    struct Label: Sendable, Equatable {
        var count = 0
        /// False as long as the text of every such mention equals the label: then the label may be a piece of a note in the wrong column.
        var isName = false
    }

    /// Files that were passed over for the same reason.
    public struct PassedOver: Sendable, Equatable {
        /// Why, such as "ends in .TXT, not .txt".
        public var reason: String
        /// How many.
        public var count: Int
        /// The first three names.
        public var examples: [String]
    }

    var mentions: [String: Label] = [:]
    var links: [String: Label] = [:]
    /// Mentions whose surface writes the text at their offsets in another way.
    public internal(set) var differingSurfaces = 0
    /// Mentions with a blank at an end of a fragment, which was trimmed.
    public internal(set) var trimmed = 0
    /// Mentions and relations that the label map passes over.
    public internal(set) var mappedAway = 0
    /// Documents whose two files have the same name, once with composed and once with decomposed letters.
    public internal(set) var mixedNames = 0
    /// Files that do not belong to the corpus, by reason.
    public internal(set) var passedOver: [PassedOver] = []
    /// How many faults there are, by code.
    public internal(set) var faults: [String: Int] = [:]
    /// Documents in all, readable or not.
    public internal(set) var documents = 0

    /// The labels of mentions with their counts, the most frequent first.
    public var labels: [(label: String, count: Int)] { Self.sorted(mentions) }
    /// The labels of relations with their counts, the most frequent first.
    public var relations: [(label: String, count: Int)] { Self.sorted(links) }

    mutating func passOver(_ name: String, _ reason: String) {
        let place = passedOver.firstIndex { $0.reason == reason }
        guard let place else {
            passedOver.append(PassedOver(reason: reason, count: 1, examples: [name]))
            return
        }
        passedOver[place].count += 1
        if passedOver[place].examples.count < 3 { passedOver[place].examples.append(name) }
    }

    mutating func count(label: String, isName: Bool) {
        mentions[label, default: Label()].count += 1
        if isName { mentions[label]?.isName = true }
    }

    mutating func count(relation: String) {
        links[relation, default: Label()].count += 1
        links[relation]?.isName = true
    }

    /// Labels that may be shown, by name; the others together, last.
    static func sorted(_ labels: [String: Label]) -> [(label: String, count: Int)] {
        var hidden = 0
        var shown: [(label: String, count: Int)] = []
        for (label, entry) in labels {
            if entry.isName && LabelName.isFit(label) {
                shown.append((label, entry.count))
            } else {
                hidden += entry.count
            }
        }
        shown.sort { left, right in
            left.count != right.count
                ? left.count > right.count : left.label.utf8.lexicographicallyPrecedes(right.label.utf8)
        }
        return hidden == 0 ? shown : shown + [(LabelName.hidden, hidden)]
    }
}

/// Labels of other guidelines in a form that may be shown: they come from a file that may hold anything.
public enum LabelName {
    /// What is shown in place of a label that looks like text of a note.
    public static let hidden = "(not shown)"

    /// The label in backticks, or the words that it is not shown.
    public static func quoted(_ label: String) -> String { isFit(label) ? "`\(label)`" : hidden }

    /// Letters and digits of any script and a few signs, at most 48 of them in at most five words.
    static func isFit(_ label: String) -> Bool {
        let scalars = label.unicodeScalars
        guard (1...48).contains(scalars.count),
            scalars.split(separator: " ", omittingEmptySubsequences: false).count <= 5
        else { return false }
        return scalars.allSatisfy { scalar in
            scalar.value < 0x80
                ? scalar.isLetter || scalar.isDigit || " -_.:/&+()#'".unicodeScalars.contains(scalar)
                : scalar.isLetter || scalar.isAccent || scalar.properties.numericType != nil
        }
    }
}
